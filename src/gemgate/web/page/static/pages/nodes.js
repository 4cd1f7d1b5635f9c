// The nodes of a fleet, as this gateway sees them, and what it may do with each.
import { post, remove } from "../api.js";
import { html, useState } from "../html.js";
import { usePoll } from "../live.js";
import { Act, Empty, Loading, Note, Page, State, Table, Trouble } from "../parts.js";
import { number, span, words } from "../words.js";

const t = words({
  title: ["Nodes", "节点"],
  alone: ["This gemgate runs alone. Several of them behind one address are a fleet: gemgate gateway in front, gemgate worker behind.", "当前为单节点运行。多节点部署时，前面是 gemgate gateway，后面是 gemgate worker。"],
  none: ["No node has registered yet.", "还没有节点注册。"],
  node: ["Node", "节点"], status: ["Status", "状态"], load: ["Calls", "调用"], weight: ["Weight", "权重"], beat: ["Last beat", "最近心跳"], version: ["Version", "版本"],
  calls: ["{now} now, {ever} since the start", "当前 {now}，累计 {ever}"],
  drain: ["Drain", "排空"], resume: ["Take calls again", "恢复接收"], forget: ["Forget", "移除"], set: ["Set", "设置"],
  draining: ["draining", "排空中"],
});

export function Nodes() {
  const { data, problem, refresh } = usePoll("/api/nodes", 2);
  const [trouble, setTrouble] = useState(null);
  const at = (node) => `/api/nodes/${encodeURIComponent(node.name)}`;
  const done = (deed) => async () => {
    await deed();
    refresh();
  };
  return html`
    <${Page} title=${t("title")}>
      <${Trouble} problem=${trouble ?? problem} />
      ${!data && !problem && html`<${Loading} />`}
      ${data && !data.fleet && html`<${Empty}>${t("alone")}<//>`}
      ${data?.degraded && html`<${Note} tone="warn"><p>${data.degraded}</p><//>`}
      ${data?.fleet && data.nodes.length === 0 && html`<${Empty}>${t("none")}<//>`}
      ${data?.nodes.length > 0 &&
      html`<${Table} caption=${t("title")} head=${[t("node"), t("status"), t("load"), t("weight"), t("beat"), t("version"), ""]}>
        ${data.nodes.map(
          (node) => html`<tr key=${node.name}>
            <td><strong>${node.name}</strong><br /><span class="muted small">${node.url}</span></td>
            <td><${State} word=${node.alive ? node.status : "OFFLINE"} />${node.draining && html` <span class="muted small">${t("draining")}</span>`}${node.why && html`<br /><span class="small">${node.why}</span>`}</td>
            <td class="num">${t("calls", { now: number(node.inflight), ever: number(node.taken) })}</td>
            <td><${Weight} key=${node.weight} node=${node} onSet=${(weight) => done(() => post(`${at(node)}/weight`, { weight }))()} onTrouble=${setTrouble} /></td>
            <td class="num">${span(node.age)}</td>
            <td>${node.version}</td>
            <td class="actions-cell">
              <${Act} class="quiet" onTrouble=${setTrouble} act=${done(() => post(`${at(node)}/drain`, { draining: !node.draining }))}>${node.draining ? t("resume") : t("drain")}<//>
              ${!node.alive && html`<${Act} class="quiet" onTrouble=${setTrouble} act=${done(() => remove(at(node)))}>${t("forget")}<//>`}
            </td>
          </tr>`,
        )}
      <//>`}
    <//>
  `;
}

function Weight({ node, onSet, onTrouble }) {
  const [value, setValue] = useState(String(node.weight));
  const changed = Number(value) !== node.weight && value !== "";
  return html`<div class="actions">
    <input type="number" min="0" step="0.1" aria-label="${t("weight")} ${node.name}" value=${value} onInput=${(e) => setValue(e.target.value)} />
    ${changed && html`<${Act} class="quiet" act=${() => onSet(Number(value))} onTrouble=${onTrouble}>${t("set")}<//>`}
  </div>`;
}
