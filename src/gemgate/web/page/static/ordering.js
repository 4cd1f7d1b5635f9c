// Many pictures out of a text of prompts: what will be ordered, and the order.
import { ask, get, post, Problem } from "./api.js";
import { html, useEffect, useRef, useState } from "./html.js";
import { Field, sends, Table, Trouble, useModels } from "./parts.js";
import { about, moment, number, words } from "./words.js";

const t = words({
  prompts: ["Prompts", "提示词"],
  prompts_hint: ["One in each line; or CSV with the columns prompt, model, size, aspect, quality; or JSONL.", "每行一个；或 CSV（列为 prompt、model、size、aspect、quality）；或 JSONL。"],
  preview: ["What will be ordered", "将要提交的内容"],
  line: ["Line", "行"],
  prompt: ["Prompt", "提示词"],
  wishes: ["Wishes", "要求"],
  refused: ["{count} {count|line|lines} cannot be ordered", "{count} 行无法提交"],
  more: ["and {count} more", "另有 {count} 项"],
  file: ["Drop a file of them here, or", "将文件拖放到此处，或"],
  choose: ["choose a file", "选择文件"],
  taken: ["From the file {name}", "来自文件 {name}"],
  empty: ["There is no prompt in {name}: the file is empty.", "{name} 中没有提示词：文件为空。"],
  model: ["Model", "模型"],
  size: ["Size", "尺寸"],
  aspect: ["Shape", "比例"],
  by_size: ["as the size needs", "按尺寸选择"],
  auto: ["automatic", "自动"],
  concurrency: ["At once", "并发数"],
  ready: ["Ordered now, ready by {time} (in {left}).", "现在提交，预计 {time} 前完成（{left}）。"],
  beyond: ["Ordered now, it would take more than two weeks.", "现在提交，两周内无法完成。"],
  unknown: ["When it would be ready is not known.", "完成时间未知。"],
  limit: ["Limited by: {limit}.", "受限于：{limit}。"],
  not_known: ["Not known: {what}.", "未知：{what}。"],
  order: ["Order {count} {count|picture|pictures}", "提交 {count} 张图片"],
  order_none: ["Order pictures", "提交"],
});

const SHOWN = 20;
const TYPES = { csv: "text/csv", tsv: "text/tab-separated-values", jsonl: "application/jsonl", ndjson: "application/x-ndjson" };
const typeOf = (name) => TYPES[name.split(".").at(-1).toLowerCase()] ?? "text/plain";

/** What the gateway reads out of a text of prompts: the same reader as for its command line and its API. */
function usePreview(source) {
  const [seen, setSeen] = useState({ total: 0, items: [], refused: [] });
  const [problem, setProblem] = useState(null);
  useEffect(() => {
    if (!source.form.size && !source.form.length) {
      setSeen({ total: 0, items: [], refused: [] });
      return setProblem(source.form.name ? new Problem(t("empty", source.form)) : null);
    }
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

/** When so many would be done, before they are ordered. */
function Plan({ count, concurrency }) {
  const [plan, setPlan] = useState(null);
  useEffect(() => {
    setPlan(null);
    if (!count) return undefined;
    let gone = false;
    const later = setTimeout(() => {
      get(`/v1/capacity?images=${count}&concurrency=${Number(concurrency) || 0}`).then((told) => gone || setPlan(told), () => {});
    }, 400);
    return () => {
      gone = true;
      clearTimeout(later);
    };
  }, [count, concurrency]);
  if (!plan) return null;
  const when = plan.ready_at
    ? t("ready", { time: moment(Date.parse(plan.ready_at) / 1000), left: about(plan.eta_seconds) })
    : t(plan.beyond_two_weeks ? "beyond" : "unknown");
  return html`
    <p class="wide muted" role="status">${when}
      ${plan.limit && html`<br />${t("limit", plan)}`}
      ${plan.unknown.map((one) => html`<br />${t("not_known", { what: one })}`)}</p>
  `;
}

/** A file of prompts, dropped or chosen; its name stands there as long as it is what will be ordered. */
function FileOf({ file, onFile }) {
  const input = useRef(null);
  const [over, setOver] = useState(false);
  const take = ([first]) => first && onFile({ form: first, type: typeOf(first.name) });
  const drop = (event) => (event.preventDefault(), setOver(false), take(event.dataTransfer.files));
  return html`
    <div class="drop wide ${over ? "over" : ""}" onDrop=${drop} onDragOver=${(e) => (e.preventDefault(), setOver(true))} onDragLeave=${() => setOver(false)}>
      <p>${t("file")} <button type="button" class="quiet" onClick=${() => input.current.click()}>${t("choose")}</button></p>
      <input ref=${input} type="file" hidden accept=".csv,.tsv,.txt,.jsonl,.ndjson,text/*" aria-label=${t("choose")}
        onChange=${(e) => (take([...e.target.files]), (e.target.value = ""))} />
      ${file && html`<p role="status">${t("taken", file)}</p>`}
    </div>
  `;
}

export function Order() {
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
      location.hash = `#/jobs/${made.batch_id}`;
    } catch (failed) {
      setProblem(failed);
      if (failed.status) token.current = "";
      setWorking(false);
    }
  };
  return html`
    <form class="form" onSubmit=${submit}>
      <${Field} label=${t("prompts")} hint=${t("prompts_hint")} wide>
        <textarea name="prompts" rows="6" onKeyDown=${sends} onInput=${(e) => setSource({ form: e.target.value, type: "text/plain" })}></textarea>
      <//>
      <${FileOf} file=${source.form.name ? source.form : null} onFile=${setSource} />
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
      <${Plan} count=${seen.refused.length ? 0 : seen.total} concurrency=${form.concurrency} />
      <div class="wide"><${Trouble} problem=${problem ?? unread} /></div>
      <div class="actions">
        <button class="first" disabled=${working || !seen.total || seen.refused.length > 0}>${seen.total ? t("order", { count: number(seen.total) }) : t("order_none")}</button>
      </div>
    </form>
  `;
}
