// Code in colours: comments, strings, numbers and the words that most languages share. A look, not a parser.
import { Copy } from "./parts.js";
import { html } from "./html.js";

const LARGEST = 30_000; // characters that are coloured; longer ones are plain
const WORDS = new Set(
  ("abstract and as assert async await begin bool boolean break case catch char class const constructor continue def default defer del delete do double elif else end enum " +
    "except export extends extern false final finally float fn for foreach from func function global go goto if impl implements import in include instanceof int interface " +
    "internal is lambda let long loop match mod module move mut namespace new nil none None not null nullptr of operator or override package pass private protected pub public " +
    "raise readonly ref require return Self self short sizeof static string struct super switch template then this throw throws trait true True False try type typedef typeof " +
    "union unless unsigned until use using var void volatile when where while with yield select insert update delete from where group order by join create table values set " +
    "echo fi done esac local unset").split(" "),
);
const STRINGS = String.raw`"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|` + "`(?:\\\\.|[^`\\\\])*`";
const RULES = {
  hash: new RegExp(String.raw`(#[^\n]*)|(${STRINGS})|\b(\d[\w.]*)\b|\b([A-Za-z_]\w*)\b`, "g"),
  dash: new RegExp(String.raw`(--[^\n]*|\/\*[^]*?\*\/)|(${STRINGS})|\b(\d[\w.]*)\b|\b([A-Za-z_]\w*)\b`, "g"),
  slash: new RegExp(String.raw`(\/\/[^\n]*|\/\*[^]*?\*\/)|(${STRINGS})|\b(\d[\w.]*)\b|\b([A-Za-z_]\w*)\b`, "g"),
};
const HASH = /^(py|python|sh|bash|zsh|shell|console|rb|ruby|yaml|yml|toml|ini|r|perl|pl|make|makefile|dockerfile|conf|nginx|elixir|ex)\b/i;
const DASH = /^(sql|psql|mysql|sqlite|lua|haskell|hs|ada)\b/i;
const PLAIN = /^(|text|txt|plain|plaintext|markdown|md|output|log|diff|csv)$/i;

/** `text` as strings and coloured pieces. */
export function coloured(text, language) {
  if (PLAIN.test(language) || text.length > LARGEST) return text;
  const rule = HASH.test(language) ? RULES.hash : DASH.test(language) ? RULES.dash : RULES.slash;
  const found = [];
  let last = 0;
  for (const match of text.matchAll(rule)) {
    const [whole, comment, quoted, digits, word] = match;
    const kind = comment ? "c" : quoted ? "s" : digits ? "n" : WORDS.has(word) ? "k" : "";
    if (!kind) continue;
    if (match.index > last) found.push(text.slice(last, match.index));
    found.push(html`<i class="hl-${kind}">${whole}</i>`);
    last = match.index + whole.length;
  }
  found.push(text.slice(last));
  return found;
}

/** A block of an answer's code with its copy button. open: it may still grow; then it is not coloured. */
export const CodeBlock = ({ text, language = "", open }) => html`
  <figure class="code">
    <figcaption><span>${language || "text"}</span><${Copy} text=${text} /></figcaption>
    <pre tabindex="0"><code>${open ? text : coloured(text, language)}</code></pre>
  </figure>
`;
