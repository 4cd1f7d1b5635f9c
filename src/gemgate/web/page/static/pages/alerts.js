// Who is told when an account needs a person. Addresses are secrets: they are not shown again.
import { post, remove } from "../api.js";
import { html, useState } from "../html.js";
import { usePoll } from "../live.js";
import { Act, Empty, Field, Loading, Note, Page, Table, Trouble } from "../parts.js";
import { moment, words } from "../words.js";

const t = words({
  title: ["Alerts", "提醒"],
  lead: ["One for each trouble: a login is needed, an account rests, it is back. Never a cookie.", "每次故障提醒一次：需要登录、账号休息、已恢复。绝不包含 Cookie。"],
  none: ["Nobody is told yet.", "尚未设置提醒。"],
  kind: ["Kind", "类型"], where: ["Where", "地址"], origin: ["From", "来源"], since: ["Since", "设置时间"],
  webhook: ["Webhook (JSON)", "Webhook（JSON）"], bark: ["Bark (push to a phone)", "Bark（手机推送）"],
  page: ["this page", "本页"], settings: ["settings", "设置"],
  add: ["Add", "添加"], address: ["Address", "地址"], addressHint: ["Stored encrypted; of it only the host is shown afterwards.", "加密保存，之后只显示主机名。"],
  remove: ["Remove", "移除"], test: ["Send a test", "发送测试"], taken: ["{name}: taken", "{name}：已送达"], refused: ["{name}: {why}", "{name}：{why}"],
});

export function Alerts() {
  const { data, problem, refresh } = usePoll("/api/alerts", 0);
  const [trouble, setTrouble] = useState(null);
  const [form, setForm] = useState({ kind: "webhook", url: "" });
  const [results, setResults] = useState([]);
  const send = async (event) => {
    event.preventDefault();
    try {
      setTrouble(null);
      await post("/api/alerts", form);
      setForm({ ...form, url: "" });
      refresh();
    } catch (found) {
      setTrouble(found);
    }
  };
  const test = async () => setResults((await post("/api/alerts/test", undefined)).results);
  const drop = (id) => async () => {
    await remove(`/api/alerts/${id}`);
    refresh();
  };
  return html`
    <${Page} title=${t("title")} lead=${t("lead")} actions=${data?.channels.length > 0 && html`<${Act} act=${test} onTrouble=${setTrouble}>${t("test")}<//>`}>
      <${Trouble} problem=${trouble ?? problem} />
      <div class="stack" role="status">
        ${results.map((one) => html`<${Note} tone=${one.taken ? "ok" : "bad"}><p>${one.taken ? t("taken", { name: one.where }) : t("refused", { name: one.where, why: one.why })}</p><//>`)}
      </div>
      ${!data && !problem && html`<${Loading} />`}
      ${data?.channels.length === 0 && html`<${Empty}>${t("none")}<//>`}
      ${data?.channels.length > 0 &&
      html`<${Table} caption=${t("title")} head=${[t("kind"), t("where"), t("origin"), t("since"), ""]}>
        ${data.channels.map(
          (one) => html`<tr key=${one.id ?? one.where}><td>${t(one.kind)}</td><td>${one.where}</td><td>${t(one.origin)}</td><td class="num">${one.created_at ? moment(one.created_at) : "–"}</td>
            <td class="actions-cell">${one.origin === "page" && html`<${Act} class="quiet" act=${drop(one.id)} onTrouble=${setTrouble}>${t("remove")}<//>`}</td></tr>`,
        )}
      <//>`}
      <form class="card" onSubmit=${send}>
        <div class="fields">
          <${Field} label=${t("kind")}><select value=${form.kind} onChange=${(e) => setForm({ ...form, kind: e.target.value })}><option value="webhook">${t("webhook")}</option><option value="bark">${t("bark")}</option></select><//>
          <${Field} label=${t("address")} hint=${t("addressHint")}><input type="url" required autocomplete="off" value=${form.url} onInput=${(e) => setForm({ ...form, url: e.target.value })} /><//>
        </div>
        <div class="actions"><button class="primary">${t("add")}</button></div>
      </form>
    <//>
  `;
}
