// A picture with and without its visible logo: the pixels that stood in the logo's box are kept, the rest is the same.
import { get, here } from "./api.js";
import { html, useEffect, useState } from "./html.js";
import { Loading, Trouble } from "./parts.js";
import { Compare } from "./picturing.js";
import { words } from "./words.js";

const t = words({
  corner: ["The logo's place, enlarged", "标志所在位置（放大）"],
  whole: ["The whole picture", "整张图片"],
});

const WHOLE = 1600; // pixels of the longer side that are drawn
const CORNER = 480;
const ROUND = 1.2; // how far round the logo is shown, in its own sizes

const loaded = (src) => new Promise((resolve, reject) => {
  const image = new Image();
  image.onload = () => resolve(image);
  image.onerror = () => reject(new Error(src.slice(0, 40)));
  image.src = src;
});

/** A part of the picture drawn `size` pixels wide, as the address of a JPEG; with the logo when `logo` is given. */
function drawn(picture, part, size, logo) {
  const canvas = document.createElement("canvas");
  const scale = size / Math.max(part.width, part.height);
  [canvas.width, canvas.height] = [Math.round(part.width * scale), Math.round(part.height * scale)];
  const context = canvas.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(picture, part.left, part.top, part.width, part.height, 0, 0, canvas.width, canvas.height);
  if (logo) context.drawImage(logo.image, (logo.left - part.left) * scale, (logo.top - part.top) * scale, logo.width * scale, logo.height * scale);
  return canvas.toDataURL("image/jpeg", 0.95);
}

function views(picture, told, image) {
  const { naturalWidth: width, naturalHeight: height } = picture;
  const logo = { image, left: told.left * width, top: told.top * height, width: told.width * width, height: told.height * height };
  const left = Math.max(0, logo.left - logo.width * ROUND);
  const top = Math.max(0, logo.top - logo.height * ROUND);
  const right = Math.min(width, logo.left + logo.width * (1 + ROUND));
  const bottom = Math.min(height, logo.top + logo.height * (1 + ROUND));
  const near = { left, top, width: right - left, height: bottom - top };
  const all = { left: 0, top: 0, width, height };
  const both = (part, size) => [drawn(picture, part, size, logo), drawn(picture, part, size)];
  return { corner: both(near, CORNER), whole: both(all, Math.min(WHOLE, Math.max(width, height))) };
}

export function LogoCompare({ shown }) {
  const [made, setMade] = useState(null);
  const [problem, setProblem] = useState(null);
  useEffect(() => {
    const look = async () => {
      const told = await get(`/api/gallery/${shown.id}/logo`);
      const [picture, image] = await Promise.all([loaded(here(shown.file)), loaded(`data:image/png;base64,${told.png}`)]);
      setMade(views(picture, told, image));
    };
    look().catch(setProblem);
  }, [shown.id]);
  if (problem) return html`<${Trouble} problem=${problem} />`;
  if (!made) return html`<${Loading} />`;
  return html`
    <div class="stack tight">
      <h3>${t("corner")}</h3><${Compare} before=${made.corner[0]} after=${made.corner[1]} />
      <h3>${t("whole")}</h3><${Compare} before=${made.whole[0]} after=${made.whole[1]} />
    </div>
  `;
}
