// Pictures from words, edits of pictures; the matching code below each.
import { html, useState } from "./html.js";
import { Page } from "./parts.js";
import { Edit, Generate } from "./picturing.js";
import { words } from "./words.js";

const t = words({
  lead: ["The real service, through the same API that programs use. Calls count like any other.", "通过与程序相同的 API 使用真实服务，调用照常计数。"],
  generate: ["Make a picture", "生成图片"],
  edit: ["Edit a picture", "编辑图片"],
  kinds: ["What to try", "试用内容"],
});

const TABS = { generate: Generate, edit: Edit };

/** "#/playground/edit/PICTURE" begins an edit of a picture of the gallery. */
export function Playground({ title, rest }) {
  const [tab, setTab] = useState(Object.hasOwn(TABS, rest[0] ?? "") ? rest[0] : "generate");
  const Shown = TABS[tab];
  const names = Object.keys(TABS);
  const arrows = (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const next = names[(names.indexOf(tab) + step + names.length) % names.length];
    setTab(next);
    document.getElementById("tab-" + next).focus();
  };
  return html`
    <${Page} title=${title} lead=${t("lead")}>
      <div class="tabs" role="tablist" aria-label=${t("kinds")} onKeyDown=${arrows}>
        ${names.map((name) => html`
          <button type="button" role="tab" id="tab-${name}" aria-selected=${name === tab} aria-controls="tab-panel"
            tabindex=${name === tab ? 0 : -1} onClick=${() => setTab(name)}>${t(name)}</button>
        `)}
      </div>
      <div role="tabpanel" id="tab-panel" aria-labelledby="tab-${tab}">
        <${Shown} key=${tab} from=${tab === rest[0] ? rest[1] : null} />
      </div>
    <//>
  `;
}
