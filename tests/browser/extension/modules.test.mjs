// The extension's modules without a browser: `node modules.test.mjs FOLDER`, a folder with the extension's scripts.
// Random lives of a browser against a gateway that keeps docs/extension.md and fails at random.
import assert from "node:assert/strict";
import { pathToFileURL } from "node:url";

const folder = pathToFileURL(process.argv[2] + "/").href;
const { address, call, pasted, Trouble } = await import(folder + "gateway.js");
const { leads, needed } = await import(folder + "session.js");
const { Pusher } = await import(folder + "pushing.js");

function dice(seed) {
  let state = seed * 2654435761 + 1;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let x = Math.imul(state ^ (state >>> 15), 1 | state);
    x = (x + Math.imul(x ^ (x >>> 7), 61 | x)) ^ x;
    return ((x ^ (x >>> 14)) >>> 0) / 2 ** 32;
  };
}

const NAMES = ["__Secure-1PSID", "__Secure-1PSIDTS", "SAPISID", "__Secure-1PSIDCC", "NID"];
const cookie = (name, value, more = {}) => ({ name, value, domain: ".google.com", path: "/", storeId: "0", ...more });
const content = (cookies) => JSON.stringify(cookies.map(({ name, value }) => [name, value]));

const pause = () => new Promise((done) => setImmediate(done));

/** The gateway's side: takes only what is newer, and says so. */
class Gateway {
  constructor() {
    Object.assign(this, { version: 0, held: "", taken: [], calls: 0, fault: "", lose: false, code: "7KQ4MXW2PD", key: "" });
  }

  async call(gateway, method, path, { key = "", body } = {}) {
    this.calls += 1;
    assert.ok(gateway === "http://127.0.0.1:8100");
    if (this.fault === "away") throw new Trouble("unreachable");
    if (path === "/api/pairings") {
      if (body.code !== this.code) return { status: 404, body: { detail: "wrong", code: "pairing_code" }, wait: null };
      this.code = "";
      this.key = "gmg_" + Math.floor(Math.random() * 1e9);
      return { status: 201, body: { account: "a b", key: this.key, sign_of_life_seconds: 300 }, wait: null };
    }
    assert.equal(path, "/api/accounts/a%20b/cookies");
    if (key !== this.key) return { status: 401, body: { detail: "over" }, wait: null };
    if (this.fault === "full") return { status: 429, body: { code: "too_many_pushes", detail: "slow" }, wait: 7 };
    if (this.fault === "google") return { status: 502, body: { detail: "away" }, wait: null };
    if (this.fault === "expired") return { status: 503, body: { code: "cookie_expired", detail: "gone" }, wait: null };
    if (method === "GET") return { status: 200, body: { state: "ready" }, wait: null };
    assert.ok(Number.isSafeInteger(body.version) && body.version >= 1);
    const text = content(body.cookies);
    const same = body.version === this.version && text === this.held;
    if (body.version <= this.version && !same) return { status: 409, body: { code: "older_version", version: this.version }, wait: null };
    if (!same) {
      assert.ok(text !== this.taken.at(-1) || this.bumped, "the same is not pushed as new");
      this.taken.push(text);
      this.bumped = false;
    }
    this.version = body.version;
    this.held = text;
    if (this.lose) throw new Trouble("unreachable"); // it was taken, and nobody hears of it
    return { status: 200, body: { taken: !same, state: "ready" }, wait: null };
  }
}

function world(gateway) {
  const one = { jar: [], stored: {}, time: 1_800_000_000_000, woken: [], allowed: true };
  one.deps = {
    load: async (store) => (await pause(), structuredClone(one.stored[store] ?? null)),
    save: async (pairing) => (await pause(), void (one.stored[pairing.store] = structuredClone(pairing))),
    remove: async (store) => void delete one.stored[store],
    read: async () => structuredClone(one.jar),
    mayRead: async () => one.allowed,
    call: (...all) => gateway.call(...all),
    now: () => one.time,
    wake: (seconds) => one.woken.push(seconds),
    agent: "Mozilla/5.0",
    language: "en",
  };
  return one;
}

async function life(seed) {
  const roll = dice(seed);
  const gateway = new Gateway();
  const one = world(gateway);
  let pusher = new Pusher(one.deps);
  let number = 0;
  const fresh = (name) => {
    one.jar = [...one.jar.filter((it) => it.name !== name), cookie(name, `secret-${seed}-${(number += 1)}-${name}`)];
  };
  NAMES.forEach(fresh);
  await pusher.pair("0", "http://127.0.0.1:8100", "7KQ4MXW2PD", "test");
  for (let step = 0; step < 40; step += 1) {
    const what = roll();
    one.time += Math.floor(roll() * 60_000) * (roll() < 0.05 ? -1 : 1); // clocks are set back, too
    if (what < 0.35) fresh(NAMES[Math.floor(roll() * NAMES.length)]);
    else if (what < 0.45) gateway.fault = ["", "away", "full", "google", "expired"][Math.floor(roll() * 5)];
    else if (what < 0.5) gateway.lose = !gateway.lose;
    else if (what < 0.55) pusher = new Pusher(one.deps); // the background was ended and comes back
    else if (what < 0.6) {
      gateway.version += Math.floor(roll() * 3e11); // another browser pushed
      gateway.bumped = true;
    } else await Promise.all([pusher.push("0", { life: roll() < 0.3 }), roll() < 0.3 && pusher.push("0"), roll() < 0.2 && pusher.look("0")]);
    assert.ok(!JSON.stringify(one.stored).includes("secret-"), "no cookie is stored");
  }
  Object.assign(gateway, { fault: "", lose: false });
  fresh("__Secure-1PSIDTS");
  one.time += 600_000;
  await pusher.push("0", { life: true });
  assert.equal(gateway.held, content(needed(one.jar)), "the newest arrives");
  assert.equal(one.stored["0"].outcome, "good");
  const before = [gateway.version, gateway.taken.length, gateway.calls];
  await pusher.push("0");
  assert.equal(gateway.calls, before[2], "nothing new, nothing said");
  await pusher.push("0", { life: true });
  assert.deepEqual([gateway.version, gateway.taken.length], before.slice(0, 2), "a sign of life is the same again");
}

for (let seed = 1; seed <= 300; seed += 1) {
  try {
    await life(seed);
  } catch (failed) {
    console.error("seed", seed);
    throw failed;
  }
}

{ // what was refused is pushed again when it changes or a person asks, and not before
  const gateway = new Gateway();
  const one = world(gateway);
  const pusher = new Pusher(one.deps);
  one.jar = NAMES.map((name) => cookie(name, "v"));
  gateway.fault = "expired";
  await assert.rejects(pusher.pair("0", "http://127.0.0.1:8100", "22222-22222", "x"), { name: "refused", sentence: "wrong" });
  assert.deepEqual(one.stored, {});
  await pusher.pair("0", "http://127.0.0.1:8100", "7KQ4MXW2PD", "x");
  assert.equal(one.stored["0"].outcome, "refused");
  gateway.fault = "";
  const calls = gateway.calls;
  await pusher.push("0", { life: true });
  assert.equal(gateway.calls, calls);
  await pusher.push("0", { life: true, force: true });
  assert.equal(one.stored["0"].outcome, "good");

  gateway.fault = "full"; // it waits as long as it was asked to
  one.jar[1].value = "w";
  await pusher.push("0");
  assert.deepEqual([one.stored["0"].outcome, one.woken.at(-1)], ["later", 7]);
  gateway.fault = "";
  const waits = gateway.calls;
  await pusher.push("0");
  assert.equal(gateway.calls, waits);
  one.time += 7000;
  await pusher.push("0");
  assert.equal(one.stored["0"].outcome, "good");

  one.jar = one.jar.slice(1); // signed out: nothing is pushed, and what was stays
  const out = gateway.calls;
  await pusher.push("0", { life: true });
  assert.deepEqual([one.stored["0"].outcome, gateway.calls], ["signed_out", out]);
  one.jar = NAMES.map((name) => cookie(name, name.endsWith("TS") ? "w" : "v"));
  await pusher.push("0");
  assert.deepEqual([one.stored["0"].outcome, gateway.calls], ["good", out]);
  one.allowed = false;
  await pusher.push("0", { life: true });
  assert.equal(one.stored["0"].outcome, "no_permission");
  one.allowed = true;

  gateway.key = "another"; // revoked: nothing is sent any more
  await pusher.push("0", { life: true });
  assert.equal(one.stored["0"].outcome, "over");
  const over = gateway.calls;
  await pusher.push("0", { life: true, force: true });
  await pusher.look("0");
  assert.equal(gateway.calls, over);
}

{ // unpaired while a push is on its way: it does not come back
  const gateway = new Gateway();
  const one = world(gateway);
  const pusher = new Pusher(one.deps);
  one.jar = NAMES.map((name) => cookie(name, "v"));
  await pusher.pair("0", "http://127.0.0.1:8100", "7KQ4MXW2PD", "x");
  one.jar[1].value = "w";
  for (let ticks = 0; ticks < 12; ticks += 1) {
    const way = pusher.push("0", { life: true });
    for (let tick = 0; tick < ticks; tick += 1) await pause();
    await pusher.forget("0");
    await way;
    assert.deepEqual(one.stored, {});
    gateway.code = "7KQ4MXW2PD";
    gateway.bumped = true; // who is paired anew begins anew
    await pusher.pair("0", "http://127.0.0.1:8100", "7KQ4MXW2PD", "x");
  }
}

// what is read of a browser, and what is not
const kept = needed([
  cookie("SID", "a"), cookie("SID", "b", { domain: "mail.google.com" }), cookie("SID", "c", { path: "/x" }),
  cookie("OTHER", "d"), cookie("__Secure-1PSIDCC", "e"), cookie("NID", ""), cookie("SID", "f", { domain: ".google.com.evil.example" }),
]);
assert.deepEqual(kept.map((it) => it.value), ["a", "e"]);
assert.deepEqual([leads(cookie("SID", "")), leads(cookie("SIDCC", "")), leads(cookie("SID", "", { domain: ".youtube.com" }))], [true, false, false]);

for (const [text, url, pattern] of [
  ["http://127.0.0.1:8100", "http://127.0.0.1:8100", "http://127.0.0.1/*"],
  [" 127.0.0.1:8100/#/accounts ", "http://127.0.0.1:8100", "http://127.0.0.1/*"],
  ["localhost:1/", "http://localhost:1", "http://localhost/*"],
  ["gate.example/under/here/?x=1", "https://gate.example/under/here", "https://gate.example/*"],
  ["https://GATE.example:8443", "https://gate.example:8443", "https://gate.example/*"],
]) assert.deepEqual(address(text), { url, pattern });
for (const [text, name] of [
  ["http://192.168.1.5:8100", "address_plain"], ["http://gate.example", "address_plain"], ["http://127.0.0.1.evil.example", "address_plain"],
  ["http://user:word@127.0.0.1", "address_wrong"], ["javascript:alert(1)", "address_wrong"], ["file:///etc/passwd", "address_wrong"],
  ["moz-extension://x/", "address_wrong"], ["", "address_wrong"], ["https://", "address_wrong"],
]) assert.throws(() => address(text), { name }, text);

assert.deepEqual(pasted("http://127.0.0.1:8100 7KQ4M-XW2PD"), { code: "7KQ4M-XW2PD", address: "http://127.0.0.1:8100" });
assert.deepEqual(pasted("7kq4mxw2pd\n"), { code: "7kq4mxw2pd", address: "" });
assert.deepEqual(pasted("https://abcde-fghjk.example/"), { code: "", address: "https://abcde-fghjk.example/" });

// a call: no redirect, no cookie of the browser, and whatever comes back is read
let asked;
const respond = (body, init) => {
  globalThis.fetch = async (url, options) => ((asked = { url, ...options }), new Response(body, init));
};
respond("<html>", { status: 502, headers: { "retry-after": "12" } });
assert.deepEqual(await call("http://127.0.0.1:8100", "PUT", "/x", { key: "k", body: { a: 1 }, language: "zh-CN" }), { status: 502, body: {}, wait: 12 });
assert.deepEqual([asked.redirect, asked.credentials, asked.headers.authorization, asked.headers["accept-language"]], ["error", "omit", "Bearer k", "zh-CN"]);
respond("null", { status: 200 });
assert.deepEqual(await call("http://127.0.0.1:8100", "GET", "/x"), { status: 200, body: {}, wait: null });
globalThis.fetch = async () => {
  throw new TypeError("away");
};
await assert.rejects(call("http://127.0.0.1:8100", "GET", "/x"), { name: "unreachable" });
console.log("good");
