// How an account went over time: what Google's windows said, and the life of its cookies as far as it is known.
import { did, windowName } from "./account.js";
import { get } from "./api.js";
import { Chart } from "./chart.js";
import { html, useEffect, useState } from "./html.js";
import { serverNow } from "./live.js";
import { Dialog, Empty, Loading, Table, Trouble } from "./parts.js";
import { ago, moment, number, words } from "./words.js";

const t = words({
  title: ["{name} over time", "{name} 的变化"],
  range: ["Time shown", "时间范围"],
  day: ["24 hours", "24 小时"],
  week: ["7 days", "7 天"],
  month: ["35 days", "35 天"],
  windows: ["Used of Google's windows", "Google 额度窗口已用"],
  calls: ["Calls answered between the readings", "两次读取之间应答的调用"],
  no_readings: ["Google has told nothing of this account's windows in this time.", "此时段内 Google 未提供此账号的额度窗口。"],
  life: ["Life of the cookies", "Cookie 生命线"],
  signed_in: ["signed in", "登录"],
  renewed: ["renewed", "续期"],
  dies: ["expected end", "预计失效"],
  now: ["now", "现在"],
  when: ["When", "时间"],
  what: ["What", "事件"],
  who: ["By", "操作者"],
  no_life: ["Nothing is known of its cookies yet.", "尚无 Cookie 记录。"],
});

const RANGES = { day: [24, 900], week: [168, 3600], month: [840, 4 * 3600] };
const TONES = ["one", "two", "three", "five", "six", "four"];

/** Readings on steps: what a window said last stays until its next reading; before its first one nothing is known. */
export function steps(readings, { step, count, now }) {
  const end = Math.floor(now / step) * step;
  const times = Array.from({ length: count }, (_, n) => end - (count - 1 - n) * step);
  const place = (at) => Math.floor((at - times[0]) / step);
  const windows = new Map();
  const calls = new Map();
  for (const one of readings) {
    const name = windowName(one);
    if (!windows.has(name)) windows.set(name, Array(count).fill(null));
    const n = place(one.at);
    if (n >= count) continue;
    if (n >= 0) for (const [capability, amount] of Object.entries(one.calls)) calls.set(`${one.at} ${capability}`, [n, amount]);
    for (let at = Math.max(0, n); at < count; at++) windows.get(name)[at] = one.used * 100;
  }
  const answered = Array(count).fill(0);
  for (const [n, amount] of calls.values()) answered[n] += amount; // each window's row repeats the calls of its moment
  return { times, windows, answered };
}

export function OverTime({ account, path, onClose }) {
  const [range, setRange] = useState("day");
  const [shown, setShown] = useState(null);
  const [whole, setWhole] = useState(null);
  const [problem, setProblem] = useState(null);
  const [hours, step] = RANGES[range];
  useEffect(() => {
    get(path("usage", `hours=${hours}`)).then((told) => setShown({ readings: told.readings, hours, step }), setProblem);
  }, [range]);
  useEffect(() => {
    get(path()).then(setWhole, setProblem);
  }, []);
  return html`
    <${Dialog} title=${t("title", account)} onClose=${onClose} wide>
      <div class="segments" role="group" aria-label=${t("range")}>
        ${Object.keys(RANGES).map((one) => html`<button type="button" aria-pressed=${one === range} onClick=${() => setRange(one)}>${t(one)}</button>`)}
      </div>
      <${Trouble} problem=${problem} />
      ${!shown && !problem && html`<${Loading} />`}
      ${shown && html`<${Windows} ...${shown} />`}
      ${whole && html`<${Life} account=${whole} hours=${hours} />`}
    <//>
  `;
}

function Windows({ readings, hours, step }) {
  if (!readings.length) return html`<${Empty}>${t("no_readings")}<//>`;
  const { times, windows, answered } = steps(readings, { step, count: Math.ceil((hours * 3600) / step), now: serverNow() });
  const series = [...windows].map(([name, values], n) => ({ name, tone: TONES[n % TONES.length], values }));
  const any = answered.some(Boolean);
  return html`
    <${Chart} title=${t("windows")} times=${times} step=${step} kind="lines" least=${100} format=${(value) => `${number(value)} %`} series=${series} />
    ${any && html`<${Chart} title=${t("calls")} times=${times} step=${step} least=${4} format=${number} total=${number(answered.reduce((a, b) => a + b, 0))}
      series=${[{ name: t("calls"), tone: "three", values: answered }]} />`}
  `;
}

/** The line from the first thing known within the time to the end that is expected; all of it again as a table. */
function Life({ account, hours }) {
  const now = serverNow();
  const marks = account.audit.filter((line) => line.at > now - hours * 3600).map((line) => ({ at: line.at, what: did(line.action), who: line.actor, tone: "two" }));
  if (account.signed_in_at) marks.push({ at: account.signed_in_at, what: t("signed_in"), tone: "one" });
  if (account.renewed_at) marks.push({ at: account.renewed_at, what: t("renewed"), tone: "three" });
  if (account.dies_at) marks.push({ at: account.dies_at, what: t("dies"), tone: "bad" });
  marks.sort((a, b) => b.at - a.at);
  const first = Math.min(now - hours * 3600, ...marks.map((one) => one.at));
  const last = Math.max(now, ...marks.map((one) => one.at));
  const x = (at) => `${(((at - first) / Math.max(1, last - first)) * 96 + 2).toFixed(2)}%`;
  const from = Math.max(first, account.signed_in_at || now);
  return html`
    <section class="stack tight" aria-label=${t("life")}>
      <h3>${t("life")}</h3>
      ${marks.length ? html`
        <svg class="life-line" width="100%" height="40" aria-hidden="true" focusable="false">
          <line class="grid" x1="2%" x2="98%" y1="20" y2="20" />
          <line class="line one" x1=${x(from)} x2=${x(now)} y1="20" y2="20" />
          ${account.dies_at > now && html`<line class="line coming" x1=${x(now)} x2=${x(account.dies_at)} y1="20" y2="20" />`}
          <line class="cursor-line" x1=${x(now)} x2=${x(now)} y1="8" y2="32" />
          ${marks.map((one) => html`<circle class="fill ${one.tone}" cx=${x(one.at)} cy="20" r="5"><title>${one.what}</title></circle>`)}
        </svg>
        <${Table} caption=${t("life")} head=${["when", "what", "who"].map((name) => t(name))}>
          ${marks.map((one) => html`<tr><td class="nowrap">${moment(one.at)} <span class="muted small">${ago(one.at, now)}</span></td><td>${one.what}</td><td>${one.who ?? ""}</td></tr>`)}
        <//>` : html`<p class="muted">${t("no_life")}</p>`}
      ${account.forecast && html`<p class="small muted">${account.forecast}</p>`}
    </section>
  `;
}
