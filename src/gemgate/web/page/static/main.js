// The frame: who is signed in, which page is shown, language and theme.
import { Accounts } from "./accounts.js";
import { Alerts } from "./alerts.js";
import { ask, events, get, post, useSession } from "./api.js";
import { Chat } from "./chat.js";
import { Connect } from "./connect.js";
import { Conversations } from "./conversations.js";
import { Gallery } from "./gallery.js";
import { History } from "./history.js";
import { html, render, useCallback, useEffect, useLayoutEffect, useRef, useState } from "./html.js";
import { Batches, Jobs } from "./jobs.js";
import { Keys } from "./keys.js";
import { Nodes } from "./nodes.js";
import { Overview } from "./overview.js";
import { Act, Field, Loading, Note, Trouble } from "./parts.js";
import { Playground } from "./playground.js";
import { Reference } from "./reference.js";
import { Requests } from "./requests.js";
import { Settings } from "./settings.js";
import { Usage } from "./usage.js";
import { chinese, keep, words } from "./words.js";

const t = words({
  overview: ["Overview", "总览"],
  connect: ["Connect", "连接"],
  accounts: ["Accounts", "账号"],
  chat: ["Chat", "聊天"],
  playground: ["Make pictures", "生成图片"],
  gallery: ["Gallery", "图库"],
  jobs: ["Jobs", "任务"],
  history: ["Chats at Google", "Google 对话"],
  nodes: ["Nodes", "节点"],
  requests: ["Requests", "请求"],
  usage: ["Usage", "用量"],
  conversations: ["Kept conversations", "保存的会话"],
  keys: ["Limits and keys", "限额与密钥"],
  settings: ["Settings in force", "当前设置"],
  alerts: ["Alerts", "告警"],
  reference: ["API reference", "API 参考"],
  skip: ["Skip to the page", "跳到正文"],
  menu: ["Menu", "菜单"],
  pages: ["Pages", "页面"],
  language: ["Language", "语言"],
  theme: ["Theme", "主题"],
  auto: ["system", "跟随系统"],
  light: ["light", "浅色"],
  dark: ["dark", "深色"],
  sign_in: ["Sign in", "登录"],
  sign_out: ["Sign out", "退出登录"],
  key: ["Admin key", "管理密钥"],
  key_hint: ["The value of ADMIN_KEY in the service's settings.", "服务设置中 ADMIN_KEY 的值。"],
  ended: ["Your session has ended. Sign in again to go on.", "会话已结束，请重新登录。"],
  closed: [
    "This page can only be used from the machine that gemgate runs on. To use it from elsewhere, set ADMIN_KEY and restart.",
    "本页面只能在运行 gemgate 的机器上使用。如需从其他机器访问，请设置 ADMIN_KEY 并重启。",
  ],
  lost: ["There is no such page.", "页面不存在。"],
});

const PAGES = {
  overview: Overview, connect: Connect, accounts: Accounts, chat: Chat, playground: Playground, gallery: Gallery, jobs: Jobs, history: History, conversations: Conversations, usage: Usage,
  requests: Requests, nodes: Nodes, keys: Keys, alerts: Alerts, settings: Settings, reference: Reference,
  batches: Batches,
};
const WHOLE = new Set(["gallery"]); // rooms that stay as they are while one thing in them is opened
const NOW = { batches: "jobs" }; // what rooms are called whose old addresses stay
const GROUPS = [
  ["overview", "connect", "accounts", "nodes"],
  ["chat", "playground", "gallery", "jobs", "conversations", "history"],
  ["requests", "usage", "keys", "alerts", "settings", "reference"],
];

/** "#/accounts/alice" as ["accounts", "alice"]. */
const placeOf = () => {
  const parts = location.hash.replace(/^#\/?/, "").split("/").map(decodeURIComponent);
  return parts[0] ? parts : ["overview"];
};

function App() {
  const [session, setSession] = useState(null);
  const [problem, setProblem] = useState(null);
  const [lang, setLang] = useState(document.documentElement.lang);
  const took = useCallback((next) => {
    useSession(next);
    setSession((before) => ({ ...next, ended: !next.signed_in && Boolean(before?.signed_in || before?.ended) }));
  }, []);
  const look = useCallback(() => get("/api/session").then(took, setProblem), []);
  useEffect(() => {
    look();
    events.addEventListener("signed-out", look);
    return () => events.removeEventListener("signed-out", look);
  }, []);
  const speak = (next) => {
    document.documentElement.lang = next;
    keep("language", next);
    setLang(next);
  };
  if (problem && !session) return html`<main class="gate"><${Trouble} problem=${problem} /></main>`;
  if (!session) return html`<main class="gate"><${Loading} /></main>`;
  if (!session.signed_in && placeOf()[0] === "reference") {
    return html`<main id="main" tabindex="-1"><${PAGES.reference} title=${t("reference")} /></main>`; // it holds no secret
  }
  if (!session.signed_in) return html`<${Gate} key=${lang} session=${session} onSession=${took} speak=${speak} />`;
  return html`<${Frame} key=${lang} session=${session} onSession=${took} speak=${speak} />`;
}

function Choices({ speak }) {
  const [theme, setTheme] = useState(document.documentElement.dataset.theme ?? "");
  const paint = (next) => {
    if (next) document.documentElement.dataset.theme = next;
    else delete document.documentElement.dataset.theme;
    keep("theme", next);
    setTheme(next);
  };
  return html`
    <select aria-label=${t("language")} value=${chinese() ? "zh-CN" : "en"} onChange=${(e) => speak(e.target.value)}>
      <option value="en" lang="en">English</option>
      <option value="zh-CN" lang="zh-CN">简体中文</option>
    </select>
    <select aria-label=${t("theme")} value=${theme} onChange=${(e) => paint(e.target.value)}>
      ${["", "light", "dark"].map((name) => html`<option value=${name}>${t("theme")}: ${t(name || "auto")}</option>`)}
    </select>
  `;
}

/** Signing in with the admin key. */
function Gate({ session, onSession, speak }) {
  const [key, setKey] = useState("");
  const [problem, setProblem] = useState(null);
  const [working, setWorking] = useState(false);
  const field = useRef(null);
  useEffect(() => {
    document.title = `${t("sign_in")} · gemgate`;
    field.current?.focus();
  }, []);
  const submit = async (event) => {
    event.preventDefault();
    setWorking(true);
    try {
      onSession(await post("/api/session", { key }));
    } catch (failed) {
      setProblem(failed);
    } finally {
      setWorking(false);
    }
  };
  const closed = session.how === "closed";
  return html`
    <main class="gate">
      <form class="sheet" onSubmit=${submit}>
        <h1 class="brand"><${Logo} /> gemgate</h1>
        ${session.ended && !problem && html`<${Note} tone="warn"><p role="status">${t("ended")}</p><//>`}
        ${closed ? html`<${Note} tone="warn"><p>${t("closed")}</p><//>` : html`
          <${Field} label=${t("key")} hint=${t("key_hint")}>
            <input ref=${field} type="password" name="key" autocomplete="current-password" required value=${key}
              onInput=${(e) => setKey(e.target.value)} />
          <//>
          ${problem && html`<div class="note bad" role="alert"><p>${problem.message}</p></div>`}
          <button class="first" disabled=${working} aria-busy=${working}>${t("sign_in")}</button>
        `}
        <div class="row"><${Choices} speak=${speak} /></div>
      </form>
    </main>
  `;
}

const icon = document.querySelector('link[rel="icon"]').href;
const Logo = () => html`<img src=${icon} alt="" width="24" height="24" />`;

function Frame({ session, onSession, speak }) {
  const [place, setPlace] = useState(placeOf());
  const [open, setOpen] = useState(false);
  useLayoutEffect(() => { // before anything can be clicked: an effect listens a frame later, and misses who is quick
    const moved = () => {
      const next = placeOf();
      setPlace((before) => {
        if (!WHOLE.has(next[0]) || before[0] !== next[0]) scrollTo(0, 0);
        return next;
      });
      setOpen(false);
    };
    addEventListener("hashchange", moved);
    return () => removeEventListener("hashchange", moved);
  }, []);
  const [name, ...rest] = place;
  const Shown = Object.hasOwn(PAGES, name) ? PAGES[name] : null;
  const room = NOW[name] ?? name;
  const leave = async () => onSession(await (await ask("DELETE", "/api/session")).json());
  return html`
    <a class="skip" href="#main" onClick=${(e) => (e.preventDefault(), document.getElementById("main").focus())}>
      ${t("skip")}
    </a>
    <div class="frame">
      <header class=${open ? "side unfolded" : "side"}>
        <a class="brand" href="#/overview"><${Logo} /> gemgate</a>
        <button type="button" class="menu" aria-expanded=${open} aria-controls="pages" onClick=${() => setOpen(!open)}>
          ${t("menu")}
        </button>
        <nav id="pages" aria-label=${t("pages")}>
          ${GROUPS.map((group) => html`<ul>${group.map((one) => html`
            <li><a href="#/${one}" aria-current=${one === room ? "page" : undefined}>${t(one)}</a></li>
          `)}</ul>`)}
        </nav>
        <div class="foot">
          <${Choices} speak=${speak} />
          ${session.how === "session" && html`<${Act} act=${leave}>${t("sign_out")}<//>`}
        </div>
      </header>
      <main id="main" tabindex="-1">
        ${Shown ? html`<${Shown} key=${WHOLE.has(name) ? name : place.join("/")} rest=${rest} title=${t(room)} />` : html`<p>${t("lost")}</p>`}
      </main>
    </div>
  `;
}

// A file that is dropped beside the place meant for it would open in the window, and what was written be gone.
for (const kind of ["dragover", "drop"]) addEventListener(kind, (event) => event.preventDefault());

render(html`<${App} />`, document.getElementById("app"));
