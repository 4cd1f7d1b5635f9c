// All accounts in few lines each: state, what rests, windows, how long the cookies live. Trouble comes first.
import { capability, windowName } from "./account.js";
import { html } from "./html.js";
import { useClock } from "./live.js";
import { Countdown, State } from "./parts.js";
import { ago, words } from "./words.js";

const t = words({
  lanes: ["{busy} of {max} lanes busy", "{max} 个通道中 {busy} 个占用"],
  windows: ["Used of Google's windows", "Google 额度窗口已用"],
  used: ["{window}: {share} % used", "{window}：已用 {share} %"],
  resets: ["resets {when}", "{when}重置"],
  life: ["Cookies", "Cookie"],
  renewed: ["renewed {when}", "{when}续期"],
  signed: ["signed in {when}", "{when}登录"],
  ends: ["end about {when}", "预计{when}失效"],
  fix: ["Hand over new cookies", "更换 Cookie"],
  rests: ["resting: {what}", "{what}冷却中"],
  trying: ["the next call tries again", "下一次请求将试探"],
});

const TROUBLE = ["needs_login", "error", "blocked", "cooling", "paused", "starting", "busy", "ready"];
const restsOf = (one) => one.cooldowns.filter((each) => each.until || each.phase !== "closed");
const rank = (one) => TROUBLE.indexOf(one.state) - (restsOf(one).length ? 2.5 : 0);

export function AccountRows({ accounts }) {
  const now = useClock(accounts.length > 0);
  const sorted = [...accounts].sort((a, b) => rank(a) - rank(b) || a.name.localeCompare(b.name, undefined, { numeric: true }));
  return html`<div class="account-rows">${sorted.map((one) => html`<${Row} key=${(one.node ?? "") + one.name} one=${one} now=${now} />`)}</div>`;
}

function Row({ one, now }) {
  const resting = restsOf(one);
  return html`
    <article aria-label=${one.name}>
      <div class="who"><h3>${one.name}</h3>${one.node && html`<span class="tag">${one.node}</span>`}<${State} word=${one.state} /></div>
      <div class="lanes-told" title=${t("lanes", one.lanes)}>
        <${Share} share=${one.lanes.max ? one.lanes.busy / one.lanes.max : 0} label=${t("lanes", one.lanes)} plain />
        <span class="small muted">${one.lanes.busy} / ${one.lanes.max}</span>
      </div>
      <div class="windows">${one.usage.length > 0 && html`<p class="small muted">${t("windows")}</p>`}${one.usage.map((each) => html`
        <div title=${each.resets_at ? t("resets", { when: ago(each.resets_at, now) }) : ""}>
          <span class="small muted">${windowName(each)} · ${Math.round(each.used * 100)} %</span>
          <${Share} share=${each.used} label=${t("used", { window: windowName(each), share: Math.round(each.used * 100) })} />
        </div>`)}</div>
      <${Life} one=${one} now=${now} />
      ${(one.why || one.until || resting.length > 0 || one.state === "needs_login") && html`
        <div class="why small">
          ${(one.why || one.until) && html`<p>${one.why} <${Countdown} until=${one.until} /></p>`}
          ${resting.map((each) => html`<p><span class="tag">${t("rests", { what: capability(each.capability) })}</span> ${each.until ? html`<${Countdown} until=${each.until} />` : t("trying")}</p>`)}
          ${one.state === "needs_login" && html`<p><a class="button" href="#/accounts">${t("fix")}</a></p>`}
        </div>`}
    </article>
  `;
}

/** How far the cookies are on their way from the sign-in to the end that is expected of them, as far as that is known. */
function Life({ one, now }) {
  if (!one.signed_in_at) return html`<div class="life"></div>`;
  const known = one.dies_at && one.dies_at > one.signed_in_at;
  const share = known ? Math.min(1, Math.max(0, (now - one.signed_in_at) / (one.dies_at - one.signed_in_at))) : 0;
  const said = known ? t("ends", { when: ago(one.dies_at, now) }) : one.renewed_at ? t("renewed", { when: ago(one.renewed_at, now) }) : t("signed", { when: ago(one.signed_in_at, now) });
  return html`
    <div class="life" title=${one.forecast ?? ""}>
      <span class="small muted">${t("life")} · ${said}</span>
      ${known && html`<${Share} share=${share} label=${`${t("life")}: ${said}`} />`}
    </div>
  `;
}

/** A share of a whole; its colour only repeats what is written beside it. */
export const Share = ({ share, label, plain }) => html`
  <div class="share ${plain ? "" : share >= 0.95 ? "bad" : share >= 0.8 ? "warn" : ""}" role="meter" aria-label=${label} aria-valuemin="0"
    aria-valuemax="100" aria-valuenow=${Math.round(share * 100)} aria-valuetext=${label}><i style=${{ width: `${Math.min(1, share) * 100}%` }}></i></div>
`;
