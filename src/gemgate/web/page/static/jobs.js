// Whatever runs in the background, of every kind: how it stands, what it has cost, what came of it.
import { get, here, post } from "./api.js";
import { Wall } from "./gallery.js";
import { html, useEffect, useRef, useState } from "./html.js";
import { usePoll } from "./live.js";
import { Media } from "./media.js";
import { Markdown } from "./markdown.js";
import { Order } from "./ordering.js";
import { Act, Code, Empty, Field, Loading, Meter, Note, Page, State, stateWord, Table, Trouble } from "./parts.js";
import { about, moment, number, span, words } from "./words.js";

const t = words({
  lead: ["Batches, background responses and single calls for images. They survive a restart, and nothing is made twice.", "批次、后台 response 与单次图片调用；重启后继续，且不会重复生成。"],
  new: ["New batch of pictures", "新建图片批次"],
  kind: ["Kind", "类型"],
  state: ["State", "状态"],
  any: ["all", "全部"],
  images: ["pictures", "图片批次"],
  chat: ["chat batch", "对话批次"],
  responses: ["responses batch", "responses 批次"],
  generations: ["images batch", "生图批次"],
  edits: ["edits batch", "改图批次"],
  image_call: ["image call", "图片调用"],
  video: ["video", "视频"],
  music: ["music", "音乐"],
  research: ["deep research", "Deep Research"],
  response: ["background response", "后台 response"],
  interaction: ["background interaction", "后台 interaction"],
  answer: ["call under a key", "带幂等键的调用"],
  none: ["No job yet.", "还没有任务。"],
  none_such: ["No job of this kind and state.", "没有符合条件的任务。"],
  job: ["Job", "任务"],
  progress: ["Progress", "进度"],
  failed: ["Failed", "失败"],
  sent: ["Prompts sent", "已发送提示"],
  took: ["Took", "耗时"],
  created: ["Ordered", "提交于"],
  started: ["Begun", "开始于"],
  ended: ["Ended", "结束于"],
  expires: ["Given up on", "最晚至"],
  model: ["Model", "模型"],
  endpoint: ["Endpoint", "接口"],
  tokens: ["Tokens (estimated)", "Token（估算）"],
  key: ["Key", "密钥"],
  range: ["{first} to {last} of {total}", "第 {first}–{last} 个，共 {total} 个"],
  older: ["Older", "更早"],
  newer: ["Newer", "较新"],
  newest: ["Newest", "最新"],
  done: ["{done} of {total} done", "已完成 {done}/{total}"],
  ready: ["ready by {time} (in {left})", "预计 {time} 前完成（{left}）"],
  waiting: ["Waiting: {what}", "等待：{what}"],
  pause: ["Pause", "暂停"],
  resume: ["Go on", "继续"],
  cancel: ["Give up", "取消"],
  retry: ["Retry what failed", "重试失败项"],
  zip: ["ZIP of all pictures", "下载 ZIP"],
  output: ["Output file", "输出文件"],
  error: ["Error file", "错误文件"],
  input: ["Input file", "输入文件"],
  failures: ["Failures", "失败"],
  task: ["Task", "任务"],
  line: ["Line", "行"],
  reason: ["Reason", "原因"],
  more: ["and {count} more", "另有 {count} 项"],
  pictures: ["Pictures", "图片"],
  results: ["Results one by one", "逐项结果"],
  result: ["Result", "结果"],
  report: ["Report", "报告"],
  save: ["Download JSON", "下载 JSON"],
  all: ["All jobs", "全部任务"],
  foreign: ["It belongs to the key {key}: what was asked and answered is shown to that key alone.", "属于密钥 {key}：提问与回答仅向该密钥显示。"],
});

const KINDS = ["images", "chat", "responses", "generations", "edits", "image_call", "response", "interaction", "answer", "video", "music", "research"];
const STATES = ["queued", "processing", "paused", "finalizing", "completed", "failed", "cancelling", "cancelled", "expired"];
const OVER = ["completed", "failed", "cancelled", "expired"];
const PAGE = 50;
const EVERY = 3;
const seconds = (text) => Date.parse(text) / 1000;

export const Jobs = ({ title, rest, ordering }) =>
  rest[0] ? html`<${One} id=${rest[0]} />` : html`<${All} title=${title} ordering=${ordering} />`;

/** The room under its old address, where batches were ordered. */
export const Batches = (given) => html`<${Jobs} ...${given} ordering />`;

let chosen = { kind: "", status: "" }; // stays while a job is looked at

function All({ title, ordering }) {
  const [filters, setFilters] = useState(chosen);
  const [trail, setTrail] = useState([]); // the last job of each page before this one
  const query = new URLSearchParams(Object.entries({ ...filters, after: trail.at(-1) }).filter(([, value]) => value));
  const { data: told, problem } = usePoll(`/api/jobs?limit=${PAGE}&${query}`, EVERY);
  const last = useRef({ data: null, at: [] }); // a page stays until the next one is there, and the focus with it
  if (told) last.current = { data: told, at: trail };
  const { data, at } = last.current;
  const choose = (name) => (e) => {
    chosen = { ...filters, [name]: e.target.value };
    setFilters(chosen);
    setTrail([]);
  };
  const select = (name, options) => html`
    <${Field} label=${t(name === "status" ? "state" : name)}>
      <select name=${name} value=${filters[name]} onChange=${choose(name)}>
        <option value="">${t("any")}</option>
        ${options}
      </select>
    <//>`;
  const first = at.length * PAGE;
  const shown = data?.data ?? [];
  const behind = data && first + shown.length < data.total && shown.length === PAGE;
  return html`
    <${Page} title=${title} lead=${t("lead")}>
      <details class="sheet" open=${ordering}><summary><h2>${t("new")}</h2></summary><${Order} /></details>
      <div class="filters">
        ${select("kind", KINDS.map((kind) => html`<option value=${kind}>${t(kind)}</option>`))}
        ${select("status", STATES.map((state) => html`<option value=${state}>${stateWord(state)}</option>`))}
      </div>
      <${Trouble} problem=${problem} />
      ${!data && !problem && html`<${Loading} />`}
      ${data && !shown.length && html`<${Empty}>${t(filters.kind || filters.status ? "none_such" : "none")}<//>`}
      ${shown.length > 0 && html`
        <${Table} caption=${title} head=${["job", "state", "progress", "kind", "failed", "sent", "took", "created"].map((name) => t(name))}>
          ${shown.map((one) => html`<${Row} key=${one.id} one=${one} />`)}
        <//>
        <div class="row between">
          <p class="muted" role="status">${t("range", { first: number(first + 1), last: number(first + shown.length), total: number(data.total) })}</p>
          <div class="actions">
            ${at.length > 1 && html`<button type="button" onClick=${() => setTrail([])}>${t("newest")}</button>`}
            ${at.length > 0 && html`<button type="button" onClick=${() => setTrail(at.slice(0, -1))}>${t("newer")}</button>`}
            ${behind && html`<button type="button" onClick=${() => setTrail([...at, shown.at(-1).id])}>${t("older")}</button>`}
          </div>
        </div>
      `}
    <//>
  `;
}

const Row = ({ one }) => html`
  <tr>
    <th scope="row"><a href="#/jobs/${one.id}">${one.id.length > 22 ? `${one.id.slice(0, 20)}…` : one.id}</a>${!one.own && html` <span class="tag">${one.key ?? "–"}</span>`}</th>
    <td><${State} word=${one.status} /></td>
    <td><${Meter} done=${one.completed} failed=${one.failed} total=${one.total} label=${`${t(one.kind)} ${one.id}`} /> ${one.completed}/${one.total}
      ${one.ready_at && !OVER.includes(one.status) && html`<span class="small muted nowrap">${t("ready", { time: moment(seconds(one.ready_at)), left: about(one.eta_seconds) })}</span>`}</td>
    <td class="nowrap">${t(one.kind)}</td>
    <td class="num">${one.failed || ""}</td>
    <td class="num">${one.prompts_sent ?? "–"}</td>
    <td class="num nowrap">${span(one.seconds)}</td>
    <td class="nowrap">${moment(seconds(one.created_at))}</td>
  </tr>
`;

function One({ id }) {
  const [over, setOver] = useState(false);
  const path = `/api/jobs/${encodeURIComponent(id)}`;
  const { data, problem, refresh } = usePoll(path, over ? 0 : 1.5);
  const [trouble, setTrouble] = useState(null);
  useEffect(() => setOver(Boolean(data) && OVER.includes(data.status)), [data?.status]);
  return html`
    <${Page} title="${t("job")} ${id}" lead=${html`<a href="#/jobs">← ${t("all")}</a>`}>
      <${Trouble} problem=${problem ?? trouble} />
      ${!data && !problem && html`<${Loading} />`}
      ${data && html`
        <section class="sheet" aria-label=${t("progress")}>
          <div class="row between">
            <p class="row"><${State} word=${data.status} /> <span role="status">${t("done", { done: number(data.completed), total: number(data.total) })}</span></p>
            ${!over && data.ready_at && html`<p class="muted">${t("ready", { time: moment(seconds(data.ready_at)), left: about(data.eta_seconds) })}</p>`}
          </div>
          <${Meter} done=${data.completed} failed=${data.failed} total=${data.total} label=${t("progress")} />
          ${data.waiting_for && html`<p class="muted">${t("waiting", { what: data.waiting_for })}</p>`}
          <${Deeds} job=${data} path=${path} changed=${() => (setOver(false), refresh())} onTrouble=${setTrouble} />
          <${Facts} job=${data} />
        </section>
        ${!data.own && html`<${Note}><p>${t("foreign", { key: data.key ?? "–" })}</p><//>`}
        <${Failures} job=${data} />
        ${data.own && html`<${Outcome} job=${data} path=${path} />`}
      `}
    <//>
  `;
}

/** What can be done with a job, and what can be fetched of it as one file. */
function Deeds({ job, path, changed, onTrouble }) {
  const deed = (verb, first) => {
    const target = ["pause", "resume"].includes(verb) ? `/v1/batch/${job.id}/${verb}` : `${path}/${verb}`;
    return html`<${Act} class=${first ? "first" : ""} act=${async () => (await post(target), changed())} onTrouble=${onTrouble}>${t(verb)}<//>`;
  };
  const open = ["queued", "processing", "paused"].includes(job.status);
  const batch = job.kind === "images";
  return html`
    <div class="actions">
      ${batch && job.completed > 0 && html`<a class="button" href=${here(`/v1/batch/${job.id}/archive`)} download>${t("zip")}</a>`}
      ${job.own && ["output", "error", "input"].filter((name) => job.files[name]).map((name) => html`
        <a class="button" href=${here(`/v1/files/${job.files[name]}/content`)} download="${job.id}_${name}.jsonl">${t(name)}</a>`)}
      ${batch && open && job.status !== "paused" && deed("pause")}
      ${batch && job.status === "paused" && deed("resume", true)}
      ${open && deed("cancel")}
      ${job.failed + job.cancelled > 0 && OVER.includes(job.status) && deed("retry")}
    </div>
  `;
}

function Facts({ job }) {
  const when = (name) => job[name] && moment(seconds(job[name]));
  const rows = [
    ["kind", t(job.kind)],
    ["model", job.model],
    ["endpoint", job.endpoint],
    ["created", when("created_at")],
    ["started", when("started_at")],
    ["ended", when("ended_at")],
    ["expires", !OVER.includes(job.status) && when("expires_at")],
    ["took", job.seconds != null && span(job.seconds)],
    ["sent", job.prompts_sent == null ? "–" : number(job.prompts_sent)],
    ["tokens", job.usage && `${number(job.usage.input_tokens)} + ${number(job.usage.output_tokens)}`],
    ["key", job.key],
  ];
  return html`
    <dl class="facts">${rows.filter(([, value]) => value).map(([name, value]) => html`<dt>${t(name)}</dt><dd>${value}</dd>`)}</dl>
  `;
}

const place = (task) => Number(task.split("_").at(-1)) + 1;

function Failures({ job }) {
  const wrong = job.input_errors ?? [];
  if (!job.errors.length && !wrong.length) return null;
  return html`
    <section class="stack tight" aria-label=${t("failures")}>
      <h2>${t("failures")}</h2>
      <${Table} caption=${t("failures")} head=${[wrong.length ? t("line") : t("task"), t("reason")]}>
        ${wrong.map((one) => html`<tr><td class="num">${one.line}</td><td>${one.message}</td></tr>`)}
        ${job.errors.map((one) => html`<tr key=${one.task_id}><td class="num">${place(one.task_id)}</td><td>${one.error} <span class="tag">${one.code}</span></td></tr>`)}
      <//>
      ${job.failed > job.errors.length && html`<p>${t("more", { count: number(job.failed - job.errors.length) })}</p>`}
    </section>
  `;
}

/** What came of the tasks: pictures on a wall, an answer as it was given, and all of it one by one. */
function Outcome({ job, path }) {
  const [pictures, setPictures] = useState([]);
  const [answer, setAnswer] = useState(null);
  const [files, setFiles] = useState([]);
  const [problem, setProblem] = useState(null);
  const words = ["chat", "responses"].includes(job.kind);
  const alone = job.total === 1;
  useEffect(() => {
    if (!job.completed) return;
    if (!words) get(`/api/gallery?limit=200&batch=${encodeURIComponent(job.id)}`).then((page) => setPictures(page.pictures), setProblem);
    if (alone) get(`${path}/results?limit=1`).then((page) => {
      setAnswer(page.data[0]?.body ?? null);
      setFiles(page.data[0]?.files ?? []);
    }, setProblem);
  }, [job.completed]);
  return html`
    <${Trouble} problem=${problem} />
    ${files.length > 0 && !pictures.length && html`<${Media} files=${files} />`}
    ${job.kind === "research" && answer && html`<section class="stack tight" aria-label=${t("report")}><h2>${t("report")}</h2><div class="markdown"><${Markdown} text=${reportOf(answer)} /></div></section>`}
    ${answer && html`<${Answer} id=${job.id} body=${answer} />`}
    ${pictures.length > 0 && html`<section class="stack tight" aria-label=${t("pictures")}><h2>${t("pictures")}</h2><${Wall} pictures=${pictures} /></section>`}
    ${!alone && job.completed + job.failed > 0 && html`<${Results} key=${job.id} path=${path} />`}
  `;
}

/** The words of a response or an interaction: what a research found, or its plan. */
const reportOf = (body) =>
  [...(body.output ?? []), ...(body.steps ?? [])]
    .filter((part) => part.type === "message" || part.type === "model_output")
    .flatMap((part) => part.content.map((content) => content.text ?? "")).join("");

function Answer({ id, body }) {
  const text = JSON.stringify(body, null, 2);
  return html`
    <${Code} label=${t("result")} text=${text} />
    <div class="actions"><a class="button" download="${id}.json" href=${`data:application/json;charset=utf-8,${encodeURIComponent(text)}`}>${t("save")}</a></div>
  `;
}

/** Pages of results, asked for when somebody opens them. */
function Results({ path }) {
  const [pages, setPages] = useState([0]);
  const [shown, setShown] = useState(null);
  const [open, setOpen] = useState(false);
  const [problem, setProblem] = useState(null);
  const offset = pages.at(-1);
  useEffect(() => {
    if (open) get(`${path}/results?limit=${PAGE}&offset=${offset}`).then(setShown, setProblem);
  }, [open, offset]);
  return html`
    <details class="sheet" onToggle=${(e) => setOpen(e.target.open)}>
      <summary>${t("results")}</summary>
      <${Trouble} problem=${problem} />
      ${open && !shown && !problem && html`<${Loading} />`}
      ${shown && html`
        <${Table} caption=${t("results")} head=${[t("task"), t("state"), t("result")]}>
          ${shown.data.map((one) => html`
            <tr key=${one.task_id}>
              <td class="num">${one.custom_id ?? place(one.task_id)}</td>
              <td><${State} word=${one.status === "done" ? "completed" : one.status} /></td>
              <td>${one.error ?? (one.files
                ? one.files.map((file) => html`<a href=${file.url} download>${file.name}</a> `)
                : html`<code class="cut">${JSON.stringify(one.body).slice(0, 300)}</code>`)}</td>
            </tr>`)}
        <//>
        <div class="actions">
          ${pages.length > 1 && html`<button type="button" onClick=${() => setPages(pages.slice(0, -1))}>${t("newer")}</button>`}
          ${shown.next_offset != null && html`<button type="button" onClick=${() => setPages([...pages, shown.next_offset])}>${t("older")}</button>`}
        </div>
      `}
    </details>
  `;
}
