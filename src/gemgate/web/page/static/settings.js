// The settings in force and where each came from; some can be changed here, and changed back. Secrets are only set or not set.
import { ask, post } from "./api.js";
import { html, useState } from "./html.js";
import { usePoll } from "./live.js";
import { Act, Field, Loading, Page, Table, Told, Trouble } from "./parts.js";
import { moment, words } from "./words.js";

const t = words({
  lead: [
    "Settings come from the environment, a .env file, gemgate.toml or the command line. Those with a button can be changed here, at once and without a restart, for all gateways on this database; what is changed here counts before the rest. The others are read at the start.",
    "设置来自环境变量、.env 文件、gemgate.toml 或命令行。带按钮的设置可在此即时更改，无需重启，对使用同一数据库的所有网关生效，且优先于其他来源。其余设置在启动时读取。",
  ],
  search: ["Search", "搜索"],
  changed: ["Only what was set", "仅显示已设置的"],
  live: ["Only what can be changed here", "仅显示可在此更改的"],
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
  database: ["this page", "本页面"],
  change: ["Change", "更改"],
  change_of: ["Change {name}", "更改 {name}"],
  save: ["Save", "保存"],
  cancel: ["Cancel", "取消"],
  give_back: ["Use its source again", "恢复来源值"],
  yes: ["on", "开"],
  no: ["off", "关"],
  changes: ["Changes", "变更记录"],
  none: ["Nothing was changed here yet.", "尚未在此更改过设置。"],
  when: ["When", "时间"],
  who: ["Who", "操作者"],
  before: ["Before", "之前"],
  after: ["After", "之后"],
  action: ["Action", "操作"],
  undo: ["Undo", "撤销"],
  source: ["as its source says", "来源值"],
});

const textOf = (value) => (value === null || value === "" ? t("unset") : value === "set" ? t("set") : typeof value === "string" ? value : JSON.stringify(value));
const changedText = (value) => (value === null ? t("source") : textOf(value));

/** The control of one setting, and what it sends: text is text, an empty number is none. A refusal stands below it. */
function Editor({ one, onDone }) {
  const [refused, setRefused] = useState(null);
  const { kind, choices, value } = one.live;
  const [wanted, setWanted] = useState(kind === "boolean" ? String(value) : (value ?? ""));
  const save = async (event) => {
    event.preventDefault();
    const meant = kind === "boolean" ? wanted === "true" : kind === "number" ? (wanted === "" ? null : Number(wanted)) : wanted;
    try {
      await ask("PATCH", "/api/settings", { body: { settings: { [one.name]: meant } } });
      onDone();
    } catch (failed) {
      setRefused(failed);
    }
  };
  const pick = (e) => setWanted(e.target.value);
  const label = t("change_of", { name: one.name });
  return html`
    <form class="row" onSubmit=${save}>
      ${kind === "boolean" && html`<select aria-label=${label} value=${wanted} onChange=${pick}><option value="true">${t("yes")}</option><option value="false">${t("no")}</option></select>`}
      ${kind === "choice" && html`<select aria-label=${label} value=${wanted} onChange=${pick}>${choices.map((word) => html`<option key=${word} value=${word}>${word}</option>`)}</select>`}
      ${kind === "number" && html`<input aria-label=${label} type="number" step="any" value=${wanted} onInput=${pick} />`}
      ${kind === "text" && html`<input aria-label=${label} value=${wanted} spellcheck=${false} autocomplete="off" onInput=${pick} />`}
      <button class="first">${t("save")}</button>
      <button type="button" class="quiet" onClick=${() => onDone()}>${t("cancel")}</button>
      <${Trouble} problem=${refused} />
    </form>
  `;
}

function Row({ one, editing, onEdit, onDone }) {
  const [problem, setProblem] = useState(null);
  const giveBack = async () => {
    await ask("PATCH", "/api/settings", { body: { settings: { [one.name]: null } } });
    onDone();
  };
  return html`
    <tr>
      <th scope="row"><code>${one.name}</code></th>
      <td class="wide">${editing ? html`<${Editor} one=${one} onDone=${onDone} />` : html`<div class="row"><code>${textOf(one.value)}</code>
        ${one.live && html`<button type="button" class="quiet" aria-label=${t("change_of", { name: one.name })} onClick=${onEdit}>${t("change")}</button>`}
        ${one.origin === "database" && html`<${Act} act=${giveBack} onTrouble=${setProblem}>${t("give_back")}<//>`}</div><${Trouble} problem=${problem} />`}</td>
      <td class="nowrap">${t(one.origin)}</td><td><${Told} text=${one.about} /></td>
    </tr>
  `;
}

/** Who changed what when; the last change of a setting can be taken back. */
function Changes({ lines, onDone }) {
  const [problem, setProblem] = useState(null);
  const last = new Map();
  for (const one of lines) last.set(one.name, Math.max(one.version, last.get(one.name) ?? 0));
  const undo = (one) => async () => {
    await post("/api/settings/undo", { name: one.name, version: one.version });
    onDone();
  };
  return html`
    <section class="stack tight" aria-labelledby="changes"><h2 id="changes">${t("changes")}</h2>
      <${Trouble} problem=${problem} />
      ${lines.length ? html`
        <${Table} caption=${t("changes")} head=${["when", "who", "name", "before", "after", "action"].map((name) => t(name))}>
          ${lines.map((one) => html`
            <tr key=${`${one.name} ${one.version}`}><td class="nowrap">${moment(one.at)}</td><td>${one.actor}</td><th scope="row"><code>${one.name}</code></th>
              <td><code>${changedText(one.before)}</code></td><td><code>${changedText(one.after)}</code></td>
              <td>${last.get(one.name) === one.version && html`<${Act} act=${undo(one)} onTrouble=${setProblem}>${t("undo")}<//>`}</td></tr>
          `)}
        <//>` : html`<p class="muted">${t("none")}</p>`}
    </section>
  `;
}

export function Settings({ title }) {
  const { data, problem, refresh } = usePoll("/api/settings", 0);
  const [wanted, setWanted] = useState("");
  const [changed, setChanged] = useState(false);
  const [live, setLive] = useState(false);
  const [editing, setEditing] = useState("");
  const done = () => {
    setEditing("");
    refresh();
  };
  const rows = (data?.settings ?? []).filter((one) =>
    (!changed || one.origin !== "default") && (!live || one.live) && `${one.name} ${one.about}`.toLowerCase().includes(wanted.toLowerCase()));
  return html`
    <${Page} title=${title} lead=${t("lead")}>
      <${Trouble} problem=${problem} />
      ${!data && !problem && html`<${Loading} />`}
      ${data && html`
        <div class="filters">
          <${Field} label=${t("search")}><input type="search" value=${wanted} onInput=${(e) => setWanted(e.target.value)} /><//>
          <label class="check"><input type="checkbox" checked=${changed} onChange=${(e) => setChanged(e.target.checked)} /> ${t("changed")}</label>
          <label class="check"><input type="checkbox" checked=${live} onChange=${(e) => setLive(e.target.checked)} /> ${t("live")}</label>
        </div>
        <${Table} caption=${title} head=${["name", "value", "origin", "about"].map((name) => t(name))}>
          ${rows.map((one) => html`<${Row} key=${one.name} one=${one} editing=${editing === one.name} onEdit=${() => setEditing(one.name)} onDone=${done} />`)}
        <//>
        ${data.changes && html`<${Changes} lines=${data.changes} onDone=${done} />`}
      `}
    <//>
  `;
}
