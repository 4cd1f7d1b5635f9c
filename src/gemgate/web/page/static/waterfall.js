// A request's steps on one axis of time: waiting, the way to the first byte, the stream, each picture.
import { html } from "./html.js";
import { span, words } from "./words.js";

const t = words({
  what: ["Steps on one axis of time", "时间轴"],
  attempt: ["{number}. {account}", "{number}. {account}"],
  picture: ["picture {number}", "图片 {number}"],
  waiting: ["waiting", "等待"],
  first_byte: ["to the first byte", "首字节"],
  stream: ["answer", "应答"],
  download: ["download", "下载"],
  logo: ["logo", "去标志"],
  store: ["store", "存储"],
  rest: ["the rest is the gateway's own work and the way to the caller", "其余为网关自身处理及返回客户端的时间"],
});

/** The rows: [name, [[tone, what, from, to]], failed], seconds from the beginning. */
export function rowsOf(request) {
  const attempts = request.attempts.map((one, n) => {
    const sent = one.sent_after ?? one.queue + one.pace;
    const first = one.first_byte == null ? null : sent + one.first_byte;
    const end = one.ended_after ?? request.timings.total ?? first ?? sent;
    const steps = [["queue", t("waiting"), Math.max(0, sent - one.queue - one.pace), sent]];
    if (one.sent_after != null) steps.push(["first_byte", t("first_byte"), sent, Math.min(first ?? end, end)]);
    if (first !== null) steps.push(["upstream", t("stream"), Math.min(first, end), end]);
    return [t("attempt", { number: n + 1, account: one.account ?? "–" }), steps, Boolean(one.error)];
  });
  const pictures = request.pictures.filter((one) => one.done_after != null).map((one, n) => {
    const begun = [one.done_after - one.store - one.work - one.download, one.done_after - one.store - one.work, one.done_after - one.store];
    return [t("picture", { number: n + 1 }), [
      ["download", t("download"), begun[0], begun[1]], ["logo", t("logo"), begun[1], begun[2]], ["store", t("store"), begun[2], one.done_after],
    ], Boolean(one.failed)];
  });
  return [...attempts, ...pictures];
}

export function Waterfall({ request }) {
  const rows = rowsOf(request);
  const whole = Math.max(request.timings.total ?? 0, ...rows.flatMap(([, steps]) => steps.map((step) => step[3])), 0.001);
  if (!rows.length) return null;
  const part = (seconds) => `${(Math.min(Math.max(0, seconds), whole) / whole) * 100}%`;
  return html`
    <div class="waterfall" role="table" aria-label=${t("what")}>
      ${rows.map(([name, steps, failed]) => {
        const told = steps.filter(([, , from, to]) => to - from >= 0.0005);
        const text = told.map(([, what, from, to]) => `${what} ${span(to - from)}`).join(" · ");
        return html`
          <div role="row" class=${failed ? "failed" : ""}>
            <span role="rowheader">${name}</span>
            <span role="cell" class="track" title=${text}>
              <span class="unseen">${text}</span>
              ${told.map(([tone, , from, to]) => html`<i class=${tone} style=${{ left: part(from), width: part(to - from) }}></i>`)}
            </span>
            <span role="cell" class="small muted">${span(Math.max(0, (told.at(-1)?.[3] ?? 0) - (told[0]?.[2] ?? 0)))}</span>
          </div>`;
      })}
      <div class="axis small muted" aria-hidden="true"><span></span><span class="marks"><span>0</span><span>${span(whole / 2)}</span><span>${span(whole)}</span></span><span></span></div>
    </div>
  `;
}
