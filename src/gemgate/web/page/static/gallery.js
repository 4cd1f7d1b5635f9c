// Delivered pictures: previews, measured facts, what was made from what.
import { ask, get, here } from "./api.js";
import { html, useEffect, useState } from "./html.js";
import { Confirm, Dialog, Empty, Loading, Page, Trouble } from "./parts.js";
import { bytes, moment, number, words } from "./words.js";

const t = words({
  lead: ["{total} pictures, newest first.", "共 {total} 张图片，最新的在前。"],
  none: ["No picture has been made yet. Make the first one in the playground.", "还没有图片，可在“试用”中生成第一张。"],
  more: ["More", "更多"],
  picture: ["Picture of {when}", "{when} 的图片"],
  other: ["by the key {key}", "密钥 {key} 生成"],
  prompt: ["Prompt", "提示词"],
  size: ["Size", "尺寸"],
  made: ["Made", "生成于"],
  model: ["Model", "模型"],
  logo: ["Visible logo", "可见标志"],
  source: ["Came by", "来源"],
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

const PAGE = 48;

export function Wall({ pictures }) {
  return html`
    <ul class="wall">
      ${pictures.map((one) => html`
        <li key=${one.id}>
          <a href="#/gallery/${one.id}"><img src=${here(one.thumb)} loading="lazy" width="320" height="320"
            alt=${one.prompt ? one.prompt.slice(0, 200) : t("picture", { when: moment(one.created_at) })} /></a>
          <span class="small">${one.details.width} × ${one.details.height}${one.own ? "" : ` · ${t("other", one)}`}</span>
        </li>
      `)}
    </ul>
  `;
}

export function Gallery({ title, rest }) {
  const [pages, setPages] = useState([]);
  const [problem, setProblem] = useState(null);
  const load = async (after) => {
    try {
      const page = await get(`/api/gallery?limit=${PAGE}${after ? `&after=${after}` : ""}`);
      setPages((before) => (after ? [...before, page] : [page]));
    } catch (failed) {
      setProblem(failed);
    }
  };
  useEffect(() => {
    load();
  }, []);
  const last = pages.at(-1);
  const pictures = pages.flatMap((page) => page.pictures);
  return html`
    <${Page} title=${title} lead=${last && t("lead", { total: number(pages[0].total) })}>
      <${Trouble} problem=${problem} />
      ${!last && !problem && html`<${Loading} />`}
      ${last && !pictures.length && html`<${Empty}>${t("none")}<//>`}
      <${Wall} pictures=${pictures} />
      ${last?.next && html`<div class="actions"><button type="button" onClick=${() => load(last.next)}>${t("more")}</button></div>`}
      ${rest[0] && html`<${One} id=${rest[0]} onClose=${() => (location.hash = "#/gallery")} />`}
    <//>
  `;
}

function One({ id, onClose }) {
  const [shown, setShown] = useState(null);
  const [problem, setProblem] = useState(null);
  const [sure, setSure] = useState(false);
  useEffect(() => {
    get(`/api/gallery/${encodeURIComponent(id)}`).then(setShown, setProblem);
  }, [id]);
  const title = shown ? t("picture", { when: moment(shown.created_at) }) : "…";
  return html`
    <${Dialog} title=${title} onClose=${onClose} wide>
      <${Trouble} problem=${problem} />
      ${shown && html`
        <div class="halves">
          <div class="picture"><img src=${here(shown.file)} alt=${shown.prompt ?? title} /></div>
          <div class="stack">
            <${Facts} shown=${shown} />
            <div class="actions">
              <a class="button" href="${here(shown.file)}?download=1" download>${t("save")}</a>
              <a class="button" href="#/playground/edit/${shown.id}">${t("edit")}</a>
              <button type="button" class="danger" onClick=${() => setSure(true)}>${t("remove")}</button>
            </div>
            <${Kin} title=${t("from")} pictures=${shown.made_from} />
            <${Kin} title=${t("into")} pictures=${shown.made_into} />
          </div>
        </div>
      `}
      ${sure && html`
        <${Confirm} title=${t("remove_title")} yes=${t("remove")} onClose=${() => setSure(false)}
          act=${async () => (await ask("DELETE", `/api/gallery/${id}`), onClose())}><p>${t("remove_text")}</p><//>
      `}
    <//>
  `;
}

function Facts({ shown }) {
  const { details } = shown;
  const rows = [
    ["prompt", shown.prompt],
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
