// Batches: ordered from lines or a CSV file, watched live, steered, and taken home as a ZIP.
import { ask, post } from "../api.js";
import { html, useEffect, useState } from "../html.js";
import { eventsOf, usePoll } from "../live.js";
import { Act, Dialog, Empty, Field, Loading, Meter, Note, Page, State, Table, Trouble, useModels } from "../parts.js";
import { moment, number, span, words } from "../words.js";
import { rows } from "./csv.js";

const t = words({
  title: ["Batches", "批量"],
  lead: ["They go on by themselves, whatever happens to the process.", "无论进程发生什么，批量任务都会继续。"],
  create: ["New batch", "新建批次"],
  none: ["There is no batch yet.", "还没有批次。"],
  batch: ["Batch", "批次"], when: ["Ordered", "创建时间"], status: ["Status", "状态"], progress: ["Progress", "进度"], model: ["Model", "模型"],
  prompts: ["Prompts, one a line", "提示词，每行一个"],
  file: ["Or a CSV file", "或 CSV 文件"],
  fileHint: ["Columns: prompt, and if wanted model, size. The first line names them.", "列：prompt，可选 model、size；首行为列名。"],
  read: ["{count} pictures will be made.", "将生成 {count} 张图片。"],
  badFile: ["The first line of the file must name a column prompt.", "文件首行必须包含 prompt 列。"],
  concurrency: ["At once", "并发"], order: ["Order", "提交"],
  pause: ["Pause", "暂停"], resume: ["Resume", "继续"], cancel: ["Cancel", "取消"], retry: ["Retry what failed", "重试失败项"], zip: ["ZIP", "ZIP"],
  eta: ["about {time} left", "约剩 {time}"], waits: ["Waits: {why}", "等待：{why}"],
  done: ["{done} of {total} done, {failed} failed", "{total} 中完成 {done}，失败 {failed}"],
  failures: ["What failed, and why", "失败原因"], task: ["Task", "任务"], why: ["Why", "原因"], again: ["Can be retried", "可重试"], yes: ["yes", "是"], no: ["no", "否"],
  pictures: ["Pictures", "图片"], last: ["The last {count} are shown.", "仅显示最近 {count} 张。"],
  all: ["All batches", "全部批次"],
});

const SHOWN = 60;

export function Batches({ rest }) {
  return rest[0] ? html`<${One} key=${rest[0]} id=${rest[0]} />` : html`<${All} />`;
}

function All() {
  const { data, problem, refresh } = usePoll("/v1/batch?limit=100", 3);
  const [making, setMaking] = useState(false);
  const create = html`<button type="button" class="primary" onClick=${() => setMaking(true)}>${t("create")}</button>`;
  return html`
    <${Page} title=${t("title")} lead=${t("lead")} actions=${create}>
      <${Trouble} problem=${problem} />
      ${!data && !problem && html`<${Loading} />`}
      ${data?.batches.length === 0 && html`<${Empty}>${t("none")}<//>`}
      ${data?.batches.length > 0 &&
      html`<${Table} caption=${t("title")} head=${[t("batch"), t("status"), t("progress"), t("model"), t("when")]}>
        ${data.batches.map(
          (one) => html`<tr key=${one.batch_id}>
            <td><a href="#/batches/${one.batch_id}">${one.batch_id}</a></td>
            <td><${State} word=${one.status} /></td>
            <td><${Meter} done=${one.completed} failed=${one.failed} total=${one.total} label=${one.batch_id} /><span class="small num">${one.progress}</span></td>
            <td>${one.model}</td><td class="num">${moment(Date.parse(one.created_at) / 1000)}</td>
          </tr>`,
        )}
      <//>`}
      ${making && html`<${Create} onClose=${() => setMaking(false)} onDone=${refresh} />`}
    <//>
  `;
}

function Create({ onClose, onDone }) {
  const { categories } = useModels();
  const [text, setText] = useState("");
  const [items, setItems] = useState(null);
  const [form, setForm] = useState({ model: "", concurrency: 2 });
  const [problem, setProblem] = useState(null);
  const prompts = text.split("\n").map((line) => line.trim()).filter(Boolean);
  const count = items ? items.length : prompts.length;
  const read = async (event) => {
    setProblem(null);
    const file = event.target.files[0];
    if (!file) return setItems(null);
    const [head, ...lines] = rows(await file.text());
    const at = (name) => head?.findIndex((cell) => cell.trim().toLowerCase() === name) ?? -1;
    if (at("prompt") < 0) {
      setItems(null);
      return setProblem(new Error(t("badFile")));
    }
    const pick = (line, name) => (at(name) < 0 ? "" : (line[at(name)] ?? "").trim());
    setItems(
      lines
        .map((line) => ({
          prompt: pick(line, "prompt"),
          ...(pick(line, "model") && { model: pick(line, "model") }),
          ...(pick(line, "size") && { size: pick(line, "size") }),
        }))
        .filter((one) => one.prompt),
    );
  };
  const send = async (event) => {
    event.preventDefault();
    try {
      setProblem(null);
      const wanted = items ? { items } : { prompts };
      const made = await post("/v1/batch/images", {
        ...wanted, response_type: "url", concurrency: Number(form.concurrency), ...(form.model && { model: form.model }),
      });
      onDone();
      location.hash = `#/batches/${made.batch_id}`;
    } catch (found) {
      setProblem(found);
    }
  };
  return html`
    <${Dialog} title=${t("create")} onClose=${onClose}>
      <form onSubmit=${send}>
        <${Field} label=${t("prompts")}><textarea rows="7" disabled=${Boolean(items)} value=${text} onInput=${(e) => setText(e.target.value)}></textarea><//>
        <${Field} label=${t("file")} hint=${t("fileHint")}><input type="file" accept=".csv,text/csv" onChange=${read} /><//>
        <div class="fields">
          <${Field} label=${t("model")}>
            <select value=${form.model} onChange=${(e) => setForm({ ...form, model: e.target.value })}>
              <option value="">–</option>${categories.image.map((id) => html`<option value=${id}>${id}</option>`)}
            </select>
          <//>
          <${Field} label=${t("concurrency")}><input type="number" min="1" max="64" value=${form.concurrency} onInput=${(e) => setForm({ ...form, concurrency: e.target.value })} /><//>
        </div>
        <p class="muted" role="status">${t("read", { count: number(count) })}</p>
        <${Trouble} problem=${problem} />
        <div class="actions"><button class="primary" disabled=${!count}>${t("order")}</button></div>
      </form>
    <//>
  `;
}

/** Follow a batch by its events; begin again when the stream breaks off. */
function useBatch(id, turn) {
  const [state, setState] = useState({ status: null, results: [], errors: [], problem: null });
  useEffect(() => {
    const stop = new AbortController();
    let seen = 0;
    setState({ status: null, results: [], errors: [], problem: null });
    const follow = async () => {
      while (!stop.signal.aborted) {
        try {
          const response = await ask("GET", `/v1/batch/${id}/events?after=${seen}`, { signal: stop.signal });
          for await (const data of eventsOf(response)) {
            const told = JSON.parse(data);
            setState((before) => {
              if (told.status) return { ...before, status: told, problem: null };
              seen += 1;
              if (told.error) return { ...before, errors: [...before.errors, told] };
              return { ...before, results: [told, ...before.results] };
            });
          }
          return;
        } catch (problem) {
          if (problem.name === "AbortError") return;
          setState((before) => ({ ...before, problem }));
          if (problem.status === 404) return;
          await new Promise((done) => setTimeout(done, 2000));
        }
      }
    };
    follow();
    return () => stop.abort();
  }, [id, turn]);
  return state;
}

function One({ id }) {
  const [turn, setTurn] = useState(0);
  const { status, results, errors, problem } = useBatch(id, turn);
  const [trouble, setTrouble] = useState(null);
  const act = (verb) => async () => {
    await post(`/v1/batch/${id}/${verb}`, undefined);
    setTurn(turn + 1);
  };
  const open = ["queued", "processing", "paused"].includes(status?.status);
  const actions = status && html`
    ${open && status.status !== "paused" && html`<${Act} act=${act("pause")} onTrouble=${setTrouble}>${t("pause")}<//>`}
    ${status.status === "paused" && html`<${Act} act=${act("resume")} onTrouble=${setTrouble}>${t("resume")}<//>`}
    ${open && html`<${Act} class="danger" act=${act("cancel")} onTrouble=${setTrouble}>${t("cancel")}<//>`}
    ${status.failed > 0 && html`<${Act} act=${act("retry")} onTrouble=${setTrouble}>${t("retry")}<//>`}
    ${status.completed > 0 && html`<a class="button" href="/v1/batch/${id}/archive" download>${t("zip")}</a>`}
  `;
  return html`
    <${Page} title=${id} lead=${html`<a href="#/batches">${t("all")}</a>`} actions=${actions}>
      <${Trouble} problem=${trouble ?? problem} />
      ${!status && !problem && html`<${Loading} />`}
      ${status &&
      html`<section class="card" aria-live="polite">
        <header><h2>${t("done", { done: number(status.completed), total: number(status.total), failed: number(status.failed) })}</h2><${State} word=${status.status} /></header>
        <${Meter} done=${status.completed} failed=${status.failed} total=${status.total} label=${t("progress")} />
        ${open && status.eta_seconds != null && html`<p class="muted">${t("eta", { time: span(status.eta_seconds) })}</p>`}
        ${status.waiting_for && html`<${Note} tone="warn"><p>${t("waits", { why: status.waiting_for })}</p><//>`}
      </section>`}
      ${errors.length > 0 &&
      html`<section><h2>${t("failures")}</h2><${Table} caption=${t("failures")} head=${[t("task"), t("why"), t("again")]}>
        ${errors.slice(-200).map((one) => html`<tr key=${one.task_id}><td>${one.task_id.split("_").at(-1)}</td><td class="wrap">${one.error}</td><td>${one.retryable ? t("yes") : t("no")}</td></tr>`)}
      <//></section>`}
      ${results.length > 0 &&
      html`<section><div class="section-head"><h2>${t("pictures")}</h2>${results.length > SHOWN && html`<p class="muted small">${t("last", { count: SHOWN })}</p>`}</div>
        <ul class="gallery">${results.slice(0, SHOWN).map((one) => html`<li key=${one.task_id}><a href=${one.url} target="_blank"><img src=${one.url} alt=${one.task_id} loading="lazy" /></a></li>`)}</ul>
      </section>`}
    <//>
  `;
}
