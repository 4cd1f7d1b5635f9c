// Small parts that all pages are put together from.
import { get, Problem } from "./api.js";
import { html, useEffect, useRef, useState } from "./html.js";
import { useClock } from "./live.js";
import { number, span, words } from "./words.js";

const t = words({
  copy: ["Copy", "复制"],
  copied: ["Copied", "已复制"],
  why: ["Why?", "原因"],
  add_account: ["Add an account", "添加账号"],
  retry: ["Possible again in {seconds} s.", "{seconds} 秒后可重试。"],
  cancel: ["Cancel", "取消"],
  close: ["Close", "关闭"],
  loading: ["Loading …", "加载中…"],
  left: ["{time} left", "剩余 {time}"],
  now: ["any moment", "即将"],
  ready: ["ready", "可用"],
  busy: ["busy", "繁忙"],
  cooling: ["cooling", "冷却中"],
  needs_login: ["needs login", "需要登录"],
  paused: ["paused", "已暂停"],
  blocked: ["address blocked", "地址被封锁"],
  starting: ["signing in", "登录中"],
  error: ["error", "异常"],
  open: ["open", "熔断"],
  half_open: ["trying", "试探"],
  queued: ["queued", "排队中"],
  processing: ["processing", "处理中"],
  completed: ["completed", "已完成"],
  failed: ["failed", "失败"],
  cancelled: ["cancelled", "已取消"],
  cancelling: ["being given up", "取消中"],
  finalizing: ["writing files", "写入文件"],
  active: ["active", "有效"],
  revoked: ["revoked", "已吊销"],
  expired: ["expired", "已过期"],
  HEALTHY: ["healthy", "正常"],
  BUSY: ["busy", "繁忙"],
  INIT: ["starting", "启动中"],
  "429_LIMIT": ["at its limit", "达到上限"],
  ERROR: ["error", "异常"],
  OFFLINE: ["offline", "离线"],
});

/** A page's heading, its lead and what can be done there. */
export function Page({ title, lead, actions, children }) {
  const heading = useRef(null);
  useEffect(() => {
    document.title = `${title} · gemgate`;
  }, [title]);
  useEffect(() => heading.current?.focus({ preventScroll: true }), []);
  return html`
    <header class="page-head">
      <div>
        <h1 ref=${heading} tabindex="-1">${title}</h1>
        ${lead && html`<p class="lead">${lead}</p>`}
      </div>
      ${actions && html`<div class="actions">${actions}</div>`}
    </header>
    ${children}
  `;
}

const TONES = {
  ready: "ok", HEALTHY: "ok", completed: "ok", active: "ok", answered: "ok",
  busy: "info", starting: "info", processing: "info", queued: "info", finalizing: "info", BUSY: "info", INIT: "info", half_open: "info",
  cooling: "warn", paused: "warn", blocked: "warn", open: "warn", "429_LIMIT": "warn", cancelling: "warn", expired: "warn",
  needs_login: "bad", error: "bad", failed: "bad", ERROR: "bad", OFFLINE: "bad", revoked: "bad",
};

/** A state word. The tone only repeats what the word says. */
export const State = ({ word }) => html`<span class="state ${TONES[word] ?? ""}">${t(word)}</span>`;
export const stateWord = t;

/** What is left until a moment in epoch seconds. */
export function Countdown({ until }) {
  const now = useClock(Boolean(until));
  const left = until - now;
  if (!until) return null;
  return html`<span class="countdown" role="timer">${left > 0 ? t("left", { time: watch(left) }) : t("now")}</span>`;
}

/** Seconds as a watch shows them: 1:02:03. */
function watch(seconds) {
  const whole = Math.max(0, Math.ceil(seconds));
  const two = (value) => String(value).padStart(2, "0");
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60)];
  return hours ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}

/** What went wrong, in the gateway's own words, and the way to its story. */
export function Trouble({ problem }) {
  if (!problem) return null;
  const known = problem instanceof Problem && problem.requestId;
  return html`
    <div class="note bad" role="alert">
      <p><${Told} text=${problem.message} />${problem.retryAfter ? " " + t("retry", { seconds: problem.retryAfter }) : ""}</p>
      ${problem.code === "no_account" && html`<p><a class="button" href="#/accounts">${t("add_account")}</a></p>`}
      ${known && html`<p class="small"><a href="#/requests/${problem.requestId}">${t("why")}</a></p>`}
    </div>
  `;
}

/** A text of the gateway's: what stands between backticks is code. */
export const Told = ({ text }) => (text ?? "").split(/`([^`]+)`/).map((part, at) => (at % 2 ? html`<code>${part}</code>` : part));

export const Note = ({ tone = "info", children }) => html`<div class="note ${tone}">${children}</div>`;
export const Loading = () => html`<p class="muted" aria-busy="true">${t("loading")}</p>`;
export const Empty = ({ children }) => html`<p class="empty">${children}</p>`;

/** A labelled control; the hint is read out with it. */
export function Field({ label, hint, children, wide }) {
  return html`
    <label class=${wide ? "field wide" : "field"}>
      <span class="label">${label}</span>
      ${children}
      ${hint && html`<span class="hint">${hint}</span>`}
    </label>
  `;
}

/** Ctrl+Enter in a text of several lines sends its form, as everywhere on the page where Enter cannot. */
export function sends(event) {
  if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
  event.preventDefault();
  event.target.form.requestSubmit(event.target.form.querySelector("button.first"));
}

export async function copy(text) {
  if (navigator.clipboard && window.isSecureContext) {
    await navigator.clipboard.writeText(text);
    return;
  }
  const area = document.createElement("textarea"); // without https there is no clipboard object
  area.value = text;
  area.className = "unseen";
  document.body.append(area);
  area.select();
  document.execCommand("copy");
  area.remove();
}

export function Copy({ text, label }) {
  const [done, setDone] = useState(false);
  const act = async () => {
    await copy(text);
    setDone(true);
    setTimeout(() => setDone(false), 2000);
  };
  return html`<button type="button" class="quiet" onClick=${act}>
    <span aria-live="polite">${done ? t("copied") : (label ?? t("copy"))}</span>
  </button>`;
}

/** Code in a box with its copy button. */
export function Code({ text, label }) {
  return html`
    <figure class="code">
      <figcaption><span>${label}</span><${Copy} text=${text} /></figcaption>
      <pre tabindex="0"><code>${text}</code></pre>
    </figure>
  `;
}

/** A button that waits for its work, and cannot be pressed twice meanwhile. `act` may throw: `onTrouble` is told. */
export function Act({ act, onTrouble, children, ...more }) {
  const [working, setWorking] = useState(false);
  const pressed = async () => {
    setWorking(true);
    try {
      onTrouble?.(null);
      await act();
    } catch (problem) {
      if (problem.name !== "AbortError") onTrouble?.(problem);
    } finally {
      setWorking(false);
    }
  };
  return html`<button type="button" ...${more} disabled=${working || more.disabled} aria-busy=${working} onClick=${pressed}>
    ${children}
  </button>`;
}

/** A modal window; the browser keeps the focus inside and Escape closes it. */
export function Dialog({ title, onClose, children, wide }) {
  const box = useRef(null);
  useEffect(() => {
    box.current.showModal();
  }, []);
  return html`
    <dialog ref=${box} class=${wide ? "wide" : ""} onClose=${onClose} aria-label=${title}>
      <header>
        <h2>${title}</h2>
        <button type="button" class="quiet" onClick=${() => box.current.close()}>${t("close")}</button>
      </header>
      ${children}
    </dialog>
  `;
}

/** Asks before something that cannot be undone. */
export function Confirm({ title, children, yes, act, onClose }) {
  const [problem, setProblem] = useState(null);
  const done = async () => {
    await act();
    onClose();
  };
  return html`
    <${Dialog} title=${title} onClose=${onClose}>
      ${children}
      <${Trouble} problem=${problem} />
      <div class="actions">
        <${Act} class="danger" act=${done} onTrouble=${setProblem}>${yes}<//>
        <button type="button" onClick=${onClose}>${t("cancel")}</button>
      </div>
    <//>
  `;
}

/** A table that scrolls by itself when it is wider than the screen. `numbers`: all but its first column are; `lines`: a row is one line. */
export function Table({ caption, head, numbers, lines, children }) {
  return html`
    <div class="table ${numbers ? "numbers" : ""} ${lines ? "lines" : ""}" role="region" aria-label=${caption} tabindex="0">
      <table>
        <caption class="unseen">${caption}</caption>
        <thead><tr>${head.map((name) => html`<th scope="col">${name}</th>`)}</tr></thead>
        <tbody>${children}</tbody>
      </table>
    </div>
  `;
}

/** Parts of a whole as a bar, and as words beside it. `stages`: [name, seconds]. */
export function Stages({ stages, total, legend }) {
  const whole = Math.max(total ?? 0, stages.reduce((sum, [, , seconds]) => sum + (seconds ?? 0), 0)) || 1;
  const told = stages.filter(([, , seconds]) => seconds >= 0.0005);
  const text = told.map(([, name, seconds]) => `${name} ${span(seconds)}`).join(", ");
  return html`
    <div class="stages">
      <div class="bar" role="img" aria-label=${text || "0 s"} title=${text}>
        ${told.map(([id, , seconds]) => html`<i class=${id} style=${{ flexGrow: (seconds / whole) * 100 }}></i>`)}
        <i style=${{ flexGrow: Math.max(0, 100 - told.reduce((sum, [, , s]) => sum + (s / whole) * 100, 0)) }}></i>
      </div>
      ${legend &&
      html`<ul class="legend">
        ${told.map(([id, name, seconds]) => html`<li><i class=${id}></i>${name} ${span(seconds)}</li>`)}
      </ul>`}
    </div>
  `;
}

export function Meter({ done, failed = 0, total, label }) {
  const share = (count) => ({ width: `${total ? (count / total) * 100 : 0}%` });
  return html`
    <div class="meter" role="progressbar" aria-label=${label} aria-valuemin="0" aria-valuemax=${total}
      aria-valuenow=${done + failed} aria-valuetext="${number(done + failed)} / ${number(total)}">
      <i class="done" style=${share(done)}></i><i class="failed" style=${share(failed)}></i>
    </div>
  `;
}

/** The models there are, asked for once. */
let models = null;
export function useModels() {
  const [known, setKnown] = useState(null);
  useEffect(() => {
    models ??= get("/api/models").catch(() => (models = null));
    models.then((found) => found && setKnown(found));
  }, []);
  return known ?? { models: [], categories: { text: [], image: [] }, background: [], default: "" };
}
