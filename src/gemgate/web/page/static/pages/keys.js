// Who may call, for what, and how often; and which browsers are signed in here.
import { post, remove } from "../api.js";
import { html, useState } from "../html.js";
import { usePoll } from "../live.js";
import { Act, Code, Confirm, Dialog, Empty, Field, Loading, Note, Page, State, Table, Trouble, useModels } from "../parts.js";
import { moment, number, words } from "../words.js";

const t = words({
  title: ["Limits and keys", "限额与密钥"],
  limits: ["Limits in force", "生效的限额"],
  hour: ["calls an hour per client", "每客户端每小时"], interval: ["s between calls of one model", "秒，同一模型两次调用间隔"], rpm: ["prompts a minute per account", "每账号每分钟"], lanes: ["at once per account", "每账号并发"],
  off: ["off", "关闭"],
  keys: ["Client keys", "客户端密钥"], make: ["New key", "新建密钥"],
  none: ["There is no key. On this machine everything is open to this machine.", "还没有密钥。未设置时仅对本机开放。"],
  unneeded: ["Keys made here count once API_KEY is set; until then calls from this machine need none.", "设置 API_KEY 后，此处创建的密钥才会生效；在此之前本机调用无需密钥。"],
  name: ["Name", "名称"], state: ["State", "状态"], models: ["Models", "模型"], for: ["For", "用途"], perHour: ["An hour", "每小时"], used: ["Last used", "最近使用"], until: ["Until", "有效期至"],
  every: ["all", "全部"], usual: ["as all", "同默认"], never: ["never", "从未"], settings: ["from API_KEY", "来自 API_KEY"],
  revoke: ["Revoke", "吊销"], revokeTitle: ["Revoke {name}?", "吊销 {name}？"], revokeText: ["Calls with it are refused at once. It cannot be undone.", "使用该密钥的调用会立即被拒绝，且无法恢复。"],
  days: ["Valid for days", "有效天数"], forever: ["Empty: until it is revoked.", "留空则直到被吊销。"], limit: ["Calls an hour", "每小时次数"], limitHint: ["Empty: the general limit. 0: none.", "留空则使用默认限额；0 表示不限。"],
  chat: ["chat", "对话"], images: ["pictures", "图片"], batches: ["batches", "批量"], files: ["files", "文件"],
  allowed: ["May do", "允许操作"], allowedHint: ["Nothing chosen: everything.", "不选则全部允许。"], onlyModels: ["Only these models", "仅限这些模型"],
  create: ["Make", "创建"], once: ["This is the only time the key is shown. Keep it now.", "密钥仅显示这一次，请立即保存。"],
  sessions: ["Signed-in browsers", "已登录的浏览器"], browser: ["Browser", "浏览器"], from: ["From", "来自"], since: ["Since", "登录时间"], end: ["Sign out", "退出"], here: ["this one", "当前"],
  everywhere: ["Sign out everywhere", "全部退出"],
});

const GROUPS = ["chat", "images", "batches", "files"];

export function Keys() {
  const { data, problem, refresh } = usePoll("/api/keys", 5);
  const [making, setMaking] = useState(false);
  const [revoking, setRevoking] = useState(null);
  const figure = (value) => (value ? number(value, 1) : t("off"));
  return html`
    <${Page} title=${t("title")}>
      <${Trouble} problem=${problem} />
      ${!data && !problem && html`<${Loading} />`}
      ${data &&
      html`
        <section><h2>${t("limits")}</h2>
          ${data.limits.degraded && html`<${Note} tone="warn"><p>${data.limits.degraded}</p><//>`}
          <dl class="figures">
            ${[["hour", data.limits.per_hour], ["interval", data.limits.model_interval_seconds], ["rpm", data.limits.rpm_limit], ["lanes", data.limits.concurrency]].map(
              ([name, value]) => html`<div><dt>${t(name)}</dt><dd>${figure(value)}</dd></div>`,
            )}
          </dl>
        </section>
        <section>
          <div class="section-head"><h2>${t("keys")}</h2><button type="button" class="primary" onClick=${() => setMaking(true)}>${t("make")}</button></div>
          ${!data.needed && html`<${Note}><p>${t("unneeded")}</p><//>`}
          ${data.keys.length === 0 && html`<${Empty}>${t("none")}<//>`}
          ${data.keys.length > 0 &&
          html`<${Table} caption=${t("keys")} head=${[t("name"), t("state"), t("models"), t("for"), t("perHour"), t("used"), t("until"), ""]}>
            ${data.keys.map(
              (key) => html`<tr key=${key.id ?? key.name}>
                <td>${key.name}${key.hint ? html` <span class="muted small">…${key.hint}</span>` : ""}</td>
                <td><${State} word=${key.state} /></td>
                <td class="wrap">${key.models?.join(", ") || t("every")}</td>
                <td>${key.operations?.map((name) => t(name)).join(", ") || t("every")}</td>
                <td class="num">${key.per_hour ?? t("usual")}</td>
                <td class="num">${key.origin === "page" ? (key.used_at ? moment(key.used_at) : t("never")) : t("settings")}</td>
                <td class="num">${key.expires_at ? moment(key.expires_at) : "–"}</td>
                <td class="actions-cell">${key.state === "active" && key.origin === "page" && html`<button type="button" class="quiet" onClick=${() => setRevoking(key)}>${t("revoke")}</button>`}</td>
              </tr>`,
            )}
          <//>`}
        </section>
        <${Sessions} />
      `}
      ${making && html`<${Make} onClose=${() => setMaking(false)} onDone=${refresh} />`}
      ${revoking &&
      html`<${Confirm} title=${t("revokeTitle", { name: revoking.name })} yes=${t("revoke")} onClose=${() => setRevoking(null)}
        act=${async () => {
          await remove(`/api/keys/${revoking.id}`);
          refresh();
        }}><p>${t("revokeText")}</p><//>`}
    <//>
  `;
}

function Make({ onClose, onDone }) {
  const { models } = useModels();
  const [form, setForm] = useState({ name: "", per_hour: "", days: "", models: [], operations: [] });
  const [made, setMade] = useState(null);
  const [problem, setProblem] = useState(null);
  const set = (name) => (event) => setForm({ ...form, [name]: event.target.value });
  const toggle = (name, value) => () => setForm({ ...form, [name]: form[name].includes(value) ? form[name].filter((one) => one !== value) : [...form[name], value] });
  const send = async (event) => {
    event.preventDefault();
    try {
      setProblem(null);
      const optional = (value) => (value === "" ? null : Number(value));
      setMade(await post("/api/keys", { name: form.name, models: form.models, operations: form.operations, per_hour: optional(form.per_hour), days: optional(form.days) }));
      onDone();
    } catch (found) {
      setProblem(found);
    }
  };
  if (made)
    return html`<${Dialog} title=${made.name} onClose=${onClose}><${Note} tone="warn"><p>${t("once")}</p><//><${Code} label=${made.name} text=${made.key} /><//>`;
  return html`
    <${Dialog} title=${t("make")} onClose=${onClose}>
      <form onSubmit=${send}>
        <div class="fields">
          <${Field} label=${t("name")}><input required pattern="[\\w.@\\-]{1,40}" value=${form.name} onInput=${set("name")} /><//>
          <${Field} label=${t("limit")} hint=${t("limitHint")}><input type="number" min="0" value=${form.per_hour} onInput=${set("per_hour")} /><//>
          <${Field} label=${t("days")} hint=${t("forever")}><input type="number" min="1" value=${form.days} onInput=${set("days")} /><//>
        </div>
        <fieldset><legend>${t("allowed")} <span class="hint">${t("allowedHint")}</span></legend>
          <div class="actions">${GROUPS.map((name) => html`<label class="check"><input type="checkbox" checked=${form.operations.includes(name)} onChange=${toggle("operations", name)} /> ${t(name)}</label>`)}</div>
        </fieldset>
        <details><summary>${t("onlyModels")}</summary>
          <div class="stack">${models.map((one) => html`<label class="check"><input type="checkbox" checked=${form.models.includes(one.id)} onChange=${toggle("models", one.id)} /> ${one.id}</label>`)}</div>
        </details>
        <${Trouble} problem=${problem} />
        <div class="actions"><button class="primary">${t("create")}</button></div>
      </form>
    <//>
  `;
}

function Sessions() {
  const { data, refresh } = usePoll("/api/sessions", 10);
  const [trouble, setTrouble] = useState(null);
  if (!data?.sessions.length) return null;
  const end = (id) => async () => {
    await remove(`/api/sessions/${id}`);
    refresh();
  };
  const everywhere = async () => {
    await remove("/api/session?everywhere=true");
    location.reload();
  };
  return html`
    <section>
      <div class="section-head"><h2>${t("sessions")}</h2><${Act} act=${everywhere} onTrouble=${setTrouble}>${t("everywhere")}<//></div>
      <${Trouble} problem=${trouble} />
      <${Table} caption=${t("sessions")} head=${[t("browser"), t("from"), t("since"), t("until"), ""]}>
        ${data.sessions.map(
          (one) => html`<tr key=${one.id}><td class="wrap">${one.agent}${one.this ? ` (${t("here")})` : ""}</td><td>${one.address}</td><td class="num">${moment(one.created_at)}</td><td class="num">${moment(one.expires_at)}</td>
            <td class="actions-cell">${!one.this && html`<${Act} class="quiet" act=${end(one.id)} onTrouble=${setTrouble}>${t("end")}<//>`}</td></tr>`,
        )}
      <//>
    </section>
  `;
}
