// The call that the playground makes, as a reader would write it. Pure: a request goes in, texts come out.
import { html, useState } from "../html.js";
import { Code } from "../parts.js";
import { words } from "../words.js";

const t = words({
  same: ["The same call", "相同的调用"],
  kinds: ["Languages", "语言"],
  key: ["Without a key set, any value does on this machine.", "未设置密钥时，本机可填任意值。"],
});

const base = () => location.origin;
const quoted = (text) => `'${text.replaceAll("'", `'\\''`)}'`;
const indented = (value, by = 2) => JSON.stringify(value, null, by);
const python = (value) => indented(value, 4).replace(/: true\b/g, ": True").replace(/: false\b/g, ": False").replace(/: null\b/g, ": None");

/** call: { path, body } for JSON, { path, form: [[name, value], ...] } for a form; sdk: what the OpenAI SDK is told. */
export function Snippets({ call, sdk }) {
  const [kind, setKind] = useState("curl");
  const texts = { curl: curl(call), Python: sdk?.python ?? requests(call), JavaScript: sdk?.javascript ?? fetched(call) };
  return html`
    <section aria-label=${t("same")}>
      <div class="tabs" role="tablist" aria-label=${t("kinds")}>
        ${Object.keys(texts).map((name) => html`<button type="button" role="tab" aria-selected=${name === kind} onClick=${() => setKind(name)}>${name}</button>`)}
      </div>
      <${Code} label=${call.path} text=${texts[kind]} />
      <p class="muted small">${t("key")}</p>
    </section>
  `;
}

function curl({ path, body, form }) {
  const lines = [`curl -sS ${base()}${path}`, `-H "Authorization: Bearer $GEMGATE_KEY"`];
  if (form) lines.push(...form.map(([name, value]) => `-F ${quoted(`${name}=${value}`)}`));
  else lines.push("-H 'Content-Type: application/json'", `-d ${quoted(JSON.stringify(body))}`);
  return lines.join(" \\\n  ");
}

function requests({ path, body, form }) {
  const files = form?.filter(([, value]) => value.startsWith("@")) ?? [];
  const plain = form?.filter(([, value]) => !value.startsWith("@")) ?? [];
  const sent = form
    ? `files=[${files.map(([name, value]) => `("${name}", open("${value.slice(1)}", "rb"))`).join(", ")}],\n    data=${python(Object.fromEntries(plain))}`
    : `json=${python(body)}`;
  return `import os\nimport requests\n\nanswer = requests.post(\n    "${base()}${path}",\n    headers={"Authorization": f"Bearer {os.environ['GEMGATE_KEY']}"},\n    ${sent.replaceAll("\n", "\n    ")},\n)\nprint(answer.json())`;
}

function fetched({ path, body, form }) {
  const sent = form ? "form" : `JSON.stringify(${indented(body)})`;
  const before = form
    ? `import { openAsBlob } from "node:fs";\n\nconst form = new FormData();\n${form.map(([name, value]) => (value.startsWith("@") ? `form.append("${name}", await openAsBlob("${value.slice(1)}"), "${value.slice(1)}");` : `form.append("${name}", ${JSON.stringify(value)});`)).join("\n")}\n`
    : "";
  const type = form ? "" : `, "Content-Type": "application/json"`;
  return `${before}const answer = await fetch("${base()}${path}", {\n  method: "POST",\n  headers: { Authorization: \`Bearer \${process.env.GEMGATE_KEY}\`${type} },\n  body: ${sent},\n});\nconsole.log(await answer.json());`;
}

/** A chat as the official SDKs write it. */
export function chatSdk(body) {
  const { stream, ...rest } = body;
  return {
    python: `from openai import OpenAI\n\nclient = OpenAI(base_url="${base()}/v1", api_key="…")\nstream = client.chat.completions.create(\n    **${python(rest).replaceAll("\n", "\n    ")},\n    stream=True,\n)\nfor chunk in stream:\n    print(chunk.choices[0].delta.content or "", end="")`,
    javascript: `import OpenAI from "openai";\n\nconst client = new OpenAI({ baseURL: "${base()}/v1", apiKey: "…" });\nconst stream = await client.chat.completions.create(${indented({ ...rest, stream: Boolean(stream) })});\nfor await (const chunk of stream) process.stdout.write(chunk.choices[0].delta.content ?? "");`,
  };
}
