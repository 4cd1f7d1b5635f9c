// Whether everything is all right, in one sentence; the accounts behind it; what to do when there are none.
import { NewAccount } from "./account.js";
import { AccountRows } from "./account_rows.js";
import { get, here } from "./api.js";
import { ConnectCard, Test } from "./connect.js";
import { Dashboard } from "./dashboard.js";
import { html, useEffect, useState } from "./html.js";
import { useClock, usePoll } from "./live.js";
import { Loading, Note, Page, Trouble, useModels } from "./parts.js";
import { ago, keep, kept, moment, number, told, words } from "./words.js";

const t = words({
  hour: ["Requests in the last hour", "最近一小时请求"],
  failed: ["of these failed", "其中失败"],
  under_way: ["Under way", "进行中"],
  waiting: ["Waiting for a lane", "等待通道"],
  lanes: ["Lanes busy", "占用通道"],
  since: ["Started", "启动于"],
  degraded: ["Degraded", "降级运行"],
  accounts: ["Accounts", "账号"],
  all: ["All accounts", "管理账号"],
  first_text: ["The last step: the first answer. Then connect a program.", "最后一步：获得第一个回答，然后连接程序。"],
  hide: ["Hide", "隐藏"],
  step4: ["See the first answer", "获得第一个回答"],
  step4_text: ["The next page has a test to send, and the address for your programs.", "下一页可以发送测试，并提供程序所需的地址。"],
  newest: ["Newest pictures", "最新图片"],
  gallery: ["All pictures", "全部图片"],
  picture: ["Picture of {when}", "{when} 的图片"],
  welcome: ["Set up your first account", "设置第一个账号"],
  welcome_lead: [
    "gemgate answers with your own Google account. Four steps, about two minutes.",
    "gemgate 使用您自己的 Google 账号应答。共四步，约两分钟。",
  ],
  step1: ["Sign in where nobody else signs in", "在单独的窗口登录"],
  step1_text: [
    "Open gemini.google.com in a private window, or in a Firefox that you use for nothing else, and sign in with an account of your own. Send one message there.",
    "在无痕窗口（或专用的 Firefox）中打开 gemini.google.com，用您自己的账号登录，并发送一条消息。",
  ],
  step2: ["Copy its cookies", "复制 Cookie"],
  step2_text: [
    "F12, then Network, any request to gemini.google.com, and copy the value of its Cookie header. An export of a cookie extension (JSON) or a cookies.txt does as well. Then close the window without signing out: a session that two use dies early.",
    "按 F12，在“网络”中选择任一 gemini.google.com 请求，复制其 Cookie 请求头。Cookie 扩展导出的 JSON 或 cookies.txt 也可以。随后直接关闭窗口、不要退出登录：同一会话两处使用会提前失效。",
  ],
  step3: ["Paste them here", "粘贴到这里"],
  step3_text: [
    "They are kept encrypted and never shown again, not even here.",
    "Cookie 加密保存，之后不会再显示，此处也不例外。",
  ],
});

export function Overview({ title }) {
  const { data, problem, refresh } = usePoll("/api/overview", 2);
  const now = useClock(Boolean(data));
  if (!data) return html`<${Page} title=${title}>${problem ? html`<${Trouble} problem=${problem} />` : html`<${Loading} />`}<//>`;
  if (!data.accounts.length && data.level === "setup") return html`<${Welcome} onDone=${refresh} />`;
  const lanes = data.accounts.reduce((sum, one) => sum + one.lanes.max, 0);
  const busy = data.accounts.reduce((sum, one) => sum + one.lanes.busy, 0);
  return html`
    <${Page} title=${title}>
      <div class="verdict ${data.level}" role="status"><span class="dot"></span><p>${told(data.sentence)}</p></div>
      <${Trouble} problem=${problem} />
      ${data.degraded.length > 0 && html`<${Note} tone="warn"><p><strong>${t("degraded")}:</strong> ${data.degraded.join("; ")}</p><//>`}
      <${First} ended=${data.requests.ended} />
      <${ConnectCard} />
      <dl class="figures">
        <div><dt>${t("hour")}</dt><dd>${number(data.requests.ended)}</dd></div>
        <div><dt>${t("failed")}</dt><dd>${number(data.requests.failed)}</dd></div>
        <div><dt>${t("under_way")}</dt><dd>${number(data.requests.under_way)}</dd></div>
        <div><dt>${t("waiting")}</dt><dd>${number(data.waiting)}</dd></div>
        <div><dt>${t("lanes")}</dt><dd>${busy} / ${lanes}</dd></div>
        ${data.started_at && html`<div><dt>${t("since")}</dt><dd>${ago(data.started_at, now)}</dd></div>`}
      </dl>
      <${Dashboard} />
      <${Newest} />
      <section class="stack" aria-labelledby="accounts">
        <div class="row between"><h2 id="accounts">${t("accounts")}</h2><a href="#/accounts">${t("all")}</a></div>
        <${AccountRows} accounts=${data.accounts} />
      </section>
      <p class="muted small">gemgate ${data.version}${data.node ? ` · ${data.node}` : ""}</p>
    <//>
  `;
}

/** The end of the first-run guide: the first answer. Gone once something was answered. */
function First({ ended }) {
  const models = useModels();
  const [open, setOpen] = useState(!kept("answered"));
  const done = () => keep("answered", "yes");
  useEffect(() => {
    if (ended > 0 && !kept("answered")) done();
  }, [ended]);
  const [began] = useState(ended);
  if (!open || began > 0) return null;
  return html`
    <div class="first-answer">
      <${Test} model=${models.default || "gemini-3-flash-preview"} onAnswered=${done} />
      <div class="row between"><span class="muted small">${t("first_text")}</span><button type="button" class="quiet small" onClick=${() => (done(), setOpen(false))}>${t("hide")}</button></div>
    </div>
  `;
}

/** The newest pictures, for a look. */
function Newest() {
  const [pictures, setPictures] = useState([]);
  useEffect(() => {
    get("/api/gallery?limit=8").then((page) => setPictures(page.pictures), () => {});
  }, []);
  if (!pictures.length) return null;
  return html`
    <section class="stack tight" aria-labelledby="newest">
      <div class="row between"><h2 id="newest">${t("newest")}</h2><a href="#/gallery">${t("gallery")}</a></div>
      <ul class="strip">${pictures.map((one) => html`
        <li key=${one.id}><a href="#/gallery/${one.id}"><img src=${here(one.thumb)} width="160" height="160" loading="lazy"
          alt=${one.prompt ? one.prompt.slice(0, 200) : t("picture", { when: moment(one.created_at) })} /></a></li>`)}</ul>
    </section>
  `;
}

function Welcome({ onDone }) {
  return html`
    <${Page} title=${t("welcome")} lead=${t("welcome_lead")}>
      <ol class="steps">
        ${["step1", "step2"].map((name) => html`
          <li><div class="stack tight"><h2>${t(name)}</h2><p>${t(name + "_text")}</p></div></li>
        `)}
        <li><div class="stack tight">
          <h2>${t("step3")}</h2><p>${t("step3_text")}</p>
          <div class="sheet"><${NewAccount} onDone=${onDone} first /></div>
        </div></li>
        <li><div class="stack tight"><h2>${t("step4")}</h2><p>${t("step4_text")}</p></div></li>
      </ol>
    <//>
  `;
}
