// Pairing: asks for the two host permissions that it takes, then for the key.
import { api, ask, dress, GOOGLE, load, say } from "./browser.js";
import { address, pasted, Trouble } from "./gateway.js";

const form = document.getElementById("form");
const trouble = document.getElementById("trouble");
const store = new URLSearchParams(location.search).get("store");

dress(document);

/** "Firefox on Linux": for the list of keys, where people choose what to revoke. */
function browser() {
  const agent = navigator.userAgent;
  const name = agent.match(/Firefox|Edg|OPR|Chrome/)?.[0] ?? "Browser";
  const system = agent.match(/Windows|Mac OS X|Android|CrOS|Linux/)?.[0];
  return [{ Edg: "Edge", OPR: "Opera" }[name] ?? name, system].filter(Boolean).join(" on ");
}

form.code.addEventListener("input", () => {
  const found = pasted(form.code.value);
  if (!found.address || !found.code) return;
  form.code.value = found.code;
  form.address.value = found.address;
});

const complain = (name, sentence = "") => {
  trouble.textContent = name === "refused" ? sentence : say("trouble_" + name);
};

form.addEventListener("submit", (event) => {
  event.preventDefault();
  trouble.textContent = "";
  try {
    const { url, pattern } = address(form.address.value);
    // nothing may be awaited before this: browsers want the click itself
    const allowed = api.permissions.request({ origins: [GOOGLE, pattern] });
    pair(allowed, url).catch(() => complain("broken"));
  } catch (failed) {
    complain(failed instanceof Trouble ? failed.name : "broken");
  }
});

async function pair(allowed, gateway) {
  const button = form.querySelector("button");
  button.disabled = true;
  try {
    if (!(await allowed)) return complain("not_allowed");
    const told = await ask({ what: "pair", store, gateway, code: form.code.value.trim(), browser: browser() });
    if (told?.trouble) return complain(told.trouble, told.sentence);
    const pairing = await load(store);
    form.hidden = true;
    const done = document.getElementById("done");
    done.hidden = false;
    done.textContent = say("paired_with", pairing.account);
    if (pairing.outcome !== "good") trouble.textContent = [say("outcome_" + pairing.outcome), pairing.sentence].filter(Boolean).join(" ");
  } finally {
    button.disabled = false;
  }
}
