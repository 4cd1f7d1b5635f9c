// What the pages and the background share of the browser.
import { DOMAIN } from "./session.js";

export const api = globalThis.browser ?? globalThis.chrome;

/** Host permission for the cookies of google.com, and for no page of a host below it. */
export const GOOGLE = "*://google.com/*";

const KEY = "pairing ";

export const say = (name, ...values) => api.i18n.getMessage(name, values) || name;

/** en or zh-CN: of the texts that are shown, and so of those that the gateway is asked for. */
export const language = () => say("language");

export const load = async (store) => (await api.storage.local.get(KEY + store))[KEY + store] ?? null;
export const save = (pairing) => api.storage.local.set({ [KEY + pairing.store]: pairing });
export const forget = (store) => api.storage.local.remove(KEY + store);

/** All pairings. */
export async function all() {
  return Object.entries(await api.storage.local.get(null)).filter(([name]) => name.startsWith(KEY)).map(([, pairing]) => pairing);
}

export const may = (...origins) => api.permissions.contains({ origins });

/** The cookies of one store; none when the store is gone. */
export async function cookiesIn(store) {
  try {
    return await api.cookies.getAll({ domain: DOMAIN.slice(1), storeId: store });
  } catch {
    return [];
  }
}

/** The cookie store of the tab in front: in Firefox each container has its own. */
export async function storeInFront() {
  const [tab] = await api.tabs.query({ active: true, currentWindow: true });
  if (tab?.cookieStoreId) return tab.cookieStoreId;
  const stores = await api.cookies.getAllCookieStores();
  return (stores.find((one) => one.tabIds?.includes(tab?.id)) ?? stores[0]).id;
}

/** Put the texts of _locales where the page says `data-say`. */
export function dress(page) {
  page.documentElement.lang = language();
  page.title = say("name");
  for (const one of page.querySelectorAll("[data-say]")) one.textContent = say(one.dataset.say);
}

/** Ask the background. What it cannot do comes as {trouble, sentence}. */
export const ask = (message) => api.runtime.sendMessage(message);
