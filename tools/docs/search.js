// Search over all pages, with nothing from elsewhere: the index is a script beside the pages, so that it works from a folder too.
"use strict";

const SEGMENTER = Intl.Segmenter && new Intl.Segmenter("zh", { granularity: "word" });
const ASKING = new Set("的 了 是 在 吗 呢 我 请 把 和 怎么 怎样 如何 什么 为什么 可以".split(" "));

// The words inside of one that was typed without spaces, as Chinese is; what only asks is none of them.
function inside(word) {
  if (!SEGMENTER || !/\p{Script=Han}/u.test(word)) return [word];
  const parts = [...SEGMENTER.segment(word)].filter((part) => part.isWordLike && !ASKING.has(part.segment));
  return parts.length ? parts.map((part) => part.segment) : [word];
}

// The hits for what was typed, best first: every word has to stand in the section, whole or in its parts; titles and headings
// count most.
function find(index, typed, language, most = 12) {
  const words = typed.toLowerCase().split(/\s+/).filter(Boolean).map((word) => [word, inside(word)]);
  if (!words.length) return [];
  const hits = [];
  for (const [place, title, heading, text, tongue] of index) {
    const where = [title.toLowerCase(), heading.toLowerCase(), text.toLowerCase()];
    let score = tongue === language ? 6 : 0;
    for (const [word, parts] of words) {
      const found = points(where, word) || inParts(where, parts);
      if (!found) { score = -1; break; }
      score += found + (where[1] === word ? 10 : 0);
    }
    const shown = words[0].flat().find((word) => where[2].includes(word)) ?? "";
    if (score >= 0) hits.push({ place, title, heading, about: excerpt(text, shown), score });
  }
  return hits.sort((one, other) => other.score - one.score).slice(0, most);
}

function points(where, word) {
  return (where[0].includes(word) ? 8 : 0) + (where[1].includes(word) ? 10 : 0) + (where[2].includes(word) ? 1 : 0);
}

// Half of what the parts are worth, if all of them are there.
function inParts(where, parts) {
  const each = parts.map((part) => points(where, part));
  return each.every(Boolean) ? each.reduce((sum, one) => sum + one, 0) / 2 : 0;
}

// The words around the first place where it stands.
function excerpt(text, word) {
  const at = Math.max(0, text.toLowerCase().indexOf(word) - 40);
  return (at ? "…" : "") + text.slice(at, at + 130) + (text.length > at + 130 ? "…" : "");
}

function begin() {
  const box = document.querySelector("#search"), list = document.querySelector("#found"), up = box.dataset.up;
  let loading;
  const load = () => (loading ??= new Promise((done) => {
    const script = document.createElement("script");
    script.src = up + "search-index.js";
    script.onload = () => done(window.SEARCH);
    document.head.append(script);
  }));
  box.addEventListener("focus", load);
  box.addEventListener("input", async () => {
    const hits = find(await load(), box.value, document.documentElement.lang);
    list.replaceChildren(...hits.map((hit) => {
      const row = document.createElement("li"), link = document.createElement("a"), about = document.createElement("small");
      link.href = up + hit.place;
      link.textContent = hit.heading && hit.heading !== hit.title ? `${hit.title} › ${hit.heading}` : hit.title;
      about.textContent = hit.about;
      row.append(link, about);
      return row;
    }));
    if (!hits.length && box.value.trim()) list.append(box.dataset.none);
  });
  box.addEventListener("keydown", (event) => { if (event.key === "Enter") list.querySelector("a")?.click(); });
  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && document.activeElement !== box) { event.preventDefault(); box.focus(); }
    if (event.key === "Escape") { box.value = ""; list.replaceChildren(); }
  });
}

if (typeof document === "undefined") module.exports = { find };
else begin();
