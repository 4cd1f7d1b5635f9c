// Calls of the gateway's own API, with the session's token, in the reader's language.
import { language } from "./words.js";

/** Where the gateway is: the path the page stands at, "" at the root, "/gem" below a proxy's path; and its whole address. */
export const root = new URL(".", document.baseURI).pathname.replace(/\/$/, "");
export const address = location.origin + root;
/** A path of the gateway as the browser has to ask for it; whole addresses stay. */
export const here = (path) => (path.startsWith("/") ? root + path : path);
/** The path of a picture of ours, out of its link: one of this address, or a signed one of our public address; else "". */
export function own(link) {
  if (!URL.canParse(link, location.href)) return "";
  const { origin, pathname, search, searchParams } = new URL(link, location.href);
  const at = pathname.indexOf("/images/");
  return at >= 0 && (origin === location.origin || searchParams.has("sig")) ? pathname.slice(at) + search : "";
}

/** Tells the page when it is signed out. */
export const events = new EventTarget();

let csrf = "";
/** What a session tells: the token that goes with every change; what programs need (`api`: { key, address }). */
export const gateway = { key: null, address: null };
export function useSession(session) {
  csrf = session.csrf ?? "";
  Object.assign(gateway, session.api);
}

export class Problem extends Error {
  constructor(message, { status = 0, code = "", requestId = "", retryAfter = 0 } = {}) {
    super(message);
    Object.assign(this, { status, code, requestId, retryAfter });
  }
}

export function headers(method, more = {}) {
  const sent = { "accept-language": language(), ...more };
  if (method !== "GET") sent["x-csrf-token"] = csrf;
  return sent;
}

/** A response whose status is good; else a Problem with what the gateway said. `body` is sent as JSON, `form` as it is. */
export async function ask(method, path, { body, form, signal, more } = {}) {
  const sent = headers(method, more);
  if (body !== undefined) sent["content-type"] = "application/json";
  let response;
  try {
    response = await fetch(here(path), {
      method,
      headers: sent,
      body: form ?? (body === undefined ? undefined : JSON.stringify(body)),
      signal,
      cache: method === "GET" ? "no-cache" : "default",
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(language() === "en" ? "gemgate does not answer. Does it run? The page goes on when it is back." : "gemgate 没有响应。它在运行吗？恢复后页面会自动继续。", { code: "unreachable" });
  }
  if (response.ok) return response;
  throw await problemOf(response);
}

/** The JSON of a whole answer; a Problem for an error that came after the 200 had gone ahead (KEEPALIVE_SECONDS). */
export async function whole(response) {
  const told = await response.json();
  if (response.headers.has("x-gemgate-keepalive") && told.error) throw problemIn(told, response);
  return told;
}

async function problemOf(response) {
  let told = {};
  try {
    told = await response.json();
  } catch {
    // no JSON: then the status says what there is to say
  }
  return problemIn(told, response);
}

function problemIn(told, response) {
  const status = told.error?.status ?? response.status;
  const message = told.detail ?? told.error?.message ?? `HTTP ${status}`;
  const code = told.code ?? told.error?.code ?? "";
  if (status === 401) events.dispatchEvent(new Event("signed-out"));
  const requestId = response.headers.get("x-request-id") ?? "";
  const retryAfter = Number(response.headers.get("retry-after") ?? 0);
  return new Problem(message, { status, code, requestId, retryAfter });
}

export const get = async (path, options) => (await ask("GET", path, options)).json();
export const post = async (path, body, options) => (await ask("POST", path, { body, ...options })).json();
export const remove = async (path) => (await ask("DELETE", path)).json();
