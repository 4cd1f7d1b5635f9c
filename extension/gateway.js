// The gateway: its address, its code, and calls to it (docs/extension.md).

const LOOPBACK = ["127.0.0.1", "localhost"];
const CODE = /(?<![A-Z0-9])[2-9A-HJ-NP-Z]{5}[\s-]?[2-9A-HJ-NP-Z]{5}(?![A-Z0-9])/i;
const PATIENCE = 90_000;

/** What a person should know; `name` is a message of _locales. */
export class Trouble extends Error {
  constructor(name, sentence = "") {
    super(sentence || name);
    this.name = name;
    this.sentence = sentence;
  }
}

/**
 * {url, pattern}: where to call, and the host permission that it takes. A Trouble when it is no address, or one over
 * which cookies would travel in the clear.
 */
export function address(text) {
  let plain = text.trim();
  if (!/^[a-z][a-z0-9+.-]*:\/\//i.test(plain)) plain = (/^(127\.0\.0\.1|localhost)([:/]|$)/i.test(plain) ? "http://" : "https://") + plain;
  let url;
  try {
    url = new URL(plain);
  } catch {
    throw new Trouble("address_wrong");
  }
  if (!["http:", "https:"].includes(url.protocol) || url.username || url.password || !url.hostname) throw new Trouble("address_wrong");
  if (url.protocol === "http:" && !LOOPBACK.includes(url.hostname)) throw new Trouble("address_plain");
  return { url: url.origin + url.pathname.replace(/\/+$/, ""), pattern: `${url.protocol}//${url.hostname}/*` };
}

/** {code, address} of what was pasted, each "" when it is not in there: the page copies both at once. */
export function pasted(text) {
  const where = text.match(/https?:\/\/\S+/i)?.[0] ?? "";
  const code = text.replace(where, " ").match(CODE)?.[0] ?? "";
  return { code, address: where };
}

/**
 * {status, body, wait}: wait is Retry-After in seconds or null. A Trouble `unreachable` when there is no answer.
 * No cookie of the browser goes along, and no redirect is followed with a key.
 */
export async function call(gateway, method, path, { key = "", body, language = "en" } = {}) {
  const headers = { accept: "application/json", "accept-language": language };
  if (key) headers.authorization = `Bearer ${key}`;
  if (body) headers["content-type"] = "application/json";
  let answer;
  let told;
  try {
    answer = await fetch(gateway + path, {
      method,
      headers,
      body: body && JSON.stringify(body),
      credentials: "omit",
      cache: "no-store",
      redirect: "error",
      referrerPolicy: "no-referrer",
      signal: AbortSignal.timeout(PATIENCE),
    });
    told = await answer.text();
  } catch {
    throw new Trouble("unreachable");
  }
  return { status: answer.status, body: read(told), wait: seconds(answer.headers.get("retry-after")) };
}

function read(text) {
  try {
    const found = JSON.parse(text);
    return found && typeof found === "object" ? found : {};
  } catch {
    return {};
  }
}

const seconds = (text) => (text && /^\d+$/.test(text) ? Number(text) : null);

export const cookiesOf = (account) => `/api/accounts/${encodeURIComponent(account)}/cookies`;
