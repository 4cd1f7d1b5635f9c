// Batches of pictures: order them, watch them, fetch them.
import { ask, get, here, post } from "./api.js";
import { Wall } from "./gallery.js";
import { html, useEffect, useRef, useState } from "./html.js";
import { usePoll } from "./live.js";
import { Act, Empty, Field, Loading, Meter, Note, Page, State, Table, Trouble, useModels } from "./parts.js";
import { moment, number, span, words } from "./words.js";

const t = words({
  lead: ["Many pictures at once. A batch survives a restart and is never made twice.", "一次生成大量图片；批次在重启后继续，且不会重复生成。"],
  new: ["New batch", "新建批次"],
  prompts: ["Prompts", "提示词"],
  prompts_hint: ["One in each line; or CSV with the columns prompt, model, size, aspect, quality; or JSONL.", "每行一个；或 CSV（列为 prompt、model、size、aspect、quality）；或 JSONL。"],
  preview: ["What will be ordered", "将要提交的内容"],
  line: ["Line", "行"],
  prompt: ["Prompt", "提示词"],
  wishes: ["Wishes", "要求"],
  refused: ["{count} lines cannot be ordered", "{count} 行无法提交"],
  more: ["and {count} more", "另有 {count} 项"],
  file: ["or from a file", "或从文件读取"],
  model: ["Model", "模型"],
  size: ["Size", "尺寸"],
  aspect: ["Shape", "比例"],
  by_size: ["as the size needs", "按尺寸选择"],
  auto: ["automatic", "自动"],
  concurrency: ["At once", "并发数"],
  order: ["Order {count} pictures", "提交 {count} 张图片"],
  order_none: ["Order pictures", "提交"],
  none: ["No batch yet.", "还没有批次。"],
  batch: ["Batch", "批次"],
  state: ["State", "状态"],
  progress: ["Progress", "进度"],
  failed: ["Failed", "失败"],
  created: ["Ordered", "提交于"],
  list: ["Batches", "批次"],
  done: ["{done} of {total} made", "已完成 {done}/{total}"],
  failures: ["Failures", "失败"],
  task: ["Task", "任务"],
  reason: ["Reason", "原因"],
  eta: ["about {time} to go", "预计还需 {time}"],
  waiting: ["Waiting: {what}", "等待：{what}"],
  pause: ["Pause", "暂停"],
  resume: ["Go on", "继续"],
  cancel: ["Give up", "取消"],
  retry: ["Retry what failed", "重试失败项"],
  zip: ["ZIP of all pictures", "下载 ZIP"],
  pictures: ["Pictures", "图片"],
  all: ["All batches", "全部批次"],
});

export const Batches = ({ title, rest }) => (rest[0] ? html`<${One} id=${rest[0]} />` : html`<${All} title=${title} />`);

const OPEN = ["queued", "processing"];

function All({ title }) {
  const { data, problem } = usePoll("/v1/batch?limit=100", 3);
  return html`
    <${Page} title=${title} lead=${t("lead")}>
      <section class="sheet" aria-labelledby="new"><h2 id="new">${t("new")}</h2><${Order} /></section>
      <${Trouble} problem=${problem} />
      ${!data && !problem && html`<${Loading} />`}
      ${data && (data.batches.length ? html`
        <${Table} caption=${t("list")} head=${["batch", "state", "progress", "failed", "created"].map((name) => t(name))}>
          ${data.batches.map((one) => html`
            <tr key=${one.batch_id}>
              <th scope="row"><a href="#/batches/${one.batch_id}">${one.batch_id}</a></th>
              <td><${State} word=${one.status} /></td>
              <td><${Meter} done=${one.completed} failed=${one.failed} total=${one.total} label=${one.batch_id} /> ${one.progress}</td>
              <td>${one.failed || ""}</td>
              <td class="nowrap">${moment(Date.parse(one.created_at) / 1000)}</td>
            </tr>
          `)}
        <//>` : html`<${Empty}>${t("none")}<//>`)}
    <//>
  `;
}

const SHOWN = 20;
const TYPES = { csv: "text/csv", tsv: "text/tab-separated-values", jsonl: "application/jsonl", ndjson: "application/x-ndjson" };
const typeOf = (name) => TYPES[name.split(".").at(-1).toLowerCase()] ?? "text/plain";

/** What the gateway reads out of a text of prompts: the same reader as for its command line and its API. */
function usePreview(source) {
  const [seen, setSeen] = useState({ total: 0, items: [], refused: [] });
  const [problem, setProblem] = useState(null);
  useEffect(() => {
    if (!source.form.size && !source.form.length) return setSeen({ total: 0, items: [], refused: [] });
    const leaving = new AbortController();
    const later = setTimeout(async () => {
      try {
        const more = { "content-type": source.type };
        setSeen(await post("/v1/batch/images/preview", undefined, { form: source.form, more, signal: leaving.signal }));
        setProblem(null);
      } catch (failed) {
        if (failed.name === "AbortError") return;
        setSeen({ total: 0, items: [], refused: [] });
        setProblem(failed);
      }
    }, 250);
    return () => (clearTimeout(later), leaving.abort());
  }, [source]);
  return [seen, problem];
}

function Preview({ seen }) {
  const wishes = ({ line, prompt, references, ...rest }) => Object.entries(rest).map(([name, value]) => `${name} ${value}`).join(", ");
  return html`
    ${seen.refused.length > 0 && html`
      <div class="wide" role="alert">
        <p class="bad">${t("refused", { count: number(seen.refused.length) })}</p>
        <ul>${seen.refused.slice(0, SHOWN).map((one) => html`<li>${t("line")} ${one.line}: ${one.error}</li>`)}</ul>
      </div>`}
    ${seen.items.length > 1 && html`
      <details class="wide"><summary>${t("preview")} (${number(seen.total)})</summary>
        <${Table} caption=${t("preview")} head=${[t("line"), t("prompt"), t("wishes")]}>
          ${seen.items.slice(0, SHOWN).map((one) => html`<tr><td>${one.line}</td><td>${one.prompt}</td><td>${wishes(one)}</td></tr>`)}
        <//>
        ${seen.total > SHOWN && html`<p>${t("more", { count: number(seen.total - SHOWN) })}</p>`}
      </details>`}
  `;
}

function Order() {
  const models = useModels();
  const [source, setSource] = useState({ form: "", type: "text/plain" });
  const [form, setForm] = useState({ model: "", size: "", aspect: "", concurrency: 2 });
  const [problem, setProblem] = useState(null);
  const [working, setWorking] = useState(false);
  const token = useRef("");
  const [seen, unread] = usePreview(source);
  const set = (name) => (e) => setForm({ ...form, [name]: e.target.value });
  const submit = async (event) => {
    event.preventDefault();
    setWorking(true);
    setProblem(null);
    const wishes = new URLSearchParams({ concurrency: Number(form.concurrency) || 2 });
    for (const name of ["model", "size", "aspect"]) if (form[name]) wishes.set(name, form[name]);
    // The same press of the button orders once, however often the connection breaks.
    token.current ||= Array.from(crypto.getRandomValues(new Uint8Array(16)), (one) => one.toString(16).padStart(2, "0")).join("");
    try {
      const more = { "idempotency-key": token.current, "content-type": source.type };
      const made = await (await ask("POST", `/v1/batch/images?${wishes}`, { form: source.form, more })).json();
      location.hash = `#/batches/${made.batch_id}`;
    } catch (failed) {
      setProblem(failed);
      if (failed.status) token.current = "";
      setWorking(false);
    }
  };
  return html`
    <form class="form" onSubmit=${submit}>
      <${Field} label=${t("prompts")} hint=${t("prompts_hint")} wide>
        <textarea name="prompts" rows="6" onInput=${(e) => setSource({ form: e.target.value, type: "text/plain" })}></textarea>
      <//>
      <${Field} label=${t("file")} wide>
        <input type="file" accept=".csv,.tsv,.txt,.jsonl,text/*" onChange=${(e) => e.target.files[0] && setSource({ form: e.target.files[0], type: typeOf(e.target.files[0].name) })} />
      <//>
      <${Preview} seen=${seen} />
      <${Field} label=${t("model")}>
        <select name="model" value=${form.model} onChange=${set("model")}>
          <option value="">${t("by_size")}</option>
          ${models.categories.image.map((id) => html`<option value=${id}>${id}</option>`)}
        </select>
      <//>
      <${Field} label=${t("size")}>
        <select name="size" value=${form.size} onChange=${set("size")}>
          ${["", "1k", "2k", "4k"].map((size) => html`<option value=${size}>${size || t("auto")}</option>`)}
        </select>
      <//>
      <${Field} label=${t("aspect")}>
        <select name="aspect" value=${form.aspect} onChange=${set("aspect")}>
          ${["", "1:1", "2:3", "3:2", "3:4", "4:3", "4:5", "5:4", "9:16", "16:9", "21:9"].map((shape) => html`<option value=${shape}>${shape || t("auto")}</option>`)}
        </select>
      <//>
      <${Field} label=${t("concurrency")}>
        <input name="concurrency" type="number" min="1" value=${form.concurrency} onInput=${set("concurrency")} />
      <//>
      <div class="wide"><${Trouble} problem=${problem ?? unread} /></div>
      <div class="actions">
        <button class="first" disabled=${working || !seen.total || seen.refused.length > 0}>${seen.total ? t("order", { count: number(seen.total) }) : t("order_none")}</button>
      </div>
    </form>
  `;
}

function One({ id }) {
  const [over, setOver] = useState(false);
  const { data, problem, refresh } = usePoll(`/v1/batch/${id}/status?limit=0`, over ? 0 : 1.5);
  const [trouble, setTrouble] = useState(null);
  useEffect(() => setOver(Boolean(data) && !OPEN.includes(data.status)), [data?.status]);
  const act = (verb) => async () => {
    await post(`/v1/batch/${id}/${verb}`);
    setOver(false);
    refresh();
  };
  const deed = (verb, first) => html`<${Act} class=${first ? "first" : ""} act=${act(verb)} onTrouble=${setTrouble}>${t(verb)}<//>`;
  const open = data && [...OPEN, "paused"].includes(data.status);
  return html`
    <${Page} title="${t("batch")} ${id}" lead=${html`<a href="#/batches">← ${t("all")}</a>`}>
      <${Trouble} problem=${problem ?? trouble} />
      ${!data && !problem && html`<${Loading} />`}
      ${data && html`
        <section class="sheet" aria-label=${t("progress")}>
          <div class="row between">
            <p class="row"><${State} word=${data.status} /> <span role="status">${t("done", { done: number(data.completed), total: number(data.total) })}</span></p>
            ${open && data.eta_seconds != null && html`<p class="muted">${t("eta", { time: span(data.eta_seconds) })}</p>`}
          </div>
          <${Meter} done=${data.completed} failed=${data.failed} total=${data.total} label=${t("progress")} />
          ${data.waiting_for && html`<p class="muted">${t("waiting", { what: data.waiting_for })}</p>`}
          <div class="actions">
            ${data.completed > 0 && html`<a class="button" href=${here(`/v1/batch/${id}/archive`)} download>${t("zip")}</a>`}
            ${OPEN.includes(data.status) && deed("pause")}
            ${data.status === "paused" && deed("resume", true)}
            ${open && deed("cancel")}
            ${data.failed > 0 && deed("retry")}
          </div>
        </section>
        <${Outcome} id=${id} done=${data.completed} failed=${data.failed} />
      `}
    <//>
  `;
}

/** What became of the tasks; asked for again when a count has changed. */
function Outcome({ id, done, failed }) {
  const [pictures, setPictures] = useState([]);
  const [errors, setErrors] = useState([]);
  const [problem, setProblem] = useState(null);
  useEffect(() => {
    if (done) get(`/api/gallery?limit=200&batch=${id}`).then((page) => setPictures(page.pictures), setProblem);
  }, [done]);
  useEffect(() => {
    if (failed) get(`/v1/batch/${id}/status?limit=1000`).then((told) => setErrors(told.errors), setProblem);
  }, [failed]);
  return html`
    <${Trouble} problem=${problem} />
    ${errors.length > 0 && html`
      <section class="stack tight" aria-label=${t("failures")}>
        <h2>${t("failures")}</h2>
        <${Table} caption=${t("failures")} head=${[t("task"), t("reason")]}>
          ${errors.map((one) => html`<tr key=${one.task_id}><td class="num">${Number(one.task_id.split("_").at(-1)) + 1}</td><td>${one.error} <span class="tag">${one.code}</span></td></tr>`)}
        <//>
      </section>
    `}
    ${pictures.length > 0 && html`<section class="stack tight" aria-label=${t("pictures")}><h2>${t("pictures")}</h2><${Wall} pictures=${pictures} /></section>`}
  `;
}
