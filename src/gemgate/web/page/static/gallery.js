// Delivered pictures: previews, measured facts, what was made from what.
import { ask, get, here } from "./api.js";
import { html, useEffect, useRef, useState } from "./html.js";
import { usePoll } from "./live.js";
import { LogoCompare } from "./logo.js";
import { Confirm, Copy, Dialog, Empty, Field, Loading, Page, Trouble, useModels } from "./parts.js";
import { Compare } from "./picturing.js";
import { bytes, moment, number, words } from "./words.js";

const t = words({
  lead: ["{total} {total|picture|pictures}, newest first.", "共 {total} 张图片，最新的在前。"],
  found: ["{total} {total|picture|pictures} found, newest first.", "找到 {total} 张图片，最新的在前。"],
  none: ["No picture has been made yet.", "还没有图片。"],
  make: ["Make the first one", "生成第一张"],
  nothing: ["No picture fits.", "没有符合条件的图片。"],
  search: ["Search prompts", "搜索提示词"],
  any: ["any", "全部"],
  fresh: ["Show {count} new", "显示 {count} 张新图片"],
  choose: ["Select {name}", "选择 {name}"],
  chosen: ["{count} selected", "已选 {count} 张"],
  clear: ["Select none", "取消选择"],
  zip: ["Download as ZIP", "下载 ZIP"],
  too_many: ["A ZIP takes at most {most}.", "一个 ZIP 最多 {most} 张。"],
  remove_many: ["Delete {count} {count|picture|pictures}?", "删除 {count} 张图片？"],
  previous: ["Newer picture", "较新的图片"],
  following: ["Older picture", "较旧的图片"],
  compare: ["Compare with the original", "与原图对比"],
  with_logo: ["With and without the logo", "有无标志对比"],
  copy_prompt: ["Copy prompt", "复制提示词"],
  variant: ["Make again", "再次生成"],
  zoom_hint: ["Wheel or + and − zoom, 0 fits, dragging moves", "滚轮或 + − 缩放，0 适应窗口，拖动平移"],
  smaller: ["Smaller", "缩小"],
  larger: ["Larger", "放大"],
  fit: ["Fit", "适应窗口"],
  picture: ["Picture of {when}", "{when} 的图片"],
  other: ["by the key {key}", "密钥 {key} 生成"],
  prompt: ["Prompt", "提示词"],
  size: ["Size", "尺寸"],
  made: ["Made", "生成于"],
  model: ["Model", "模型"],
  logo: ["Visible logo", "可见标志"],
  source: ["Fetched as", "来源"],
  requested: ["Asked for", "请求尺寸"],
  resampled: ["Resampled", "重采样"],
  yes: ["yes", "是"],
  removed: ["removed", "已去除"],
  absent: ["there was none", "原本没有"],
  kept: ["kept", "已保留"],
  full_size: ["full size", "原始尺寸"],
  preview: ["preview", "预览图"],
  note: ["Note", "备注"],
  key: ["Key", "密钥"],
  batch: ["Job", "任务"],
  from: ["Made from", "原图"],
  into: ["Made into", "由此生成"],
  save: ["Download", "下载"],
  edit: ["Edit this", "以此为参考编辑"],
  remove: ["Delete", "删除"],
  remove_title: ["Delete this picture?", "删除这张图片？"],
  remove_text: ["File, preview and facts are deleted for good; links to it end.", "文件、预览和记录将永久删除，链接失效。"],
});

export function Wall({ pictures }) {
  return html`
    <ul class="wall">
      ${pictures.map((one) => html`
        <li key=${one.id}>
          <a href="#/gallery/${one.id}" title=${one.prompt ?? ""}><img src=${here(one.thumb)} loading="lazy" width="320" height="320" alt=${nameOf(one)} /></a>
          <span class="small">${captionOf(one)}</span>
          ${one.details.note && html`<span class="small warn">${one.details.width} × ${one.details.height}: ${one.details.note}</span>`}
        </li>
      `)}
    </ul>
  `;
}

const PAGE = 100;
const [TILE, GAP, CAPTION] = [160, 12, 26]; // pixels: the least width of a tile, between tiles, of a caption
const MOST_IN_ZIP = 250;

/** The pictures that a search finds, fetched in pages as they are looked at. `at(n)`: the nth, or undefined. */
function usePictures(query) {
  const [state, setState] = useState({ total: null, problem: null, turn: 0 });
  const held = useRef({ turn: 0 });
  const forget = () => (held.current = { query, turn: held.current.turn + 1, pages: new Map(), asked: new Set(), total: null, newer: 0 });
  if (held.current.query !== query) forget();
  const load = async (number) => {
    const now = held.current;
    if (now.asked.has(number)) return;
    now.asked.add(number);
    try {
      for (;;) {
        const newer = now.newer; // pictures made since the first page came, which push all others on
        const page = await get(`/api/gallery?limit=${PAGE}&offset=${number * PAGE + newer}${now.query}`); // not `query`: who asks may have been drawn for the last one
        if (held.current !== now) return;
        now.total ??= page.total;
        now.newer = Math.max(now.newer, page.total - now.total);
        if (newer !== now.newer) continue;
        now.total = page.total - newer; // some may have been deleted
        now.pages.set(number, page.pictures);
        setState({ total: now.total, problem: null, turn: now.turn + number / 1e6 });
        return;
      }
    } catch (problem) {
      now.asked.delete(number);
      if (held.current === now) setState((before) => ({ ...before, problem }));
    }
  };
  useEffect(() => {
    load(0);
  }, [query]);
  const at = (n) => held.current.pages.get(Math.floor(n / PAGE))?.[n % PAGE];
  const indexOf = (id) => {
    for (const [number, page] of held.current.pages) {
      const place = page.findIndex((one) => one.id === id);
      if (place >= 0) return number * PAGE + place;
    }
    return -1;
  };
  const need = (from, to) => {
    for (let number = Math.floor(Math.max(0, from) / PAGE); number <= Math.floor(to / PAGE); number++) load(number);
  };
  const again = () => {
    forget();
    return load(0);
  };
  return { ...state, at, indexOf, need, again };
}

/** Which rows of a long grid are in sight: { ref, columns, tile, first, last } (indices of pictures). */
function useRows(total) {
  const ref = useRef(null);
  const [view, setView] = useState({ columns: 1, tile: TILE, first: 0, last: 30 });
  useEffect(() => {
    let waiting = 0;
    const look = () => {
      waiting = 0;
      if (!ref.current) return;
      const width = ref.current.clientWidth;
      const columns = Math.max(2, Math.floor((width + GAP) / (TILE + GAP)));
      const tile = (width - GAP * (columns - 1)) / columns;
      const high = tile + CAPTION + GAP;
      const above = -ref.current.getBoundingClientRect().top;
      const first = Math.max(0, Math.floor(above / high) - 2) * columns;
      const last = Math.min(total, (Math.ceil((above + innerHeight) / high) + 2) * columns);
      setView((before) => (before.first === first && before.last === last && before.tile === tile ? before : { columns, tile, first: Math.min(first, total), last: Math.max(0, last) }));
    };
    const soon = () => (waiting ||= requestAnimationFrame(look));
    const size = new ResizeObserver(soon);
    size.observe(ref.current);
    addEventListener("scroll", soon, { passive: true });
    look();
    return () => {
      size.disconnect();
      removeEventListener("scroll", soon);
      cancelAnimationFrame(waiting);
    };
  }, [total]);
  return { ref, ...view };
}

export function Gallery({ title, rest }) {
  const models = useModels();
  const [typed, setTyped] = useState("");
  const [filters, setFilters] = useState({ prompt: "", model: "", size: "" });
  const [chosen, setChosen] = useState(new Set());
  const [sure, setSure] = useState(false);
  const query = Object.entries(filters).filter(([, value]) => value).map(([name, value]) => `&${name}=${encodeURIComponent(value)}`).join("");
  const list = usePictures(query);
  const newest = usePoll("/api/gallery?limit=1", 15);
  const shown = rest[0];
  useEffect(() => {
    const timer = setTimeout(() => setFilters((before) => (before.prompt === typed.trim() ? before : { ...before, prompt: typed.trim() })), 250);
    return () => clearTimeout(timer);
  }, [typed]);
  const set = (name) => ({ target: { value } }) => (setChosen(new Set()), setFilters((before) => ({ ...before, [name]: value })));
  const fresh = !query && list.total !== null && newest.data ? newest.data.total - list.total : 0;
  const place = shown ? list.indexOf(shown) : -1;
  const go = (step) => {
    const next = place >= 0 && list.at(place + step);
    if (next) location.replace(`#/gallery/${next.id}`);
    if (place >= 0) list.need(place + step, place + step * 2);
  };
  const removeChosen = async () => {
    const ids = [...chosen];
    const remove = (id) => ask("DELETE", `/api/gallery/${id}`).catch((problem) => {
      if (problem.status !== 404) throw problem; // somebody else was quicker, or we were, before a failure
    });
    for (let n = 0; n < ids.length; n += 4) await Promise.all(ids.slice(n, n + 4).map(remove));
    setChosen(new Set());
    await list.again();
  };
  const any = Boolean(query);
  return html`
    <${Page} title=${title} lead=${list.total !== null && t(any ? "found" : "lead", { total: number(list.total) })}>
      <div class="filters">
        <${Field} label=${t("search")}><input type="search" name="search" value=${typed} onInput=${(e) => setTyped(e.target.value)} /><//>
        <${Field} label=${t("size")}>
          <select name="size" value=${filters.size} onChange=${set("size")}>
            ${["", "1k", "2k", "4k"].map((one) => html`<option value=${one}>${one || t("any")}</option>`)}
          </select>
        <//>
        <${Field} label=${t("model")}>
          <select name="model" value=${filters.model} onChange=${set("model")}>
            <option value="">${t("any")}</option>
            ${models.categories.image.map((one) => html`<option value=${one}>${one}</option>`)}
          </select>
        <//>
        ${fresh > 0 && html`<button type="button" onClick=${list.again}>${t("fresh", { count: number(fresh) })}</button>`}
      </div>
      <${Trouble} problem=${list.problem} />
      ${list.total === null && !list.problem && html`<${Loading} />`}
      ${list.total === 0 && html`<${Empty}>${any ? t("nothing") : html`${t("none")} <a href="#/playground">${t("make")}</a>`}<//>`}
      <${Grid} list=${list} chosen=${chosen} onChosen=${setChosen} />
      ${chosen.size > 0 && html`
        <div class="selection" role="region" aria-label=${t("chosen", { count: chosen.size })}>
          <strong aria-live="polite">${t("chosen", { count: number(chosen.size) })}</strong>
          ${chosen.size <= MOST_IN_ZIP
            ? html`<a class="button first" href=${here(`/api/gallery/archive?ids=${[...chosen].join(",")}`)} download="pictures.zip">${t("zip")}</a>`
            : html`<span class="small">${t("too_many", { most: MOST_IN_ZIP })}</span>`}
          <button type="button" class="danger" onClick=${() => setSure(true)}>${t("remove")}</button>
          <button type="button" onClick=${() => setChosen(new Set())}>${t("clear")}</button>
        </div>`}
      ${sure && html`
        <${Confirm} title=${t("remove_many", { count: number(chosen.size) })} yes=${t("remove")} act=${removeChosen} onClose=${() => setSure(false)}>
          <p>${t("remove_text")}</p><//>`}
      ${shown && html`<${One} key=${shown} id=${shown} place=${place} total=${list.total} go=${go} onGone=${list.again}
        onClose=${() => location.hash.startsWith("#/gallery/" + shown) && (location.hash = "#/gallery")} />`}
    <//>
  `;
}

/** All pictures as one long wall of which only what is in sight is there. */
function Grid({ list, chosen, onChosen }) {
  const total = list.total ?? 0;
  const { ref, columns, tile, first, last } = useRows(total);
  const anchor = useRef(-1);
  useEffect(() => {
    const timer = setTimeout(() => last > first && list.need(first, last - 1), 60); // what only flies past is not asked for
    return () => clearTimeout(timer);
  }, [first, last, list.turn]);
  const rows = Math.ceil(total / columns);
  const high = tile + CAPTION + GAP;
  const pick = (at, event) => {
    const next = new Set(chosen);
    const on = event.currentTarget.checked;
    const [from, to] = event.shiftKey && anchor.current >= 0 ? [Math.min(at, anchor.current), Math.max(at, anchor.current)] : [at, at];
    for (let n = from; n <= to; n++) {
      const one = list.at(n);
      if (one) on ? next.add(one.id) : next.delete(one.id);
    }
    anchor.current = at;
    onChosen(next);
  };
  const tiles = [];
  for (let n = first; n < Math.min(last, total); n++) tiles.push([n, list.at(n)]);
  return html`
    <ul ref=${ref} class="wall long ${chosen.size ? "choosing" : ""}" style=${{
      gridTemplateColumns: `repeat(${columns}, minmax(0, 1fr))`, gridAutoRows: `${tile + CAPTION}px`,
      paddingTop: `${(first / columns) * high}px`, minHeight: `${Math.max(0, rows * high - GAP)}px`,
    }}>
      ${tiles.map(([n, one]) => html`
        <li key=${one ? one.id : `at${n}`} aria-setsize=${total} aria-posinset=${n + 1}>
          ${one ? html`
            <a href="#/gallery/${one.id}" title=${one.prompt ?? ""}><img src=${here(one.thumb)} width=${Math.round(tile)} height=${Math.round(tile)} decoding="async" alt=${nameOf(one)} /></a>
            <input type="checkbox" aria-label=${t("choose", { name: nameOf(one) })} checked=${chosen.has(one.id)} onClick=${(e) => pick(n, e)} />
            <span class="small">${captionOf(one)}</span>`
          : html`<div class="blank" aria-busy="true"></div>`}
        </li>`)}
    </ul>
  `;
}

const captionOf = (one) => `${one.prompt || `${one.details.width} × ${one.details.height}`}${one.own ? "" : ` · ${t("other", one)}`}`;
const nameOf = (one) => (one.prompt ? one.prompt.slice(0, 200) : t("picture", { when: moment(one.created_at) }));

function One({ id, place, total, go, onGone, onClose }) {
  const [shown, setShown] = useState(null);
  const [problem, setProblem] = useState(null);
  const [sure, setSure] = useState(false);
  const [compared, setCompared] = useState(null); // a picture that it was made from, or "logo"
  useEffect(() => {
    get(`/api/gallery/${encodeURIComponent(id)}`).then(setShown, setProblem);
  }, [id]);
  useEffect(() => {
    const keys = (event) => {
      if (event.target.closest("input, textarea, select")) return;
      const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (step) go(step);
    };
    addEventListener("keydown", keys);
    return () => removeEventListener("keydown", keys);
  }, [go]);
  const title = shown ? t("picture", { when: moment(shown.created_at) }) : "…";
  return html`
    <${Dialog} title=${title} onClose=${onClose} wide>
      <${Trouble} problem=${problem} />
      ${shown && html`
        <div class="full">
          <div class="stack tight">
            ${compared === "logo" ? html`<${LogoCompare} shown=${shown} />` : compared
              ? html`<${Compare} before=${here(compared.file)} after=${here(shown.file)} />`
              : html`<${Zoom} src=${here(shown.file)} alt=${shown.prompt ?? title} size=${shown.details} />`}
            <div class="row between">
              <div class="row">
                <button type="button" disabled=${place < 1} onClick=${() => go(-1)} aria-label=${t("previous")}>←</button>
                <button type="button" disabled=${place < 0 || place >= total - 1} onClick=${() => go(1)} aria-label=${t("following")}>→</button>
                ${place >= 0 && html`<span class="small muted">${number(place + 1)} / ${number(total)}</span>`}
              </div>
              ${shown.made_from.length > 0 && html`
                <button type="button" aria-pressed=${Boolean(compared) && compared !== "logo"} onClick=${() => setCompared(compared && compared !== "logo" ? null : shown.made_from[0])}>${t("compare")}</button>`}
              ${shown.details.logo === "removed" && html`
                <button type="button" aria-pressed=${compared === "logo"} onClick=${() => setCompared(compared === "logo" ? null : "logo")}>${t("with_logo")}</button>`}
            </div>
          </div>
          <div class="stack">
            ${shown.prompt && html`<div class="prompt"><p>${shown.prompt}</p><${Copy} text=${shown.prompt} label=${t("copy_prompt")} /></div>`}
            <div class="actions">
              <a class="button first" href="${here(shown.file)}?download=1" download>${t("save")}</a>
              <a class="button" href="#/playground/edit/${shown.id}">${t("edit")}</a>
              ${shown.prompt && html`<a class="button" href="#/playground/generate/${shown.id}">${t("variant")}</a>`}
              <button type="button" class="danger" onClick=${() => setSure(true)}>${t("remove")}</button>
            </div>
            <${Lineage} shown=${shown} />
            <${Facts} shown=${shown} />
          </div>
        </div>
      `}
      ${sure && html`
        <${Confirm} title=${t("remove_title")} yes=${t("remove")} onClose=${() => setSure(false)}
          act=${async () => (await ask("DELETE", `/api/gallery/${id}`), onClose(), onGone())}><p>${t("remove_text")}</p><//>
      `}
    <//>
  `;
}

/** A picture that can be looked at closely: wheel, buttons or + − 0, and moved by dragging. `size`: its width and height in
 * pixels, whose room is kept until it is loaded, or a button below would move away from under a click. */
function Zoom({ src, alt, size: { width, height } }) {
  const [view, setView] = useState({ scale: 1, x: 0, y: 0 });
  const box = useRef(null);
  const image = useRef(null);
  const held = useRef(null);
  const whole = () => Math.max(1, image.current.naturalWidth / Math.max(1, image.current.offsetWidth));
  const to = (scale, at) => setView((before) => {
    const next = Math.min(Math.max(1, scale(before.scale)), 16);
    if (next === 1) return { scale: 1, x: 0, y: 0 };
    const [x, y] = at ?? [0, 0];
    const grown = next / before.scale;
    return { scale: next, x: x - (x - before.x) * grown, y: y - (y - before.y) * grown };
  });
  useEffect(() => {
    const wheel = (event) => {
      event.preventDefault();
      const { left, top, width, height } = box.current.getBoundingClientRect();
      to((scale) => scale * Math.exp(-event.deltaY / 400), [event.clientX - left - width / 2, event.clientY - top - height / 2]);
    };
    box.current.addEventListener("wheel", wheel, { passive: false });
    return () => box.current?.removeEventListener("wheel", wheel);
  }, []);
  const move = (event) => {
    if (!held.current) return;
    const [x, y] = [event.clientX - held.current[0], event.clientY - held.current[1]];
    setView((before) => (before.scale > 1 ? { ...before, x, y } : before));
  };
  const keys = (event) => {
    const factor = { "+": 1.5, "=": 1.5, "-": 1 / 1.5 }[event.key];
    if (factor) to((scale) => scale * factor);
    if (event.key === "0") to(() => 1);
  };
  return html`
    <div class="zoom" ref=${box} tabindex="0" role="group" aria-label=${t("zoom_hint")} onKeyDown=${keys} onPointerMove=${move}
      onPointerDown=${(e) => (e.currentTarget.setPointerCapture(e.pointerId), (held.current = [e.clientX - view.x, e.clientY - view.y]))}
      onPointerUp=${() => (held.current = null)} onPointerCancel=${() => (held.current = null)} onDblClick=${() => to((scale) => (scale > 1 ? 1 : whole()))}>
      <img ref=${image} src=${src} alt=${alt} draggable=${false} style=${{
        aspectRatio: `${width} / ${height}`, width: `min(100%, ${width}px, ${(68 * width) / height}vh)`, transform: `translate(${view.x}px, ${view.y}px) scale(${view.scale})`,
      }} />
    </div>
    <div class="row">
      <button type="button" onClick=${() => to((scale) => scale / 1.5)} aria-label=${t("smaller")}>−</button>
      <button type="button" onClick=${() => to((scale) => scale * 1.5)} aria-label=${t("larger")}>+</button>
      <button type="button" onClick=${() => to(() => 1)}>${t("fit")}</button>
      <button type="button" onClick=${() => to(whole)}>100 %</button>
    </div>
  `;
}

/** What it was made from, and what was made from it. */
const Lineage = ({ shown }) => html`
  <${Kin} title=${t("from")} pictures=${shown.made_from} />
  <${Kin} title=${t("into")} pictures=${shown.made_into} />
`;

function Facts({ shown }) {
  const { details } = shown;
  const rows = [
    ["made", moment(shown.created_at)],
    ["size", `${details.width} × ${details.height}, ${bytes(details.bytes)}, ${details.mime.replace("image/", "").toUpperCase()}`],
    ["requested", details.requested],
    ["resampled", details.resampled && t("yes")],
    ["model", details.model],
    ["logo", t(details.logo)],
    ["source", details.source && t(details.source)],
    ["note", details.note],
    ["key", shown.key],
    ["batch", shown.batch && html`<a href="#/jobs/${shown.batch}">${shown.batch}</a>`],
    ["SHA-256", html`<code>${details.sha256}</code>`],
  ];
  return html`
    <dl class="facts">${rows.filter(([, value]) => value).map(([name, value]) => html`<dt>${t(name)}</dt><dd>${value}</dd>`)}</dl>
  `;
}

function Kin({ title, pictures }) {
  if (!pictures.length) return null;
  return html`
    <section class="stack tight" aria-label=${title}>
      <h3>${title}</h3>
      <ul class="thumbs">${pictures.map((one) => html`
        <li><a href="#/gallery/${one.id}"><img src=${here(one.thumb)} alt=${one.prompt ?? t("picture", { when: moment(one.created_at) })} /></a></li>
      `)}</ul>
    </section>
  `;
}
