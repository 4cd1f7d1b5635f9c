// The API as the running gateway describes it (/openapi.json): no other address is asked.
import { html, useMemo, useState } from "../html.js";
import { usePoll } from "../live.js";
import { Field, Loading, Page, Trouble } from "../parts.js";
import { words } from "../words.js";

const t = words({
  title: ["API", "接口"],
  lead: ["Every route of this gateway. The document itself:", "本网关的全部路由。文档本身："],
  find: ["Find", "查找"],
  parameters: ["Parameters", "参数"], body: ["Body", "请求体"], answers: ["Answers", "回答"], required: ["must be there", "必填"],
});

const METHODS = ["get", "post", "put", "patch", "delete"];

export function Reference() {
  const { data, problem } = usePoll("/openapi.json", 0);
  const [filter, setFilter] = useState("");
  const groups = useMemo(() => (data ? grouped(data) : []), [data]);
  const wanted = filter.toLowerCase();
  return html`
    <${Page} title=${t("title")} lead=${html`${t("lead")} <a href="/openapi.json">/openapi.json</a>`}>
      <${Trouble} problem=${problem} />
      ${!data && !problem && html`<${Loading} />`}
      <${Field} label=${t("find")}><input type="search" value=${filter} onInput=${(e) => setFilter(e.target.value)} /><//>
      ${groups.map(([name, routes]) => {
        const shown = routes.filter((one) => `${one.method} ${one.path} ${one.summary}`.toLowerCase().includes(wanted));
        return shown.length > 0 && html`<section key=${name}><h2>${name}</h2><div class="stack">${shown.map((one) => html`<${Route} key=${one.method + one.path} route=${one} document=${data} />`)}</div></section>`;
      })}
    <//>
  `;
}

function grouped(document) {
  const found = new Map();
  for (const [path, methods] of Object.entries(document.paths))
    for (const method of METHODS)
      if (methods[method]) {
        const words = path.split("/").filter(Boolean);
        const name = `/${words[0]?.startsWith("v1") || words[0] === "api" || words[0] === "gemini" ? words.slice(0, 2).join("/") : (words[0] ?? "")}`.replace(/\/\{.*$/, "");
        if (!found.has(name)) found.set(name, []);
        found.get(name).push({ path, method: method.toUpperCase(), summary: methods[method].summary ?? "", operation: methods[method] });
      }
  return [...found].sort(([a], [b]) => a.localeCompare(b));
}

function Route({ route, document }) {
  const { operation } = route;
  const reference = operation.requestBody?.content?.["application/json"]?.schema?.$ref;
  const schema = reference && document.components.schemas[reference.split("/").at(-1)];
  return html`
    <details class="card">
      <summary><strong>${route.method}</strong> <code class="wrap">${route.path}</code> <span>${route.summary}</span></summary>
      ${operation.parameters?.length > 0 &&
      html`<h3>${t("parameters")}</h3><dl class="facts">${operation.parameters.map((one) => html`<dt><code>${one.name}</code></dt><dd>${one.schema?.type ?? ""} (${one.in}${one.required ? `, ${t("required")}` : ""})</dd>`)}</dl>`}
      ${schema &&
      html`<h3>${t("body")}</h3><dl class="facts">${Object.entries(schema.properties ?? {}).map(
        ([name, kind]) => html`<dt><code>${name}</code></dt><dd>${typeOf(kind)}${schema.required?.includes(name) ? ` (${t("required")})` : ""}</dd>`,
      )}</dl>`}
      <h3>${t("answers")}</h3>
      <dl class="facts">${Object.entries(operation.responses ?? {}).map(([status, one]) => html`<dt>${status}</dt><dd>${one.description}</dd>`)}</dl>
    </details>
  `;
}

function typeOf(schema) {
  if (schema.$ref) return schema.$ref.split("/").at(-1);
  if (schema.anyOf) return [...new Set(schema.anyOf.filter((one) => one.type !== "null").map(typeOf))].join(" | ");
  if (schema.enum) return schema.enum.join(" | ");
  if (schema.type === "array") return `${schema.items ? typeOf(schema.items) : ""}[]`;
  return schema.type ?? String(schema.const ?? "any");
}
