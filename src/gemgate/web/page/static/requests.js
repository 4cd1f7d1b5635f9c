// The last requests; and one of them explained. No prompt is ever among the facts.
import { get } from "./api.js";
import { html, useEffect, useState } from "./html.js";
import { usePoll } from "./live.js";
import { Empty, Field, Loading, Note, Page, Stages, Table, Trouble } from "./parts.js";
import { Waterfall } from "./waterfall.js";
import { bytes, chinese, clock, moment, number, span, told, words } from "./words.js";

const t = words({
  lead: ["What was asked lately, who took it and why, and where the time went, on one scale. Prompts are not kept.", "最近的请求：由谁处理、原因、耗时分布（同一尺度）。不保存提示词。"],
  status: ["Status", "状态"],
  any: ["any", "全部"],
  error: ["failed", "失败"],
  open: ["under way", "进行中"],
  account: ["Account", "账号"],
  key: ["Key", "密钥"],
  time: ["Time", "时间"],
  what: ["Request", "请求"],
  model: ["Model", "模型"],
  reuse: ["Conversation", "会话"],
  attempts: ["Attempts", "尝试"],
  total: ["Total", "总计"],
  stages: ["Where the time went", "耗时分布"],
  queue: ["queue", "排队"],
  first_byte: ["first byte", "首字节"],
  upstream: ["upstream", "上游"],
  download: ["download", "下载"],
  logo: ["logo", "去标志"],
  store: ["store", "存储"],
  none: ["No request is remembered that fits.", "没有符合条件的请求。"],
  more: ["Older", "更早"],
  newest: ["Newest", "最新"],
  all: ["All requests", "全部请求"],
  request: ["Request", "请求"],
  story: ["What happened", "经过"],
  facts: ["Facts", "概要"],
  prompt: ["Prompt", "提示"],
  number: ["Attempt", "尝试"],
  why: ["Why this account", "选择原因"],
  outcome: ["Outcome", "结果"],
  then: ["Then", "随后"],
  generated: ["generated: {what}", "是否已生成：{what}"],
  skipped: ["Passed over", "跳过的账号"],
  repair: ["Repairs", "修复"],
  pictures: ["Pictures", "图片"],
  route: ["Fetched as", "来源"],
  size: ["Size", "大小"],
  served: ["Served by", "实际模型"],
  id: ["Id", "编号"],
  dialect: ["Dialect", "协议"],
  generations: ["Generations at Google", "Google 生成次数"],
  messages: ["Messages", "消息"],
  messages_text: ["{all}, of which {new} were sent", "共 {all} 条，其中发送 {new} 条"],
  tokens: ["Tokens (estimated)", "Token（估算）"],
  ignored: ["Not honoured", "未采用的参数"],
  streamed: ["Streamed", "流式"],
  yes: ["yes", "是"],
  hit: ["went on", "续用"],
  miss: ["new", "新会话"],
  fork: ["branched", "分支"],
  replay: ["replayed", "重放"],
  answered: ["answered", "已应答"],
  failed: ["failed", "失败"],
  waiting: ["waiting", "等待"],
  cut: ["in the stream", "流中断"],
  conversation: ["the conversation stands there", "会话所在账号"],
  again: ["again, after signing in", "重新登录后再试"],
  preferred: ["preferred", "优先"],
  least_busy: ["least busy", "最空闲"],
  only: ["the only one that could", "唯一可用"],
  fallback: ["fallback", "后备"],
  other_account: ["sent to another account", "改发其他账号"],
  signed_in: ["signed in anew, sent again", "重新登录后再发"],
  fresh_chat: ["everything told anew", "重新讲述全部内容"],
  maybe_generated: ["not again: maybe generated", "未重发：可能已生成"],
  spoken: ["not again: answer had begun", "未重发：回答已开始"],
  no_help: ["not again: would not help", "未重发：换账号无济于事"],
  last_try: ["not again: enough tries", "未重发：已达次数上限"],
  tried: ["had failed this call", "本次请求中已失败"],
  cooling: ["cooling", "冷却中"],
  busy: ["busy", "繁忙"],
  needs_login: ["needs login", "需要登录"],
  paused: ["paused", "已暂停"],
  blocked: ["address blocked", "地址被封锁"],
  starting: ["signing in", "登录中"],
  json: ["JSON that did not fit", "JSON 不符合要求"],
  tools: ["tool calls that did not fit", "工具调用不符合声明"],
  sent: ["sent", "已发送"],
  removed: ["logo removed", "标志已去除"],
  absent: ["no logo there", "无标志"],
  kept: ["logo kept", "标志保留"],
  full_size: ["full size", "原始尺寸"],
  preview: ["preview", "预览图"],
  stopped: ["stopped", "已停止"],
  refused: ["no account", "无可用账号"],
});

const STAGES = ["queue", "upstream", "download", "logo", "store"];
const stagesOf = (timings) => STAGES.map((name) => [name, t(name), timings[name]]);

export const Requests = ({ title, rest }) => (rest[0] ? html`<${One} id=${rest[0]} />` : html`<${All} title=${title} />`);

function All({ title }) {
  const [filters, setFilters] = useState({ status: "", account: "", key: "" });
  const [cursor, setCursor] = useState("");
  const query = new URLSearchParams(Object.entries({ ...filters, cursor }).filter(([, value]) => value));
  const { data, problem } = usePoll(`/api/requests?limit=50&${query}`, cursor ? 0 : 3);
  const set = (name) => (e) => (setCursor(""), setFilters({ ...filters, [name]: e.target.value.trim() }));
  const shown = (data?.requests ?? []).filter((one) => one.model.asked || one.model.id || one.attempts || filters.status);
  const slowest = Math.max(0.001, ...shown.map((one) => one.timings.total ?? 0)); // one scale for all rows
  return html`
    <${Page} title=${title} lead=${t("lead")}>
      <div class="filters">
        <${Field} label=${t("status")}>
          <select name="status" value=${filters.status} onChange=${set("status")}>
            ${[["", t("any")], ["open", t("open")], ["error", t("error")], ["2xx", "2xx"], ["4xx", "4xx"], ["5xx", "5xx"]].map(
              ([value, name]) => html`<option value=${value}>${name}</option>`)}
          </select>
        <//>
        <${Field} label=${t("account")}><input name="account" value=${filters.account} onChange=${set("account")} /><//>
        <${Field} label=${t("key")}><input name="key" value=${filters.key} onChange=${set("key")} /><//>
      </div>
      <${Trouble} problem=${problem} />
      ${!data && !problem && html`<${Loading} />`}
      ${data && !shown.length && html`<${Empty}>${t("none")}<//>`}
      ${shown.length > 0 && html`
        <${Table} caption=${title} lines head=${["time", "what", "status", "account", "model", "reuse", "attempts", "stages", "total"].map((name) => t(name))}>
          ${shown.map((one) => html`<${Row} key=${one.id} one=${one} slowest=${slowest} />`)}
        <//>
      `}
      <div class="actions">
        ${cursor && html`<button type="button" onClick=${() => setCursor("")}>${t("newest")}</button>`}
        ${data?.next_cursor && html`<button type="button" onClick=${() => setCursor(data.next_cursor)}>${t("more")}</button>`}
      </div>
    <//>
  `;
}

const Status = ({ one }) => {
  if (one.state === "open") return html`<span class="state info">${t("open")}</span>`;
  const bad = one.error || one.status >= 400;
  return html`<span class="state ${one.status >= 500 ? "bad" : bad ? "warn" : "ok"}">${one.status}${one.error && one.status < 400 ? ` ${t("cut")}` : ""}</span>`;
};

const Row = ({ one, slowest }) => html`
  <tr>
    <td class="nowrap"><time datetime=${new Date(one.time * 1000).toISOString()} title=${moment(one.time)}>${clock(one.time)}</time></td>
    <th scope="row"><a href="#/requests/${one.id}">${one.operation || "–"}</a>${one.key && html` <span class="tag">${one.key}</span>`}</th>
    <td><${Status} one=${one} /></td>
    <td>${one.account ?? "–"}</td>
    <td>${one.model.id ?? one.model.asked ?? "–"}</td>
    <td>${one.reuse ? t(one.reuse) : "–"}</td>
    <td class="num">${one.attempts}</td>
    <td class="wide"><${Stages} stages=${stagesOf(one.timings)} total=${slowest} /></td>
    <td class="num">${span(one.timings.total)}</td>
  </tr>
`;

function One({ id }) {
  const [shown, setShown] = useState(null);
  const [problem, setProblem] = useState(null);
  useEffect(() => {
    let timer = 0;
    const look = () =>
      get(`/api/requests/${encodeURIComponent(id)}`).then((found) => {
        setShown(found);
        if (found.state === "open") timer = setTimeout(look, 1000);
      }, setProblem);
    look();
    return () => clearTimeout(timer);
  }, [id]);
  return html`
    <${Page} title=${t("request")} lead=${html`<a href="#/requests">← ${t("all")}</a>`}>
      <${Trouble} problem=${problem && { message: problem.message }} />
      ${!shown && !problem && html`<${Loading} />`}
      ${shown && html`<${Explained} shown=${shown} />`}
    <//>
  `;
}

function Explained({ shown }) {
  const { model, timings } = shown;
  const facts = [
    ["id", html`<code>${shown.id}</code>`],
    ["time", moment(shown.time)],
    ["what", `${shown.operation}${shown.path ? ` (${shown.path})` : ""}`],
    ["dialect", shown.dialect],
    ["key", shown.key],
    ["model", model.asked === model.id ? model.id : `${model.asked ?? "–"} → ${model.id ?? "–"}`],
    ["served", model.served],
    ["streamed", shown.streamed && t("yes")],
    ["reuse", shown.reuse && t(shown.reuse)],
    ["messages", shown.messages && t("messages_text", shown.messages)],
    ["generations", String(shown.generations)],
    ["tokens", `${number(shown.tokens.prompt)} + ${number(shown.tokens.output)}`],
    ["ignored", shown.ignored.join(", ")],
  ];
  return html`
    <section class="stack" aria-labelledby="story">
      <div class="row"><h2 id="story">${t("story")}</h2><${Status} one=${shown} /></div>
      ${shown.error && html`<${Note} tone="bad"><p>${told(shown.error)} <span class="tag">${shown.error.code || shown.error.kind}</span></p><//>`}
      <ol class="story">${shown.story.map((sentence) => html`<li>${told(sentence)}</li>`)}</ol>
    </section>
    <section class="sheet" aria-labelledby="stages">
      <h2 id="stages">${t("stages")}</h2>
      <${Waterfall} request=${shown} />
      <${Stages} stages=${stagesOf(timings)} total=${timings.total} legend />
      <p class="small muted">${t("first_byte")}: ${span(timings.first_byte)} · ${t("total")}: ${span(timings.total)}</p>
    </section>
    ${shown.attempts.length > 0 && html`<${Attempts} attempts=${shown.attempts} />`}
    ${shown.repairs.length > 0 && html`
      <section class="stack tight"><h2>${t("repair")}</h2><ul>${shown.repairs.map((one) => html`<li>${t(one)}</li>`)}</ul></section>`}
    ${shown.pictures.length > 0 && html`<${Pictures} pictures=${shown.pictures} />`}
    <section class="sheet" aria-labelledby="facts">
      <h2 id="facts">${t("facts")}</h2>
      <dl class="facts">${facts.filter(([, value]) => value).map(([name, value]) => html`<dt>${t(name)}</dt><dd>${value}</dd>`)}</dl>
    </section>
  `;
}

const Attempts = ({ attempts }) => html`
  <section class="stack tight" aria-labelledby="attempts">
    <h2 id="attempts">${t("attempts")}</h2>
    <${Table} caption=${t("attempts")} head=${["number", "account", "why", "reuse", "outcome", "then", "queue", "first_byte", "upstream"].map((name) => t(name))}>
      ${attempts.map((one, at) => html`
        <tr>
          <th scope="row">${at + 1}${one.repair ? html` <span class="tag">${t("repair")}: ${t(one.repair)}</span>` : ""}</th>
          <td>${one.account ?? "–"}</td>
          <td>${one.why ? t(one.why) : "–"}
            ${one.skipped.map((other) => html`<div class="small muted">${t("skipped")}: ${other.account} · ${t(other.state)}${other.why ? ` · ${chinese() ? other.why_zh ?? other.why : other.why}` : ""}</div>`)}
          </td>
          <td>${one.reuse ? t(one.reuse) : "–"}</td>
          <td>${t(one.outcome)}${one.error && html`<div class="small">${told(one.error)}</div><div class="small muted">${t("generated", { what: one.generated })}</div>`}</td>
          <td>${one.then ? t(one.then) : "–"}</td>
          <td class="num">${span(one.queue + one.pace)}</td>
          <td class="num">${span(one.first_byte)}</td>
          <td class="num">${span(one.upstream)}</td>
        </tr>
      `)}
    <//>
  </section>
`;

const Pictures = ({ pictures }) => html`
  <section class="stack tight" aria-labelledby="pictures">
    <h2 id="pictures">${t("pictures")}</h2>
    <${Table} caption=${t("pictures")} head=${["route", "size", "logo", "download", "logo", "store"].map((name) => t(name))}>
      ${pictures.map((one) => html`
        <tr><td>${t(one.source)}</td><td>${one.size} ${one.bytes ? bytes(one.bytes) : ""}</td><td>${one.failed ?? t(one.logo)}</td>
          <td class="num">${span(one.download)}</td><td class="num">${span(one.work)}</td><td class="num">${span(one.store)}</td></tr>
      `)}
    <//>
  </section>
`;
