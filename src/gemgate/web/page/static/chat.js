// A conversation that streams, with its thoughts and pictures.
import { ask, Problem } from "./api.js";
import { Attach } from "./attach.js";
import { html, useRef, useState } from "./html.js";
import { eventsOf } from "./live.js";
import { Markdown } from "./markdown.js";
import { Code, Field, Trouble, useModels } from "./parts.js";
import { chatSnippets } from "./snippets.js";
import { words } from "./words.js";

const t = words({
  model: ["Model", "模型"],
  thinking: ["Extended thinking", "深度思考"],
  message: ["Message", "消息"],
  send: ["Send", "发送"],
  stop: ["Stop", "停止"],
  again: ["New conversation", "新会话"],
  thoughts: ["Thoughts", "思考过程"],
  sources: ["Sources", "来源"],
  waiting: ["Waiting for Google …", "等待 Google 回应…"],
  talk: ["Conversation", "会话"],
  why: ["How this was answered", "应答过程"],
  served: ["Answered by {name}", "由 {name} 作答"],
  nobody: ["Google did not say which model answered", "Google 未说明由哪个模型作答"],
  code: ["The same call in code", "对应的代码"],
  first: ["Ask anything; Ctrl+Enter sends.", "请输入内容，Ctrl+Enter 发送。"],
});

/** What is sent: text alone as a string, with files as parts. */
function content(text, files) {
  if (!files.length) return text;
  const parts = files.map(({ name, url }) =>
    url.startsWith("data:image/") ? { type: "image_url", image_url: { url } } : { type: "file", file: { filename: name, file_data: url } });
  return text ? [{ type: "text", text }, ...parts] : parts;
}

const shortened = (messages) =>
  JSON.parse(JSON.stringify(messages, (name, value) =>
    typeof value === "string" && value.startsWith("data:") ? value.slice(0, value.indexOf(",") + 1) + "…" : value));

export function Chat() {
  const models = useModels();
  const [model, setModel] = useState("");
  const [thinking, setThinking] = useState(false);
  const [text, setText] = useState("");
  const [files, setFiles] = useState([]);
  const [turns, setTurns] = useState([]);
  const [problem, setProblem] = useState(null);
  const [stop, setStop] = useState(null);
  const box = useRef(null);
  const chosen = model || models.default;

  const body = (messages) => ({
    model: chosen, messages, stream: true, ...(thinking ? { reasoning_effort: "high" } : {}),
  });

  const send = async (event) => {
    event?.preventDefault();
    if (stop || !(text.trim() || files.length)) return;
    const said = { role: "user", content: content(text, files), text, files };
    const before = [...turns, said];
    const answer = { role: "assistant", text: "", thoughts: "", sources: [], requestId: "", served: "", open: true };
    const show = () => setTurns([...before, { ...answer }]);
    const controller = new AbortController();
    setText("");
    setFiles([]);
    setProblem(null);
    setStop(controller);
    show();
    try {
      const messages = before.map((turn) => ({ role: turn.role, content: turn.content ?? turn.text }));
      const response = await ask("POST", "/v1/chat/completions", { body: body(messages), signal: controller.signal });
      answer.requestId = response.headers.get("x-request-id") ?? "";
      for await (const data of eventsOf(response)) {
        if (data === "[DONE]") break;
        const told = JSON.parse(data);
        if (told.error) throw new Problem(told.error.message, { code: told.error.code, requestId: answer.requestId });
        const delta = told.choices?.[0]?.delta ?? {};
        answer.text += delta.content ?? "";
        answer.thoughts += delta.reasoning_content ?? "";
        for (const { url_citation: source } of delta.annotations ?? [])
          if (!answer.sources.some((known) => known.url === source.url)) answer.sources.push(source);
        answer.served = told.served_model ?? answer.served;
        show();
      }
    } catch (failed) {
      if (failed.name !== "AbortError") setProblem(failed);
    } finally {
      answer.open = false;
      if (answer.text) show();
      else {
        setTurns(turns); // nothing was answered: the message is there to be sent again
        setText(text);
        setFiles(files);
      }
      setStop(null);
      box.current?.focus();
    }
  };
  const keys = (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) send();
  };
  const told = turns.map((turn) => ({ role: turn.role, content: turn.content ?? turn.text }));
  const snippet = body(shortened(text || files.length || !told.length ? [...told, { role: "user", content: content(text || "Hello", files) }] : told));
  return html`
    <div class="beside">
      <div class="stack">
        <ol class="talk" aria-label=${t("talk")} aria-live="polite" aria-busy=${Boolean(stop)}>
          ${turns.map((turn) => html`<li>${turn.role === "user" ? html`<${Said} turn=${turn} />` : html`<${Answered} turn=${turn} />`}</li>`)}
        </ol>
        <${Trouble} problem=${problem} />
        <form class="stack" onSubmit=${send}>
          <${Field} label=${t("message")} hint=${t("first")}>
            <textarea ref=${box} name="message" rows="4" value=${text} onInput=${(e) => setText(e.target.value)} onKeyDown=${keys}></textarea>
          <//>
          <${Attach} files=${files} onFiles=${setFiles} accept="" />
          <div class="form">
            <${Field} label=${t("model")}>
              <select name="model" value=${chosen} onChange=${(e) => setModel(e.target.value)}>
                ${models.models.filter(({ id }) => !(models.background ?? []).includes(id)).map((one) => html`<option value=${one.id} selected=${one.id === chosen}>${one.id}</option>`)}
              </select>
            <//>
            <label class="check"><input type="checkbox" name="thinking" checked=${thinking} onChange=${(e) => setThinking(e.target.checked)} /> ${t("thinking")}</label>
          </div>
          <div class="actions">
            ${stop
              ? html`<button type="button" onClick=${() => stop.abort()}>${t("stop")}</button>`
              : html`<button class="first">${t("send")}</button>`}
            ${turns.length > 0 && !stop && html`<button type="button" onClick=${() => (setTurns([]), setProblem(null))}>${t("again")}</button>`}
          </div>
        </form>
      </div>
      <${Snippets} list=${chatSnippets(snippet)} />
    </div>
  `;
}

export function Snippets({ list }) {
  return html`
    <section class="stack" aria-label=${t("code")}>
      <h2>${t("code")}</h2>
      ${list.map(([label, text]) => html`<${Code} key=${label} label=${label} text=${text} />`)}
    </section>
  `;
}

const Said = ({ turn }) => html`
  <div class="user">${turn.text}
    ${turn.files.length > 0 && html`<div class="thumbs">${turn.files.map(({ name, url }) =>
      url.startsWith("data:image/") ? html`<img src=${url} alt=${name} />` : html`<span class="tag">${name}</span>`)}</div>`}
  </div>
`;

const listed = (sources) =>
  sources.map(({ title, url }, n) => `${n + 1}. [${(title || url).replace(/[[\]\s]+/g, " ")}](${url.replace(/[()\s]/g, (c) => "%" + c.charCodeAt(0).toString(16))})`).join("\n");

const Answered = ({ turn }) => html`
  ${turn.thoughts && html`<details open=${turn.open && !turn.text}><summary>${t("thoughts")}</summary><div class="markdown plain">${turn.thoughts}</div></details>`}
  ${turn.text ? html`<${Markdown} text=${turn.text} />` : !turn.thoughts && html`<p class="muted">${t("waiting")}</p>`}
  ${turn.sources?.length > 0 && html`<p class="small muted">${t("sources")}</p><${Markdown} text=${listed(turn.sources)} />`}
  ${!turn.open && turn.served && html`<p class="small muted">${turn.served === "unknown" ? t("nobody") : t("served", { name: turn.served })}</p>`}
  ${!turn.open && turn.requestId && html`<p class="small"><a href="#/requests/${turn.requestId}">${t("why")}</a></p>`}
`;
