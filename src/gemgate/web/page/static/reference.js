// The API reference: our own OpenAPI document, drawn here, without asking anybody else.
import { address, here } from "./api.js";
import { html, useState } from "./html.js";
import { usePoll } from "./live.js";
import { Code, Field, Loading, Page, Trouble } from "./parts.js";
import { number, words } from "./words.js";

const t = words({
  lead: ["All {count} operations of this service, from its own OpenAPI document.", "本服务的全部 {count} 个接口，来自自带的 OpenAPI 文档。"],
  document: ["OpenAPI document", "OpenAPI 文档"],
  search: ["Search", "搜索"],
  parameters: ["Parameters", "参数"],
  body: ["Body", "请求体"],
  answer: ["Answer", "响应"],
  refusals: ["Refusals", "错误响应"],
  required: ["required", "必填"],
  not_always: ["not always there", "可能没有"],
  none: ["Nothing found.", "没有结果。"],
  in_path: ["in the path", "路径"],
  in_query: ["in the query", "查询"],
  in_header: ["in a header", "请求头"],
});

export function Reference({ title }) {
  const { data, problem } = usePoll("/openapi.json", 0);
  const [wanted, setWanted] = useState("");
  const operations = Object.entries(data?.paths ?? {}).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, told]) => ({ ...told, path, method: method.toUpperCase() })));
  const found = operations.filter((one) => `${one.method} ${one.path} ${one.summary}`.toLowerCase().includes(wanted.toLowerCase()));
  return html`
    <${Page} title=${title} lead=${data && html`${t("lead", { count: number(operations.length) })} <a href=${here("/openapi.json")}>${t("document")}</a>`}>
      <${Trouble} problem=${problem} />
      ${!data && !problem && html`<${Loading} />`}
      ${data && html`
        <div class="filters"><${Field} label=${t("search")}><input type="search" value=${wanted} onInput=${(e) => setWanted(e.target.value)} /><//></div>
        <div class="stack tight">
          ${found.map((one) => html`<${Operation} key=${one.method + one.path} one=${one} document=${data} />`)}
          ${!found.length && html`<p class="muted">${t("none")}</p>`}
        </div>
      `}
    <//>
  `;
}

function Operation({ one, document }) {
  const [open, setOpen] = useState(false);
  return html`
    <details class="sheet" onToggle=${(e) => setOpen(e.currentTarget.open)}>
      <summary><span class="method">${one.method}</span> <code>${one.path}</code> <span class="muted">${one.summary}</span></summary>
      ${open && html`<${Inside} one=${one} document=${document} />`}
    </details>
  `;
}

function Inside({ one, document }) {
  const [[sent, content] = []] = Object.entries(one.requestBody?.content ?? {});
  const body = content?.schema;
  const answers = Object.entries(one.responses ?? {}).map(([status, told]) => [status, resolved(told, document)]);
  const good = answers.filter(([status]) => status.startsWith("2"));
  return html`
    <div class="stack">
      ${one.parameters?.length > 0 && html`
        <section class="stack tight"><h3>${t("parameters")}</h3>
          <dl class="facts">${one.parameters.map((each) => html`
            <dt><code>${each.name}</code></dt><dd>${typeOf(each.schema ?? {}, document)} <span class="muted">${t("in_" + each.in)}${each.required ? ` · ${t("required")}` : ""}</span></dd>`)}
          </dl></section>`}
      ${body && html`<section class="stack tight"><h3>${t("body")}</h3><${Fields} schema=${body} document=${document} /></section>`}
      ${good.map(([status, told]) => html`
        <section class="stack tight"><h3>${t("answer")} ${status}</h3>
          <p class="muted">${Object.keys(told.content ?? {}).join(", ") || told.description}</p>
          ${alternatives(told.content?.["application/json"]?.schema).map((each) => html`<${Fields} schema=${each} document=${document} answer />`)}
        </section>`)}
      <section class="stack tight"><h3>${t("refusals")}</h3>
        <dl class="facts">${answers.filter((each) => !good.includes(each)).map(([status, told]) => html`<dt>${status}</dt><dd>${told.description}</dd>`)}</dl>
      </section>
      <${Code} label="curl" text=${command(one, sent, content && (content.example ?? example(body, document)))} />
    </div>
  `;
}

const alternatives = (schema) => (schema ? schema.anyOf ?? [schema] : []);

/** The fields of an object, each with its type; what has fields of its own shows them when it is opened. */
function Fields({ schema, document, answer }) {
  const one = inner(schema, document);
  const required = one.required ?? [];
  return html`
    ${one.description && html`<p class="muted">${one.description}</p>`}
    <dl class="facts">${Object.entries(one.properties ?? {}).map(([name, each]) => html`
      <dt><code>${name}</code></dt>
      <dd>
        <${Type} schema=${each} document=${document} answer=${answer} />
        ${" "}<span class="muted">${required.includes(name) === !answer ? t(answer ? "not_always" : "required") : ""} ${each.description ?? ""}</span>
      </dd>`)}
    </dl>
  `;
}

function Type({ schema, document, answer }) {
  const [open, setOpen] = useState(false);
  const below = alternatives(schema).filter((each) => inner(each, document).properties);
  if (!below.length) return typeOf(schema, document, answer);
  return html`
    <details onToggle=${(e) => { e.stopPropagation(); setOpen(e.currentTarget.open); }}>
      <summary>${typeOf(schema, document, answer)}</summary>
      ${open && below.map((each) => html`<${Fields} schema=${each} document=${document} answer=${answer} />`)}
    </details>
  `;
}

/** What a schema refers to, or of a list what its items are. */
function inner(schema, document) {
  const one = resolved(schema, document);
  return one.type === "array" ? inner(one.items ?? {}, document) : one;
}

/** What a reference stands for: a schema or a response. */
function resolved(one, document) {
  if (!one.$ref) return one;
  const [kind, name] = one.$ref.split("/").slice(-2);
  return document.components[kind][name] ?? {};
}

/** A type in one line: "string", "[ Message ]", "1k" | "2k". nulls: whether they are said, as of answers. */
function typeOf(schema, document, nulls) {
  if (schema.$ref) return schema.$ref.split("/").at(-1);
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.enum) return schema.enum.map((one) => JSON.stringify(one)).join(" | ");
  const many = schema.anyOf ?? schema.oneOf;
  if (many) return many.map((one) => typeOf(one, document, nulls)).filter((one) => nulls || one !== "null").join(" | ");
  if (schema.type === "array") return `[ ${typeOf(schema.items ?? {}, document, nulls)} ]`;
  return schema.type ?? "any";
}

/** A value of a schema's type to begin with; only what has to be there. */
function example(schema, document, depth = 0) {
  const one = resolved(schema, document);
  if (one.default !== undefined && one.default !== null) return one.default;
  if (one.enum) return one.enum[0];
  const first = (one.anyOf ?? one.oneOf)?.find((each) => each.type !== "null");
  if (first) return example(first, document, depth);
  if (one.type === "array") return depth > 3 ? [] : [example(one.items ?? {}, document, depth + 1)];
  if (one.properties) {
    if (depth > 3) return {};
    const wanted = one.required ?? [];
    return Object.fromEntries(wanted.map((name) => [name, example(one.properties[name], document, depth + 1)]));
  }
  return { string: "…", integer: 1, number: 1, boolean: true }[one.type] ?? {};
}

/** What holds a key of each scheme, by the names of the documentation. */
const VARIABLES = { key: "GEMGATE_KEY", admin_key: "GEMGATE_ADMIN_KEY" };

/** `sent`: the media type of the body. */
function command(one, sent, body) {
  const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;
  const parts = [`curl ${one.method === "GET" ? "" : `-X ${one.method} `}${address}${one.path}`];
  const [key] = one.security.flatMap(Object.keys);
  if (key) parts.push(`  -H "Authorization: Bearer $${VARIABLES[key]}"`);
  if (sent === "multipart/form-data") parts.push(...Object.entries(body).map(([name, value]) => `  -F ${quoted(`${name}=${value}`)}`));
  else if (body) parts.push(`  -H "Content-Type: application/json"`, `  -d ${quoted(JSON.stringify(body, null, 2))}`);
  return parts.join(" \\\n");
}
