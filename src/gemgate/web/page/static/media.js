// Videos and music as they can be played where they are.
import { here } from "./api.js";
import { html } from "./html.js";
import { bytes, words } from "./words.js";

const t = words({
  save: ["Download {name}", "下载 {name}"],
  play: ["Play {name}", "播放 {name}"],
});

const KINDS = { mp4: "video", m4a: "audio", mp3: "audio" };

/** The path of a file of ours out of its link, which may name another host than the page's; "" for others' links. */
function ours(link) {
  if (!URL.canParse(link, location.href)) return "";
  const { pathname, search } = new URL(link, location.href);
  const at = pathname.indexOf("/v1/");
  return at < 0 ? "" : here(pathname.slice(at) + search);
}

/** `files`: [{ name, url, bytes }]; what is neither video nor sound is a link. */
export const Media = ({ files }) => html`
  <ul class="media">${files.map((file) => {
    const place = ours(file.url) || file.url;
    const kind = KINDS[file.name.split(".").at(-1)];
    const label = t("play", file);
    return html`
      <li key=${file.url}>
        ${kind === "video" && html`<video controls preload="metadata" src=${place} aria-label=${label}></video>`}
        ${kind === "audio" && html`<audio controls preload="metadata" src=${place} aria-label=${label}></audio>`}
        <a class="button" href=${place} download=${file.name}>${t("save", file)}${file.bytes ? ` (${bytes(file.bytes)})` : ""}</a>
      </li>`;
  })}</ul>
`;
