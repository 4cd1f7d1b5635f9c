// Markdown of an answer as elements, never as HTML text: what a model says cannot become markup.
import { here, own } from "./api.js";
import { html, useEffect, useState } from "./html.js";

const entities = { "&amp;": "&", "&lt;": "<", "&gt;": ">", "&quot;": '"', "&#39;": "'" };
const plain = (text) => text.replace(/&(amp|lt|gt|quot|#39);/g, (whole) => entities[whole]);
const safe = (address) => /^(https?:|mailto:|\/(?!\/)|#)/i.test(address);
// A picture is fetched without a click: only what our own /images/ has may be. Others stand as links.
const shown = (address) => (/^data:image\//i.test(address) ? address : own(address));

const BLOCKS = {
  space: () => null,
  hr: () => html`<hr />`,
  heading: (token) => html`<p class="heading">${inline(token.tokens)}</p>`,
  paragraph: (token) => html`<p>${inline(token.tokens)}</p>`,
  text: (token) => (token.tokens ? inline(token.tokens) : plain(token.text)),
  code: (token) => html`<pre tabindex="0"><code>${token.text}</code></pre>`,
  blockquote: (token) => html`<blockquote>${blocks(token.tokens)}</blockquote>`,
  html: (token) => html`<p>${token.raw}</p>`,
  list: (token) => {
    const items = token.items.map((item) => html`<li>${blocks(item.tokens)}</li>`);
    return token.ordered ? html`<ol start=${token.start || 1}>${items}</ol>` : html`<ul>${items}</ul>`;
  },
  table: (token) => html`
    <div class="table" tabindex="0"><table>
      <thead><tr>${token.header.map((cell) => html`<th scope="col">${inline(cell.tokens)}</th>`)}</tr></thead>
      <tbody>${token.rows.map((row) => html`<tr>${row.map((cell) => html`<td>${inline(cell.tokens)}</td>`)}</tr>`)}</tbody>
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

/** The text as Markdown once the parser is here, until then as it is. */
export function Markdown({ text }) {
  const [ready, setReady] = useState(Boolean(lexer));
  useEffect(() => {
    if (lexer) return;
    import("marked").then((module) => {
      lexer = module.lexer;
      setReady(true);
    });
  }, []);
  if (!ready) return html`<div class="markdown plain">${text}</div>`;
  return html`<div class="markdown">${blocks(lexer(text))}</div>`;
}
