// The nodes of a fleet: how each one is, its share of the calls, draining.
import { ask, post } from "./api.js";
import { html, useState } from "./html.js";
import { usePoll } from "./live.js";
import { Act, Empty, Field, Loading, Note, Page, State, Told, Trouble } from "./parts.js";
import { number, span, words } from "./words.js";

const t = words({
  lead: ["Each node has its own accounts; the gateway spreads calls over them by weight and health.", "每个节点有自己的账号，网关按权重和健康状况分配请求。"],
  single: ["This is a single node. A fleet begins with `gemgate gateway` and a PostgreSQL that all nodes know (DATABASE_URL).", "这是单个节点。使用 `gemgate gateway` 和各节点共用的 PostgreSQL（DATABASE_URL）即可组成集群。"],
  none: ["No node has announced itself yet. Start one with `gemgate worker`.", "还没有节点注册，请用 `gemgate worker` 启动。"],
  url: ["Address", "地址"],
  beat: ["Last beat", "最近心跳"],
  load: ["Calls", "请求"],
  load_text: ["{current} of {lanes} lanes, {inflight} from here", "{lanes} 个通道中 {current} 个占用，本网关 {inflight} 个"],
  taken: ["Passed there", "已转发"],
  dispatched: ["Prompts sent", "已发送提示"],
  version: ["Version", "版本"],
  weight: ["Weight", "权重"],
  set: ["Set", "设置"],
  drain: ["Drain", "排空"],
  undrain: ["Take calls again", "恢复接收"],
  draining: ["draining: takes nothing new", "排空中：不接收新请求"],
  forget: ["Forget", "移除"],
  untrusted: ["has not proven that it belongs to this fleet", "尚未证明属于本集群"],
  cooling: ["Rests", "冷却"],
});

export function Nodes({ title }) {
  const { data, problem, refresh } = usePoll("/api/nodes", 3);
  return html`
    <${Page} title=${title} lead=${t("lead")}>
      <${Trouble} problem=${problem} />
      ${!data && !problem && html`<${Loading} />`}
      ${data && !data.fleet && html`<${Note}><p><${Told} text=${t("single")} /></p><//>`}
      ${data?.degraded && html`<${Note} tone="warn"><p>${data.degraded}</p><//>`}
      ${data?.fleet && !data.nodes.length && html`<${Empty}>${t("none")}<//>`}
      <div class="cards">${data?.nodes.map((node) => html`<${Card} key=${node.name} node=${node} refresh=${refresh} />`)}</div>
    <//>
  `;
}

function Card({ node, refresh }) {
  const [weight, setWeight] = useState(String(node.weight));
  const [problem, setProblem] = useState(null);
  const where = `/api/nodes/${encodeURIComponent(node.name)}`;
  const act = (call) => async () => {
    await call();
    refresh();
  };
  return html`
    <article class="sheet" aria-label=${node.name}>
      <div class="row between"><h2>${node.name}</h2><${State} word=${node.alive ? node.status : "OFFLINE"} /></div>
      ${node.draining && html`<p>${t("draining")}</p>`}
      ${!node.trusted && html`<p>${t("untrusted")}</p>`}
      ${node.why && html`<p>${node.why}</p>`}
      <dl class="facts">
        <dt>${t("url")}</dt><dd><code>${node.url}</code></dd>
        <dt>${t("beat")}</dt><dd>${span(node.age)}</dd>
        <dt>${t("load")}</dt><dd>${t("load_text", node)}</dd>
        <dt>${t("taken")}</dt><dd>${number(node.taken)}</dd>
        <dt>${t("dispatched")}</dt><dd>${number(node.dispatched)}</dd>
        ${Object.entries(node.cooling).map(([what, seconds]) => html`<dt>${t("cooling")}</dt><dd>${what}: ${span(seconds)}</dd>`)}
        <dt>${t("version")}</dt><dd>${node.version}</dd>
      </dl>
      <div class="filters">
        <${Field} label=${t("weight")}><input type="number" min="0" step="0.1" value=${weight} onInput=${(e) => setWeight(e.target.value)} /><//>
        <${Act} act=${act(() => post(where + "/weight", { weight: Number(weight) }))} onTrouble=${setProblem}>${t("set")}<//>
      </div>
      <div class="actions">
        <${Act} act=${act(() => post(where + "/drain", { draining: !node.draining }))} onTrouble=${setProblem}>${t(node.draining ? "undrain" : "drain")}<//>
        ${!node.alive && html`<${Act} act=${act(() => ask("DELETE", where))} onTrouble=${setProblem}>${t("forget")}<//>`}
      </div>
      <${Trouble} problem=${problem} />
    </article>
  `;
}
