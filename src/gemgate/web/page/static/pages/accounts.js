// The accounts: what each needs, and what a person can do about it. Values of cookies are never shown.
import { post, remove } from "../api.js";
import { html, useState } from "../html.js";
import { usePoll } from "../live.js";
import { Act, Confirm, Dialog, Empty, Field, Loading, Page, Table, Trouble } from "../parts.js";
import { moment, words } from "../words.js";
import { CookieForm } from "./cookies.js";
import { AccountCard } from "./overview.js";

const t = words({
  title: ["Accounts", "账号"],
  lead: ["Each account has one state word; routing, /health and every error text follow it.", "每个账号只有一个状态；路由、/health 与所有错误文字都以它为准。"],
  add: ["Add an account", "添加账号"],
  none: ["There is no account yet.", "还没有账号。"],
  paste: ["Paste cookies", "粘贴 Cookie"],
  pasteFor: ["Cookies for {name}", "{name} 的 Cookie"],
  test: ["Test", "检测"],
  refresh: ["Sign in again", "重新登录"],
  pause: ["Pause", "暂停"],
  resume: ["Resume", "恢复"],
  reset: ["Reset rests", "重置休息"],
  forget: ["Forget", "移除"],
  forgetTitle: ["Forget {name}?", "移除 {name}？"],
  forgetText: [
    "Its cookies, rests and history here are deleted. Its chats at Google stay. Calls that run are finished first.",
    "将删除其 Cookie、休息状态与本地记录；Google 上的对话不受影响。正在进行的调用会先完成。",
  ],
  audit: ["History", "记录"],
  auditOf: ["What was done with {name}", "{name} 的操作记录"],
  when: ["When", "时间"], who: ["Who", "操作者"], what: ["What", "操作"], detail: ["Detail", "详情"],
  name: ["Name", "名称"],
  source: ["Where its cookies come from", "Cookie 来源"],
  byHand: ["I paste them", "手动粘贴"],
  firefox: ["Firefox on the gateway's machine", "网关所在机器的 Firefox"],
  chrome: ["Chrome on the gateway's machine", "网关所在机器的 Chrome"],
  chromium: ["Chromium on the gateway's machine", "网关所在机器的 Chromium"],
  file: ["A file on the gateway's machine", "网关所在机器上的文件"],
  path: ["Profile or path", "配置或路径"],
  pathHint: ["Empty for the browser's default profile.", "留空则使用浏览器默认配置。"],
  proxy: ["Proxy", "代理"],
  lanes: ["Lanes", "通道数"],
  weight: ["Weight", "权重"],
  next: ["Add", "添加"],
});

const ACTIONS = (state) => [
  ["test", true],
  ["refresh", true],
  ["pause", state !== "paused"],
  ["resume", state === "paused"],
  ["reset", true],
];

export function Accounts() {
  const { data, problem, refresh } = usePoll("/api/overview", 2);
  const [open, setOpen] = useState(null);
  const [trouble, setTrouble] = useState(null);
  const close = () => setOpen(null);
  const at = (account) => (account.node ? `?node=${encodeURIComponent(account.node)}` : "");
  const act = async (account, action) => {
    await post(`/api/accounts/${encodeURIComponent(account.name)}/${action}${at(account)}`, undefined);
    refresh();
  };
  const add = html`<button type="button" class="primary" onClick=${() => setOpen({ what: "add" })}>${t("add")}</button>`;
  return html`
    <${Page} title=${t("title")} lead=${t("lead")} actions=${add}>
      <${Trouble} problem=${trouble ?? problem} />
      ${!data && !problem && html`<${Loading} />`}
      ${data?.accounts.length === 0 && html`<${Empty}>${t("none")}<//>`}
      <div class="cards">
        ${data?.accounts.map(
          (account) => html`
            <${AccountCard} key=${account.name} account=${account}>
              <div class="actions">
                ${account.kind === "web" && !account.live_browser &&
                html`<button type="button" onClick=${() => setOpen({ what: "paste", account })}>${t("paste")}</button>`}
                ${ACTIONS(account.state)
                  .filter(([, shown]) => shown)
                  .map(([name]) => html`<${Act} class="quiet" act=${() => act(account, name)} onTrouble=${setTrouble}>${t(name)}<//>`)}
                <button type="button" class="quiet" onClick=${() => setOpen({ what: "audit", account })}>${t("audit")}</button>
                <button type="button" class="quiet" onClick=${() => setOpen({ what: "forget", account })}>${t("forget")}</button>
              </div>
            <//>
          `,
        )}
      </div>
      ${open?.what === "add" && html`<${Add} onClose=${close} onDone=${refresh} />`}
      ${open?.what === "paste" &&
      html`<${Dialog} title=${t("pasteFor", { name: open.account.name })} onClose=${close}>
        <${CookieForm} account=${open.account.name} node=${open.account.node} onDone=${refresh} />
      <//>`}
      ${open?.what === "audit" && html`<${Audit} account=${open.account} query=${at(open.account)} onClose=${close} />`}
      ${open?.what === "forget" &&
      html`<${Confirm} title=${t("forgetTitle", { name: open.account.name })} yes=${t("forget")} onClose=${close}
        act=${async () => {
          await remove(`/api/accounts/${encodeURIComponent(open.account.name)}${at(open.account)}`);
          refresh();
        }}><p>${t("forgetText")}</p><//>`}
    <//>
  `;
}

function Audit({ account, query, onClose }) {
  const { data, problem } = usePoll(`/api/accounts/${encodeURIComponent(account.name)}${query}`, 0);
  return html`
    <${Dialog} title=${t("auditOf", { name: account.name })} onClose=${onClose} wide>
      <${Trouble} problem=${problem} />
      ${!data ? html`<${Loading} />` : html`<${Table} caption=${t("audit")} head=${[t("when"), t("who"), t("what"), t("detail")]}>
        ${data.audit.map((line) => html`<tr><td class="num">${moment(line.at)}</td><td>${line.actor}</td><td>${line.action}</td><td class="wrap">${line.detail}</td></tr>`)}
      <//>`}
    <//>
  `;
}

function Add({ onClose, onDone }) {
  const [form, setForm] = useState({ name: "", kind: "", path: "", proxy: "", lanes: "", weight: "1" });
  const [problem, setProblem] = useState(null);
  const [made, setMade] = useState(false);
  const set = (name) => (event) => setForm({ ...form, [name]: event.target.value });
  const source = () => (form.kind ? form.kind + (form.path ? `:${form.path}` : "") : "");
  const send = async (event) => {
    event.preventDefault();
    try {
      setProblem(null);
      await post("/api/accounts", {
        name: form.name, source: source(), proxy: form.proxy || null, lanes: form.lanes ? Number(form.lanes) : null, weight: Number(form.weight || 1),
      });
      onDone();
      if (form.kind) onClose();
      else setMade(true);
    } catch (found) {
      setProblem(found);
    }
  };
  return html`
    <${Dialog} title=${made ? t("pasteFor", { name: form.name }) : t("add")} onClose=${onClose}>
      ${made
        ? html`<${CookieForm} account=${form.name} onDone=${onDone} />`
        : html`<form onSubmit=${send}>
            <div class="fields">
              <${Field} label=${t("name")}><input required pattern="[\\w.@\\-]{1,64}" value=${form.name} onInput=${set("name")} /><//>
              <${Field} label=${t("source")}>
                <select value=${form.kind} onChange=${set("kind")}>
                  <option value="">${t("byHand")}</option>
                  <option value="browser:firefox">${t("firefox")}</option>
                  <option value="browser:chrome">${t("chrome")}</option>
                  <option value="browser:chromium">${t("chromium")}</option>
                  <option value="file">${t("file")}</option>
                </select>
              <//>
              ${form.kind && html`<${Field} label=${t("path")} hint=${form.kind === "file" ? "" : t("pathHint")}><input required=${form.kind === "file"} value=${form.path} onInput=${set("path")} /><//>`}
              <${Field} label=${t("proxy")}><input type="url" placeholder="http://127.0.0.1:3128" value=${form.proxy} onInput=${set("proxy")} /><//>
              <${Field} label=${t("lanes")}><input type="number" min="1" max="256" value=${form.lanes} onInput=${set("lanes")} /><//>
              <${Field} label=${t("weight")}><input type="number" min="0" step="0.1" value=${form.weight} onInput=${set("weight")} /><//>
            </div>
            <${Trouble} problem=${problem} />
            <div class="actions"><button class="primary">${t("next")}</button></div>
          </form>`}
    <//>
  `;
}
