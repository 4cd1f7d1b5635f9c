// Hears of changed cookies, and has them pushed. It may be ended at any time between two events: what counts is stored.
import { all, api, cookiesIn, forget, GOOGLE, language, load, may, save } from "./browser.js";
import { address, call, Trouble } from "./gateway.js";
import { Pusher } from "./pushing.js";
import { leads } from "./session.js";

const QUIET = 1000;
const LONGEST = 3000;
/** Milliseconds: a sign-in or rotation changes several cookies, and is over when none has changed for QUIET. */

const LIFE = "life";
const RETRY = "retry";

const pusher = new Pusher({
  load,
  save,
  remove: forget,
  read: cookiesIn,
  mayRead: () => may(GOOGLE),
  call: (gateway, method, path, more) => call(gateway, method, path, { ...more, language: language() }),
  now: () => Date.now(),
  async wake(seconds) {
    const when = Date.now() + seconds * 1000;
    const set = await api.alarms.get(RETRY); // one for all stores: the earliest counts
    if (!set || set.scheduledTime > when) await api.alarms.create(RETRY, { when });
  },
  agent: navigator.userAgent,
  language: navigator.language,
});

const waiting = new Map();

function changed(store) {
  const one = waiting.get(store) ?? { since: Date.now() };
  clearTimeout(one.timer);
  one.timer = setTimeout(() => {
    waiting.delete(store);
    push(store);
  }, Math.max(0, Math.min(QUIET, one.since + LONGEST - Date.now())));
  waiting.set(store, one);
}

async function push(store, wish) {
  await pusher.push(store, wish);
  await flag();
}

async function everyone(wish) {
  await keepTime();
  for (const { store } of await all()) await push(store, wish);
}

/** Something needs a person: a mark on the button. */
async function flag() {
  const needs = (await all()).some((one) => ["over", "refused", "signed_out", "no_permission"].includes(one.outcome));
  await api.action.setBadgeText({ text: needs ? "!" : "" });
}

/** Browsers forget alarms when they end. */
async function keepTime() {
  const pairings = await all();
  if (!pairings.length) return api.alarms.clear(LIFE);
  const minutes = Math.max(0.5, Math.min(...pairings.map((one) => one.life)) / 60);
  if ((await api.alarms.get(LIFE))?.periodInMinutes !== minutes) await api.alarms.create(LIFE, { periodInMinutes: minutes });
}

const deeds = {
  async pair({ store, gateway, code, browser }) {
    await pusher.pair(store, address(gateway).url, code, browser);
    await keepTime();
  },
  push: ({ store }) => pusher.push(store, { life: true, force: true }),
  look: ({ store }) => pusher.look(store),
  async unpair({ store }) {
    const pairing = await load(store);
    await pusher.forget(store);
    await keepTime();
    const left = (await all()).map((one) => address(one.gateway).pattern);
    const pattern = pairing && address(pairing.gateway).pattern;
    if (pattern && !left.includes(pattern)) await api.permissions.remove({ origins: [pattern] }).catch(() => {});
  },
};

async function answer(message) {
  try {
    await deeds[message.what](message);
    await flag();
    return {};
  } catch (failed) {
    return failed instanceof Trouble ? { trouble: failed.name, sentence: failed.sentence } : { trouble: "broken" };
  }
}

api.cookies.onChanged.addListener(({ cookie, removed, cause }) => {
  if (leads(cookie) && !(removed && cause === "overwrite")) changed(cookie.storeId);
});
api.alarms.onAlarm.addListener(({ name }) => everyone({ life: name === LIFE }));
api.runtime.onStartup.addListener(() => everyone({ life: true }));
api.runtime.onInstalled.addListener(() => everyone({ life: true }));
api.permissions.onAdded.addListener(() => everyone({ life: true }));
api.runtime.onMessage.addListener((message, sender, reply) => {
  if (sender.id !== api.runtime.id || !Object.hasOwn(deeds, message?.what)) return false;
  answer(message).then(reply);
  return true;
});
