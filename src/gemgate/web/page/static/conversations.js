// The conversations that the gateway keeps for this caller, to be read and searched; nothing can be changed here.
import { get } from "./api.js";
import { html, useEffect, useState } from "./html.js";
import { usePoll } from "./live.js";
import { Markdown } from "./markdown.js";
import { Act, Empty, Field, Loading, Page, Trouble } from "./parts.js";
import { bytes, moment, number, words } from "./words.js";

const t = words({
  lead: [
    "What programs said under a conversation_id, newest first. Other chats are kept as fingerprints only and have no words to show; those of the room “Chat” stand in this browser.",
    "程序以 conversation_id 进行的会话，最新的在前。其他会话只保存指纹，没有可显示的内容；“聊天”页面的会话保存在本浏览器中。",
  ],
  search: ["Search", "搜索"],
  none: ["No conversation is kept for you yet.", "还没有保存的会话。"],
  none_found: ["No conversation has all these words.", "没有包含这些词的会话。"],
  more: ["Older ones", "更早的"],
  looked: ["Nothing so far; older ones are still to be looked at.", "暂未找到，更早的会话尚未搜索。"],
  messages: ["{count} {count|message|messages}", "{count} 条消息"],
  list: ["Conversations", "会话列表"],
  back: ["All conversations", "全部会话"],
  user: ["user", "用户"],
  assistant: ["assistant", "助手"],
  system: ["system", "系统"],
  developer: ["developer", "开发者"],
  tool: ["tool", "工具"],
  thoughts: ["Thoughts", "思考过程"],
  call: ["calls {name}", "调用 {name}"],
  result: ["answer of {name}", "{name} 的结果"],
  image: ["picture", "图片"],
  file: ["file", "文件"],
  untitled: ["(no words)", "（无文字）"],
});

export const Conversations = ({ title, rest }) =>
  rest[0] ? html`<${One} id=${rest[0]} />` : html`<${All} title=${title} />`;

let last = ""; // what was looked for stays while a conversation is read

function All({ title }) {
  const [typed, setTyped] = useState(last);
  const [sought, setSought] = useState(last);
  const [pages, setPages] = useState([]);
  const [problem, setProblem] = useState(null);
  const load = async (offset, signal) => {
    const page = await get(`/api/conversations?limit=50&offset=${offset}&q=${encodeURIComponent(sought)}`, { signal });
    setPages((before) => (offset ? [...before, page] : [page]));
  };
  useEffect(() => {
    const timer = setTimeout(() => setSought((last = typed.trim())), 300);
    return () => clearTimeout(timer);
  }, [typed]);
  useEffect(() => {
    const stop = new AbortController();
    setProblem(null);
    load(0, stop.signal).catch((failed) => failed.name !== "AbortError" && setProblem(failed));
    return () => stop.abort();
  }, [sought]);
  const shown = pages.flatMap((page) => page.conversations);
  const next = pages.at(-1)?.next_offset;
  return html`
    <${Page} title=${title} lead=${t("lead")}>
      <div class="filters"><${Field} label=${t("search")}><input type="search" name="search" maxlength="200" value=${typed} onInput=${(e) => setTyped(e.target.value)} /><//></div>
      <${Trouble} problem=${problem} />
      ${!pages.length && !problem && html`<${Loading} />`}
      ${pages.length > 0 && !shown.length && html`<${Empty}>${next != null ? t("looked") : sought ? t("none_found") : t("none")}<//>`}
      ${shown.length > 0 && html`
        <ul class="kept-list" aria-label=${t("list")}>${shown.map((one) => html`
          <li key=${one.id}><a href="#/conversations/${encodeURIComponent(one.id)}">
            <strong>${one.title || t("untitled")}</strong>
            ${one.excerpt && html`<span>${one.excerpt}</span>`}
            <span class="small muted">${moment(one.updated_at)} · ${t("messages", { count: number(one.messages) })} · ${one.id}${one.account ? ` · ${one.account}` : ""}</span>
          </a></li>`)}
        </ul>`}
      ${next != null && html`<div class="actions"><${Act} act=${() => load(next)} onTrouble=${setProblem}>${t("more")}<//></div>`}
    <//>
  `;
}

function One({ id }) {
  const { data, problem } = usePoll(`/api/conversations/${encodeURIComponent(id)}`, 0);
  return html`
    <${Page} title=${id} lead=${html`<a href="#/conversations">← ${t("back")}</a>`}>
      <${Trouble} problem=${problem} />
      ${!data && !problem && html`<${Loading} />`}
      ${data && html`
        <p class="muted small">${moment(data.updated_at)} · ${t("messages", { count: number(data.said.length) })}${data.account ? ` · ${data.account}` : ""}</p>
        <ol class="talk kept">${data.said.map((one) => html`
          <li class="sheet"><h2 class="small muted">${t(one.role)}</h2>${one.parts.map((part) => html`<${Part} part=${part} plain=${one.role !== "assistant"} />`)}</li>`)}
        </ol>`}
    <//>
  `;
}

function Part({ part, plain }) {
  if (part.text != null) return plain ? html`<p class="pre">${part.text}</p>` : html`<div class="markdown"><${Markdown} text=${part.text} /></div>`;
  if (part.thought != null) return html`<details><summary>${t("thoughts")}</summary><p class="pre">${part.thought}</p></details>`;
  if (part.call) return html`<details><summary>${t("call", part.call)}</summary><pre tabindex="0"><code>${part.call.arguments}</code></pre></details>`;
  if (part.result) return html`<details><summary>${t("result", part.result)}</summary>${part.result.parts.map((one) => html`<${Part} part=${one} plain />`)}</details>`;
  const [kind, source] = part.image ? ["image", part.image] : ["file", part.file];
  return html`<p><span class="tag">${t(kind)}${[source?.name, source?.mime, source?.bytes && bytes(source.bytes)].filter(Boolean).map((one) => ` · ${one}`)}</span></p>`;
}
