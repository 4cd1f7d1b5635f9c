// Pairing a browser: a code that counts once, and what to do with it. The code is the only secret here, for ten minutes.
import { get, post } from "./api.js";
import { html, useState } from "./html.js";
import { useClock } from "./live.js";
import { Act, Copy, Countdown, Dialog, Field, Trouble } from "./parts.js";
import { words } from "./words.js";

const t = words({
  title: ["Pair a browser", "配对浏览器"],
  title_of: ["Pair a browser with {name}", "将浏览器与 {name} 配对"],
  lead: [
    "The gemgate extension for Firefox and Chromium pushes this account's cookies whenever they change. Nobody copies cookies any more, and while the browser lives it renews the session.",
    "Firefox 和 Chromium 的 gemgate 扩展会在 Cookie 变化时自动推送。无需再手动复制；浏览器运行期间由它续期会话。",
  ],
  name: ["Name of the account", "账号名称"],
  name_hint: ["One that is there, or a new one.", "现有账号，或新账号的名称。"],
  show: ["Show a code", "显示配对码"],
  anew: ["Another code", "重新生成"],
  over: ["This code is over.", "此配对码已失效。"],
  code: ["Code and address", "配对码和地址"],
  copy: ["Copy both", "一并复制"],
  step1: [
    "Install the extension in the browser where the Google account lives: make extension builds it, docs/extension.md tells the rest.",
    "在登录该 Google 账号的浏览器中安装扩展：用 make extension 构建，详见 docs/extension.zh.md。",
  ],
  step2: ["Sign in at gemini.google.com there, with this one account.", "在该浏览器中登录 gemini.google.com，只登录这一个账号。"],
  step3: ["Press the extension's button, Pair with a gateway, and paste the code. It counts once.", "点击扩展按钮，选择“与网关配对”，粘贴配对码。配对码只能使用一次。"],
  step4: ["The account is ready a moment later. The browser's key stands in the room Keys, and is revoked there.", "片刻后账号即可用。浏览器的密钥列在“密钥”页，可在那里吊销。"],
  plain: [
    "This gateway's address is neither this machine's nor https: the extension refuses it, for cookies would travel readable. Put it behind TLS first.",
    "此网关地址既非本机也非 https：Cookie 会以明文传输，扩展将拒绝。请先启用 TLS。",
  ],
});

const LOOPBACK = /^https:|^http:\/\/(127\.0\.0\.1|localhost)([:/]|$)/;

const where = (name, node) => `/api/accounts/${encodeURIComponent(name)}/pairing` + (node ? `?node=${encodeURIComponent(node)}` : "");

/** A code for the account; one that is not there yet is set up, and its first push signs it in. */
async function codeFor(name, node, known) {
  const there = known || (await get("/api/accounts")).accounts.some((one) => one.name === name);
  if (!there) await post("/api/accounts", { name, only_new: true });
  return post(where(name, node));
}

/** account: null asks for a name first. */
export function PairBrowser({ account, onClose }) {
  const [name, setName] = useState(account?.name ?? "");
  const [told, setTold] = useState(null);
  const [problem, setProblem] = useState(null);
  const act = async () => setTold(await codeFor(name, account?.node, Boolean(account)));
  return html`
    <${Dialog} title=${account ? t("title_of", account) : t("title")} onClose=${onClose}>
      <p>${t("lead")}</p>
      ${!account && !told && html`
        <${Field} label=${t("name")} hint=${t("name_hint")} wide>
          <input name="name" required pattern="[\\w.\\-]+" maxlength="64" value=${name} onInput=${(e) => setName(e.target.value)} />
        <//>`}
      ${told && html`<${Code} told=${told} />`}
      <${Trouble} problem=${problem} />
      <div class="actions">
        <${Act} class=${told ? "" : "first"} disabled=${!/^[\w.-]+$/.test(name)} act=${act} onTrouble=${setProblem}>${t(told ? "anew" : "show")}<//>
      </div>
    <//>
  `;
}

function Code({ told }) {
  const now = useClock(true);
  if (now >= told.expires_at) return html`<p role="status">${t("over")}</p>`;
  return html`
    <h3>${t("code")}</h3>
    <div class="row"><code id="pairing-code">${told.code}</code> <code>${told.gateway}</code> <${Copy} text=${`${told.gateway} ${told.code}`} label=${t("copy")} /></div>
    <p class="small muted"><${Countdown} until=${told.expires_at} /></p>
    ${!LOOPBACK.test(told.gateway) && html`<p role="alert">${t("plain")}</p>`}
    <ol>${["step1", "step2", "step3", "step4"].map((step) => html`<li>${t(step)}</li>`)}</ol>
  `;
}
