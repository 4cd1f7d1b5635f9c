// The first start: what to do when there is no account yet.
import { html, useState } from "../html.js";
import { words } from "../words.js";
import { CookieForm } from "./cookies.js";

const t = words({
  title: ["Set up your first account", "设置第一个账号"],
  one: [
    "Open gemini.google.com in a private window and sign in with the account that gemgate shall use. Best an account of its own.",
    "在无痕窗口打开 gemini.google.com，用准备交给 gemgate 的账号登录，最好是单独的账号。",
  ],
  two: [
    "Copy the cookies __Secure-1PSID and __Secure-1PSIDTS: developer tools, Application or Storage, Cookies. Any form can be pasted.",
    "复制 Cookie __Secure-1PSID 与 __Secure-1PSIDTS：开发者工具 → 应用/存储 → Cookie。任何形式都可粘贴。",
  ],
  three: ["Close that window without signing out, and do not use the session elsewhere.", "直接关闭窗口，不要退出登录，也不要在别处使用该会话。"],
  or: ["Or let gemgate read a browser on its own machine: set COOKIE_SOURCE=browser:firefox and start it again.", "也可以让 gemgate 读取本机浏览器：设置 COOKIE_SOURCE=browser:firefox 后重启。"],
});

export function Setup({ onDone }) {
  const [name, setName] = useState("default");
  return html`
    <section class="card" aria-label=${t("title")}>
      <h2>${t("title")}</h2>
      <ol class="steps"><li>${t("one")}</li><li>${t("two")}</li><li>${t("three")}</li></ol>
      <${CookieForm} account=${name} onName=${setName} onDone=${onDone} fresh />
      <p class="muted small">${t("or")}</p>
    </section>
  `;
}
