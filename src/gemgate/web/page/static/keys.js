// Client keys and the limits in force; browsers that are signed in.
import { ask, post, remove } from "./api.js";
import { html, useState } from "./html.js";
import { usePoll } from "./live.js";
import { Act, Confirm, Copy, Dialog, Field, Loading, Note, Page, State, Table, Trouble, useModels } from "./parts.js";
import { moment, number, words } from "./words.js";

const t = words({
  lead: ["A key for each program: with its own limit, and revoked alone.", "每个程序使用单独的密钥：各有限额，可单独吊销。"],
  open: ["No API_KEY is set: from this machine everything may call. Keys made here work all the same.", "未设置 API_KEY：本机程序均可调用。此处创建的密钥同样有效。"],
  make: ["Make a key", "创建密钥"],
  limits: ["Limits in force", "当前限额"],
  per_hour: ["Calls per hour and client", "每客户端每小时调用数"],
  model_interval_seconds: ["Seconds between calls of a model", "同一模型调用间隔（秒）"],
  rpm_limit: ["Prompts per minute and account", "每账号每分钟提示数"],
  concurrency: ["Lanes of an account", "每账号通道数"],
  none: ["no limit", "不限"],
  degraded: ["Degraded", "降级"],
  keys: ["Keys", "密钥"],
  no_keys: ["There is no key yet.", "还没有密钥。"],
  name: ["Name", "名称"],
  name_hint: ["Whose it is; letters, digits, dots and dashes.", "用途标识：字母、数字、点和短横线。"],
  state: ["State", "状态"],
  scope: ["For", "范围"],
  limit: ["Per hour", "每小时"],
  used: ["Last used", "最近使用"],
  expires: ["Expires", "到期"],
  ends: ["Begins with", "开头"],
  revoke: ["Revoke", "吊销"],
  revoke_title: ["Revoke {name}?", "吊销 {name}？"],
  revoke_text: ["Programs that use it are refused at once. This cannot be undone.", "使用它的程序将立即被拒绝，且无法撤销。"],
  configured: ["in API_KEY", "来自 API_KEY"],
  everything: ["everything", "全部"],
  chat: ["chat", "聊天"],
  images: ["pictures", "图片"],
  batches: ["batches", "批量"],
  files: ["files", "文件"],
  models: ["Only these models", "仅限这些模型"],
  models_hint: ["None chosen: all.", "不选则为全部。"],
  operations: ["For what", "用途"],
  operations_hint: ["None chosen: everything.", "不选则为全部。"],
  per_hour_hint: ["Empty: as all others. 0: no limit.", "留空则与其他相同，0 为不限。"],
  days: ["Valid for days", "有效天数"],
  days_hint: ["Empty: until revoked.", "留空则直到吊销。"],
  made: ["The key of {name}", "{name} 的密钥"],
  once: ["Copy it now: it is shown this once and kept nowhere.", "请立即复制：仅显示这一次，不会保存。"],
  sessions: ["Browsers that are signed in", "已登录的浏览器"],
  this_one: ["this one", "当前"],
  since: ["Since", "登录于"],
  address: ["Address", "地址"],
  browser: ["Browser", "浏览器"],
  end: ["Sign out", "退出"],
  end_all: ["Sign out everywhere", "全部退出"],
  act: ["Action", "操作"],
  never: ["never", "从未"],
  budget: ["Budget", "额度"],
  budget_all: ["Budget of all keys together", "所有密钥合计额度"],
  budget_each: ["Budget of a key that has no other", "密钥默认额度"],
  budget_title: ["Budget of {name}", "{name} 的额度"],
  budget_hint: ["Days and months are those of UTC. Empty: no limit of its own.", "日和月按 UTC 计算。留空则不单独限制。"],
  save: ["Save", "保存"],
  calls_per_day: ["calls a day", "每日调用"],
  calls_per_month: ["calls a month", "每月调用"],
  tokens_per_day: ["tokens a day", "每日 token"],
  tokens_per_month: ["tokens a month", "每月 token"],
  images_per_day: ["pictures a day", "每日图片"],
  images_per_month: ["pictures a month", "每月图片"],
  videos_per_day: ["videos a day", "每日视频"],
  videos_per_month: ["videos a month", "每月视频"],
  at_once: ["calls at once", "同时调用"],
});

const LIMITS = ["calls_per_day", "calls_per_month", "tokens_per_day", "tokens_per_month", "images_per_day",
  "images_per_month", "videos_per_day", "videos_per_month", "at_once"];
const budgeted = (budget) => LIMITS.filter((name) => budget?.[name] != null).map((name) => `${number(budget[name])} ${t(name)}`).join(", ");

export function Keys({ title }) {
  const { data, problem, refresh } = usePoll("/api/keys", 10);
  const [open, setOpen] = useState(null);
  const close = () => {
    setOpen(null);
    refresh();
  };
  const make = html`<button type="button" class="first" onClick=${() => setOpen({ what: "make" })}>${t("make")}</button>`;
  return html`
    <${Page} title=${title} lead=${t("lead")} actions=${make}>
      <${Trouble} problem=${problem} />
      ${!data && !problem && html`<${Loading} />`}
      ${data && html`
        ${!data.needed && html`<${Note}><p>${t("open")}</p><//>`}
        <section class="sheet" aria-labelledby="limits"><h2 id="limits">${t("limits")}</h2><${Limits} limits=${data.limits} /></section>
        <section class="stack tight" aria-labelledby="keys">
          <h2 id="keys">${t("keys")}</h2>
          ${data.keys.length ? html`
            <${Table} caption=${t("keys")} head=${["name", "state", "scope", "limit", "budget", "used", "expires", "act"].map((name) => t(name))}>
              ${data.keys.map((key) => html`<${Row} key=${key.id ?? key.name} of=${key} onRevoke=${() => setOpen({ what: "revoke", key })}
                onBudget=${() => setOpen({ what: "budget", key })} />`)}
            <//>` : html`<p class="muted">${t("no_keys")}</p>`}
        </section>
        <${Sessions} />
      `}
      ${open?.what === "make" && html`<${Make} onClose=${close} />`}
      ${open?.what === "budget" && html`<${BudgetOf} of=${open.key} onClose=${close} />`}
      ${open?.what === "revoke" && html`
        <${Confirm} title=${t("revoke_title", open.key)} yes=${t("revoke")} onClose=${close}
          act=${() => remove("/api/keys/" + open.key.id)}><p>${t("revoke_text")}</p><//>
      `}
    <//>
  `;
}

const Limits = ({ limits }) => html`
  <dl class="figures">
    ${["per_hour", "model_interval_seconds", "rpm_limit", "concurrency"].map((name) => html`
      <div><dt>${t(name)}</dt><dd>${limits[name] ? number(limits[name], 1) : t("none")}</dd></div>
    `)}
    ${[["budget_all", limits.budget], ["budget_each", limits.key_budget]].map(([name, budget]) => budgeted(budget) && html`
      <div><dt>${t(name)}</dt><dd>${budgeted(budget)}</dd></div>
    `)}
  </dl>
  ${limits.degraded && limits.degraded.length > 0 && html`<${Note} tone="warn"><p><strong>${t("degraded")}:</strong> ${[limits.degraded].flat().join("; ")}</p><//>`}
`;

function Row({ of: key, onRevoke, onBudget }) {
  const scope = [...(key.operations ?? []).map((name) => t(name)), ...(key.models ?? [])].join(", ");
  return html`
    <tr>
      <th scope="row">${key.name} ${key.hint && html`<code class="small muted">${key.hint}…</code>`}</th>
      <td><${State} word=${key.state} /></td>
      <td>${scope || t("everything")}</td>
      <td class="num">${key.per_hour == null ? "–" : key.per_hour === 0 ? t("none") : number(key.per_hour)}</td>
      <td>${budgeted(key.budget) || "–"}</td>
      <td class="nowrap">${key.origin === "page" ? (key.used_at ? moment(key.used_at) : t("never")) : "–"}</td>
      <td class="nowrap">${key.expires_at ? moment(key.expires_at) : "–"}</td>
      <td>${key.origin !== "page" ? html`<span class="muted">${t("configured")}</span>` :
        key.state === "active" && html`<button type="button" class="quiet" aria-label="${t("budget")} ${key.name}" onClick=${onBudget}>${t("budget")}</button>
          <button type="button" class="quiet" aria-label="${t("revoke")} ${key.name}" onClick=${onRevoke}>${t("revoke")}</button>`}</td>
    </tr>
  `;
}

function BudgetOf({ of: key, onClose }) {
  const [form, setForm] = useState(Object.fromEntries(LIMITS.map((name) => [name, key.budget?.[name] ?? ""])));
  const [problem, setProblem] = useState(null);
  const submit = async (event) => {
    event.preventDefault();
    const budget = Object.fromEntries(LIMITS.filter((name) => form[name] !== "").map((name) => [name, Number(form[name])]));
    try {
      await ask("PATCH", "/api/keys/" + key.id, { body: { budget } });
      onClose();
    } catch (failed) {
      setProblem(failed);
    }
  };
  return html`
    <${Dialog} title=${t("budget_title", key)} onClose=${onClose}>
      <form class="form" onSubmit=${submit}>
        <p class="wide muted small">${t("budget_hint")}</p>
        ${LIMITS.map((name) => html`
          <${Field} key=${name} label=${t(name)}><input name=${name} type="number" min="0" value=${form[name]}
            onInput=${(e) => setForm({ ...form, [name]: e.target.value })} /><//>`)}
        <div class="wide"><${Trouble} problem=${problem} /></div>
        <div class="actions"><button class="first">${t("save")}</button></div>
      </form>
    <//>
  `;
}

function Make({ onClose }) {
  const models = useModels();
  const [form, setForm] = useState({ name: "", per_hour: "", days: "", models: [], operations: [] });
  const [made, setMade] = useState(null);
  const [problem, setProblem] = useState(null);
  const set = (name) => (e) => setForm({ ...form, [name]: e.target.value });
  const flip = (name, value) => () =>
    setForm({ ...form, [name]: form[name].includes(value) ? form[name].filter((one) => one !== value) : [...form[name], value] });
  const submit = async (event) => {
    event.preventDefault();
    const { name, operations } = form;
    const body = { name, operations, models: form.models };
    if (form.per_hour !== "") body.per_hour = Number(form.per_hour);
    if (form.days !== "") body.days = Number(form.days);
    try {
      setMade(await post("/api/keys", body));
    } catch (failed) {
      setProblem(failed);
    }
  };
  if (made) return html`
    <${Dialog} title=${t("made", made)} onClose=${onClose}>
      <${Note} tone="warn"><p>${t("once")}</p><//>
      <div class="row"><code id="new-key">${made.key}</code> <${Copy} text=${made.key} /></div>
    <//>
  `;
  return html`
    <${Dialog} title=${t("make")} onClose=${onClose}>
      <form class="form" onSubmit=${submit}>
        <${Field} label=${t("name")} hint=${t("name_hint")} wide><input name="name" required maxlength="40" value=${form.name} onInput=${set("name")} /><//>
        <${Field} label=${t("limit")} hint=${t("per_hour_hint")}><input name="per_hour" type="number" min="0" value=${form.per_hour} onInput=${set("per_hour")} /><//>
        <${Field} label=${t("days")} hint=${t("days_hint")}><input name="days" type="number" min="0.1" max="3650" step="any" value=${form.days} onInput=${set("days")} /><//>
        <fieldset class="wide stack tight">
          <legend class="small"><strong>${t("operations")}</strong> <span class="muted">${t("operations_hint")}</span></legend>
          <div class="row">${["chat", "images", "batches", "files"].map((one) => html`
            <label class="check"><input type="checkbox" checked=${form.operations.includes(one)} onChange=${flip("operations", one)} /> ${t(one)}</label>`)}</div>
        </fieldset>
        <details class="wide"><summary>${t("models")} <span class="muted small">${t("models_hint")}</span></summary>
          <div class="row">${models.models.map(({ id }) => html`
            <label class="check"><input type="checkbox" checked=${form.models.includes(id)} onChange=${flip("models", id)} /> ${id}</label>`)}</div>
        </details>
        <div class="wide"><${Trouble} problem=${problem} /></div>
        <div class="actions"><button class="first">${t("make")}</button></div>
      </form>
    <//>
  `;
}

function Sessions() {
  const { data, refresh } = usePoll("/api/sessions", 30);
  const [problem, setProblem] = useState(null);
  if (!data?.sessions.length) return null;
  const end = (id) => async () => {
    await remove("/api/sessions/" + id);
    refresh();
  };
  const endAll = async () => {
    await ask("DELETE", "/api/session?everywhere=true");
    location.reload();
  };
  return html`
    <section class="stack tight" aria-labelledby="sessions">
      <h2 id="sessions">${t("sessions")}</h2>
      <${Trouble} problem=${problem} />
      <${Table} caption=${t("sessions")} head=${["since", "expires", "address", "browser", "act"].map((name) => t(name))}>
        ${data.sessions.map((one) => html`
          <tr><td class="nowrap">${moment(one.created_at)}</td><td class="nowrap">${moment(one.expires_at)}</td><td>${one.address}</td>
            <td>${one.agent}</td><td>${one.this ? t("this_one") : html`<${Act} class="quiet" act=${end(one.id)} onTrouble=${setProblem}>${t("end")}<//>`}</td></tr>
        `)}
      <//>
      <div class="actions"><${Act} act=${endAll} onTrouble=${setProblem}>${t("end_all")}<//></div>
    </section>
  `;
}
