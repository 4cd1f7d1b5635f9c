// English and Simplified Chinese. Every part of the page brings its own words, each as [English, Chinese].

const root = document.documentElement;

export const chinese = () => root.lang.startsWith("zh");
export const language = () => (chinese() ? "zh-CN" : "en");

/** The text of a pair; `{name}` is filled in from `values`, `{count|line|lines}` with the word for one or for more. */
export function say(pair, values) {
  const text = pair[chinese() ? 1 : 0];
  const filled = (whole, name, one, more) => (one === undefined ? values[name] ?? whole : String(values[name]) === "1" ? one : more);
  return values ? text.replace(/\{(\w+)(?:\|(\w+)\|(\w+))?\}/g, filled) : text;
}

/** A lookup in a table of pairs: `t("pause")`, `t("left", { seconds: 5 })`. */
export const words = (table) => (name, values) => say(table[name] ?? [name, name], values);

export function keep(name, value) {
  try {
    if (value) localStorage.setItem("gemgate." + name, value);
    else localStorage.removeItem("gemgate." + name);
  } catch {
    // private windows may refuse: then it lasts as long as the page
  }
}

export function kept(name) {
  try {
    return localStorage.getItem("gemgate." + name);
  } catch {
    return null;
  }
}

/** A text that the server tells in both languages. */
export const told = (pair) => (pair ? (chinese() ? pair.zh : pair.en) : "");

const made = new Map();
function format(kind, options) {
  const key = language() + kind + JSON.stringify(options);
  if (!made.has(key)) made.set(key, new Intl[kind](language(), options));
  return made.get(key);
}

export const number = (value, digits = 0) => format("NumberFormat", { maximumFractionDigits: digits }).format(value);
export const moment = (seconds) =>
  format("DateTimeFormat", { dateStyle: "medium", timeStyle: "short" }).format(seconds * 1000);
export const clock = (seconds) => format("DateTimeFormat", { timeStyle: "medium" }).format(seconds * 1000);

const UNITS = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];

/** "3 hours ago" or "in 5 minutes" for a moment in epoch seconds. */
export function ago(seconds, now) {
  const gone = seconds - now;
  const [unit, size] = UNITS.find(([, size]) => Math.abs(gone) >= size) ?? ["second", 1];
  return format("RelativeTimeFormat", { numeric: "auto" }).format(Math.round(gone / size), unit);
}

/** A span as people write it: "350 ms", "4.2 s", "3 min 5 s". */
export function span(seconds) {
  if (seconds == null) return "–";
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 60) return `${number(seconds, 1)} s`;
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor((seconds % 3600) / 60);
  return hours ? `${hours} h ${minutes} min` : `${minutes} min ${Math.round(seconds % 60)} s`;
}

/** A span that is known to the second, as an estimate is: what is less than one is not "0 ms". */
export const about = (seconds) => span(seconds == null ? seconds : Math.max(1, seconds));

export function bytes(count) {
  if (count < 1000) return `${count} B`;
  return count < 1e6 ? `${number(count / 1e3)} kB` : `${number(count / 1e6, 1)} MB`;
}
