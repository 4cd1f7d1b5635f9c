// What calls cost, from the ledger that outlives restarts, and what is left of the budgets.
import { Share } from "./account_rows.js";
import { here } from "./api.js";
import { Chart } from "./chart.js";
import { html, useMemo, useState } from "./html.js";
import { usePoll } from "./live.js";
import { Field, Loading, Page, Table, Trouble } from "./parts.js";
import { ago, keep, kept, number, span, words } from "./words.js";

const t = words({
  lead: ["Days and hours are those of UTC. Tokens are estimated: Google counts none for web accounts.", "日期与小时按 UTC 计算。Token 为估算值，Google 不为网页账号计数。"],
  time: ["Time shown", "时间范围"],
  day: ["24 hours", "24 小时"],
  week: ["7 days", "7 天"],
  month: ["30 days", "30 天"],
  year: ["1 year", "1 年"],
  by: ["By", "分组"],
  what: ["Amount", "指标"],
  key: ["key", "密钥"],
  model: ["model asked for", "请求的模型"],
  served: ["model that answered", "实际应答模型"],
  account: ["account", "账号"],
  kind: ["kind", "类型"],
  outcome: ["outcome", "结果"],
  dialect: ["dialect", "协议"],
  calls: ["Calls", "调用"],
  tokens: ["Tokens", "Token"],
  tokens_in: ["Tokens in", "输入 Token"],
  tokens_out: ["Tokens out", "输出 Token"],
  images: ["Images", "图片"],
  videos: ["Videos", "视频"],
  seconds: ["Time", "耗时"],
  generations: ["Generations", "生成次数"],
  retries: ["Retries", "重试"],
  bytes: ["Bytes", "字节"],
  others: ["{count} {count|other|others}", "其他 {count} 项"],
  none_of: ["(none)", "（无）"],
  total: ["Total", "合计"],
  csv: ["Download CSV", "下载 CSV"],
  budgets: ["Budgets", "额度"],
  no_budget: ["No budget is in force.", "未设置额度。"],
  set_budget: ["Set one for a key", "为密钥设置额度"],
  whose: ["Key", "密钥"],
  all: ["all keys together", "全部密钥合计"],
  open: ["calls without a key", "无密钥的调用"],
  limit: ["Limit", "限额"],
  left: ["Left", "剩余"],
  resets: ["Begins anew", "重置"],
  left_of: ["{left} of {limit}", "{limit} 中剩 {left}"],
  used_share: ["{limit}: {share} % used", "{limit}：已用 {share} %"],
  calls_per_day: ["calls a day", "每日调用"],
  calls_per_month: ["calls a month", "每月调用"],
  tokens_per_day: ["tokens a day", "每日 token"],
  tokens_per_month: ["tokens a month", "每月 token"],
  images_per_day: ["pictures a day", "每日图片"],
  images_per_month: ["pictures a month", "每月图片"],
  videos_per_day: ["videos a day", "每日视频"],
  videos_per_month: ["videos a month", "每月视频"],
  at_once: ["calls at once", "同时调用"],
});

const DAY = 86_400;
/** Range -> days, seconds of a step. */
const RANGES = { day: [2, 3600, 24], week: [8, 3600, 168], month: [30, DAY, 30], year: [365, DAY, 365] };
const GROUPS = ["key", "model", "served", "account", "kind", "outcome", "dialect"];
const AMOUNTS = ["calls", "tokens", "images", "videos", "generations", "retries", "seconds"];
const COLUMNS = ["calls", "tokens_in", "tokens_out", "images", "videos", "generations", "retries", "seconds"];
const TONES = ["one", "two", "three", "five", "six"];

const dayOf = (seconds) => new Date(seconds * 1000).toISOString().slice(0, 10);
const amountOf = (row, name) => (name === "tokens" ? row.tokens_in + row.tokens_out : row[name]);
const short = (value) => (value >= 1e6 ? `${number(value / 1e6, 1)} M` : value >= 1e4 ? `${number(value / 1e3)} k` : number(value, 1));
const told = (value, name) => (name === "seconds" ? span(value) : number(value));
const choice = (name, options, fallback) => (options.includes(kept(name)) ? kept(name) : fallback);

/** The rows of an answer on `count` steps: their times, and by group a value for each, the largest group first. */
export function stacked(rows, group, amount, { step, count, now }) {
  const end = Math.floor(now / step) * step;
  const times = Array.from({ length: count }, (_, n) => end - (count - 1 - n) * step);
  const place = new Map(times.map((at, n) => [at, n]));
  const groups = new Map();
  for (const row of rows) {
    const n = place.get(Date.parse(`${row.day}T00:00:00Z`) / 1000 + (row.hour ?? 0) * 3600);
    if (n === undefined) continue;
    if (!groups.has(row[group])) groups.set(row[group], { name: row[group], values: Array(count).fill(0), sums: Object.fromEntries(COLUMNS.map((one) => [one, 0])) });
    const found = groups.get(row[group]);
    found.values[n] += amountOf(row, amount);
    for (const one of COLUMNS) found.sums[one] += row[one];
  }
  const all = [...groups.values()].sort((a, b) => amountOf(b.sums, amount) - amountOf(a.sums, amount) || String(a.name).localeCompare(b.name));
  return { times, groups: all };
}

export function Usage({ title }) {
  const [range, setRange] = useState(choice("usage.range", Object.keys(RANGES), "month"));
  const [group, setGroup] = useState(choice("usage.by", GROUPS, "key"));
  const [amount, setAmount] = useState(choice("usage.amount", AMOUNTS, "calls"));
  const [days, step, count] = RANGES[range];
  const now = Date.now() / 1000;
  const by = step < DAY ? `day,hour,${group}` : `day,${group}`;
  const query = `from=${dayOf(now - (days - 1) * DAY)}&to=${dayOf(now)}`;
  const { data, problem } = usePoll(`/api/usage?by=${by}&${query}`, 30);
  const pick = (name, set) => (value) => (keep(`usage.${name}`, value), set(value));
  return html`
    <${Page} title=${title} lead=${t("lead")} actions=${html`<a class="button" download href=${here(`/api/usage?by=${by}&${query}&format=csv`)}>${t("csv")}</a>`}>
      <div class="filters">
        <${Choice} label=${t("time")} name="range" value=${range} options=${Object.keys(RANGES)} onPick=${pick("range", setRange)} />
        <${Choice} label=${t("by")} name="by" value=${group} options=${GROUPS} onPick=${pick("by", setGroup)} />
        <${Choice} label=${t("what")} name="amount" value=${amount} options=${AMOUNTS} onPick=${pick("amount", setAmount)} />
      </div>
      <${Trouble} problem=${problem} />
      ${!data && !problem && html`<${Loading} />`}
      ${data && html`<${Shown} key=${by + amount} data=${data} group=${group} amount=${amount} step=${step} count=${count} now=${now} />`}
      <${Budgets} />
    <//>
  `;
}

const Choice = ({ label, name, value, options, onPick }) => html`
  <${Field} label=${label}>
    <select name=${name} value=${value} onChange=${(e) => onPick(e.target.value)}>${options.map((one) => html`<option value=${one}>${t(one)}</option>`)}</select>
  <//>
`;

function Shown({ data, group, amount, step, count, now }) {
  const { times, groups } = useMemo(() => stacked(data.rows, group, amount, { step, count, now }), [data]);
  const first = groups.slice(0, TONES.length);
  const rest = groups.slice(TONES.length);
  const series = first.map((one, n) => ({ name: one.name || t("none_of"), tone: TONES[n], values: one.values }));
  if (rest.length) series.push({ name: t("others", { count: rest.length }), tone: "four", values: times.map((_, n) => rest.reduce((sum, one) => sum + one.values[n], 0)) });
  const whole = Object.fromEntries(COLUMNS.map((name) => [name, groups.reduce((sum, one) => sum + one.sums[name], 0)]));
  return html`
    <${Chart} title=${t(amount)} times=${times} step=${step} utc least=${4} format=${amount === "seconds" ? span : short} series=${series}
      total=${told(amountOf(whole, amount), amount)} />
    ${groups.length > 0 && html`
      <${Table} numbers caption=${t(group)} head=${[t(group), ...COLUMNS.map((name) => t(name))]}>
        ${groups.slice(0, 100).map((one) => html`<${Line} key=${one.name} name=${one.name || t("none_of")} sums=${one.sums} />`)}
        ${groups.length > 1 && html`<${Line} name=${t("total")} sums=${whole} />`}
      <//>`}
  `;
}

const Line = ({ name, sums }) => html`
  <tr><th scope="row">${name}</th>${COLUMNS.map((one) => html`<td class="num nowrap">${sums[one] ? told(sums[one], one) : "–"}</td>`)}</tr>
`;

/** What is left of every limit in force. */
function Budgets() {
  const { data, problem } = usePoll("/api/budgets", 10);
  if (!data) return html`<${Trouble} problem=${problem} />`;
  const rows = [{ name: t("all"), left: data.all }, ...data.keys.map((one) => ({ name: one.name || t("open"), left: one.left }))];
  const limits = rows.flatMap(({ name, left }) => left.map((one) => ({ whose: name, ...one })));
  return html`
    <section class="stack tight" aria-labelledby="budgets">
      <h2 id="budgets">${t("budgets")}</h2>
      ${limits.length ? html`
        <${Table} caption=${t("budgets")} head=${["whose", "limit", "left", "resets"].map((name) => t(name))}>
          ${limits.map((one) => {
            const share = one.limit ? 1 - one.left / one.limit : 1;
            return html`
              <tr key=${one.whose + one.name}><th scope="row">${one.whose}</th><td class="nowrap">${t(one.name)}</td>
                <td class="wide">${t("left_of", { left: number(one.left), limit: number(one.limit) })}
                  <${Share} share=${share} label=${t("used_share", { limit: t(one.name), share: Math.round(share * 100) })} /></td>
                <td class="nowrap">${one.resets_at ? ago(one.resets_at, data.now) : "–"}</td></tr>`;
          })}
        <//>` : html`<p class="muted">${t("no_budget")} <a href="#/keys">${t("set_budget")}</a></p>`}
    </section>
  `;
}
