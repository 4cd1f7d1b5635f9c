// The same call as a command and as SDK code, ready to be copied. Keys are named, never filled in.
import { address } from "./api.js";
import { html, useState } from "./html.js";
import { Code } from "./parts.js";
import { words } from "./words.js";

const t = words({ code: ["The same call in code", "对应的代码"] });

/** `list`: [label, text] of each language. */
export function Snippets({ list }) {
  const [at, setAt] = useState(0);
  return html`
    <details class="snippets">
      <summary>${t("code")}</summary>
      <div class="stack tight">
        <div class="segments" role="group" aria-label=${t("code")}>
          ${list.map(([label], n) => html`<button type="button" aria-pressed=${n === at} onClick=${() => setAt(n)}>${label}</button>`)}
        </div>
        <${Code} label=${list[at][0]} text=${list[at][1]} />
      </div>
    </details>
  `;
}

const base = () => address + "/v1";
const quoted = (text) => JSON.stringify(text);
const shell = (text) => `'${text.replaceAll("'", "'\\''")}'`;
const indent = (value, by) => JSON.stringify(value, null, 2).replaceAll("\n", "\n" + " ".repeat(by));

/** JSON as Python writes it; the only words that differ are true, false and null. */
const python = (value) =>
  indent(value, 4).replace(/("(?:[^"\\]|\\.)*")|\btrue\b|\bfalse\b|\bnull\b/g, (word, text) =>
    text ?? { true: "True", false: "False", null: "None" }[word]);

const PY = () => `from openai import OpenAI\n\nclient = OpenAI(base_url=${quoted(base())}, api_key="YOUR_KEY")\n`;
const JS = () => `import OpenAI from "openai";\n\nconst client = new OpenAI({ baseURL: ${quoted(base())}, apiKey: "YOUR_KEY" });\n`;

/** `body` as it would be sent; [label, text] of each language. */
export function chatSnippets(body) {
  const { messages, model, ...more } = body;
  const rest = Object.entries(more).filter(([name]) => name !== "stream");
  return [
    ["curl", `curl -N ${base()}/chat/completions \\\n  -H "Authorization: Bearer $GEMGATE_KEY" -H "Content-Type: application/json" \\\n  -d ${shell(JSON.stringify(body, null, 2))}`],
    ["Python", `${PY()}stream = client.chat.completions.create(\n    model=${quoted(model)},\n    messages=${python(messages)},\n${rest.map(([name, value]) => `    ${name}=${python(value)},\n`).join("")}    stream=True,\n)\nfor chunk in stream:\n    print(chunk.choices[0].delta.content or "", end="", flush=True)`],
    ["JavaScript", `${JS()}const stream = await client.chat.completions.create(${indent(body, 0)});\nfor await (const chunk of stream) process.stdout.write(chunk.choices[0]?.delta?.content ?? "");`],
  ];
}

const args = (body) => Object.entries(body).map(([name, value]) => {
  const ours = ["size_policy", "remove_logo"].includes(name);
  return ours ? "" : `    ${name}=${python(value)},\n`;
}).join("");

const extra = (body) => {
  const ours = Object.fromEntries(Object.entries(body).filter(([name]) => ["size_policy", "remove_logo"].includes(name)));
  return Object.keys(ours).length ? `    extra_body=${python(ours)},\n` : "";
};

export function imageSnippets(body) {
  return [
    ["curl", `curl ${base()}/images/generations \\\n  -H "Authorization: Bearer $GEMGATE_KEY" -H "Content-Type: application/json" \\\n  -d ${shell(JSON.stringify(body, null, 2))}`],
    ["Python", `${PY()}answer = client.images.generate(\n${args(body)}${extra(body)})\nprint(answer.data[0].url)`],
    ["JavaScript", `${JS()}const answer = await client.images.generate(${indent(body, 0)});\nconsole.log(answer.data[0].url);`],
  ];
}

export function editSnippets(body, files) {
  const names = files.length ? files : ["picture.png"];
  const forms = Object.entries(body).map(([name, value]) => `  -F ${shell(`${name}=${value}`)}`);
  const pictures = names.map((name) => `  -F ${shell(`image[]=@${name}`)}`);
  return [
    ["curl", [`curl ${base()}/images/edits`, `  -H "Authorization: Bearer $GEMGATE_KEY"`, ...forms, ...pictures].join(" \\\n")],
    ["Python", `${PY()}answer = client.images.edit(\n    image=[${names.map((name) => `open(${quoted(name)}, "rb")`).join(", ")}],\n${args(body)}${extra(body)})\nprint(answer.data[0].url)`],
    ["JavaScript", `import fs from "node:fs";\n${JS()}const answer = await client.images.edit({\n  image: [${names.map((name) => `fs.createReadStream(${quoted(name)})`).join(", ")}],\n  ...${indent(body, 2)},\n});\nconsole.log(answer.data[0].url);`],
  ];
}
