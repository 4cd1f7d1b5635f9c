// Is everything all right? One sentence, then the accounts as they are now.
import { html } from "../html.js";
import { usePoll, serverNow } from "../live.js";
import { Countdown, Loading, Note, Page, State, Trouble } from "../parts.js";
import { ago, moment, number, told, words } from "../words.js";
import { Setup } from "./setup.js";

const t = words({
  title: ["Overview", "总览"],
  accounts: ["Accounts", "账号"],
  lanes: ["{busy} of {max} lanes in use", "{max} 个通道中 {busy} 个使用中"],
  signed: ["Signed in", "登录时间"],
  renewed: ["Cookies renewed", "Cookie 更新"],
  forecast: ["Forecast", "预测"],
  error: ["Last error", "最近错误"],
  source: ["Cookies from", "Cookie 来源"],
  byHand: ["handed over by hand", "手动提供"],
  rests: ["Rests", "休息中"],
  hour: ["The last hour", "最近一小时"],
  ended: ["calls answered or refused", "已结束的调用"],
  failed: ["of them failed", "其中失败"],
  underWay: ["under way", "进行中"],
  waiting: ["waiting for a lane", "等待通道"],
  version: ["gemgate {version} on {node}, since {since}", "gemgate {version}，节点 {node}，启动于 {since}"],
  usage: ["{window}: {used} % used", "{window}：已用 {used}%"],
});

const TONE = { ok: "ok", starting: "info", warn: "warn", down: "bad", setup: "info" };

export function Lanes({ lanes }) {
  const text = t("lanes", { busy: lanes.busy, max: lanes.max });
  const shown = Math.min(lanes.max, 16);
  return html`<div class="pips" role="img" aria-label=${text} title=${text}>
    ${Array.from({ length: shown }, (_, index) => html`<i class=${index < lanes.busy ? "on" : ""}></i>`)}
  </div>`;
}

/** One account as a card; `children` are what can be done with it. */
export function AccountCard({ account, children }) {
  const now = serverNow();
  return html`
    <article class="card" aria-label=${account.name}>
      <header><h3 class="wrap">${account.name}</h3><${State} word=${account.state} /></header>
      ${(account.why || account.until) && html`<p>${account.why} ${" "}<${Countdown} until=${account.until} /></p>`}
      <${Lanes} lanes=${account.lanes} />
      <dl class="facts">
        ${account.node && html`<dt>node</dt><dd>${account.node}</dd>`}
        <dt>${t("source")}</dt><dd>${account.source || t("byHand")}</dd>
        ${account.signed_in_at && html`<dt>${t("signed")}</dt><dd title=${moment(account.signed_in_at)}>${ago(account.signed_in_at, now)}</dd>`}
        ${account.renewed_at && html`<dt>${t("renewed")}</dt><dd title=${moment(account.renewed_at)}>${ago(account.renewed_at, now)}</dd>`}
        ${account.forecast && html`<dt>${t("forecast")}</dt><dd>${account.forecast}</dd>`}
        ${account.usage.map((one) => html`<dt></dt><dd>${t("usage", { window: one.window, used: number(one.used * 100) })}</dd>`)}
        ${account.last_error && html`<dt>${t("error")}</dt><dd>${account.last_error}</dd>`}
      </dl>
      ${account.cooldowns.length > 0 &&
      html`<ul class="small stack" aria-label=${t("rests")}>
        ${account.cooldowns.map((one) => html`<li><${State} word=${one.phase} /> ${one.capability} ${" "}<${Countdown} until=${one.until} /> ${one.reason}</li>`)}
      </ul>`}
      ${children}
    </article>
  `;
}

export function Overview() {
  const { data, problem, refresh } = usePoll("/api/overview", 2);
  if (!data) return html`<${Page} title=${t("title")}>${problem ? html`<${Trouble} problem=${problem} />` : html`<${Loading} />`}<//>`;
  return html`
    <${Page} title=${t("title")}>
      <${Trouble} problem=${problem} />
      <p class="note verdict ${TONE[data.level]}" role="status">${told(data.sentence)}</p>
      ${data.level === "setup" && html`<${Setup} onDone=${refresh} />`}
      ${data.degraded.map((text) => html`<${Note} tone="warn">${text}<//>`)}
      ${data.accounts.length > 0 &&
      html`<section><h2>${t("accounts")}</h2><div class="cards">
        ${data.accounts.map((account) => html`<${AccountCard} key=${account.name} account=${account} />`)}
      </div></section>`}
      <section><h2>${t("hour")}</h2>
        <dl class="figures">
          ${[["ended", data.requests.ended], ["failed", data.requests.failed], ["underWay", data.requests.under_way], ["waiting", data.waiting]].map(
            ([name, value]) => html`<div><dt>${t(name)}</dt><dd>${number(value)}</dd></div>`,
          )}
        </dl>
      </section>
      <p class="muted small">${t("version", { version: data.version, node: data.node, since: moment(data.started_at) })}</p>
    <//>
  `;
}
