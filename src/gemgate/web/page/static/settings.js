// The settings in force and where each came from. Secrets are only set or not set.
import { html, useState } from "./html.js";
import { usePoll } from "./live.js";
import { Field, Loading, Page, Table, Trouble } from "./parts.js";
import { words } from "./words.js";

const t = words({
  lead: [
    "Settings come from the environment, a .env file, gemgate.toml or the command line, and are read at the start: change them there and restart. Keys and budgets, accounts and alerts change at once, in their rooms.",
    "设置来自环境变量、.env 文件、gemgate.toml 或命令行，启动时读取；如需更改，请在原处修改并重启。密钥与额度、账号和告警可在各自页面即时更改。",
  ],
  search: ["Search", "搜索"],
  changed: ["Only what was set", "仅显示已设置的"],
  name: ["Setting", "设置"],
  value: ["Value", "值"],
  origin: ["From", "来源"],
  about: ["What it does", "说明"],
  unset: ["not set", "未设置"],
  set: ["set", "已设置"],
  environment: ["environment", "环境变量"],
  option: ["option", "命令行选项"],
  default: ["default", "默认"],
  given: ["given", "已指定"],
});

const textOf = (value) => (value === null || value === "" ? t("unset") : value === "set" ? t("set") : typeof value === "string" ? value : JSON.stringify(value));

export function Settings({ title }) {
  const { data, problem } = usePoll("/api/settings", 0);
  const [wanted, setWanted] = useState("");
  const [changed, setChanged] = useState(false);
  const rows = (data?.settings ?? []).filter((one) =>
    (!changed || one.origin !== "default") && `${one.name} ${one.about}`.toLowerCase().includes(wanted.toLowerCase()));
  return html`
    <${Page} title=${title} lead=${t("lead")}>
      <${Trouble} problem=${problem} />
      ${!data && !problem && html`<${Loading} />`}
      ${data && html`
        <div class="filters">
          <${Field} label=${t("search")}><input type="search" value=${wanted} onInput=${(e) => setWanted(e.target.value)} /><//>
          <label class="check"><input type="checkbox" checked=${changed} onChange=${(e) => setChanged(e.target.checked)} /> ${t("changed")}</label>
        </div>
        <${Table} caption=${title} head=${["name", "value", "origin", "about"].map((name) => t(name))}>
          ${rows.map((one) => html`
            <tr key=${one.name}><th scope="row"><code>${one.name}</code></th><td class="wide"><code>${textOf(one.value)}</code></td>
              <td class="nowrap">${t(one.origin)}</td><td>${one.about}</td></tr>
          `)}
        <//>
      `}
    <//>
  `;
}
