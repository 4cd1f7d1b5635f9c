// When to push what: one pairing for each cookie store (a container of Firefox is one). The browser, the clock and the
// gateway are handed in. A pairing is what is stored: the key, the number and digest of what the gateway has, and what it
// last said; never a cookie.
import { cookiesOf, Trouble } from "./gateway.js";
import { digest, needed, SESSION } from "./session.js";

const FIRST_WAIT = 30;
const LONGEST_WAIT = 300;

/**
 * deps: load(store) -> pairing or null; save(pairing); remove(store); read(store) -> cookies; mayRead() -> bool; call as of gateway.js;
 * now() in milliseconds; wake(seconds) has `push` called again by then; agent, language: the browser's words of itself.
 */
export class Pusher {
  #turns = new Map();
  #writing = Promise.resolve();

  constructor(deps) {
    this.deps = deps;
  }

  /** Push what is new. life: also when nothing is, as a sign of life; force: also what was refused before. */
  push(store, { life = false, force = false } = {}) {
    return this.#inTurn(store, () => this.#push(store, life, force));
  }

  /** Exchange a code for the key of this store, and push. A Trouble with the gateway's sentence when it refuses. */
  pair(store, gateway, code, browser) {
    return this.#inTurn(store, async () => {
      const { status, body } = await this.deps.call(gateway, "POST", "/api/pairings", { body: { code, browser } });
      if (status !== 201 || !body.key) throw new Trouble(body.detail ? "refused" : "no_gateway", text(body.detail));
      const pairing = { store, gateway, account: body.account, key: body.key, life: body.sign_of_life_seconds || 300, version: 0 };
      await this.#write(() => this.deps.save(pairing));
      await this.#push(store, true, true);
    });
  }

  /** Ask how the account is. */
  look(store) {
    return this.#inTurn(store, async () => {
      const pairing = await this.deps.load(store);
      if (!pairing || pairing.outcome === "over") return;
      const answer = await this.#call(pairing, "GET");
      if (answer.status === 200) await this.#keep(pairing, { state: answer.body });
      else if (OVER.includes(answer.status)) await this.#keep(pairing, { outcome: "over", sentence: text(answer.body.detail) });
      else if (answer.status === 0) await this.#keep(pairing, { outcome: "unreachable", sentence: "" });
    });
  }

  /** Unpair at once: what is on its way is not stored any more. */
  forget(store) {
    return this.#write(() => this.deps.remove(store));
  }

  #inTurn(store, work) {
    const mine = (this.#turns.get(store) ?? Promise.resolve()).then(work);
    this.#turns.set(store, mine.catch(() => {}));
    return mine;
  }

  async #push(store, life, force) {
    const pairing = await this.deps.load(store);
    if (!pairing || pairing.outcome === "over") return;
    if (!(await this.deps.mayRead())) return this.#keep(pairing, { outcome: "no_permission", sentence: "" });
    const cookies = needed(await this.deps.read(store));
    if (!cookies.some((one) => one.name === SESSION)) return this.#keep(pairing, { outcome: "signed_out", sentence: "" });
    const mark = await digest(cookies);
    if (!force) {
      if (mark === pairing.refused || (mark === pairing.mark && !life)) return this.#keep(pairing, back(pairing, mark));
      if (pairing.waitUntil > this.deps.now()) return this.deps.wake((pairing.waitUntil - this.deps.now()) / 1000);
    }
    let version = numberOf(pairing, mark, this.deps.now());
    for (let again = 1; again >= 0; again -= 1) {
      await this.#keep(pairing, { trying: { mark, version } }); // the same again has the same number, whatever happens now
      const answer = await this.#call(pairing, "PUT", { version, cookies, user_agent: this.deps.agent, language: this.deps.language });
      if (answer.body.code === "older_version" && again) {
        version = Math.max(this.deps.now(), version + 1, (Number(answer.body.version) || 0) + 1);
        continue;
      }
      return this.#settle(pairing, mark, version, answer);
    }
  }

  #settle(pairing, mark, version, { status, body, wait }) {
    const sentence = text(body.detail);
    if (status === 200) {
      return this.#keep(pairing, { mark, version, state: body, outcome: "good", sentence: "", refused: "", trying: null, failures: 0, waitUntil: 0 });
    }
    if (OVER.includes(status)) return this.#keep(pairing, { outcome: "over", sentence });
    if (passes(status, body.code ?? "", wait)) {
      const failures = (pairing.failures || 0) + 1;
      const seconds = Math.max(1, Math.min(wait ?? FIRST_WAIT * 2 ** (failures - 1), LONGEST_WAIT));
      this.deps.wake(seconds);
      const outcome = status ? "later" : "unreachable";
      return this.#keep(pairing, { outcome, sentence, failures, waitUntil: this.deps.now() + seconds * 1000 });
    }
    return this.#keep(pairing, { outcome: "refused", sentence, refused: mark, trying: null, failures: 0 });
  }

  async #call(pairing, method, body) {
    try {
      return await this.deps.call(pairing.gateway, method, cookiesOf(pairing.account), { key: pairing.key, body });
    } catch (failed) {
      if (!(failed instanceof Trouble)) throw failed;
      return { status: 0, body: {}, wait: null };
    }
  }

  /** Store what changed; nothing when it was unpaired or paired anew meanwhile. */
  #keep(pairing, changes) {
    return this.#write(async () => {
      const there = await this.deps.load(pairing.store);
      if (there?.key !== pairing.key) return;
      Object.assign(pairing, changes);
      await this.deps.save(pairing);
    });
  }

  /** One after the other: between looking and storing nobody else stores. */
  #write(work) {
    const mine = this.#writing.then(work);
    this.#writing = mine.catch(() => {});
    return mine;
  }
}

/** The key counts no more, or its account is gone. */
const OVER = [401, 403, 404];

/** Whether the same push may be taken later. What Google did not take is not pushed again until it changes. */
const passes = (status, code, wait) =>
  status === 0 || status === 429 || (status >= 500 && (status !== 503 || wait !== null || !code || /^(ip_blocked|busy|stopping)$|_unavailable$/.test(code)));

const text = (said) => (typeof said === "string" ? said : "");

/** What was signed out and is back as it was before stands as it stood. */
const back = (pairing, mark) =>
  pairing.outcome === "signed_out" || pairing.outcome === "no_permission" ? { outcome: mark === pairing.refused ? "refused" : "good" } : {};

function numberOf(pairing, mark, now) {
  if (mark === pairing.trying?.mark) return pairing.trying.version; // its answer may have been lost
  if (mark === pairing.mark) return pairing.version;
  return Math.max(Math.floor(now), pairing.version + 1, (pairing.trying?.version ?? 0) + 1);
}
