// The button's window: how the account is, its forecast, and the last push.
import { api, ask, dress, GOOGLE, language, load, say, storeInFront } from "./browser.js";
import { address } from "./gateway.js";

const at = (id) => document.getElementById(id);
const STATES = ["starting", "ready", "busy", "cooling", "needs_login", "paused", "blocked", "error"];
const UNITS = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];

function ago(seconds) {
  const gone = seconds - Date.now() / 1000;
  const [unit, size] = UNITS.find(([, size]) => Math.abs(gone) >= size) ?? UNITS[3];
  return new Intl.RelativeTimeFormat(language(), { numeric: "auto" }).format(Math.round(gone / size), unit);
}

function facts({ gateway, state = {} }) {
  const word = STATES.includes(state.state) ? say("state_" + state.state) : say("state_unknown");
  return [
    ["health", [word, state.why].filter(Boolean).join(" · ")],
    ["google", state.google],
    ["forecast", state.forecast || say("forecast_unknown")],
    ["last_push", state.pushed_at ? ago(state.pushed_at) : say("never")],
    ["last_seen", state.seen_at ? ago(state.seen_at) : ""],
    ["rotates", state.rotates ? say(state.rotates === "browser" ? "rotates_browser" : "rotates_gemgate") : ""],
    ["notice", state.notice],
    ["last_error", state.last_error],
    ["gateway", gateway],
  ].filter(([, value]) => value);
}

const store = await storeInFront();
let pattern = "";
dress(document);

async function draw() {
  const pairing = await load(store);
  at("unpaired").hidden = Boolean(pairing);
  at("paired").hidden = !pairing;
  at("account").textContent = pairing ? pairing.account : say("name");
  at("trouble").textContent = "";
  if (!pairing) return;
  pattern = address(pairing.gateway).pattern;
  const { outcome } = pairing;
  at("trouble").textContent =
    !outcome || outcome === "good" ? "" : [say("outcome_" + outcome), pairing.sentence].filter(Boolean).join(" ");
  at("allow").hidden = outcome !== "no_permission";
  at("again").hidden = outcome !== "over";
  at("push").hidden = outcome === "over";
  at("facts").replaceChildren(
    ...facts(pairing).flatMap(([name, value]) => {
      const [term, text] = [document.createElement("dt"), document.createElement("dd")];
      term.textContent = say(name);
      text.textContent = value;
      text.id = "fact-" + name;
      return [term, text];
    }),
  );
}

async function deed(event, message) {
  event.target.disabled = true;
  await ask(message);
  event.target.disabled = false;
  await draw();
}

function openPairing() {
  api.tabs.create({ url: api.runtime.getURL("pair.html") + "?store=" + encodeURIComponent(store) });
  window.close();
}

at("pair").addEventListener("click", openPairing);
at("again").addEventListener("click", openPairing);
at("push").addEventListener("click", (event) => deed(event, { what: "push", store }));
at("unpair").addEventListener("click", (event) => deed(event, { what: "unpair", store }));
at("allow").addEventListener("click", async (event) => {
  // nothing may be awaited before this: Firefox wants the click itself
  if (await api.permissions.request({ origins: [GOOGLE, pattern] })) await deed(event, { what: "push", store });
});

api.storage.onChanged.addListener(draw);
await draw();
await ask({ what: "look", store });
