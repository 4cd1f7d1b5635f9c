// All delivered pictures: previews, measured facts, what they were made from and what became of them.
import { ask, get, remove } from "../api.js";
import { html, useEffect, useState } from "../html.js";
import { usePoll } from "../live.js";
import { Act, Confirm, Dialog, Empty, Loading, Page, Trouble } from "../parts.js";
import { bytes, moment, number, words } from "../words.js";
import { hand } from "./reference_picture.js";

const t = words({
  title: ["Gallery", "图库"],
  lead: ["{total} pictures", "共 {total} 张"],
  none: ["No picture has been made yet. The playground makes one.", "还没有图片，可在“试用”中生成。"],
  more: ["Show more", "显示更多"],
  other: ["of the key {key}", "属于密钥 {key}"],
  size: ["Size", "尺寸"], model: ["Model", "模型"], source: ["Fetched by", "获取方式"], logo: ["Logo", "标志"], made: ["Made", "生成时间"], key: ["Key", "密钥"],
  asked: ["Asked for", "请求尺寸"], sha: ["SHA-256", "SHA-256"], note: ["Note", "备注"], prompt: ["Prompt", "提示词"], batch: ["Batch", "批次"],
  removed: ["visible logo removed", "已去除可见标志"], absent: ["none found", "未发现"], kept: ["kept", "保留"],
  download: ["Download", "下载"], use: ["Use as reference", "用作参考图"], erase: ["Delete", "删除"],
  eraseText: ["The file, its preview and its facts are deleted for good.", "文件、预览及信息将被永久删除。"],
  from: ["Made from", "来源"], into: ["Became", "衍生"],
  picture: ["Picture of {when}", "{when} 的图片"],
});

export function Gallery({ rest }) {
  const [pages, setPages] = useState([]);
  const [problem, setProblem] = useState(null);
  const load = async (after) => {
    try {
      const page = await get(`/api/gallery?limit=48${after ? `&after=${after}` : ""}`);
      setPages((before) => (after ? [...before, page] : [page]));
    } catch (found) {
      setProblem(found);
    }
  };
  useEffect(() => {
    load();
  }, []);
  const pictures = pages.flatMap((page) => page.pictures);
  const next = pages.at(-1)?.next;
  const open = (id) => (location.hash = `#/gallery/${id}`);
  return html`
    <${Page} title=${t("title")} lead=${pages.length ? t("lead", { total: number(pages[0].total) }) : ""}>
      <${Trouble} problem=${problem} />
      ${!pages.length && !problem && html`<${Loading} />`}
      ${pages.length > 0 && !pictures.length && html`<${Empty}>${t("none")}<//>`}
      <ul class="gallery">
        ${pictures.map(
          (one) => html`
            <li key=${one.id}>
              <button type="button" onClick=${() => open(one.id)}>
                <img src=${one.thumb} alt=${one.prompt ?? t("picture", { when: moment(one.created_at) })} loading="lazy" />
                <span class="cap">${one.prompt ?? (one.key ? t("other", { key: one.key }) : moment(one.created_at))}</span>
              </button>
            </li>
          `,
        )}
      </ul>
      ${next && html`<div class="actions"><${Act} act=${() => load(next)} onTrouble=${setProblem}>${t("more")}<//></div>`}
      ${rest[0] && html`<${Detail} key=${rest[0]} id=${rest[0]} onGone=${() => load()} />`}
    <//>
  `;
}

function Detail({ id, onGone }) {
  const { data, problem } = usePoll(`/api/gallery/${encodeURIComponent(id)}`, 0);
  const [erasing, setErasing] = useState(false);
  const [trouble, setTrouble] = useState(null);
  const close = () => (location.hash = "#/gallery");
  const use = async () => {
    const blob = await (await ask("GET", data.file)).blob();
    hand([{ name: `${data.id}.${blob.type.split("/")[1] ?? "png"}`, blob }]);
    location.hash = "#/playground/edit";
  };
  const facts = data?.details;
  return html`
    <${Dialog} title=${data ? t("picture", { when: moment(data.created_at) }) : t("title")} onClose=${close} wide>
      <${Trouble} problem=${problem ?? trouble} />
      ${!data && !problem && html`<${Loading} />`}
      ${data &&
      html`
        <div class="detail">
          <a href=${data.file} target="_blank"><img src=${data.file} alt=${data.prompt ?? ""} /></a>
          <div class="stack">
            <dl class="facts">
              ${data.prompt && html`<dt>${t("prompt")}</dt><dd>${data.prompt}</dd>`}
              <dt>${t("size")}</dt><dd>${facts.width} × ${facts.height}, ${bytes(facts.bytes)}, ${facts.mime}</dd>
              ${facts.requested && html`<dt>${t("asked")}</dt><dd>${facts.requested} px</dd>`}
              <dt>${t("model")}</dt><dd>${facts.model}</dd>
              <dt>${t("source")}</dt><dd>${facts.source}</dd>
              <dt>${t("logo")}</dt><dd>${t(facts.logo)}</dd>
              ${facts.note && html`<dt>${t("note")}</dt><dd>${facts.note}</dd>`}
              ${data.key && html`<dt>${t("key")}</dt><dd>${data.key}</dd>`}
              ${data.batch && html`<dt>${t("batch")}</dt><dd><a href="#/batches/${data.batch}">${data.batch}</a></dd>`}
              <dt>${t("sha")}</dt><dd class="small">${facts.sha256}</dd>
            </dl>
            <div class="actions">
              <a class="button" href="${data.file}?download=1">${t("download")}</a>
              <${Act} act=${use} onTrouble=${setTrouble}>${t("use")}<//>
              <button type="button" class="danger" onClick=${() => setErasing(true)}>${t("erase")}</button>
            </div>
            <${Lineage} name=${t("from")} pictures=${data.made_from} /><${Lineage} name=${t("into")} pictures=${data.made_into} />
          </div>
        </div>
      `}
      ${erasing &&
      html`<${Confirm} title=${t("erase")} yes=${t("erase")} onClose=${() => setErasing(false)}
        act=${async () => {
          await remove(`/api/gallery/${encodeURIComponent(id)}`);
          close();
          onGone();
        }}><p>${t("eraseText")}</p><//>`}
    <//>
  `;
}

const Lineage = ({ name, pictures }) =>
  pictures.length > 0 &&
  html`<section><h3>${name}</h3><div class="thumbs">
    ${pictures.map((one) => html`<a key=${one.id} href="#/gallery/${one.id}"><img src=${one.thumb} alt=${one.prompt ?? moment(one.created_at)} /></a>`)}
  </div></section>`;
