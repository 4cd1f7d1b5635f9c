// A conversation that streams: several turns, files, pictures, thoughts; stopped, asked again, found again.
import { Attach } from "./attach.js";
import { html, useEffect, useLayoutEffect, useMemo, useRef, useState } from "./html.js";
import { Markdown } from "./markdown.js";
import { Confirm, Copy, Field, Page, Trouble, useModels } from "./parts.js";
import { chatSnippets, Snippets } from "./snippets.js";
import { again, answering, begin, bodyOf, changes, loaded, remove, removeAll, say, search, stop, talkOf } from "./talks.js";
import { ago, number, span, words } from "./words.js";

const t = words({
  model: ["Model", "模型"],
  thinking: ["Extended thinking", "深度思考"],
  system: ["Instructions", "系统指令"],
  system_hint: ["Go before the first message of a conversation.", "置于会话首条消息之前。"],
  options: ["Options", "选项"],
  message: ["Message", "消息"],
  send: ["Send", "发送"],
  stop: ["Stop", "停止"],
  again: ["Answer again", "重新生成"],
  edit: ["Edit", "修改"],
  fresh: ["New conversation", "新会话"],
  thoughts: ["Thoughts", "思考过程"],
  sources: ["Sources", "来源"],
  waiting: ["Waiting for Google …", "等待 Google 回应…"],
  talk: ["Conversation", "会话"],
  talks: ["Conversations", "会话列表"],
  kept: ["Kept in this browser only.", "仅保存在此浏览器中。"],
  search: ["Search conversations", "搜索会话"],
  none: ["No conversation yet.", "暂无会话。"],
  nothing: ["None found.", "没有找到。"],
  remove: ["Delete {title}", "删除 {title}"],
  remove_all: ["Delete all", "全部删除"],
  remove_all_title: ["Delete all conversations?", "删除全部会话？"],
  remove_all_text: ["They are deleted from this browser for good.", "将从此浏览器中永久删除。"],
  why: ["How this was answered", "应答过程"],
  unknown: ["model not told by Google", "Google 未说明模型"],
  tokens: ["about {count} {count|token|tokens}", "约 {count} Token"],
  hit: ["went on in the same chat", "续用同一会话"],
  fork: ["branched", "分支"],
  replay: ["history sent anew", "重发历史"],
  stopped: ["Stopped here.", "已在此停止。"],
  welcome: ["What shall it be?", "想聊点什么？"],
  first: ["Enter sends, Shift+Enter begins a line. Files can be dropped or pasted here.", "Enter 发送，Shift+Enter 换行；可拖放或粘贴文件。"],
  down: ["To the end", "回到底部"],
});

const shortened = (body) =>
  JSON.parse(JSON.stringify(body, (name, value) =>
    typeof value === "string" && value.startsWith("data:") ? value.slice(0, value.indexOf(",") + 1) + "…" : value));

/** Drawn anew whenever a conversation changes. */
function useTalks() {
  const [, draw] = useState(0);
  useEffect(() => {
    const anew = () => draw((n) => n + 1);
    changes.addEventListener("change", anew);
    loaded.then(anew);
    return () => changes.removeEventListener("change", anew);
  }, []);
}

/** "#/chat/ID" is one conversation; "#/chat" begins another. */
export function Chat({ title, rest }) {
  useTalks();
  const [id, setId] = useState(rest[0] ?? "");
  const talk = talkOf(id);
  const open = (next) => (location.hash = next ? `#/chat/${next}` : "#/chat");
  const fresh = () => (rest[0] ? open("") : (history.replaceState(null, "", "#/chat"), setId("")));
  const begun = useRef(""); // begun in this thread: it stays, with what was written, when nothing comes of its first message
  const began = (next) => (history.replaceState(null, "", `#/chat/${next}`), (begun.current = next), setId(next));
  return html`
    <${Page} title=${talk?.title || title} actions=${html`<button type="button" onClick=${fresh}>${t("fresh")}</button>`}>
      <div class="chat">
        <${Listed} shown=${id} />
        <${Thread} key=${id && !talk && id !== begun.current ? "lost" : "thread"} talk=${talk} onBegan=${began} />
      </div>
    <//>
  `;
}

function Listed({ shown }) {
  const [wanted, setWanted] = useState("");
  const [sure, setSure] = useState(false);
  const [open, setOpen] = useState(innerWidth > 1000);
  const now = Date.now() / 1000;
  const found = search(wanted);
  return html`
    <aside class="talks" aria-label=${t("talks")}>
      <details open=${open} onToggle=${(e) => setOpen(e.currentTarget.open)}>
        <summary>${t("talks")}</summary>
        <div class="stack tight">
          <input type="search" aria-label=${t("search")} placeholder=${t("search")} value=${wanted} onInput=${(e) => setWanted(e.target.value)} />
          ${!found.length && html`<p class="small muted">${t(wanted ? "nothing" : "none")}</p>`}
          <ul>${found.map((one) => html`
            <li key=${one.id}>
              <a href="#/chat/${one.id}" aria-current=${one.id === shown ? "true" : undefined}>
                <span>${one.title || "…"}</span><small>${answering(one.id) ? t("waiting") : ago(Math.min(one.changed / 1000, now), now)}</small>
              </a>
              <button type="button" class="quiet small" aria-label=${t("remove", one)} onClick=${() => remove(one.id)}>×</button>
            </li>`)}</ul>
          <p class="small muted">${t("kept")} ${found.length > 0 && html`<button type="button" class="quiet small" onClick=${() => setSure(true)}>${t("remove_all")}</button>`}</p>
        </div>
      </details>
      ${sure && html`<${Confirm} title=${t("remove_all_title")} yes=${t("remove_all")} act=${async () => removeAll()} onClose=${() => setSure(false)}>
        <p>${t("remove_all_text")}</p><//>`}
    </aside>
  `;
}

/** Keeps the end in sight while an answer grows, unless the reader went up. Returns whether they did, and the way back. */
function useEnd(mark) {
  const following = useRef(true);
  const [away, setAway] = useState(false);
  useEffect(() => {
    const looked = () => {
      following.current = innerHeight + scrollY > document.documentElement.scrollHeight - 80;
      setAway(!following.current && document.documentElement.scrollHeight > innerHeight * 1.5);
    };
    addEventListener("scroll", looked, { passive: true });
    return () => removeEventListener("scroll", looked);
  }, []);
  const down = () => {
    following.current = true;
    scrollTo(0, document.documentElement.scrollHeight);
  };
  useLayoutEffect(() => {
    if (following.current && mark) scrollTo(0, document.documentElement.scrollHeight);
  }, [mark]);
  return [away, down];
}

function Thread({ talk, onBegan }) {
  const models = useModels();
  const [settings, setSettings] = useState({ model: talk?.model ?? "", thinking: talk?.thinking ?? false, system: talk?.system ?? "" });
  const [text, setText] = useState("");
  const [files, setFiles] = useState([]);
  const [problem, setProblem] = useState(null);
  const box = useRef(null);
  const model = settings.model || models.default;
  const turns = talk?.turns ?? [];
  const busy = Boolean(talk && answering(talk.id));
  const last = turns.at(-1);
  const [away, down] = useEnd(turns.length && `${turns.length}.${last?.text?.length}.${last?.thoughts?.length}`);
  const set = (name, value) => {
    setSettings((before) => ({ ...before, [name]: value }));
    if (talk) talk[name] = value;
  };
  useEffect(() => box.current?.focus({ preventScroll: true }), []);

  const send = async (event) => {
    event?.preventDefault();
    if (busy || !(text.trim() || files.length)) return;
    const current = talk ?? begin({ ...settings, model });
    Object.assign(current, { ...settings, model });
    if (!talk) onBegan(current.id);
    const said = [text, files];
    setText("");
    setFiles([]);
    setProblem(null);
    down();
    try {
      await say(current, ...said);
    } catch (failed) { // nothing was answered: the message is there to be sent again
      setText(said[0]);
      setFiles(said[1]);
      if (failed.name !== "AbortError") setProblem(failed);
    }
    box.current?.focus({ preventScroll: true });
  };
  const repeat = () => {
    setProblem(null);
    again(Object.assign(talk, { ...settings, model })).catch((failed) => failed.name !== "AbortError" && setProblem(failed));
  };
  const change = (at) => {
    setText(turns[at].text);
    setFiles(turns[at].files);
    talk.turns = turns.slice(0, at);
    changes.dispatchEvent(new Event("change"));
    box.current?.focus();
  };
  const keys = (event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) send(event);
  };
  const asked = turns.slice(0, turns.findLastIndex((turn) => turn.role === "user") + 1);
  const snippet = text || files.length || !asked.length ? [...turns, { role: "user", text: text || "Hello", files }] : asked;
  return html`
    <section class="thread" aria-label=${t("talk")}>
      ${!turns.length && html`<p class="welcome">${t("welcome")}</p>`}
      <ol class="talk" aria-label=${t("talk")} aria-live="polite" aria-busy=${busy}>
        ${turns.map((turn, at) => html`<li key=${at}>${turn.role === "user"
          ? html`<${Said} turn=${turn} onEdit=${!busy && (() => change(at))} />`
          : html`<${Answered} turn=${turn} mark=${turn.text.length + turn.thoughts.length} onAgain=${!busy && at === turns.length - 1 && repeat} />`}</li>`)}
      </ol>
      <${Trouble} problem=${problem} />
      <div class="dock">
        ${away && html`<button type="button" class="down" onClick=${down}>↓ ${t("down")}</button>`}
        <form onSubmit=${send}>
          <${Attach} files=${files} onFiles=${setFiles} accept="">
            ${(attach) => html`
              <textarea ref=${box} name="message" rows=${Math.min(10, Math.max(2, text.split("\n").length))} aria-label=${t("message")} placeholder=${t("first")}
                value=${text} onInput=${(e) => setText(e.target.value)} onKeyDown=${keys}></textarea>
              <div class="row between">
                <div class="row">
                  ${attach}
                  <select name="model" aria-label=${t("model")} value=${model} onChange=${(e) => set("model", e.target.value)}>
                    ${models.models.filter((one) => !(models.background ?? []).includes(one.id)).map((one) => html`<option value=${one.id} selected=${one.id === model}>${one.id}</option>`)}
                  </select>
                  <label class="check small"><input type="checkbox" name="thinking" checked=${settings.thinking} onChange=${(e) => set("thinking", e.target.checked)} /> ${t("thinking")}</label>
                </div>
                ${busy
                  ? html`<button type="button" onClick=${() => stop(talk.id)}>${t("stop")}</button>`
                  : html`<button class="first" disabled=${!(text.trim() || files.length)}>${t("send")}</button>`}
              </div>`}
          <//>
        </form>
      </div>
      <details class="snippets"><summary>${t("options")}</summary>
        <${Field} label=${t("system")} hint=${t("system_hint")}>
          <textarea name="system" rows="3" value=${settings.system} onInput=${(e) => set("system", e.target.value)}></textarea>
        <//>
      </details>
      <${SameInCode} body=${bodyOf({ ...settings, model }, snippet)} busy=${busy} />
    </section>
  `;
}

/** Not while an answer streams: it would be written anew with every piece. */
function SameInCode({ body, busy }) {
  const list = useRef(null);
  if (!busy || !list.current) list.current = chatSnippets(shortened(body));
  return html`<${Snippets} list=${list.current} />`;
}

const Said = ({ turn, onEdit }) => html`
  <div class="user">${turn.text}
    ${turn.files?.length > 0 && html`<div class="thumbs">${turn.files.map(({ name, url }) =>
      url.startsWith("data:image/") ? html`<img src=${url} alt=${name} />` : html`<span class="tag">${name}</span>`)}</div>`}
  </div>
  ${onEdit && html`<div class="turn-acts end"><button type="button" class="quiet small" onClick=${onEdit}>${t("edit")}</button></div>`}
`;

const listed = (sources) =>
  sources.map(({ title, url }, n) => `${n + 1}. [${(title || url).replace(/[[\]\s]+/g, " ")}](${url.replace(/[()\s]/g, (c) => "%" + c.charCodeAt(0).toString(16))})`).join("\n");

/** `mark` changes when the answer grew. */
function Answered({ turn, onAgain }) {
  const facts = [
    turn.account,
    turn.served && (turn.served === "unknown" ? t("unknown") : turn.served),
    turn.seconds !== null && span(turn.seconds),
    turn.tokens > 0 && t("tokens", { count: number(turn.tokens) }),
    turn.reuse && turn.reuse !== "miss" && t(turn.reuse),
  ].filter(Boolean);
  const body = useMemo(() => html`
    ${turn.thoughts && html`<details class="thoughts" open=${turn.open && !turn.text}><summary>${t("thoughts")}</summary><div class="markdown plain">${turn.thoughts}</div></details>`}
    ${turn.text ? html`<${Markdown} text=${turn.text} open=${turn.open} />` : !turn.thoughts && html`<p class="muted pulse">${t("waiting")}</p>`}
    ${turn.sources?.length > 0 && html`<p class="small muted">${t("sources")}</p><${Markdown} text=${listed(turn.sources)} />`}
  `, [turn.text, turn.thoughts, turn.open, turn.sources?.length]);
  return html`
    ${body}
    ${turn.problem && html`<div class="note bad" role="alert"><p>${turn.problem}</p></div>`}
    ${turn.stopped && html`<p class="small muted">${t("stopped")}</p>`}
    ${!turn.open && html`
      <div class="turn-acts">
        <span class="small muted served">${facts.join(" · ")}</span>
        <${Copy} text=${turn.text} />
        ${onAgain && html`<button type="button" class="quiet" onClick=${onAgain}>${t("again")}</button>`}
        ${turn.requestId && html`<a class="small" href="#/requests/${turn.requestId}">${t("why")}</a>`}
      </div>`}
  `;
}
