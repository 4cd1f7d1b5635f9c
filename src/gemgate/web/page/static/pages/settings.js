// The settings in force and where each came from; secrets only as set or not.
import { html, useState } from "../html.js";
import { usePoll } from "../live.js";
import { Field, Loading, Page, Table, Trouble } from "../parts.js";
import { words } from "../words.js";

const t = words({
  title: ["Settings in force", "生效的设置"],
  lead: ["They are changed in the environment, .env or gemgate.toml, and count from the next start.", "可在环境变量、.env 或 gemgate.toml 中修改，重启后生效。"],
  name: ["Setting", "设置项"], value: ["Value", "值"], origin: ["From", "来源"], about: ["Meaning", "含义"],
  filter: ["Find", "查找"], changed: ["Only what was set", "仅显示已设置的"],
});

export function Settings() {
  const { data, problem } = usePoll("/api/settings", 0);
  const [filter, setFilter] = useState("");
  const [changed, setChanged] = useState(false);
  const shown = data?.settings.filter(
    (one) => (!changed || one.origin !== "default") && `${one.name} ${one.about}`.toLowerCase().includes(filter.toLowerCase()),
  );
  return html`
    <${Page} title=${t("title")} lead=${t("lead")}>
      <${Trouble} problem=${problem} />
      <div class="fields">
        <${Field} label=${t("filter")}><input type="search" value=${filter} onInput=${(e) => setFilter(e.target.value)} /><//>
        <div class="field"><label class="check"><input type="checkbox" checked=${changed} onChange=${(e) => setChanged(e.target.checked)} /> ${t("changed")}</label></div>
      </div>
      ${!data && !problem && html`<${Loading} />`}
      ${data &&
      html`<${Table} caption=${t("title")} head=${[t("name"), t("value"), t("origin"), t("about")]}>
        ${shown.map((one) => html`<tr key=${one.name}><td><code>${one.name}</code></td><td class="wrap">${one.value || "–"}</td><td>${one.origin}</td><td>${one.about}</td></tr>`)}
      <//>`}
    <//>
  `;
}
