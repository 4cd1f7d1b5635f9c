// Charts over time as SVG of our own. They know nothing of where the numbers come from.
import { html, useEffect, useRef, useState } from "./html.js";
import { language, words } from "./words.js";

const t = words({
  none: ["Nothing in this time.", "此时段内没有数据。"],
  hint: ["Arrow keys read single values", "使用方向键读取各点数值"],
});

const DAY = 86_400;
const AT = { hour: "2-digit", minute: "2-digit" };
const DATE = { day: "numeric", month: "short" };
/** How a step's time is written, by the step's size. */
const PARTS = { day: AT, week: { weekday: "short", ...AT }, dated: { ...DATE, ...AT }, date: DATE };
const HEIGHT = 132;
const [LEAST, RIGHT, TOP, BOTTOM] = [44, 8, 8, 20];
const LETTER = 7.5; // px of a scale's letters at most

/** A scale's top that reads well: 1, 2 or 5 times a power of ten, at least `least`. */
export function ceiling(value, least = 1) {
  const wanted = Math.max(value, least);
  const power = 10 ** Math.floor(Math.log10(wanted));
  return [1, 2, 5, 10].map((one) => one * power).find((one) => one >= wanted * 0.999999);
}

/** The width that an element has at the moment. */
export function useWidth() {
  const [width, setWidth] = useState(0);
  const box = useRef(null);
  useEffect(() => {
    const watch = new ResizeObserver(([entry]) => setWidth(Math.round(entry.contentRect.width)));
    watch.observe(box.current);
    return () => watch.disconnect();
  }, []);
  return [box, width];
}

const made = new Map();
function time(seconds, step, utc) {
  const size = step >= DAY ? "date" : step > 3600 ? "dated" : step === 3600 ? "week" : "day";
  const key = `${language()}${size}${utc}`;
  if (!made.has(key)) made.set(key, new Intl.DateTimeFormat(language(), { ...PARTS[size], hourCycle: "h23", timeZone: utc ? "UTC" : undefined }));

  return made.get(key).format(seconds * 1000);
}

/**
 * One chart. `times`: the beginnings of its steps, epoch seconds, `step` apart. `series`: [{ name, tone, values }], a
 * value for each time, null where nothing is known. kind: "bars" (stacked) or "lines". `format`: a value as words;
 * `total`: what stands beside the title; `utc`: days and hours are UTC's.
 */
export function Chart({ title, times, step, series, kind = "bars", format = String, total, least, utc = false }) {
  const [box, width] = useWidth();
  const [at, setAt] = useState(null);
  const stacked = kind === "bars";
  const tops = times.map((_, n) => {
    const values = series.map((one) => one.values[n] ?? 0);
    return stacked ? values.reduce((sum, value) => sum + value, 0) : Math.max(0, ...values);
  });
  const most = Math.max(0, ...tops);
  const top = ceiling(most, least);
  const scale = [0, 0.5, 1].map((share) => [top * share, format(top * share)]);
  const left = Math.max(LEAST, 8 + LETTER * Math.max(...scale.map(([, text]) => text.length)));
  const inner = Math.max(1, width - left - RIGHT);
  const across = inner / Math.max(1, times.length);
  const x = (n) => left + n * across;
  const y = (value) => TOP + (HEIGHT - TOP - BOTTOM) * (1 - value / top);
  const shown = at === null ? null : Math.min(at, times.length - 1);
  const point = (event) => {
    const along = event.clientX - event.currentTarget.getBoundingClientRect().left - left;
    setAt(Math.max(0, Math.min(times.length - 1, Math.floor(along / across))));
  };
  const keys = (event) => {
    const move = { ArrowLeft: -1, ArrowRight: 1, Home: -times.length, End: times.length }[event.key];
    if (!move) return;
    event.preventDefault();
    setAt((before) => Math.max(0, Math.min(times.length - 1, (before ?? times.length - (move < 0 ? 0 : 1)) + move)));
  };
  const told = shown === null ? "" : `${time(times[shown], step, utc)} · ${series.map((one) => `${one.name} ${one.values[shown] == null ? "–" : format(one.values[shown])}`).join(" · ")}`;
  return html`
    <figure class="chart sheet" aria-label="${title}${total ? `: ${total}` : ""}">
      <figcaption><h3>${title}</h3><strong>${total}</strong></figcaption>
      <div ref=${box} class="plot" tabindex="0" role="group" aria-label="${title}. ${t("hint")}" onKeyDown=${keys} onBlur=${() => setAt(null)}
        onPointerMove=${point} onPointerDown=${point} onPointerLeave=${() => setAt(null)}>
        ${width > 0 && html`
          <svg width=${width} height=${HEIGHT} aria-hidden="true" focusable="false">
            ${scale.map(([value, text]) => html`
              <line class="grid" x1=${left} x2=${width - RIGHT} y1=${y(value)} y2=${y(value)} />
              <text class="tick" x=${left - 6} y=${y(value) + 4} text-anchor="end">${text}</text>`)}
            ${ticks(times, inner).map(([n, anchor]) => html`
              <text class="tick" x=${x(n) + (anchor === "end" ? across : 0)} y=${HEIGHT - 5} text-anchor=${anchor}>${time(times[n], step, utc)}</text>`)}
            ${stacked ? series.map((one, s) => html`<path class=${"fill " + one.tone} d=${bars(series, s, x, y, across)} />`)
              : series.map((one) => html`<path class=${"line " + one.tone} d=${line(one.values, x, y, across)} />`)}
            ${shown !== null && html`<rect class="cursor" x=${x(shown)} y=${TOP} width=${Math.max(1, across)} height=${HEIGHT - TOP - BOTTOM} />`}
          </svg>`}
        ${most === 0 && html`<p class="muted small nothing">${t("none")}</p>`}
      </div>
      <div class="readout small" aria-live="polite">
        ${told || html`<ul class="legend">${series.map((one) => html`<li><i class=${one.tone}></i>${one.name}</li>`)}</ul>`}
      </div>
    </figure>
  `;
}

/** Where times are written: the first, the last, and what fits between. */
function ticks(times, inner) {
  if (times.length < 2) return [];
  const between = Math.max(1, Math.min(6, Math.floor(inner / 110)));
  return Array.from({ length: between + 1 }, (_, n) => {
    const at = Math.round((n / between) * (times.length - 1));
    return [at, n === 0 ? "start" : n === between ? "end" : "middle"];
  });
}

/** All bars of one series as one path, standing on those before it. */
function bars(series, s, x, y, across) {
  const gap = across > 4 ? 1 : 0;
  return series[s].values.map((value, n) => {
    if (!value) return "";
    const under = series.slice(0, s).reduce((sum, one) => sum + (one.values[n] ?? 0), 0);
    return `M${x(n).toFixed(1)} ${y(under).toFixed(1)}V${y(under + value).toFixed(1)}h${(across - gap).toFixed(1)}V${y(under).toFixed(1)}z`;
  }).join("");
}

/** A line that breaks where nothing is known; a point that stands alone is a dash. */
function line(values, x, y, across) {
  let open = false;
  return values.map((value, n) => {
    if (value == null) {
      open = false;
      return "";
    }
    const place = `${(x(n) + across / 2).toFixed(1)} ${y(value).toFixed(1)}`;
    const alone = !open && values[n + 1] == null;
    const drawn = alone ? `M${x(n).toFixed(1)} ${y(value).toFixed(1)}h${Math.max(2, across).toFixed(1)}` : (open ? "L" : "M") + place;
    open = true;
    return drawn;
  }).join("");
}
