// Search over all pages, with nothing from elsewhere: the index is a script beside the pages, so that it works from a folder too.
"use strict";

// The hits for what was typed, best first: every word has to stand in the section; titles and headings count most. Words need no
// spaces between them where the language has none, because a word is found inside others.
function find(index, typed, language, most = 12) {
  const words = typed.toLowerCase().split(/\s+/).filter(Boolean);
  if (!words.length) return [];
  const hits = [];
  for (const [place, title, heading, text, tongue] of index) {
    const where = [title.toLowerCase(), heading.toLowerCase(), text.toLowerCase()];
    let score = tongue === language ? 6 : 0;
    for (const word of words) {
      const found = (where[0].includes(word) ? 8 : 0) + (where[1].includes(word) ? 10 : 0) + (where[2].includes(word) ? 1 : 0);
      if (!found) { score = -1; break; }
      score += found + (where[1] === word ? 10 : 0);
    }
    if (score >= 0) hits.push({ place, title, heading, about: excerpt(text, words[0]), score });
  }
  return hits.sort((one, other) => other.score - one.score).slice(0, most);
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
  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && document.activeElement !== box) { event.preventDefault(); box.focus(); }
    if (event.key === "Escape") { box.value = ""; list.replaceChildren(); }
  });
}

if (typeof document === "undefined") module.exports = { find };
else begin();
