// Cookies are handed over here, in any form; they are never shown again.
import { post } from "../api.js";
import { html, useState } from "../html.js";
import { Field, Note, Trouble } from "../parts.js";
import { words } from "../words.js";

const t = words({
  name: ["Name", "名称"],
  nameHint: ["How the account is called here.", "该账号在此处的名称。"],
  cookies: ["Cookies", "Cookie"],
  hint: [
    "A header line, JSON, cookies.txt or rows copied from the developer tools. They are tried before the old ones are dropped, stored encrypted, and never shown.",
    "请求头、JSON、cookies.txt 或从开发者工具复制的行均可。会先验证再替换旧的，加密保存，且不会再显示。",
  ],
  hand: ["Hand over and sign in", "提交并登录"],
  trying: ["Signing in …", "正在登录…"],
  done: ["Signed in; the new cookies are in use.", "已登录，新的 Cookie 已生效。"],
});

/** fresh: the account does not exist yet. */
export function CookieForm({ account, onName, onDone, fresh, node = "" }) {
  const [text, setText] = useState("");
  const [state, setState] = useState("");
  const [problem, setProblem] = useState(null);
  const query = node ? `?node=${encodeURIComponent(node)}` : "";
  const send = async (event) => {
    event.preventDefault();
    setProblem(null);
    setState("trying");
    try {
      if (fresh) await post(`/api/accounts${query}`, { name: account, cookies: text });
      else await post(`/api/cookies${query}`, { cookies: text, account });
      setText("");
      setState("done");
      onDone?.();
    } catch (found) {
      setProblem(found);
      setState("");
    }
  };
  return html`
    <form onSubmit=${send}>
      ${onName && html`<${Field} label=${t("name")} hint=${t("nameHint")}>
        <input required pattern="[\\w.@\\-]{1,64}" value=${account} onInput=${(e) => onName(e.target.value)} />
      <//>`}
      <${Field} label=${t("cookies")} hint=${t("hint")}>
        <textarea name="cookies" required rows="5" spellcheck=${false} autocomplete="off" value=${text} onInput=${(e) => setText(e.target.value)}></textarea>
      <//>
      <${Trouble} problem=${problem} />
      ${state === "done" && html`<${Note} tone="ok"><p role="status">${t("done")}</p><//>`}
      <div class="actions"><button class="primary" disabled=${state === "trying"}>${state === "trying" ? t("trying") : t("hand")}</button></div>
    </form>
  `;
}
