// The last requests, and the story of one: who took it and why, what failed, what was done then, where the time went.
import { html, useState } from "../html.js";
import { usePoll } from "../live.js";
import { Empty, Field, Loading, Page, Stages, Table, Trouble } from "../parts.js";
import { bytes, clock, moment, number, span, told, words } from "../words.js";

const t = words({
  title: ["Requests", "请求"],
  lead: ["The last ones, without a word of what was said.", "最近的请求，不含任何对话内容。"],
  none: ["No request yet.", "还没有请求。"],
  time: ["Time", "时间"], what: ["Call", "调用"], status: ["Status", "状态"], model: ["Model", "模型"], account: ["Account", "账号"], took: ["Took", "耗时"], key: ["Key", "密钥"],
  filter: ["Show", "显示"], every: ["all", "全部"], errors: ["only errors", "仅错误"], open: ["under way", "进行中"],
  all: ["All requests", "全部请求"],
  one: ["Request {id}", "请求 {id}"],
  story: ["What happened", "经过"],
  times: ["Where the time went", "时间分布"],
  queue: ["queue", "排队"], first_byte: ["first word", "首字"], upstream: ["Google", "Google"], download: ["download", "下载"], logo: ["logo and marking", "标志处理"], store: ["store", "存储"],
  attempts: ["Attempts", "尝试"], account_why: ["Why this one", "选择原因"], outcome: ["Outcome", "结果"], generated: ["Generated", "是否生成"], then: ["Then", "随后"],
  facts: ["Facts", "信息"], reuse: ["Conversation", "对话"], tokens: ["Tokens (estimated)", "Token（估算）"], repairs: ["Repairs", "修复"], messages: ["Messages", "消息"], ignored: ["Ignored", "已忽略"], generations: ["Generations at Google", "Google 生成次数"],
  pictures: ["Pictures", "图片"], size: ["Size", "尺寸"],
  running: ["under way", "进行中"],
});

export function Requests({ rest }) {
  return rest[0] ? html`<${One} key=${rest[0]} id=${rest[0]} />` : html`<${List} />`;
}

function List() {
  const [status, setStatus] = useState("");
  const { data, problem } = usePoll(`/api/requests?limit=100${status ? `&status=${status}` : ""}`, 2);
  const choose = html`<${Field} label=${t("filter")}>
    <select value=${status} onChange=${(event) => setStatus(event.target.value)}>
      <option value="">${t("every")}</option><option value="error">${t("errors")}</option><option value="open">${t("open")}</option>
    </select>
  <//>`;
  return html`
    <${Page} title=${t("title")} lead=${t("lead")} actions=${choose}>
      <${Trouble} problem=${problem} />
      ${!data && !problem && html`<${Loading} />`}
      ${data?.requests.length === 0 && html`<${Empty}>${t("none")}<//>`}
      ${data?.requests.length > 0 &&
      html`<${Table} caption=${t("title")} head=${[t("time"), t("what"), t("status"), t("model"), t("account"), t("key"), t("took")]}>
        ${data.requests.map(
          (one) => html`<tr key=${one.id}>
            <td class="num"><a href="#/requests/${one.id}" title=${moment(one.time)}>${clock(one.time)}</a></td>
            <td>${one.operation}</td>
            <td><${Status} record=${one} /></td>
            <td>${one.model.id ?? "–"}</td>
            <td>${one.account ?? "–"}${one.attempts > 1 ? ` (${one.attempts})` : ""}</td>
            <td>${one.key ?? "–"}</td>
            <td><${Stages} stages=${stages(one.timings)} total=${one.timings.total} /><span class="small num">${span(one.timings.total)}</span></td>
          </tr>`,
        )}
      <//>`}
    <//>
  `;
}

function Status({ record }) {
  if (record.state === "open") return html`<span class="state info">${t("running")}</span>`;
  const bad = record.status >= 400 || record.in_band || record.error;
  return html`<span class="state ${bad ? (record.status >= 500 || record.in_band ? "bad" : "warn") : "ok"}">${record.status}${record.error ? ` ${record.error.kind}` : ""}</span>`;
}

const STAGES = ["queue", "upstream", "download", "logo", "store"];
const stages = (timings) => STAGES.map((name) => [name, t(name), timings[name] ?? 0]);

function One({ id }) {
  const { data, problem } = usePoll(`/api/requests/${encodeURIComponent(id)}`, 3);
  return html`
    <${Page} title=${t("one", { id })} lead=${html`<a href="#/requests">${t("all")}</a>`}>
      <${Trouble} problem=${problem} />
      ${!data && !problem && html`<${Loading} />`}
      ${data &&
      html`
        <section class="card"><h2>${t("story")}</h2><ol class="story">${data.story.map((line) => html`<li>${told(line)}</li>`)}</ol></section>
        <section class="card"><h2>${t("times")}</h2><${Stages} stages=${stages(data.timings)} total=${data.timings.total} legend />
          <p class="muted small">${span(data.timings.total)}${data.timings.first_byte != null ? ` · ${t("first_byte")} ${span(data.timings.first_byte)}` : ""}</p>
        </section>
        ${data.attempts.length > 0 &&
        html`<section><h2>${t("attempts")}</h2><${Table} caption=${t("attempts")} head=${[t("account"), t("account_why"), t("reuse"), t("outcome"), t("generated"), t("then"), t("queue"), t("first_byte"), t("upstream")]}>
          ${data.attempts.map(
            (one) => html`<tr>
              <td>${one.account ?? "–"}</td><td>${one.why ?? "–"}</td><td>${one.reuse ?? "–"}</td>
              <td>${one.outcome}${one.error ? html`<br /><span class="small">${told(one.error)}</span>` : ""}</td>
              <td>${one.generated}</td><td>${one.then ?? "–"}</td>
              <td class="num">${span(one.queue + one.pace)}</td><td class="num">${span(one.first_byte)}</td><td class="num">${span(one.upstream)}</td>
            </tr>`,
          )}
        <//></section>`}
        ${data.pictures.length > 0 &&
        html`<section><h2>${t("pictures")}</h2><${Table} caption=${t("pictures")} head=${[t("size"), t("logo"), t("download"), t("logo"), t("store")]}>
          ${data.pictures.map((one) => html`<tr><td>${one.failed ?? `${one.size}, ${bytes(one.bytes)}, ${one.source}`}</td><td>${one.logo}</td><td class="num">${span(one.download)}</td><td class="num">${span(one.work)}</td><td class="num">${span(one.store)}</td></tr>`)}
        <//></section>`}
        <section class="card"><h2>${t("facts")}</h2><dl class="facts">
          <dt>${t("time")}</dt><dd>${moment(data.time)}</dd>
          <dt>${t("what")}</dt><dd>${data.operation} (${data.dialect})</dd>
          <dt>${t("status")}</dt><dd><${Status} record=${data} /> ${data.error ? told(data.error) : ""}</dd>
          ${data.model.id && html`<dt>${t("model")}</dt><dd>${data.model.asked} → ${data.model.id}${data.model.served ? ` → ${data.model.served}` : ""}</dd>`}
          ${data.messages && html`<dt>${t("messages")}</dt><dd>${data.messages.new} / ${data.messages.all}</dd>`}
          <dt>${t("generations")}</dt><dd>${data.generations}</dd>
          ${data.repairs.length > 0 && html`<dt>${t("repairs")}</dt><dd>${data.repairs.join(", ")}</dd>`}
          <dt>${t("tokens")}</dt><dd>${number(data.tokens.prompt)} + ${number(data.tokens.output)}</dd>
          ${data.ignored.length > 0 && html`<dt>${t("ignored")}</dt><dd>${data.ignored.join(", ")}</dd>`}
          ${data.key && html`<dt>${t("key")}</dt><dd>${data.key}</dd>`}
        </dl></section>
      `}
    <//>
  `;
}
