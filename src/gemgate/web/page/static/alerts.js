// Who is told when an account needs a person.
import { post, remove } from "./api.js";
import { html, useState } from "./html.js";
import { usePoll } from "./live.js";
import { Act, Empty, Field, Loading, Note, Page, State, Table, Trouble } from "./parts.js";
import { moment, words } from "./words.js";

const t = words({
  lead: ["When an account is signed out, rests, is blocked, or will need a login soon, these are told once; and once more when it is over.", "当账号退出登录、冷却、被封锁或即将需要登录时，通知以下渠道一次；恢复后再通知一次。"],
  add: ["Add a channel", "添加渠道"],
  kind: ["Kind", "类型"],
  webhook: ["Webhook (JSON)", "Webhook（JSON）"],
  bark: ["Bark (push to a phone)", "Bark（手机推送）"],
  ntfy: ["ntfy", "ntfy"],
  telegram: ["Telegram bot", "Telegram 机器人"],
  slack: ["Slack", "Slack"],
  discord: ["Discord", "Discord"],
  feishu: ["Feishu / Lark group bot", "飞书群机器人"],
  dingtalk: ["DingTalk group bot", "钉钉群机器人"],
  wecom: ["WeCom group bot", "企业微信群机器人"],
  url: ["Address", "地址"],
  url_hint: ["Kept encrypted, because it is a secret; only its host is shown later.", "地址属于机密，将加密保存，之后仅显示主机名。"],
  signed: ["With signatures switched on: # and the bot's secret behind the address; with a keyword: gemgate.", "启用加签时，在地址后加 # 和机器人的密钥；使用关键词时填 gemgate。"],
  save: ["Add and send a test", "添加并发送测试"],
  test: ["Send a test", "发送测试"],
  forget: ["Forget", "移除"],
  from: ["From", "来源"],
  page: ["this page", "本页面"],
  none: ["No channel yet: nobody is told.", "还没有告警渠道。"],
  channels: ["Channels", "渠道"],
  action: ["Action", "操作"],
  sent: ["A test was sent and taken.", "测试消息已发送并被接收。"],
  unreachable: ["nothing answers at its address", "该地址没有响应"],
  timeout: ["no answer in time", "未在时限内响应"],
  unsent: ["The channel is kept, but did not take the test: {why}", "渠道已保存，但未接收测试消息：{why}"],
  untaken: ["taken by nobody", "未送达"],
  told: ["Recent alerts", "最近告警"],
  when: ["When", "时间"],
  account: ["Account", "账号"],
  what: ["What", "内容"],
  over: ["over: {what}", "已恢复：{what}"],
  nothing: ["There was nothing to tell yet.", "还没有需要告警的事件。"],
  needs_login: ["needs a login", "需要登录"],
  error: ["cannot be used", "无法使用"],
  cooling: ["rests", "冷却"],
  blocked: ["address blocked", "地址被封锁"],
  dies_soon: ["will need a login soon", "即将需要登录"],
  wire: ["Google's wire has changed", "Google 接口有变化"],
  machine: ["the machine is short", "运行环境异常"],
});

const FORMS = {
  webhook: "https://example.com/alerts",
  bark: "https://api.day.app/KEY",
  ntfy: "https://ntfy.sh/TOPIC",
  telegram: "https://api.telegram.org/botTOKEN/sendMessage?chat_id=ID",
  slack: "https://hooks.slack.com/services/T…/B…/…",
  discord: "https://discord.com/api/webhooks/ID/TOKEN",
  feishu: "https://open.feishu.cn/open-apis/bot/v2/hook/TOKEN",
  dingtalk: "https://oapi.dingtalk.com/robot/send?access_token=TOKEN",
  wecom: "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=KEY",
};
const SIGNED = ["feishu", "dingtalk"];

export function Alerts({ title }) {
  const { data, problem, refresh } = usePoll("/api/alerts", 10);
  const [form, setForm] = useState({ kind: "webhook", url: "" });
  const [trouble, setTrouble] = useState(null);
  const [tested, setTested] = useState(null);
  const add = async (event) => {
    event.preventDefault();
    setTrouble(null);
    setTested(null);
    try {
      const made = await post("/api/alerts", form);
      setTested(await post(`/api/alerts/${made.id}/test`));
      setForm({ ...form, url: "" });
      refresh();
    } catch (failed) {
      setTrouble(failed);
    }
  };
  const test = (id) => async () => setTested(await post(`/api/alerts/${id}/test`));
  const forget = (id) => async () => {
    await remove(`/api/alerts/${id}`);
    refresh();
  };
  return html`
    <${Page} title=${title} lead=${t("lead")}>
      <${Trouble} problem=${problem} />
      <section class="sheet" aria-labelledby="add">
        <h2 id="add">${t("add")}</h2>
        <form class="form" onSubmit=${add}>
          <${Field} label=${t("kind")}>
            <select name="kind" value=${form.kind} onChange=${(e) => setForm({ ...form, kind: e.target.value })}>
              ${Object.keys(FORMS).map((kind) => html`<option key=${kind} value=${kind}>${t(kind)}</option>`)}
            </select>
          <//>
          <${Field} label=${t("url")} hint=${`${t("url_hint")}${SIGNED.includes(form.kind) ? ` ${t("signed")}` : ""}`} wide>
            <input name="url" type="url" required placeholder=${FORMS[form.kind]} value=${form.url} autocomplete="off" onInput=${(e) => setForm({ ...form, url: e.target.value })} />
          <//>
          <div class="actions"><button class="first">${t("save")}</button></div>
        </form>
        <${Trouble} problem=${trouble} />
        ${tested?.taken && html`<${Note}><p role="status">${t("sent")}</p><//>`}
        ${tested && !tested.taken && html`<${Note} tone="bad"><p role="alert">${t("unsent", { why: t(tested.why) })}</p><//>`}
      </section>
      ${!data && !problem && html`<${Loading} />`}
      ${data && html`
        <section class="stack tight" aria-labelledby="channels"><h2 id="channels">${t("channels")}</h2>
          ${data.channels.length ? html`
            <${Table} caption=${t("channels")} head=${["kind", "url", "from", "action"].map((name) => t(name))}>
              ${data.channels.map((one) => html`
                <tr key=${one.id}><td>${t(one.kind)}</td><td><code>${one.host}</code>${one.usable ? "" : html` <${State} word="error" />`}</td><td>${one.origin === "page" ? t("page") : one.origin}</td>
                  <td><div class="row"><${Act} act=${test(one.id)} onTrouble=${setTrouble}>${t("test")}<//>
                    ${one.origin === "page" && html`<${Act} act=${forget(one.id)} onTrouble=${setTrouble}>${t("forget")}<//>`}</div></td></tr>
              `)}
            <//>` : html`<${Empty}>${t("none")}<//>`}
        </section>
        <section class="stack tight" aria-labelledby="told"><h2 id="told">${t("told")}</h2>
          ${data.told.length ? html`
            <${Table} caption=${t("told")} head=${["when", "account", "what"].map((name) => t(name))}>
              ${data.told.map((one) => html`
                <tr><td class="nowrap">${moment(one.at)}</td><td>${one.account || "–"}</td><td>${one.over ? t("over", { what: t(one.kind) }) : t(one.kind)} ${one.of}${one.taken ? "" : ` (${t("untaken")})`}</td></tr>
              `)}
            <//>` : html`<p class="muted">${t("nothing")}</p>`}
        </section>
      `}
    <//>
  `;
}
