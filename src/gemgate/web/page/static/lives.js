// How long sessions live, the ways out to Google, and what to do about an account that cannot go on.
import { useWidth } from "./chart.js";
import { html } from "./html.js";
import { usePoll } from "./live.js";
import { Countdown, Empty, Table, Trouble } from "./parts.js";
import { words } from "./words.js";

const t = words({
  lives: ["How long sessions live", "会话存活时间"],
  lives_lead: [
    "Every session is recorded. One that was replaced or removed, or lives, counts as long as it was seen (Kaplan and Meier, 95 % intervals).",
    "每个会话都会被记录；被替换、已删除或仍存活的会话按已观察时长计入（Kaplan-Meier，95 % 区间）。",
  ],
  arm: ["Kept alive by", "保活方式"],
  n: ["Sessions", "会话数"],
  died: ["Died", "已失效"],
  median: ["Median life", "中位寿命"],
  ended: ["Ended by", "失效原因"],
  none: ["No session has ended yet.", "尚无会话失效。"],
  unknown: ["not known yet", "未知"],
  score: [
    "Forecasts a day ahead: Brier score {brier} over {asked} (always saying the usual share: {base}; 0 is perfect).",
    "提前一天的预测：{asked} 次，Brier 得分 {brier}（始终按平均比例预测为 {base}；0 为完美）。",
  ],
  then: [": {text}.", "：{text}。"],
  ways: ["Ways to Google", "网络出口"],
  way: ["Address", "地址"],
  state: ["State", "状态"],
  accounts: ["Accounts", "账号"],
  pace: ["Pace", "速率"],
  pace_of: ["{per_minute} a minute, {at_once} at once", "每分钟 {per_minute} 次，可连续 {at_once} 次"],
  any_pace: ["as it comes", "不限"],
  warming: ["warming up", "预热中"],
  closed: ["in use", "使用中"],
  open: ["rests", "休息中"],
  half_open: ["the next call tries it", "下一次请求将试探"],
  desktop: ["Open its desktop", "打开其桌面"],
  google: ["Open Google's page", "打开 Google 页面"],
  chart: ["Share of sessions alive by age", "各时长仍存活的会话比例"],
});

/** What a person does about an account whose session or address has ended, with the one place to click. */
export function Remedy({ account }) {
  const { remedy } = account;
  if (!remedy) return null;
  return html`
    <div class="note warn">
      <p><strong>${remedy.title.charAt(0).toUpperCase() + remedy.title.slice(1)}</strong>${t("then", remedy)}</p>
      ${remedy.url && html`<p><a href=${remedy.url} target="_blank" rel="noopener noreferrer">${t(remedy.opens)}</a></p>`}
    </div>
  `;
}

/** Each way out once, with the accounts that go it. */
export function Ways({ accounts }) {
  const ways = new Map();
  for (const one of accounts) {
    const key = (one.node ?? "") + " " + one.address;
    if (!ways.has(key)) ways.set(key, { address: one.address, rest: one.address_rest, names: [] });
    ways.get(key).names.push(one.name);
  }
  if (!ways.size) return null;
  return html`
    <section class="stack" aria-labelledby="ways">
      <h2 id="ways">${t("ways")}</h2>
      <${Table} caption=${t("ways")} head=${["way", "state", "pace", "accounts"].map((name) => t(name))}>
        ${[...ways.values()].map(({ address, rest, names }) => html`
          <tr>
            <td>${address}</td>
            <td>${t(rest.phase)} <${Countdown} until=${rest.until} />${rest.phase !== "closed" && html`<span class="small muted"> ${rest.reason}</span>`}</td>
            <td>${rest.per_minute ? t("pace_of", rest) : t("any_pace")}${rest.per_minute > 0 && rest.at_once < rest.at_once_warm && html` <span class="tag">${t("warming")}</span>`}</td>
            <td>${names.join(", ")}</td>
          </tr>
        `)}
      <//>
    </section>
  `;
}

export function Lives() {
  const { data, problem } = usePoll("/api/lives", 60);
  const arms = data?.arms ?? [];
  return html`
    <section class="stack" aria-labelledby="lives">
      <h2 id="lives">${t("lives")}</h2>
      <p class="small muted">${t("lives_lead")}</p>
      <${Trouble} problem=${problem} />
      ${data && (arms.length ? html`
        <${Chart} arms=${arms} />
        <${Table} caption=${t("lives")} head=${["arm", "n", "died", "median", "ended"].map((name) => t(name))}>
          ${arms.map((arm) => html`
            <tr>
              <td>${arm.name}</td><td>${arm.n}</td><td>${arm.deaths}</td>
              <td class="nowrap">${arm.median === null ? t("unknown") : `${span(arm.median)} (${span(arm.median_low)} – ${span(arm.median_high)})`}</td>
              <td>${arm.ended_by.map((one) => `${one.title} (${one.deaths})`).join("; ")}</td>
            </tr>
          `)}
        <//>
        ${data.score && html`<p class="small">${t("score", data.score)}</p>`}` : html`<${Empty}>${t("none")}<//>`)}
    </section>
  `;
}

const UNITS = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];

function span(seconds) {
  if (seconds === null) return "?";
  const [unit, size] = UNITS.find(([, size]) => seconds >= 2 * size) ?? UNITS[3];
  return `${(seconds / size).toFixed(size > 60 ? 1 : 0)} ${unit}`;
}

const HIGH = 160;
const EDGE = 8; // px around the curves

/** The curves as stairs; each arm's number stands at its end, so that no colour has to be told apart. */
function Chart({ arms }) {
  const [box, width] = useWidth();
  const wide = Math.max(1, width - 2 * EDGE);
  const longest = Math.max(1, ...arms.map((arm) => arm.seen));
  const x = (age) => ((age / longest) * wide).toFixed(1);
  const y = (alive) => (HIGH * (1 - alive)).toFixed(1);
  const stairs = (arm) => {
    let path = `M0 ${y(1)}`;
    for (const step of arm.steps) path += `H${x(step.age)}V${y(step.alive)}`;
    return path + `H${x(arm.seen)}`;
  };
  return html`
    <div ref=${box} class="sheet">${width > 0 && html`<svg viewBox="${-EDGE} ${-EDGE} ${width} ${HIGH + 30}" role="img" aria-label=${t("chart")} width=${width} height=${HIGH + 30}>
      <path d="M0 0V${HIGH}H${wide}" fill="none" stroke="currentColor" stroke-opacity=".4" />
      ${arms.map((arm, at) => html`
        <path d=${stairs(arm)} fill="none" stroke="currentColor" stroke-width="2" stroke-dasharray=${["", "6 3", "2 3", "8 3 2 3", "1 4"][at % 5]} />
        <text x=${x(arm.seen)} y=${Number(y(arm.steps.at(-1)?.alive ?? 1)) + 16} font-size="12" fill="currentColor" text-anchor=${arm.seen > longest / 2 ? "end" : "start"}>${arm.name}</text>
      `)}
      <text x="0" y=${HIGH + 16} font-size="12" fill="currentColor">0</text>
      <text x=${wide} y=${HIGH + 16} font-size="12" fill="currentColor" text-anchor="end">${span(longest)}</text>
    </svg>`}</div>
  `;
}
