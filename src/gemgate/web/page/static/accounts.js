// The accounts and everything that can be done with them.
import { AccountCard, capability, CookieBox, did, handOver, NewAccount, Notice } from "./account.js";
import { OverTime } from "./account_time.js";
import { ask, get, post } from "./api.js";
import { html, useEffect, useState } from "./html.js";
import { usePoll } from "./live.js";
import { Lives, Ways } from "./lives.js";
import { PairBrowser } from "./pairing.js";
import { Act, Confirm, Dialog, Empty, Loading, Page, Table, Trouble } from "./parts.js";
import { moment, words } from "./words.js";

const t = words({
  lead: ["Cookies go in and are never shown again. An account that is cooling down comes back by itself.", "Cookie 只进不出，绝不再显示。冷却中的账号会自动恢复。"],
  add: ["Add an account", "添加账号"],
  pair: ["Pair a browser", "配对浏览器"],
  none: ["There is no account yet.", "还没有账号。"],
  paste: ["New cookies", "更新 Cookie"],
  test: ["Test", "测试"],
  refresh: ["Sign in anew", "重新登录"],
  pause: ["Pause", "暂停"],
  resume: ["Resume", "恢复"],
  reset: ["Reset", "重置"],
  reset_title: ["End the rest of {name}", "结束 {name} 的冷却"],
  reset_text: ["gemgate rests an account because Google asked for it. Ended too early, Google may ask for longer.", "账号冷却是因为 Google 的限制；过早结束可能导致更长的限制。"],
  time: ["Over time", "变化"],
  audit: ["History", "历史"],
  forget: ["Forget", "移除"],
  forget_title: ["Forget {name}?", "移除 {name}？"],
  forget_text: ["Its cookies are deleted. Chats that it answered go on with other accounts.", "其 Cookie 将被删除，会话由其他账号继续。"],
  good: ["Google answers; the account is signed in.", "Google 有响应，账号已登录。"],
  paste_title: ["New cookies for {name}", "更新 {name} 的 Cookie"],
  paste_text: ["The old ones stay in use until Google has accepted these.", "新 Cookie 被 Google 接受之前，旧的继续使用。"],
  hand: ["Take these cookies", "使用这些 Cookie"],
  when: ["When", "时间"],
  who: ["Who", "操作者"],
  what: ["What", "操作"],
  detail: ["Detail", "详情"],
  nothing: ["Nothing yet.", "暂无记录。"],
});

const where = (account, action = "", query = "") => {
  const asked = [query, account.node && `node=${encodeURIComponent(account.node)}`].filter(Boolean).join("&");
  return `/api/accounts/${encodeURIComponent(account.name)}${action && "/" + action}${asked && "?" + asked}`;
};

export function Accounts({ title }) {
  const { data, problem, refresh } = usePoll("/api/overview", 2);
  const [open, setOpen] = useState(null);
  const close = () => {
    setOpen(null);
    refresh();
  };
  const add = html`
    <button type="button" onClick=${() => setOpen({ what: "pair" })}>${t("pair")}</button>
    <button type="button" class="first" onClick=${() => setOpen({ what: "add" })}>${t("add")}</button>
  `;
  return html`
    <${Page} title=${title} lead=${t("lead")} actions=${add}>
      <${Trouble} problem=${problem} />
      ${!data && !problem && html`<${Loading} />`}
      ${data?.accounts.length === 0 && html`<${Empty}>${t("none")}<//>`}
      <div class="cards">
        ${data?.accounts.map((one) => html`
          <${AccountCard} key=${(one.node ?? "") + one.name} account=${one}>
            <${Deeds} account=${one} refresh=${refresh} open=${(what) => setOpen({ what, account: one })} />
          <//>
        `)}
      </div>
      ${data?.accounts.length > 0 && html`<${Ways} accounts=${data.accounts} /><${Lives} />`}
      ${open?.what === "add" && html`<${Dialog} title=${t("add")} onClose=${close}><${NewAccount} onDone=${close} /><//>`}
      ${open?.what === "paste" && html`<${Paste} account=${open.account} onClose=${close} />`}
      ${open?.what === "pair" && html`<${PairBrowser} account=${open.account} onClose=${close} />`}
      ${open?.what === "audit" && html`<${Audit} account=${open.account} onClose=${close} />`}
      ${open?.what === "time" && html`<${OverTime} account=${open.account} path=${(...more) => where(open.account, ...more)} onClose=${close} />`}
      ${open?.what === "reset" && html`<${Reset} account=${open.account} onClose=${close} />`}
      ${open?.what === "forget" && html`
        <${Confirm} title=${t("forget_title", open.account)} yes=${t("forget")} onClose=${close}
          act=${() => ask("DELETE", where(open.account))}><p>${t("forget_text")}</p><//>
      `}
    <//>
  `;
}

function Deeds({ account, refresh, open }) {
  const [problem, setProblem] = useState(null);
  const [good, setGood] = useState(false);
  const act = (action) => async () => {
    setGood(false);
    await post(where(account, action));
    setGood(action === "test");
    refresh();
  };
  const deed = (action) => html`<${Act} act=${act(action)} onTrouble=${setProblem}>${t(action)}<//>`;
  const ask = (what) => html`<button type="button" onClick=${() => open(what)}>${t(what)}</button>`;
  return html`
    <div class="actions">
      ${account.kind === "web" && html`${ask("paste")} ${ask("pair")}`}
      ${deed("test")} ${deed("refresh")} ${deed(account.state === "paused" ? "resume" : "pause")}
      ${account.cooldowns.length > 0 && ask("reset")} ${account.kind === "web" && ask("time")} ${ask("audit")} ${ask("forget")}
    </div>
    ${good && html`<p class="small" role="status">${t("good")}</p>`}
    <${Trouble} problem=${problem} />
  `;
}

function Paste({ account, onClose }) {
  const [cookies, setCookies] = useState("");
  const [problem, setProblem] = useState(null);
  const [notice, setNotice] = useState("");
  const act = async () => {
    const told = await handOver(cookies, account.name, account.node);
    if (told?.notice) setNotice(told.notice);
    else onClose();
  };
  if (notice) return html`<${Dialog} title=${t("paste_title", account)} onClose=${onClose}><${Notice} text=${notice} onDone=${onClose} /><//>`;
  return html`
    <${Dialog} title=${t("paste_title", account)} onClose=${onClose}>
      <p>${t("paste_text")}</p>
      <${CookieBox} value=${cookies} onInput=${setCookies} />
      <${Trouble} problem=${problem} />
      <div class="actions"><${Act} class="first" disabled=${!cookies.trim()} act=${act} onTrouble=${setProblem}>${t("hand")}<//></div>
    <//>
  `;
}

function Reset({ account, onClose }) {
  const [problem, setProblem] = useState(null);
  const act = (body) => async () => {
    await post(where(account, "reset"), body);
    onClose();
  };
  return html`
    <${Dialog} title=${t("reset_title", account)} onClose=${onClose}>
      <p>${t("reset_text")}</p>
      <${Trouble} problem=${problem} />
      <div class="actions">
        ${account.cooldowns.map((one) => html`
          <${Act} act=${act({ capability: one.capability })} onTrouble=${setProblem}>${t("reset")}: ${capability(one.capability)}<//>
        `)}
      </div>
    <//>
  `;
}

function Audit({ account, onClose }) {
  const [shown, setShown] = useState(null);
  const [problem, setProblem] = useState(null);
  useEffect(() => {
    get(where(account)).then(setShown, setProblem);
  }, []);
  return html`
    <${Dialog} title="${t("audit")}: ${account.name}" onClose=${onClose} wide>
      <${Trouble} problem=${problem} />
      ${!shown && !problem && html`<${Loading} />`}
      ${shown && (shown.audit.length ? html`
        <${Table} caption=${t("audit")} head=${["when", "who", "what", "detail"].map((name) => t(name))}>
          ${shown.audit.map((line) => html`
            <tr><td class="nowrap">${moment(line.at)}</td><td>${line.actor}</td><td>${did(line.action)}</td><td>${did(line.detail)}</td></tr>
          `)}
        <//>` : html`<${Empty}>${t("nothing")}<//>`)}
    <//>
  `;
}
