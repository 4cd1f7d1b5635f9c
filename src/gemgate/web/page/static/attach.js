// Pictures and files that go with a prompt: dropped, pasted or chosen.
import { html, useRef, useState } from "./html.js";
import { words } from "./words.js";

const t = words({
  drop: ["Drop pictures here, paste them, or", "拖放或粘贴图片到此处，或"],
  choose: ["choose files", "选择文件"],
  attach: ["Attach files", "添加附件"],
  remove: ["Remove {name}", "移除 {name}"],
});

export const dataUrl = (file) =>
  new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(file);
  });

/** `files`: [{name, url, file}]; `onFiles` gets the new list. `children`: what it stands round, instead of its own words. */
export function Attach({ files, onFiles, accept = "image/*", children }) {
  const [over, setOver] = useState(false);
  const input = useRef(null);
  const take = async (list) => {
    const taken = await Promise.all([...list].map(async (file) => ({ name: file.name, url: await dataUrl(file), file })));
    if (taken.length) onFiles([...files, ...taken]);
  };
  const drop = (event) => {
    event.preventDefault();
    setOver(false);
    take(event.dataTransfer.files);
  };
  return html`
    <div class="${children ? "composer" : "drop"} ${over ? "over" : ""}" onPaste=${(e) => take(e.clipboardData.files)} onDrop=${drop}
      onDragOver=${(e) => (e.preventDefault(), setOver(true))} onDragLeave=${() => setOver(false)}>
      ${children?.(html`<button type="button" class="quiet" onClick=${() => input.current.click()}>${t("attach")}</button>`) ??
        html`<p>${t("drop")} <button type="button" class="quiet" onClick=${() => input.current.click()}>${t("choose")}</button></p>`}
      <input ref=${input} type="file" multiple hidden accept=${accept} aria-label=${t("choose")}
        onChange=${(e) => (take(e.target.files), (e.target.value = ""))} />
      ${files.length > 0 && html`
        <ul class="thumbs">${files.map((one, at) => html`
          <li>
            ${one.url.startsWith("data:image/") ? html`<img src=${one.url} alt=${one.name} />` : html`<span class="tag">${one.name}</span>`}
            <button type="button" class="quiet small" aria-label=${t("remove", one)}
              onClick=${() => onFiles(files.filter((_, number) => number !== at))}>×</button>
          </li>
        `)}</ul>
      `}
    </div>
  `;
}
