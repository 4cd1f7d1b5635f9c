// Try everything, with the matching call beside it: chat as it streams, pictures, edits with before and after.
import { ask, post } from "../api.js";
import { html, useEffect, useMemo, useRef, useState } from "../html.js";
import { eventsOf } from "../live.js";
import { Markdown } from "../markdown.js";
import { Field, Note, Page, Trouble, useModels } from "../parts.js";
import { bytes, words } from "../words.js";
import { take } from "./reference_picture.js";
import { chatSdk, Snippets } from "./snippets.js";

const t = words({
  title: ["Playground", "试用"],
  lead: ["What you try here counts like any other call.", "此处的试用与其他调用一样计入限额。"],
  chat: ["Chat", "对话"], make: ["Make pictures", "生成图片"], edit: ["Edit a picture", "编辑图片"],
  model: ["Model", "模型"],
  thinking: ["Thinking", "思考"], usual: ["as usual", "默认"], extended: ["extended", "深入"],
  say: ["Message", "消息"], send: ["Send", "发送"], stop: ["Stop", "停止"], anew: ["New conversation", "新对话"],
  you: ["You", "您"], thoughts: ["Thoughts", "思考过程"],
  served: ["{model} · {id}", "{model} · {id}"],
  prompt: ["What shall be seen", "画面描述"], count: ["How many", "数量"], shape: ["Shape", "画幅"], any: ["any", "任意"],
  logo: ["Remove the visible logo", "去除可见标志"],
  logoHint: ["Only where there is evidence of it. SynthID stays.", "仅在有证据时去除；SynthID 会保留。"],
  go: ["Make", "生成"], change: ["What shall change", "修改内容"], goEdit: ["Edit", "编辑"], working: ["Working …", "处理中…"],
  drop: ["Drop pictures here, paste them, or", "将图片拖放或粘贴到此处，或"], choose: ["choose files", "选择文件"],
  clear: ["Take them away", "清除"], before: ["Before and after", "前后对比"], slide: ["How much of the old picture is shown", "旧图显示比例"],
  download: ["Download", "下载"], facts: ["{width} × {height}, {size}, {source}", "{width} × {height}，{size}，{source}"],
  removed: ["logo removed", "已去除标志"], absent: ["no logo found", "未发现标志"], kept: ["logo kept", "标志保留"],
  asked: ["asked for {requested} px, got {delivered}", "请求 {requested} 像素，实际 {delivered}"],
});

const TABS = { chat: Chat, make: Make, edit: Edit };

export function Playground({ rest }) {
  const tab = TABS[rest[0]] ? rest[0] : "chat";
  const Shown = TABS[tab];
  return html`
    <${Page} title=${t("title")} lead=${t("lead")}>
      <div class="tabs" role="tablist" aria-label=${t("title")}>
        ${Object.keys(TABS).map((name) => html`<button type="button" role="tab" id="tab-${name}" aria-selected=${name === tab} onClick=${() => (location.hash = `#/playground/${name}`)}>${t(name)}</button>`)}
      </div>
      <div role="tabpanel" aria-labelledby="tab-${tab}"><${Shown} key=${tab} /></div>
    <//>
  `;
}

function ModelField({ kind, value, onChange }) {
  const { models, categories } = useModels();
  const names = new Set(categories[kind]);
  return html`<${Field} label=${t("model")}>
    <select value=${value} onChange=${(event) => onChange(event.target.value)}>
      ${models.filter((one) => names.has(one.id)).map((one) => html`<option key=${one.id} value=${one.id}>${one.id}</option>`)}
    </select>
  <//>`;
}

function useModelOf(kind) {
  const { categories, default: usual } = useModels();
  const [chosen, setChosen] = useState("");
  const known = categories[kind];
  return [chosen || (known.includes(usual) ? usual : (known[0] ?? "")), setChosen];
}

function Chat() {
  const [model, setModel] = useModelOf("text");
  const [effort, setEffort] = useState("");
  const [turns, setTurns] = useState([]);
  const [text, setText] = useState("");
  const [problem, setProblem] = useState(null);
  const stop = useRef(null);
  const [running, setRunning] = useState(false);
  useEffect(() => () => stop.current?.abort(), []);
  const messages = (said) => said.map(({ role, content }) => ({ role, content }));
  const body = useMemo(
    () => ({
      model,
      messages: [...messages(turns), ...(text ? [{ role: "user", content: text }] : [])],
      stream: true,
      ...(effort && { reasoning_effort: effort }),
    }),
    [model, turns, text, effort],
  );
  const send = async (event) => {
    event?.preventDefault();
    if (!text.trim() || running) return;
    const said = [...turns, { role: "user", content: text }];
    const answer = { role: "assistant", content: "", thoughts: "", images: [], note: "" };
    const show = () => setTurns([...said, { ...answer }]);
    setText("");
    setProblem(null);
    setRunning(true);
    stop.current = new AbortController();
    show();
    try {
      const sent = { ...body, messages: messages(said) };
      const response = await ask("POST", "/v1/chat/completions", { body: sent, signal: stop.current.signal });
      answer.note = t("served", { model: response.headers.get("x-gemgate-served-model") ?? model, id: response.headers.get("x-request-id") });
      answer.id = response.headers.get("x-request-id");
      for await (const data of eventsOf(response)) {
        if (data === "[DONE]") break;
        const chunk = JSON.parse(data);
        if (chunk.error) throw Object.assign(new Error(chunk.error.message), { requestId: answer.id });
        const delta = chunk.choices?.[0]?.delta ?? {};
        answer.content += delta.content ?? "";
        answer.thoughts += delta.reasoning_content ?? "";
        show();
      }
    } catch (found) {
      if (found.name !== "AbortError") setProblem(found);
      if (!answer.content) setTurns(said.slice(0, -1));
      if (!answer.content) setText(said.at(-1).content);
    } finally {
      setRunning(false);
    }
  };
  const typed = (event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) send(event);
  };
  return html`
    <div class="bench">
      <div class="talk">
        <div class="talk" role="log" aria-live="polite" aria-busy=${running}>
          ${turns.map(
            (turn, index) => html`
              <div key=${index} class="turn ${turn.role}">
                <p class="who">${turn.role === "user" ? t("you") : turn.note || model}</p>
                ${turn.thoughts && html`<details><summary>${t("thoughts")}</summary><${Markdown} text=${turn.thoughts} /></details>`}
                ${turn.role === "user" ? html`<p>${turn.content}</p>` : html`<${Markdown} text=${turn.content || (running ? "…" : "")} />`}
              </div>
            `,
          )}
        </div>
        <${Trouble} problem=${problem} />
        <form onSubmit=${send}>
          <${Field} label=${t("say")}><textarea rows="3" value=${text} onInput=${(e) => setText(e.target.value)} onKeyDown=${typed}></textarea><//>
          <div class="actions">
            ${running ? html`<button type="button" onClick=${() => stop.current?.abort()}>${t("stop")}</button>` : html`<button class="primary" disabled=${!text.trim()}>${t("send")}</button>`}
            <button type="button" class="quiet" onClick=${() => setTurns([])} disabled=${running || !turns.length}>${t("anew")}</button>
          </div>
        </form>
      </div>
      <div class="stack">
        <div class="fields">
          <${ModelField} kind="text" value=${model} onChange=${setModel} />
          <${Field} label=${t("thinking")}>
            <select value=${effort} onChange=${(e) => setEffort(e.target.value)}><option value="">${t("usual")}</option><option value="high">${t("extended")}</option></select>
          <//>
        </div>
        <${Snippets} call=${{ path: "/v1/chat/completions", body }} sdk=${chatSdk(body)} />
      </div>
    </div>
  `;
}

const SHAPES = { "": "", "1:1": "1024x1024", "16:9": "1792x1024", "9:16": "1024x1792", "3:2": "1536x1024", "2:3": "1024x1536" };

function Make() {
  const [model, setModel] = useModelOf("image");
  const [form, setForm] = useState({ prompt: "", n: 1, shape: "", logo: true });
  const [made, setMade] = useState([]);
  const [problem, setProblem] = useState(null);
  const [working, setWorking] = useState(false);
  const set = (name) => (event) => setForm({ ...form, [name]: event.target.type === "checkbox" ? event.target.checked : event.target.value });
  const body = {
    model, prompt: form.prompt, n: Number(form.n), response_format: "url",
    ...(form.shape && { size: SHAPES[form.shape] }), ...(!form.logo && { remove_logo: false }),
  };
  const send = async (event) => {
    event.preventDefault();
    setWorking(true);
    setProblem(null);
    try {
      const answer = await post("/v1/images/generations", body);
      setMade([...answer.data, ...made]);
    } catch (found) {
      setProblem(found);
    } finally {
      setWorking(false);
    }
  };
  return html`
    <div class="bench">
      <div class="stack">
        <form onSubmit=${send}>
          <${Field} label=${t("prompt")}><textarea required rows="3" value=${form.prompt} onInput=${set("prompt")}></textarea><//>
          <div class="fields">
            <${ModelField} kind="image" value=${model} onChange=${setModel} />
            <${Field} label=${t("count")}><input type="number" min="1" max="10" value=${form.n} onInput=${set("n")} /><//>
            <${Field} label=${t("shape")}><select value=${form.shape} onChange=${set("shape")}>${Object.keys(SHAPES).map((name) => html`<option value=${name}>${name || t("any")}</option>`)}</select><//>
            <${LogoChoice} checked=${form.logo} onChange=${set("logo")} />
          </div>
          <${Trouble} problem=${problem} />
          <div class="actions"><button class="primary" disabled=${working} aria-busy=${working}>${working ? t("working") : t("go")}</button></div>
        </form>
        <div class="pictures" aria-live="polite">${made.map((one) => html`<${Picture} key=${one.url} picture=${one} alt=${form.prompt} />`)}</div>
      </div>
      <${Snippets} call=${{ path: "/v1/images/generations", body }} />
    </div>
  `;
}

const LogoChoice = ({ checked, onChange }) => html`
  <div class="field wide"><label class="check"><input type="checkbox" checked=${checked} onChange=${onChange} /> ${t("logo")}</label><span class="hint">${t("logoHint")}</span></div>
`;

function Picture({ picture, alt }) {
  if (picture.error) return html`<${Note} tone="bad"><p>${picture.error.message ?? String(picture.error)}</p><//>`;
  const facts = picture.details ?? picture;
  const less = facts.requested && facts.delivered && facts.delivered < facts.requested;
  return html`
    <figure class="picture">
      <a href=${picture.url} target="_blank"><img src=${picture.url} alt=${alt} /></a>
      <figcaption class="small">
        ${t("facts", { width: facts.width, height: facts.height, size: bytes(facts.bytes ?? 0), source: facts.source })} · ${t(facts.logo)}
        ${less && html`<br />${t("asked", { requested: facts.requested, delivered: facts.delivered })}`}
        ${" "}<a href=${picture.url} download>${t("download")}</a>
      </figcaption>
    </figure>
  `;
}

function Edit() {
  const [model, setModel] = useModelOf("image");
  const [pictures, setPictures] = useState([]);
  const [prompt, setPrompt] = useState("");
  const [logo, setLogo] = useState(true);
  const [made, setMade] = useState(null);
  const [over, setOver] = useState(false);
  const [problem, setProblem] = useState(null);
  const [working, setWorking] = useState(false);
  const add = (files) => {
    const found = [...files].filter((file) => file.type.startsWith("image/"));
    if (found.length) setPictures((before) => [...before, ...found.map((file) => ({ name: file.name || "picture.png", blob: file, url: URL.createObjectURL(file) }))]);
  };
  useEffect(() => {
    add(take().map(({ name, blob }) => new File([blob], name, { type: blob.type })));
    const pasted = (event) => add(event.clipboardData?.files ?? []);
    addEventListener("paste", pasted);
    return () => removeEventListener("paste", pasted);
  }, []);
  const form = [
    ...pictures.map(({ name }) => [pictures.length > 1 ? "image[]" : "image", `@${name}`]),
    ["model", model], ["prompt", prompt], ["response_format", "url"], ...(logo ? [] : [["remove_logo", "false"]]),
  ];
  const send = async (event) => {
    event.preventDefault();
    setWorking(true);
    setProblem(null);
    try {
      const data = new FormData();
      const name = pictures.length > 1 ? "image[]" : "image";
      for (const one of pictures) data.append(name, one.blob, one.name);
      for (const [field, value] of form) if (!value.startsWith("@") || !field.startsWith("image")) data.append(field, value);
      const answer = await (await ask("POST", "/v1/images/edits", { form: data })).json();
      setMade({ before: pictures[0].url, after: answer.data[0] });
    } catch (found) {
      setProblem(found);
    } finally {
      setWorking(false);
    }
  };
  const dropped = (event) => {
    event.preventDefault();
    setOver(false);
    add(event.dataTransfer.files);
  };
  return html`
    <div class="bench">
      <form onSubmit=${send}>
        <div class="drop ${over ? "over" : ""}" onDragOver=${(e) => (e.preventDefault(), setOver(true))} onDragLeave=${() => setOver(false)} onDrop=${dropped}>
          ${pictures.length > 0 && html`<div class="thumbs">${pictures.map((one) => html`<img key=${one.url} src=${one.url} alt=${one.name} />`)}</div>`}
          <p>${t("drop")}</p>
          <label class="field"><span class="unseen">${t("choose")}</span><input type="file" accept="image/*" multiple onChange=${(e) => (add(e.target.files), (e.target.value = ""))} /></label>
          ${pictures.length > 0 && html`<button type="button" class="quiet" onClick=${() => setPictures([])}>${t("clear")}</button>`}
        </div>
        <${Field} label=${t("change")}><textarea required rows="3" value=${prompt} onInput=${(e) => setPrompt(e.target.value)}></textarea><//>
        <div class="fields"><${ModelField} kind="image" value=${model} onChange=${setModel} /><${LogoChoice} checked=${logo} onChange=${(e) => setLogo(e.target.checked)} /></div>
        <${Trouble} problem=${problem} />
        <div class="actions"><button class="primary" disabled=${working || !pictures.length} aria-busy=${working}>${working ? t("working") : t("goEdit")}</button></div>
        <div aria-live="polite">${made && html`<${Compare} ...${made} alt=${prompt} />`}</div>
      </form>
      <${Snippets} call=${{ path: "/v1/images/edits", form }} />
    </div>
  `;
}

function Compare({ before, after, alt }) {
  const [share, setShare] = useState(50);
  return html`
    <section aria-label=${t("before")}>
      <div class="compare">
        <img src=${after.url} alt=${alt} />
        <div class="before" style=${{ width: `${share}%` }}><img src=${before} alt="" /></div>
      </div>
      <label class="field"><span class="label">${t("slide")}</span><input type="range" min="0" max="100" value=${share} onInput=${(e) => setShare(Number(e.target.value))} /></label>
      <${Picture} picture=${after} alt=${alt} />
    </section>
  `;
}
