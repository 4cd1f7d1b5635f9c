// Conversations of the chat room: kept in this browser only, and alive whichever room is shown while an answer streams.
import { root } from "./api.js";
import { complete, remembered, unanswered } from "./completion.js";

const MOST = 200; // conversations that are kept; the oldest go

/** Tells "change" whenever something is to be drawn anew. */
export const changes = new EventTarget();
const told = () => changes.dispatchEvent(new Event("change"));

const known = new Map();
const running = new Map(); // id -> AbortController of the answer under way
const seen = new Set(); // ids of those that were in the store: one that is there no more was deleted

/** The newest first. A talk: { id, title, changed, model, thinking, system, turns }. */
export const talks = () => [...known.values()].sort((a, b) => b.changed - a.changed);
export const talkOf = (id) => known.get(id);
export const answering = (id) => running.has(id);
export const stop = (id) => running.get(id)?.abort();

/** Those in which every word of `text` stands, in a title, a question or an answer. */
export function search(text) {
  const wanted = text.toLowerCase().split(/\s+/).filter(Boolean);
  if (!wanted.length) return talks();
  return talks().filter((talk) => {
    const all = [talk.title, ...talk.turns.map((turn) => turn.text)].join("\n").toLowerCase();
    return wanted.every((word) => all.includes(word));
  });
}

export function begin(settings) {
  const talk = { id: crypto.randomUUID?.() ?? `${Date.now()}-${Math.random()}`, title: "", changed: Date.now(), turns: [], ...settings };
  known.set(talk.id, talk);
  return talk;
}

export function remove(id) {
  stop(id);
  known.delete(id);
  stored((store) => store.delete(id)).then(tell);
  told();
}

export function removeAll() {
  for (const id of [...running.keys()]) stop(id);
  known.clear();
  stored((store) => store.clear()).then(tell);
  told();
}

/** What is sent of a message: text alone as a string, with files as parts. */
export function content(text, files = []) {
  if (!files.length) return text;
  const parts = files.map(({ name, url }) =>
    url.startsWith("data:image/") ? { type: "image_url", image_url: { url } } : { type: "file", file: { filename: name, file_data: url } });
  return text ? [{ type: "text", text }, ...parts] : parts;
}

/** The body of the call that answers the last message of `turns`. */
export function bodyOf({ model, thinking, system }, turns) {
  const messages = turns.map((turn) => ({ role: turn.role, content: content(turn.text, turn.files) }));
  if (system) messages.unshift({ role: "system", content: system });
  return { model, messages, stream: true, ...(thinking ? { reasoning_effort: "high" } : {}) };
}

/** Say something, and let it be answered. Throws the Problem when nothing was answered: then nothing was said. */
export async function say(talk, text, files) {
  talk.turns.push({ role: "user", text, files });
  talk.title ||= (text || files[0]?.name || "").replace(/\s+/g, " ").slice(0, 80);
  try {
    await answer(talk);
  } catch (problem) {
    talk.turns.pop();
    if (!talk.turns.length && known.get(talk.id) === talk) known.delete(talk.id);
    told();
    throw problem;
  }
}

/** Answer the last question once more. The answer that stands is put back when nothing comes. */
export async function again(talk) {
  const before = talk.turns.pop();
  try {
    await answer(talk);
  } catch (problem) {
    talk.turns.push(before);
    told();
    throw problem;
  }
}

async function answer(talk) {
  const turn = { role: "assistant", ...unanswered(), model: talk.model, open: true };
  const body = bodyOf(talk, talk.turns);
  const controller = new AbortController();
  running.set(talk.id, controller);
  talk.turns.push(turn);
  talk.changed = Date.now();
  const paint = paced(told);
  told();
  let failed = null;
  try {
    await complete(body, turn, { signal: controller.signal, told: paint });
  } catch (problem) {
    failed = problem;
  }
  running.delete(talk.id);
  turn.open = false;
  turn.stopped = failed?.name === "AbortError";
  if (!turn.text && !turn.thoughts) {
    talk.turns.pop();
    throw failed ?? new Error("");
  }
  if (failed && !turn.stopped) turn.problem = failed.message;
  told();
  const record = await remembered(turn.requestId);
  if (record) Object.assign(turn, { account: record.account, tokens: record.tokens?.output, reuse: record.reuse, served: turn.served || record.model.served });
  keep(talk);
  told();
}

/** `paint` once a frame at most; less often when the frames take long, so that typing and scrolling stay quick. */
export function paced(paint) {
  let waiting = false;
  let cost = 0;
  const frame = () => {
    const began = performance.now();
    waiting = false;
    paint();
    requestAnimationFrame(() => (cost = performance.now() - began));
  };
  return () => {
    if (waiting) return;
    waiting = true;
    if (cost > 34) setTimeout(() => requestAnimationFrame(frame), Math.min(cost * 2, 600));
    else requestAnimationFrame(frame);
  };
}

// The store: IndexedDB, where the browser has it and lets us; else they last as long as the page.

const opened = new Promise((resolve) => {
  try {
    const asked = indexedDB.open("gemgate" + root, 1);
    asked.onupgradeneeded = () => asked.result.createObjectStore("talks", { keyPath: "id" });
    asked.onsuccess = () => resolve(asked.result);
    asked.onerror = () => resolve(null);
    asked.onblocked = () => resolve(null);
  } catch {
    resolve(null);
  }
});

async function stored(act) {
  const base = await opened;
  if (!base) return null;
  return new Promise((resolve) => {
    const turn = base.transaction("talks", "readwrite");
    const asked = act(turn.objectStore("talks"));
    turn.oncomplete = () => resolve(asked?.result ?? null);
    turn.onerror = turn.onabort = () => resolve(null);
  });
}

/** Not what was deleted meanwhile, here or in another tab: whether it is still there is looked at in the same step. */
function keep(talk) {
  if (known.get(talk.id) !== talk) return;
  const copy = structuredClone({ ...talk, turns: talk.turns.map(plain) });
  stored((store) => {
    const there = store.getKey(talk.id);
    there.onsuccess = () => {
      if (there.result === undefined && seen.has(talk.id)) return vanish(talk.id);
      store.put(copy);
      seen.add(talk.id);
    };
  }).then(tell);
  for (const old of talks().slice(MOST)) if (!running.has(old.id)) remove(old.id);
}

/** Another tab has deleted it: what answers it here stops, and nothing of it is kept. */
function vanish(id) {
  stop(id);
  known.delete(id);
  seen.delete(id);
}

/** Take what is kept, as any tab has left it. What is begun or answered here stands as it does here until it is kept. */
async function look() {
  const all = await stored((store) => store.getAll());
  if (!all) return told();
  const there = new Set();
  for (const talk of all) {
    there.add(talk.id);
    seen.add(talk.id);
    const mine = known.get(talk.id);
    if (!mine) known.set(talk.id, talk);
    else if (talk.changed > mine.changed && !running.has(talk.id)) Object.assign(mine, talk);
  }
  for (const id of known.keys()) if (seen.has(id) && !there.has(id)) vanish(id);
  told();
}

// Other tabs of this page: whoever changed what is kept says so, and the others look. None asks again and again.
const others = window.BroadcastChannel ? new BroadcastChannel("gemgate" + root + "talks") : null;
const tell = () => others?.postMessage("changed");
if (others) others.onmessage = look;
document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && look());

/** Resolved when what was kept is here. */
export const loaded = look();

/** A turn without what only a browser tab can hold. */
function plain(turn) {
  return turn.files ? { ...turn, files: turn.files.map(({ name, url }) => ({ name, url })) } : turn;
}
