// Markdown of an answer as elements, never as HTML text: what a model says cannot become markup. While an answer grows
// only its last block is read and drawn anew.
import { here, own } from "./api.js";
import { CodeBlock } from "./code.js";
import { html, useEffect, useRef, useState } from "./html.js";

const entities = { "&amp;": "&", "&lt;": "<", "&gt;": ">", "&quot;": '"', "&#39;": "'" };
const plain = (text) => text.replace(/&(amp|lt|gt|quot|#39);/g, (whole) => entities[whole]);
const safe = (address) => /^(https?:|mailto:|\/(?!\/)|#)/i.test(address);
// A picture is fetched without a click: only what our own /images/ has may be. Others stand as links.
const shown = (address) => (/^data:image\//i.test(address) ? address : own(address));

const aligned = (cell) => (cell.align === "right" ? "num" : undefined);

const BLOCKS = {
  space: () => null,
  hr: () => html`<hr />`,
  heading: (token) => html`<p class="heading">${inline(token.tokens)}</p>`,
  paragraph: (token) => html`<p>${inline(token.tokens)}</p>`,
  text: (token) => (token.tokens ? inline(token.tokens) : plain(token.text)),
  code: (token) => html`<${CodeBlock} text=${token.text} language=${(token.lang ?? "").split(/\s/)[0]} open=${token.open} />`,
  math: (token) => html`<pre class="math" tabindex="0"><code>${token.text}</code></pre>`,
  plain: (token) => html`<p class="plain">${token.text}</p>`,
  def: () => null,
  checkbox: () => null,
  blockquote: (token) => html`<blockquote>${blocks(token.tokens)}</blockquote>`,
  html: (token) => html`<p>${token.raw}</p>`,
  list: (token) => {
    const items = token.items.map((item) => html`<li class=${item.task ? "task" : undefined}>${item.task && (item.checked ? "☑ " : "☐ ")}${blocks(item.tokens)}</li>`);
    return token.ordered ? html`<ol start=${token.start || 1}>${items}</ol>` : html`<ul>${items}</ul>`;
  },
  table: (token) => html`
    <div class="table" tabindex="0"><table>
      <thead><tr>${token.header.map((cell) => html`<th scope="col" class=${aligned(cell)}>${inline(cell.tokens)}</th>`)}</tr></thead>
      <tbody>${token.rows.map((row) => html`<tr>${row.map((cell) => html`<td class=${aligned(cell)}>${inline(cell.tokens)}</td>`)}</tr>`)}</tbody>
    </table></div>
  `,
};

const INLINE = {
  text: (token) => (token.tokens ? inline(token.tokens) : plain(token.text)),
  escape: (token) => plain(token.text),
  strong: (token) => html`<strong>${inline(token.tokens)}</strong>`,
  em: (token) => html`<em>${inline(token.tokens)}</em>`,
  del: (token) => html`<del>${inline(token.tokens)}</del>`,
  codespan: (token) => html`<code>${plain(token.text)}</code>`,
  math: (token) => html`<code class="math">${token.text}</code>`,
  checkbox: () => null,
  br: () => html`<br />`,
  html: (token) => token.raw,
  link: (token) =>
    safe(token.href)
      ? html`<a href=${token.href} rel="noreferrer" target="_blank">${inline(token.tokens)}</a>`
      : inline(token.tokens),
  image: (token) => {
    const [source, alt] = [shown(token.href), plain(token.text)];
    if (source) return html`<img src=${here(source)} alt=${alt} loading="lazy" />`;
    return /^https?:/i.test(token.href) ? html`<a href=${token.href} rel="noreferrer" target="_blank">${alt || token.href}</a>` : alt;
  },
};

const blocks = (tokens) => tokens.map((token) => (BLOCKS[token.type] ?? INLINE[token.type] ?? ((t) => t.raw))(token));
const inline = (tokens) => (tokens ?? []).map((token) => (INLINE[token.type] ?? ((t) => t.raw))(token));

let lexer = null;

/** Formulas stay as they were written: Markdown would eat their backslashes. */
const math = (level, start, pattern) => ({
  name: "math", level,
  start: (text) => { const at = text.search(start); return at < 0 ? undefined : at; },
  tokenizer: (text) => { const found = pattern.exec(text); return found ? { type: "math", raw: found[0], text: found[0].trim() } : undefined; },
});

const LONGEST = 24_000; // characters of one block that are read as Markdown

/** Reads a text that grows. `blocks`: what is done, drawn once; `last`: the block that may still change. */
class Growing {
  constructor() {
    this.read = "";
    this.blocks = [];
    this.whole = null;
  }

  /** Everything to be drawn for `text`; open: more may come. */
  take(text, open) {
    if (!open && this.whole?.text === text) return this.whole.drawn;
    const given = text;
    if (text.includes("\r")) text = text.replace(/\r\n?/g, "\n");
    if (!text.startsWith(this.read)) {
      this.read = "";
      this.blocks = [];
    }
    const tail = text.slice(this.read.length);
    const tokens = tail.length > LONGEST ? rough(tail) : lexer(tail);
    if (!open) {
      this.whole = { text: given, drawn: [...this.blocks, ...drawn(tokens, this.blocks.length)] };
      return this.whole.drawn;
    }
    const last = Math.max(0, tokens.findLastIndex((token) => token.type !== "space"));
    const [done, rest] = [tokens.slice(0, last), tokens.slice(last)];
    for (const token of done) this.read += token.raw;
    this.blocks.push(...drawn(done, this.blocks.length));
    return [...this.blocks, ...drawn(rest.map((token) => (token.type === "code" ? { ...token, open: true } : token)), this.blocks.length)];
  }
}

const drawn = (tokens, first) => tokens.map((token, n) => html`<${Block} key=${first + n} token=${token} />`);
const Block = ({ token }) => blocks([token]);

/** Blocks of a long text: split at empty lines outside of code; what is still too long stays as it is. */
function rough(text) {
  const found = [];
  let [from, fence] = [0, ""];
  const close = (to) => {
    const raw = text.slice(from, to);
    if (raw) found.push(...(raw.length > LONGEST ? [whole(raw)] : lexer(raw)));
    from = to;
  };
  for (const match of text.matchAll(/^ {0,3}(`{3,}|~{3,})[^\n]*$|\n(?:[ \t]*\n)+/gm)) {
    const [line, mark] = match;
    if (mark && !fence) {
      close(match.index);
      fence = mark;
    } else if (mark && line.trim().startsWith(fence) && !line.trim().slice(fence.length).trim()) {
      fence = "";
      close(match.index + line.length);
    } else if (!mark && !fence) close(match.index + line.length);
  }
  close(text.length);
  return found;
}

function whole(raw) {
  const fence = /^ {0,3}(`{3,}|~{3,})[ \t]*(\S*)[^\n]*\n/.exec(raw);
  if (!fence) return { type: "plain", raw, text: raw };
  const end = raw.lastIndexOf("\n" + fence[1]);
  return { type: "code", raw, lang: fence[2], text: raw.slice(fence[0].length, end >= fence[0].length - 1 ? Math.max(end, fence[0].length) : raw.length) };
}

/** The text as Markdown once the parser is here, until then as it is. open: it still grows. */
export function Markdown({ text, open = false }) {
  const [ready, setReady] = useState(Boolean(lexer));
  const growing = useRef(null);
  useEffect(() => {
    if (lexer) return;
    import("marked").then((module) => {
      if (!lexer) module.use({ breaks: true, extensions: [
        math("block", /\$\$|\\\[/, /^ {0,3}(?:\$\$[^$]{1,4000}\$\$|\\\[[^]{1,4000}?\\\])[ \t]*(?:\n|$)/),
        math("inline", /\$|\\\(/, /^(?:\$(?![\s\d])[^$\n]{1,400}(?<!\s)\$(?!\d)|\\\([^\n]{1,400}?\\\))/),
      ] });
      lexer = module.lexer;
      setReady(true);
    });
  }, []);
  if (!ready) return html`<div class="markdown plain">${text}</div>`;
  growing.current ??= new Growing();
  return html`<div class="markdown">${growing.current.take(text, open)}</div>`;
}
