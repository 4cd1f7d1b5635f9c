// Calls, errors, latency, pictures and tokens over time. The numbers are those of GET /api/series; what was before the
// service started is not known and says so.
import { Chart } from "./chart.js";
import { html, useMemo, useState } from "./html.js";
import { usePoll } from "./live.js";
import { Trouble } from "./parts.js";
import { ago, keep, kept, number, span, words } from "./words.js";

const t = words({
  time: ["Over time", "趋势"],
  range: ["Time shown", "时间范围"],
  hour: ["1 hour", "1 小时"],
  day: ["24 hours", "24 小时"],
  week: ["7 days", "7 天"],
  calls: ["Calls", "调用"],
  answered: ["answered", "成功"],
  failed: ["failed", "失败"],
  latency: ["Latency", "耗时"],
  median: ["half within", "中位数"],
  p95: ["95 % within", "95 分位"],
  images: ["Images", "图片"],
  tokens: ["Tokens (estimated)", "Token（估算）"],
  prompt: ["prompts", "提示"],
  output: ["answers", "回答"],
  rate: ["{share} % failed", "失败 {share} %"],
  since: ["Counted since the start, {when}.", "自启动（{when}）起统计。"],
});

/** Range -> the step that is asked for, its seconds, how many are shown. */
const RANGES = { hour: ["minute", 60, 60], day: ["quarter", 900, 96], week: ["hour", 3600, 168] };

/** The seconds within which `share` of the calls were done, out of counts below bounds; null for no calls. */
export function quantile(spread, bounds, share) {
  const all = spread.reduce((sum, count) => sum + count, 0);
  if (!all) return null;
  let left = all * share;
  for (let n = 0; n < spread.length; n++) {
    if (left <= spread[n] && spread[n]) {
      const [low, high] = [n ? bounds[n - 1] : 0, bounds[n] ?? bounds.at(-1) * 2];
      return low + (high - low) * (left / spread[n]);
    }
    left -= spread[n];
  }
  return bounds.at(-1) * 2;
}

/** The points on every step of a time, as columns; steps without a point are 0 of everything. */
export function columns(data, count) {
  const end = Math.floor(data.now / data.step) * data.step;
  const times = Array.from({ length: count }, (_, n) => end - (count - 1 - n) * data.step);
  const known = new Map(data.points.map((point) => [point.at, point]));
  const of = (read, none = 0) => times.map((at) => (known.has(at) ? read(known.get(at)) : none));
  return { times, of };
}

export function Dashboard() {
  const [range, setRange] = useState(RANGES[kept("range")] ? kept("range") : "hour");
  const [name, step, count] = RANGES[range];
  const { data, problem } = usePoll(`/api/series?step=${name}`, step > 60 ? 30 : 10);
  const choose = (next) => (keep("range", next), setRange(next));
  return html`
    <section class="stack" aria-labelledby="over-time">
      <div class="row between">
        <h2 id="over-time">${t("time")}</h2>
        <div class="segments" role="group" aria-label=${t("range")}>
          ${Object.keys(RANGES).map((one) => html`
            <button type="button" aria-pressed=${one === range} onClick=${() => choose(one)}>${t(one)}</button>`)}
        </div>
      </div>
      <${Trouble} problem=${problem} />
      <${Charts} data=${data} count=${count} step=${step} />
    </section>
  `;
}

const EMPTY = { now: 0, points: [], bounds: [1] };

function Charts({ data, count, step }) {
  const shown = useMemo(() => {
    const { times, of } = columns(data ?? { ...EMPTY, step, now: Date.now() / 1000 }, count);
    const bounds = data?.bounds ?? EMPTY.bounds;
    const failed = of((one) => one.failed);
    const median = of((one) => quantile(one.spread, bounds, 0.5), null);
    return {
      times, failed, median,
      answered: of((one) => one.calls - one.failed),
      p95: of((one) => quantile(one.spread, bounds, 0.95), null),
      images: of((one) => one.images),
      prompt: of((one) => one.prompt_tokens),
      output: of((one) => one.output_tokens),
      whole: data ? quantile(added(of((one) => one.spread, null)), bounds, 0.5) : null,
    };
  }, [data, count, step]);
  const sum = (values) => values.reduce((all, one) => all + one, 0);
  const calls = sum(shown.answered) + sum(shown.failed);
  const share = calls ? number((sum(shown.failed) / calls) * 100, 1) : "0";
  const short = (value) => (value >= 1e6 ? `${number(value / 1e6, 1)} M` : value >= 1e4 ? `${number(value / 1e3)} k` : number(value, 1));
  const common = { times: shown.times, step };
  return html`
    <div class="charts">
      <${Chart} ...${common} title=${t("calls")} format=${short} least=${4} total="${number(calls)} · ${t("rate", { share })}"
        series=${[{ name: t("answered"), tone: "one", values: shown.answered }, { name: t("failed"), tone: "bad", values: shown.failed }]} />
      <${Chart} ...${common} title=${t("latency")} kind="lines" format=${span} least=${0.1} total=${shown.whole === null ? "–" : span(shown.whole)}
        series=${[{ name: t("median"), tone: "one", values: shown.median }, { name: t("p95"), tone: "two", values: shown.p95 }]} />
      <${Chart} ...${common} title=${t("images")} format=${short} least=${4} total=${number(sum(shown.images))}
        series=${[{ name: t("images"), tone: "three", values: shown.images }]} />
      <${Chart} ...${common} title=${t("tokens")} format=${short} least=${100} total=${short(sum(shown.prompt) + sum(shown.output))}
        series=${[{ name: t("prompt"), tone: "four", values: shown.prompt }, { name: t("output"), tone: "one", values: shown.output }]} />
    </div>
    ${data && html`<p class="small muted">${t("since", { when: ago(data.since, data.now) })}</p>`}
  `;
}

function added(spreads) {
  const known = spreads.filter(Boolean);
  return known.length ? known[0].map((_, n) => known.reduce((sum, one) => sum + one[n], 0)) : [];
}
