// The frame of the page: who is signed in, where one is, and what is shown there.
import { events, get, post, remove, useToken } from "./api.js";
import { html, render, useEffect, useState } from "./html.js";
import { Act, Field, Loading, Trouble } from "./parts.js";
import { chinese, keep, words } from "./words.js";
import { Accounts } from "./pages/accounts.js";
import { Alerts } from "./pages/alerts.js";
import { Batches } from "./pages/batches.js";
import { Gallery } from "./pages/gallery.js";
import { Keys } from "./pages/keys.js";
import { Nodes } from "./pages/nodes.js";
import { Overview } from "./pages/overview.js";
import { Playground } from "./pages/playground.js";
import { Reference } from "./pages/reference.js";
import { Requests } from "./pages/requests.js";
import { Settings } from "./pages/settings.js";

const t = words({
  overview: ["Overview", "总览"],
  accounts: ["Accounts", "账号"],
  playground: ["Playground", "试用"],
  gallery: ["Gallery", "图库"],
  batches: ["Batches", "批量"],
  nodes: ["Nodes", "节点"],
  requests: ["Requests", "请求"],
  keys: ["Limits and keys", "限额与密钥"],
  alerts: ["Alerts", "提醒"],
  settings: ["Settings", "设置"],
  reference: ["API", "接口"],
  skip: ["Skip to the content", "跳到内容"],
  pages: ["Pages", "页面"],
  theme: ["Theme", "主题"],
  system: ["as the system", "跟随系统"],
  light: ["light", "浅色"],
  dark: ["dark", "深色"],
  language: ["中文", "English"],
  leave: ["Sign out", "退出登录"],
  welcome: ["Sign in to gemgate", "登录 gemgate"],
  key: ["Admin key", "管理密钥"],
  keyHint: ["The ADMIN_KEY of the gateway's settings.", "即网关设置中的 ADMIN_KEY。"],
  enter: ["Sign in", "登录"],
  closed: [
    "The page is closed: from another machine it needs an ADMIN_KEY, and none is set. Set one and start the gateway again, or open the page on the gateway's own machine.",
    "页面未开放：从其他机器访问需要 ADMIN_KEY，但尚未设置。请设置后重启网关，或在网关所在机器上打开页面。",
  ],
  missing: ["There is no such page.", "没有这个页面。"],
});

const PAGES = {
  overview: Overview, accounts: Accounts, playground: Playground, gallery: Gallery, batches: Batches, nodes: Nodes,
  requests: Requests, keys: Keys, alerts: Alerts, settings: Settings, reference: Reference,
};

const here = () => {
  const [page, ...rest] = location.hash.replace(/^#\/?/, "").split("/").map(decodeURIComponent);
  return { page: page || "overview", rest };
};

function usePlace() {
  const [place, setPlace] = useState(here);
  useEffect(() => {
    const moved = () => setPlace(here());
    addEventListener("hashchange", moved);
    return () => removeEventListener("hashchange", moved);
  }, []);
  return place;
}

function Choices() {
  const [theme, setTheme] = useState(document.documentElement.dataset.theme ?? "");
  const choose = (value) => {
    if (value) document.documentElement.dataset.theme = value;
    else delete document.documentElement.dataset.theme;
    keep("theme", value);
    setTheme(value);
  };
  const speak = () => {
    const other = chinese() ? "en" : "zh-CN";
    keep("language", other);
    document.documentElement.lang = other;
    dispatchEvent(new Event("language"));
  };
  return html`
    <div class="row">
      <button type="button" class="quiet" lang=${chinese() ? "en" : "zh-CN"} onClick=${speak}>${t("language")}</button>
      <label><span class="unseen">${t("theme")}</span>
        <select class="small" value=${theme} onChange=${(event) => choose(event.target.value)}>
          <option value="">${t("system")}</option><option value="light">${t("light")}</option><option value="dark">${t("dark")}</option>
        </select>
      </label>
    </div>
  `;
}

function Frame({ how, onLeave }) {
  const { page, rest } = usePlace();
  const Shown = PAGES[page];
  const toContent = (event) => {
    event.preventDefault();
    document.querySelector("main").focus();
  };
  return html`
    <a class="skip" href="#content" onClick=${toContent}>${t("skip")}</a>
    <div class="frame">
      <div class="side">
        <a class="brand" href="#/overview"><img src=${document.querySelector("link[rel=icon]").href} alt="" />gemgate</a>
        <nav aria-label=${t("pages")}><ul>
          ${Object.keys(PAGES).map((name) => html`<li key=${name}><a href="#/${name}" aria-current=${name === page ? "page" : undefined}>${t(name)}</a></li>`)}
        </ul></nav>
        <footer>
          <${Choices} />
          ${how === "session" && html`<${Act} class="quiet" act=${onLeave}>${t("leave")}<//>`}
        </footer>
      </div>
      <main tabindex="-1">${Shown ? html`<${Shown} key=${page} rest=${rest} />` : html`<p class="empty">${t("missing")}</p>`}</main>
    </div>
  `;
}

function Door({ how, onEntered }) {
  const [problem, setProblem] = useState(null);
  const [key, setKey] = useState("");
  useEffect(() => {
    document.title = `${t("welcome")} · gemgate`;
  }, []);
  const enter = async (event) => {
    event.preventDefault();
    try {
      setProblem(null);
      onEntered(await post("/api/session", { key }));
    } catch (found) {
      setProblem(found);
    }
  };
  return html`
    <main class="door"><div class="card">
      <h1>${t("welcome")}</h1>
      ${how === "closed"
        ? html`<p>${t("closed")}</p>`
        : html`<form onSubmit=${enter}>
            <${Field} label=${t("key")} hint=${t("keyHint")}>
              <input type="password" name="key" autocomplete="current-password" required value=${key} onInput=${(e) => setKey(e.target.value)} autofocus />
            <//>
            <${Trouble} problem=${problem} />
            <button class="primary">${t("enter")}</button>
          </form>`}
      <${Choices} />
    </div></main>
  `;
}

function App() {
  const [session, setSession] = useState(null);
  const [problem, setProblem] = useState(null);
  const [, redraw] = useState(0);
  const ask = async () => {
    try {
      const found = await get("/api/session");
      useToken(found.csrf);
      setSession(found);
      setProblem(null);
    } catch (error) {
      setProblem(error);
      setTimeout(ask, 3000);
    }
  };
  useEffect(() => {
    ask();
    const drawn = () => redraw((count) => count + 1);
    events.addEventListener("signed-out", ask);
    addEventListener("language", drawn);
    return () => removeEventListener("language", drawn);
  }, []);
  const entered = (found) => {
    useToken(found.csrf);
    setSession(found);
  };
  const leave = async () => {
    await remove("/api/session");
    useToken("");
    await ask();
  };
  if (!session) return html`<main class="door">${problem ? html`<${Trouble} problem=${problem} />` : html`<${Loading} />`}</main>`;
  if (!session.signed_in) return html`<${Door} how=${session.how} onEntered=${entered} />`;
  return html`<${Frame} key=${document.documentElement.lang} how=${session.how} onLeave=${leave} />`;
}

render(html`<${App} />`, document.getElementById("app"));
