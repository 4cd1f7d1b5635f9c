// The accounts' own chats at Google, where ACCOUNT_HISTORY opens them: listed, looked for, read, changed.
import { ask, get, here, post } from "./api.js";
import { html, useEffect, useState } from "./html.js";
import { usePoll } from "./live.js";
import { Act, Confirm, Dialog, Empty, Field, Loading, Note, Page, Table, Trouble } from "./parts.js";
import { moment, words } from "./words.js";

const t = words({
  lead: ["The chats that your accounts keep at Google. Nothing of them is kept here.", "账号保存在 Google 的对话，本网关不保存其内容。"],
  off: ["The accounts' own history is closed. ACCOUNT_HISTORY=true opens it to the admin key; then restart.", "账号历史未开放。设置 ACCOUNT_HISTORY=true 并重启后，可用管理密钥访问。"],
  account: ["Account", "账号"],
  look_for: ["Look for", "搜索"],
  search: ["Search", "搜索"],
  all: ["All chats", "全部对话"],
  chats: ["Chats", "对话"],
  chat: ["Chat", "对话"],
  title: ["Title", "标题"],
  last: ["Last turn", "最后更新"],
  by: ["Made by", "来源"],
  gateway: ["this gateway", "本网关"],
  owner: ["the owner", "账号所有者"],
  other: ["of the key {key}", "属于密钥 {key}"],
  closed: ["What was said under another key is for that key alone.", "其他密钥的对话内容仅对该密钥可见。"],
  pinned: ["pinned", "已置顶"],
  more: ["More", "更多"],
  older: ["Older turns", "更早的内容"],
  none: ["No chats.", "没有对话。"],
  nobody: ["There is no account that keeps chats.", "没有保存对话的账号。"],
  titles: ["Google has no search for this account: only titles were looked through.", "该账号没有 Google 搜索，仅搜索了标题。"],
  save: ["Markdown", "Markdown"],
  json: ["JSON", "JSON"],
  export_all: ["Export all", "全部导出"],
  rename: ["Rename", "重命名"],
  pin: ["Pin", "置顶"],
  unpin: ["Unpin", "取消置顶"],
  remove: ["Delete", "删除"],
  remove_title: ["Delete this chat?", "删除该对话？"],
  remove_text: ["It is deleted at Google, for good.", "将在 Google 永久删除。"],
  prompt: ["Prompt", "提问"],
  answer: ["Answer", "回答"],
  unfinished: ["unfinished", "未完成"],
  untitled: ["(without a title)", "（无标题）"],
});

const path = (account, id = "") => `/api/history/${encodeURIComponent(account)}${id ? "/" + encodeURIComponent(id) : ""}`;
const at = (account, cursor) => `${path(account)}?limit=50${cursor ? "&cursor=" + encodeURIComponent(cursor) : ""}`;

export function History({ title, rest }) {
  const { data, problem } = usePoll("/api/settings", 0);
  const setting = data?.settings.find((one) => one.name === "ACCOUNT_HISTORY");
  return html`
    <${Page} title=${title} lead=${t("lead")}>
      <${Trouble} problem=${problem} />
      ${!data && !problem && html`<${Loading} />`}
      ${setting && setting.value !== "on" && html`<${Note}><p>${t("off")}</p><//>`}
      ${setting?.value === "on" && html`<${Opened} rest=${rest} />`}
    <//>
  `;
}

function Opened({ rest }) {
  const { data, problem } = usePoll("/api/accounts", 0);
  const names = data?.accounts.filter((one) => one.kind === "web").map((one) => one.name);
  const account = rest[0] ?? names?.[0];
  return html`
    <${Trouble} problem=${problem} />
    ${!data && !problem && html`<${Loading} />`}
    ${names && !names.length && html`<${Empty}>${t("nobody")}<//>`}
    ${account && html`<${Chats} key=${account} account=${account} names=${names ?? [account]} />`}
  `;
}

function Chats({ account, names }) {
  const [query, setQuery] = useState("");
  const [sought, setSought] = useState("");
  const [pages, setPages] = useState([]);
  const [problem, setProblem] = useState(null);
  const [open, setOpen] = useState(null); // not in the address: another place would ask Google for the list again
  const load = async (looking, cursor = "") => {
    try {
      setProblem(null);
      const page = looking
        ? await post(path(account) + "/search", { query: looking, cursor })
        : await get(at(account, cursor));
      setPages((before) => (cursor ? [...before, page] : [page]));
    } catch (failed) {
      setProblem(failed);
    }
  };
  useEffect(() => {
    load("");
  }, [account]);
  const look = async (event) => {
    event.preventDefault();
    setSought(query.trim());
    await load(query.trim());
  };
  const last = pages.at(-1);
  const chats = pages.flatMap((page) => page.data);
  return html`
    <form class="form" onSubmit=${look}>
      <${Field} label=${t("account")}>
        <select name="account" value=${account} onChange=${(e) => (location.hash = "#/history/" + encodeURIComponent(e.target.value))}>
          ${names.map((name) => html`<option value=${name}>${name}</option>`)}
        </select>
      <//>
      <${Field} label=${t("look_for")}><input name="query" maxlength="500" value=${query} onInput=${(e) => setQuery(e.target.value)} /><//>
      <div class="actions">
        <button>${query.trim() || !sought ? t("search") : t("all")}</button>
        <a class="button" href="${here(path(account))}/export?format=markdown" download>${t("export_all")}</a>
      </div>
    </form>
    <${Trouble} problem=${problem} />
    ${!last && !problem && html`<${Loading} />`}
    ${last?.by === "titles" && html`<${Note}><p>${t("titles")}</p><//>`}
    ${last && !chats.length && !last.next && html`<${Empty}>${t("none")}<//>`}
    ${chats.length > 0 && html`
      <${Table} caption=${t("chats")} head=${["title", "last", "by"].map((name) => t(name))}>
        ${chats.map((chat) => html`<${Row} key=${chat.id} of=${chat} onOpen=${() => setOpen(chat)} />`)}
      <//>
    `}
    ${last?.next && html`<div class="actions"><${Act} act=${() => load(sought, last.next)} onTrouble=${setProblem}>${t("more")}<//></div>`}
    ${open && html`<${One} of=${open} onClose=${(changed) => (setOpen(null), changed && load(sought))} />`}
  `;
}

function Row({ of: chat, onOpen }) {
  const name = chat.open ? chat.title || t("untitled") : t("other", { key: chat.key ?? "–" });
  return html`
    <tr>
      <th scope="row">
        <button type="button" class="quiet" onClick=${onOpen}>${name}</button>
        ${chat.pinned && html` <span class="small muted">${t("pinned")}</span>`}
      </th>
      <td class="nowrap">${chat.updated_at ? moment(chat.updated_at) : "–"}</td>
      <td>${chat.made_by ? t("gateway") : t("owner")}</td>
    </tr>
  `;
}

function One({ of: chat, onClose }) {
  const [shown, setShown] = useState(null);
  const [problem, setProblem] = useState(null);
  const [name, setName] = useState("");
  const [sure, setSure] = useState(false);
  const [changed, setChanged] = useState(false);
  const where = path(chat.account, chat.id);
  const read = async (cursor = "") => {
    const page = await get(`${where}?limit=20${cursor ? "&cursor=" + encodeURIComponent(cursor) : ""}`);
    setShown((before) => (cursor ? { ...before, turns: [...before.turns, ...page.turns], next: page.next } : page));
    if (!cursor) setName(page.title ?? "");
  };
  useEffect(() => {
    if (chat.open) read().catch(setProblem);
  }, [where]);
  const change = async (body) => {
    await ask("PATCH", where, { body });
    setChanged(true);
    await read();
  };
  return html`
    <${Dialog} title=${shown?.title || t("chat")} onClose=${() => onClose(changed)} wide>
      <${Trouble} problem=${problem} />
      ${!chat.open && html`
        <p>${t("closed")}</p>
        <div class="actions"><button type="button" class="danger" onClick=${() => setSure(true)}>${t("remove")}</button></div>
      `}
      ${!shown && !problem && chat.open && html`<${Loading} />`}
      ${shown && html`
        <div class="stack">
          <${Field} label=${t("title")} wide><input name="title" maxlength="500" value=${name} onInput=${(e) => setName(e.target.value)} /><//>
          <div class="actions">
            <${Act} act=${() => change({ title: name.trim() })} onTrouble=${setProblem} disabled=${!name.trim() || name === shown.title}>${t("rename")}<//>
            <${Act} act=${() => change({ pinned: !shown.pinned })} onTrouble=${setProblem}>${shown.pinned ? t("unpin") : t("pin")}<//>
            <a class="button" href="${here(where)}/export?format=markdown" download>${t("save")}</a>
            <a class="button" href="${here(where)}/export?format=json" download>${t("json")}</a>
            ${shown.made_by && html`<button type="button" class="danger" onClick=${() => setSure(true)}>${t("remove")}</button>`}
          </div>
          ${shown.turns.map((turn) => html`<${Turn} key=${turn.id} of=${turn} />`)}
          ${shown.next && html`<div class="actions"><${Act} act=${() => read(shown.next)} onTrouble=${setProblem}>${t("older")}<//></div>`}
        </div>
      `}
      ${sure && html`
        <${Confirm} title=${t("remove_title")} yes=${t("remove")} onClose=${() => setSure(false)}
          act=${async () => (await ask("DELETE", where), onClose(true))}><p>${t("remove_text")}</p><//>
      `}
    <//>
  `;
}

const Turn = ({ of: turn }) => html`
  <section class="stack tight">
    <h3>${t("prompt")} ${turn.at && html`<span class="small muted">${moment(turn.at)}</span>`}</h3>
    <p class="pre">${turn.prompt}</p>
    <h3>${t("answer")} <span class="small muted">${turn.model}${turn.whole ? "" : " · " + t("unfinished")}</span></h3>
    <p class="pre">${turn.answer}</p>
  </section>
`;
