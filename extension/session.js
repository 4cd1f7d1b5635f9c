// Which cookies of a browser are a Google session. Pure: no call of the browser in here.

/** All that is needed lies on this domain; its hosts' own cookies are never read. */
export const DOMAIN = ".google.com";
export const SESSION = "__Secure-1PSID";

/** Whoever changes one of these has signed in or rotated: that is pushed at once. */
const LEADING = new Set([
  SESSION, "__Secure-1PSIDTS", "__Secure-3PSID", "__Secure-3PSIDTS", "SID", "HSID", "SSID", "APISID", "SAPISID",
  "__Secure-1PAPISID", "__Secure-3PAPISID", "SOCS",
]);
/** These change with nearly every page of Google: they go along with the next push or sign of life. */
const TRAILING = new Set(["__Secure-1PSIDCC", "__Secure-3PSIDCC", "SIDCC", "NID", "AEC"]);

const ours = (cookie) => cookie.domain === DOMAIN && cookie.path === "/";

/** Whether a change of this cookie is to be pushed at once. */
export const leads = (cookie) => ours(cookie) && LEADING.has(cookie.name);

/** The cookies to push, in an order of their own, with no more of each than the gateway reads. */
export const needed = (cookies) =>
  cookies
    .filter((one) => ours(one) && one.value && (LEADING.has(one.name) || TRAILING.has(one.name)))
    .map(({ name, value, domain, path, storeId }) => ({ name, value, domain, path, storeId }))
    .sort((a, b) => (a.name < b.name ? -1 : 1));

/** Changes with any cookie; says nothing of them. */
export async function digest(cookies) {
  const text = new TextEncoder().encode(JSON.stringify(cookies.map(({ name, value }) => [name, value])));
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", text));
  return Array.from(hash, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
