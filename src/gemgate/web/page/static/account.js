// One account: its card, and the form that hands cookies over. A cookie goes one way only.
import { get, post } from "./api.js";
import { html, useState } from "./html.js";
import { useClock } from "./live.js";
import { Remedy } from "./lives.js";
import { Countdown, Field, State, Trouble } from "./parts.js";
import { ago, moment, number, words } from "./words.js";

const t = words({
  text: ["text", "文本"],
  pro: ["Pro text", "Pro 文本"],
  image: ["pictures", "图片"],
  video: ["videos", "视频"],
  music: ["music", "音乐"],
  research: ["deep research", "Deep Research"],
  upload: ["uploads", "上传"],
  lanes: ["{busy} of {max} lanes busy", "{max} 个通道中 {busy} 个占用"],
  lanes_word: ["Lanes", "通道"],
  rests: ["Rests", "冷却"],
  last_error: ["Last error", "最近错误"],
  notice: ["Note", "注意"],
  understood: ["Understood", "知道了"],
  forecast: ["Forecast", "预测"],
  whose: ["Google account", "Google 账号"],
  way: ["Way to Google", "网络出口"],
  way_rests: ["{address} rests: Google blocks it for a while", "{address} 正在休息：被 Google 暂时封锁"],
  way_tries: ["{address} was blocked; the next call tries it again", "{address} 曾被封锁，下一次请求将试探"],
  number: ["Account of its cookies", "Cookie 中的账号"],
  speaks: ["asked to speak {language}", "指定语言 {language}"],
  signed_in: ["Signed in", "登录于"],
  renewed: ["Renewed", "续期于"],
  source: ["Cookies from", "Cookie 来源"],
  pasted: ["pasted here", "手动粘贴"],
  left: ["Left", "剩余"],
  left_of: ["{percent} % of {window}", "{window} 剩余 {percent}%"],
  begins_anew: ["begins anew", "重置于"],
  comma: [", ", "，"],
  windows: ["All of Google's windows", "全部 Google 用量窗口"],
  used_of: ["{percent} % used", "已用 {percent}%"],
  remaining: ["{left} left", "剩余 {left}"],
  "5h": ["5 hours", "5 小时"],
  weekly: ["the week", "每周"],
  credits: ["credits", "积分"],
  calls_of: ["{model} calls", "{model} 次数"],
  tier: ["Plan", "套餐"],
  free: ["Free", "免费版"],
  plus: ["Plus", "Plus"],
  ultra: ["Ultra", "Ultra"],
  plan_pro: ["Pro", "Pro"],
  node: ["Node", "节点"],
  kind: ["Kind", "类型"],
  web: ["Google account (cookies)", "Google 账号（Cookie）"],
  official: ["official API key", "官方 API 密钥"],
  fallback: ["only when no other can", "仅作后备"],
  probing: ["next call tries again", "下一次请求将试探"],
  name: ["Name of the account", "账号名称"],
  name_hint: ["As you like: letters, digits, dots and dashes.", "自定：字母、数字、点和短横线。"],
  cookies: ["Cookies", "Cookie"],
  cookies_hint: [
    "However you copied them: a header, cURL, PowerShell, a table row, HAR, cookies.txt, an extension's JSON. __Secure-1PSID has to be in it.",
    "任何复制方式均可：请求头、cURL、PowerShell、表格行、HAR、cookies.txt 或扩展导出的 JSON，须包含 __Secure-1PSID。",
  ],
  more: ["Proxy, lanes, another source", "代理、通道、其他来源"],
  proxy: ["Proxy of this account", "此账号的代理"],
  proxy_hint: ["Empty: as all others. Several, with blanks between: the first that is not blocked.", "留空则与其他账号相同。可填多个（以空格分隔），使用第一个未被封锁的。"],
  lanes_hint: ["Calls at once; empty: CONCURRENCY.", "并发数；留空则使用 CONCURRENCY。"],
  from: ["Read cookies from", "从此处读取 Cookie"],
  from_hint: ["Instead of pasting, e.g. file:/path/cookies.txt or browser:firefox.", "代替粘贴，例如 file:/path/cookies.txt 或 browser:firefox。"],
  add: ["Add the account", "添加账号"],
  hand: ["Take these cookies", "使用这些 Cookie"],
  signing: ["Signing in at Google …", "正在登录 Google…"],
  kept: ["The account is there, but not signed in. Paste other cookies to try again.", "账号已创建但尚未登录，请粘贴其他 Cookie 重试。"],
});

export const capability = (name) => t(name);

/** What was done with an account, and its details, by the API's words; one that is not known stays as it is. */
export const did = words({
  "set up": ["set up", "添加"],
  cookies: ["cookies handed over", "提供 Cookie"],
  paused: ["paused", "暂停"],
  resumed: ["resumed", "恢复"],
  removed: ["forgotten", "移除"],
  reset: ["rests ended by hand", "结束冷却"],
  refreshed: ["asked to sign in anew", "要求重新登录"],
  measured: ["lengths measured", "测量长度"],
  "pairing code": ["pairing code shown", "显示配对码"],
  "browser paired": ["browser paired", "配对浏览器"],
  "gem made": ["gem made", "新建 gem"],
  "gem changed": ["gem changed", "修改 gem"],
  "gem copied": ["gem copied", "复制 gem"],
  "gem deleted": ["gem deleted", "删除 gem"],
  "history delete": ["chats deleted at Google", "删除 Google 对话"],
  "history export": ["chats exported", "导出对话"],
  alert: ["alert sent", "已告警"],
  "alert over": ["told that it is over", "已通知恢复"],
  "no alert": ["no alert: no channel took it", "未告警：没有渠道接收"],
  "no alert over": ["over; no channel took it", "已恢复：没有渠道接收"],
  "by hand": ["by hand", "手动提供"],
  all: ["all", "全部"],
  needs_login: ["needs login", "需要登录"],
  cooling: ["cooling", "冷却中"],
  blocked: ["address blocked", "地址被封锁"],
  error: ["error", "异常"],
});

/** The name of one of Google's windows, the same wherever it stands. What Google only numbers has its model's name. */
export const windowName = ({ window, model }) => (window.startsWith("action ") && model ? t("calls_of", { model }) : t(window));

/** `children`: what can be done with it. */
export function AccountCard({ account, children }) {
  const now = useClock(true);
  const { lanes } = account;
  const boxes = Math.min(lanes.max, 24);
  const full = lanes.max ? Math.ceil((lanes.busy / lanes.max) * boxes) : 0;
  const resting = account.cooldowns.filter((one) => one.until || one.phase !== "closed");
  return html`
    <article class="sheet" aria-label=${account.name}>
      <div class="row between"><h3>${account.name}</h3><${State} word=${account.state} /></div>
      ${(account.why || account.until) && html`<p>${account.why} <${Countdown} until=${account.until} /></p>`}
      <${Remedy} account=${account} />
      <div class="stack tight">
        <div class="lanes" aria-hidden="true">${Array.from({ length: boxes }, (_, at) => html`<i class=${at < full ? "busy" : ""}></i>`)}</div>
        <p class="small muted">${t("lanes", lanes)}</p>
      </div>
      <dl class="facts">
        ${account.node && html`<dt>${t("node")}</dt><dd>${account.node}</dd>`}
        ${account.google && html`<dt>${t("whose")}</dt><dd>${account.google}</dd>`}
        ${resting.map((one) => html`
          <dt>${t("rests")}</dt>
          <dd><span class="tag">${t(one.capability)}</span> ${one.until ? html`<${Countdown} until=${one.until} />` : t("probing")}
            <span class="small muted"> ${one.reason}</span></dd>
        `)}
        ${account.address_rest && account.address_rest.phase !== "closed" && html`
          <dt>${t("way")}</dt>
          <dd>${t(account.address_rest.phase === "open" ? "way_rests" : "way_tries", account)} <${Countdown} until=${account.address_rest.until} /></dd>`}
        ${account.tier && account.tier !== "unknown" && html`<dt>${t("tier")}</dt><dd>${t(account.tier === "pro" ? "plan_pro" : account.tier)}</dd>`}
        ${account.binding && html`<dt>${t("left")}</dt><dd><${Binding} one=${account.binding} usage=${account.usage} /></dd>`}
        ${account.forecast && html`<dt>${t("forecast")}</dt><dd>${account.forecast}</dd>`}
        ${account.notice && html`<dt>${t("notice")}</dt><dd>${account.notice}</dd>`}
        ${account.last_error && account.last_error !== account.why && html`<dt>${t("last_error")}</dt><dd>${account.last_error}</dd>`}
        ${account.signed_in_at && html`<dt>${t("signed_in")}</dt><dd>${ago(account.signed_in_at, now)}</dd>`}
        ${account.renewed_at && html`<dt>${t("renewed")}</dt><dd>${ago(account.renewed_at, now)}</dd>`}
        ${children && html`
          <dt>${t("kind")}</dt><dd>${t(account.kind)}${account.fallback ? `, ${t("fallback")}` : ""}</dd>
          ${account.kind === "web" && html`<dt>${t("source")}</dt><dd>${account.source || t("pasted")}</dd>`}
          ${(account.number > 0 || account.language) && html`<dt>${t("number")}</dt>
            <dd>/u/${account.number}${account.language ? `, ${t("speaks", account)}` : ""}</dd>`}
        `}
      </dl>
      ${account.usage.length > 1 && html`<${Windows} account=${account} />`}
      ${children}
    </article>
  `;
}

/** The window that binds, with a bar of what is left of it: of several that share its name it is the fullest. */
function Binding({ one, usage }) {
  const percent = Math.round(one.left * 100);
  const [fullest] = usage.filter((each) => each.window === one.window).sort((a, b) => b.used - a.used);
  const text = t("left_of", { percent, window: windowName(fullest ?? one) });
  return html`
    <meter min="0" max="100" low="10" high="30" optimum="100" value=${percent} aria-label=${text}></meter> ${text}
    ${one.resets_at && html`<span class="small muted">${t("comma")}${t("begins_anew")} ${moment(one.resets_at)}</span>`}
  `;
}

function Windows({ account }) {
  return html`
    <details>
      <summary>${t("windows")}</summary>
      <dl class="facts">
        ${account.usage.map((one) => html`
          <dt>${windowName(one)}</dt>
          <dd>${t("used_of", { percent: Math.round(one.used * 100) })}
            ${one.remaining != null && `${t("comma")}${t("remaining", { left: number(one.remaining) + (one.total ? ` / ${number(one.total)}` : "") })}`}
            ${one.resets_at && html`<span class="small muted">${t("comma")}${t("begins_anew")} ${moment(one.resets_at)}</span>`}</dd>
        `)}
      </dl>
    </details>
  `;
}

const at = (node) => (node ? `?node=${encodeURIComponent(node)}` : "");

/** Text of cookies as it was pasted; JSON exports go as JSON. */
export const handOver = (cookies, account, node) => post("/api/cookies" + at(node), { cookies, account });

export function CookieBox({ value, onInput, required = true }) {
  return html`
    <${Field} label=${t("cookies")} hint=${t("cookies_hint")} wide>
      <textarea class="raw" name="cookies" rows="5" spellcheck="false" autocomplete="off" required=${required} value=${value}
        onInput=${(e) => onInput(e.target.value)}></textarea>
    <//>
  `;
}

/** What a person should know of cookies that were taken. */
export function Notice({ text, onDone }) {
  return html`<p role="status">${text}</p><div class="actions"><button class="first" type="button" onClick=${onDone}>${t("understood")}</button></div>`;
}

/** Adds an account. When it is made but Google refuses its cookies, the same form takes others for it. */
export function NewAccount({ onDone, first }) {
  const [form, setForm] = useState({ name: first ? "main" : "", cookies: "", source: "", proxy: "", lanes: "" });
  const [made, setMade] = useState("");
  const [problem, setProblem] = useState(null);
  const [working, setWorking] = useState(false);
  const [notice, setNotice] = useState("");
  const set = (name) => (e) => setForm({ ...form, [name]: e.target.value });
  const submit = async (event) => {
    event.preventDefault();
    setWorking(true);
    setProblem(null);
    try {
      let told;
      if (made === form.name) told = await handOver(form.cookies, form.name);
      else {
        const body = { name: form.name, only_new: true, source: form.source, proxy: form.proxy || null };
        if (form.lanes) body.lanes = Number(form.lanes);
        if (form.cookies) body.cookies = form.cookies;
        told = await post("/api/accounts", body);
      }
      setForm({ ...form, cookies: "" });
      if (told?.notice) setNotice(told.notice);
      else onDone();
    } catch (failed) {
      setProblem(failed);
      if (failed.code !== "account_exists" && !made) {
        const { accounts } = await get("/api/accounts").catch(() => ({ accounts: [] }));
        if (form.cookies && accounts.some((one) => one.name === form.name)) setMade(form.name);
      }
    } finally {
      setWorking(false);
    }
  };
  if (notice) return html`<${Notice} text=${notice} onDone=${onDone} />`;
  return html`
    <form class="form" onSubmit=${submit}>
      <${Field} label=${t("name")} hint=${t("name_hint")} wide>
        <input name="name" required pattern="[\\w.\\-]+" maxlength="64" value=${form.name} readonly=${Boolean(made)} onInput=${set("name")} />
      <//>
      <${CookieBox} value=${form.cookies} required=${!form.source} onInput=${(cookies) => setForm({ ...form, cookies })} />
      <details class="wide">
        <summary>${t("more")}</summary>
        <div class="form">
          <${Field} label=${t("from")} hint=${t("from_hint")}><input name="source" value=${form.source} onInput=${set("source")} /><//>
          <${Field} label=${t("proxy")} hint=${t("proxy_hint")}><input name="proxy" value=${form.proxy} onInput=${set("proxy")} /><//>
          <${Field} label=${t("lanes_word")} hint=${t("lanes_hint")}>
            <input name="lanes" type="number" min="1" max="256" value=${form.lanes} onInput=${set("lanes")} />
          <//>
        </div>
      </details>
      ${problem && html`<div class="wide"><${Trouble} problem=${problem} />${made && html`<p class="small">${t("kept")}</p>`}</div>`}
      <div class="actions">
        <button class="first" disabled=${working} aria-busy=${working}>${made ? t("hand") : t("add")}</button>
        ${working && html`<span class="muted" role="status">${t("signing")}</span>`}
      </div>
    </form>
  `;
}
