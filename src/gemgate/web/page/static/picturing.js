// Pictures from words, and pictures changed by words, with a look at before and after.
import { ask, get, here, own, whole } from "./api.js";
import { Attach, dataUrl } from "./attach.js";
import { html, useEffect, useState } from "./html.js";
import { Field, sends, Trouble, useModels } from "./parts.js";
import { editSnippets, imageSnippets, Snippets } from "./snippets.js";
import { bytes, span, words } from "./words.js";

const t = words({
  prompt: ["Prompt", "提示词"],
  change: ["What shall change", "要修改什么"],
  example: ["A lighthouse in the fog, watercolour", "雾中的灯塔，水彩画"],
  edit_example: ["Make it night", "改成夜晚"],
  model: ["Model", "模型"],
  size: ["Size", "尺寸"],
  auto: ["automatic", "自动"],
  by_size: ["as the size needs", "按尺寸选择"],
  count: ["How many", "数量"],
  policy: ["If Google has no such size", "尺寸无法满足时"],
  best_effort: ["take the nearest", "取最接近的"],
  require: ["refuse", "报错"],
  remove_logo: ["Remove the visible logo", "去除可见水印标志"],
  make: ["Make it", "生成"],
  edit: ["Edit", "编辑"],
  making: ["Making it; this takes up to a minute …", "正在生成，最长约一分钟…"],
  took: ["{time}, {width} × {height}, {size}", "{time}，{width} × {height}，{size}"],
  before: ["Before", "修改前"],
  after: ["After", "修改后"],
  compare: ["Share of the picture before the edit", "修改前画面所占比例"],
  go_on: ["Edit this", "继续编辑"],
  save: ["Open", "打开"],
  result: ["Result", "结果"],
  why: ["How this was made", "生成过程"],
});

const SIZES = ["auto", "1024x1024", "1536x1024", "1024x1536", "2048x2048", "4096x4096"];

/** The wishes that both forms share, as the API spells them. */
function useWishes() {
  const models = useModels();
  const [wishes, setWishes] = useState({ prompt: "", model: "", size: "auto", n: 1, size_policy: "best_effort", remove_logo: true });
  const set = (name, value) => setWishes((before) => ({ ...before, [name]: value }));
  const offered = models.models.filter((one) => models.categories.image.includes(one.id)).map((one) => one.id);
  const body = { prompt: wishes.prompt, response_format: "url" };
  if (wishes.model) body.model = wishes.model;
  if (wishes.n > 1) body.n = wishes.n;
  if (wishes.size !== "auto") body.size = wishes.size;
  if (wishes.size_policy !== "best_effort") body.size_policy = wishes.size_policy;
  if (!wishes.remove_logo) body.remove_logo = false;
  return { wishes, set, body, offered };
}

function Wishes({ hold, edit }) {
  const { wishes, set, offered } = hold;
  return html`
    <${Field} label=${t(edit ? "change" : "prompt")}>
      <textarea name="prompt" rows="3" required value=${wishes.prompt} placeholder=${t(edit ? "edit_example" : "example")}
        onKeyDown=${sends} onInput=${(e) => set("prompt", e.target.value)}></textarea>
    <//>
    <div class="form">
      <${Field} label=${t("model")}>
        <select name="model" value=${wishes.model} onChange=${(e) => set("model", e.target.value)}>
          <option value="">${t("by_size")}</option>
          ${offered.map((id) => html`<option value=${id}>${id}</option>`)}
        </select>
      <//>
      <${Field} label=${t("size")}>
        <select name="size" value=${wishes.size} onChange=${(e) => set("size", e.target.value)}>
          ${SIZES.map((size) => html`<option value=${size}>${size === "auto" ? t("auto") : size.replace("x", " × ")}</option>`)}
        </select>
      <//>
      <${Field} label=${t("policy")}>
        <select name="policy" value=${wishes.size_policy} onChange=${(e) => set("size_policy", e.target.value)}>
          ${["best_effort", "require"].map((name) => html`<option value=${name}>${t(name)}</option>`)}
        </select>
      <//>
      ${!edit && html`<${Field} label=${t("count")}>
        <input name="count" type="number" min="1" max="10" value=${wishes.n} onInput=${(e) => set("n", Number(e.target.value) || 1)} />
      <//>`}
      <label class="check wide"><input type="checkbox" checked=${wishes.remove_logo} onChange=${(e) => set("remove_logo", e.target.checked)} /> ${t("remove_logo")}</label>
    </div>
  `;
}

/** Calls, and keeps what came of it: { pictures, seconds, requestId, problem, working }. */
function useMaking() {
  const [state, setState] = useState({ pictures: [], problem: null, working: false });
  const make = async (call) => {
    setState({ pictures: [], problem: null, working: true });
    const began = performance.now();
    try {
      const response = await call();
      const told = await whole(response);
      const [failed] = told.errors ?? [];
      setState({
        pictures: told.data, seconds: (performance.now() - began) / 1000, working: false,
        requestId: response.headers.get("x-request-id"), problem: failed ? { message: failed.message ?? failed.error } : null,
      });
    } catch (problem) {
      setState({ pictures: [], problem, working: false });
    }
  };
  return [state, make];
}

const local = (url) => own(url) || url;

function Made({ state, alt, children }) {
  return html`
    <div class="stack" aria-live="polite" aria-busy=${state.working}>
      ${state.working && html`<p class="muted">${t("making")}</p>`}
      <${Trouble} problem=${state.problem} />
      <div class=${state.pictures.length > 1 ? "made several" : "made"}>${state.pictures.map((one) => html`
        <figure class="stack tight picture">
          ${children ? children(one) : html`<img src=${here(local(one.url))} alt=${alt} />`}
          <figcaption class="small muted">
            ${t("took", { time: span(state.seconds), width: one.width, height: one.height, size: bytes(one.bytes) })}
            ${" · "}<a href=${here(local(one.url))} target="_blank" rel="noreferrer">${t("save")}</a>
            ${state.requestId && html`${" · "}<a href="#/requests/${state.requestId}">${t("why")}</a>`}
            ${one.note && html`<br /><span class="warn">${one.note}</span>`}
          </figcaption>
        </figure>
      `)}</div>
    </div>
  `;
}

/** `from`: the handle of a picture of the gallery whose prompt is to be used again. */
export function Generate({ from }) {
  const hold = useWishes();
  const [state, make] = useMaking();
  useEffect(() => {
    if (from) get(`/api/gallery/${from}`).then((one) => one.prompt && hold.set("prompt", one.prompt), () => {});
  }, [from]);
  const submit = (event) => {
    event.preventDefault();
    make(() => ask("POST", "/v1/images/generations", { body: hold.body }));
  };
  return html`
    <div class="stack">
      <div class="stack">
        <form class="stack" onSubmit=${submit}>
          <${Wishes} hold=${hold} />
          <div class="actions"><button class="first" disabled=${state.working}>${t("make")}</button></div>
        </form>
        <${Made} state=${state} alt=${hold.wishes.prompt} />
      </div>
      <${Snippets} list=${imageSnippets({ ...hold.body, prompt: hold.body.prompt || t("example") })} />
    </div>
  `;
}

/** `from`: the handle of a picture of the gallery that is to be edited. */
export function Edit({ from }) {
  const hold = useWishes();
  const [files, setFiles] = useState([]);
  const [before, setBefore] = useState(null);
  const [state, make] = useMaking();
  const [trouble, setTrouble] = useState(null);
  const load = async (path, name) => {
    const blob = await (await ask("GET", path)).blob();
    const file = new File([blob], `${name}.${blob.type.split("/")[1] ?? "png"}`, { type: blob.type });
    setFiles([{ name: file.name, url: await dataUrl(file), file }]);
  };
  useEffect(() => {
    if (from) get(`/api/gallery/${from}`).then((one) => load(one.file, one.id)).catch(setTrouble);
  }, [from]);
  const submit = (event) => {
    event.preventDefault();
    const form = new FormData();
    for (const [name, value] of Object.entries(hold.body)) form.append(name, String(value));
    for (const { file } of files) form.append("image[]", file, file.name);
    setBefore(files[0]);
    make(() => ask("POST", "/v1/images/edits", { form }));
  };
  return html`
    <div class="stack">
      <div class="stack">
        <form class="stack" onSubmit=${submit}>
          <${Attach} files=${files} onFiles=${setFiles} />
          <${Wishes} hold=${hold} edit />
          <div class="actions"><button class="first" disabled=${state.working || !files.length}>${t("edit")}</button></div>
        </form>
        <${Trouble} problem=${trouble} />
        <${Made} state=${state} alt=${t("after")}>
          ${(one) => html`
            <${Compare} before=${before?.url} after=${here(local(one.url))} />
            <div class="actions"><button type="button" onClick=${() => load(local(one.url), "edited")}>${t("go_on")}</button></div>
          `}
        <//>
      </div>
      <${Snippets} list=${editSnippets({ ...hold.body, prompt: hold.body.prompt || t("edit_example") }, files.map((one) => one.name))} />
    </div>
  `;
}

/** Two pictures over each other; a slider uncovers one or the other. */
export function Compare({ before, after }) {
  const [cut, setCut] = useState(50);
  return html`
    <div class="stack tight">
      <div class="compare" style=${{ "--cut": `${cut}%` }}>
        <img src=${before} alt=${t("before")} /><img class="after" src=${after} alt=${t("after")} /><i></i>
      </div>
      <div class="row between small" aria-hidden="true"><span>${t("before")}</span><span>${t("after")}</span></div>
      <input type="range" min="0" max="100" value=${cut} aria-label=${t("compare")} onInput=${(e) => setCut(Number(e.target.value))} />
    </div>
  `;
}
