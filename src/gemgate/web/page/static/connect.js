// How to point a program here: address, key, what each program wants to be told, and one real call to see that it works.
import { address, gateway } from "./api.js";
import { CLIENTS } from "./clients.js";
import { complete, remembered, unanswered } from "./completion.js";
import { html, useRef, useState } from "./html.js";
import { Markdown } from "./markdown.js";
import { Code, Copy, Field, Note, Page, Trouble, useModels } from "./parts.js";
import { keep, kept, number, say, span, words } from "./words.js";

const t = words({
  lead: ["Every program that speaks OpenAI, Anthropic or Gemini works with this address.", "支持 OpenAI、Anthropic 或 Gemini 协议的程序，填入此地址即可使用。"],
  where: ["Address and key", "地址与密钥"],
  openai: ["Base URL for OpenAI", "OpenAI 接口地址"],
  others: ["Base URL for Anthropic and Gemini", "Anthropic 与 Gemini 接口地址"],
  public: ["From elsewhere (PUBLIC_BASE_URL)", "外部地址（PUBLIC_BASE_URL）"],
  key: ["API key", "API 密钥"],
  key_needed: ["Each program gets a key of its own, which is shown once, when it is made.", "请为每个程序单独创建密钥；密钥只在创建时显示一次。"],
  key_free: ["None is needed from this machine; where a program insists on one, any text will do. Make keys to let others in.", "本机访问无需密钥；若程序要求填写，可填任意文本。如需对外开放，请创建密钥。"],
  make_key: ["Make a key", "创建密钥"],
  model: ["Model", "模型"],
  programs: ["Set up a program", "配置程序"],
  programs_lead: ["Pick what you run; copy, put your key in, done.", "选择您使用的程序，复制后填入密钥即可。"],
  code: ["Code", "代码"],
  tool: ["Coding agents", "编程助手"],
  app: ["Chat programs", "聊天程序"],
  test: ["Send a test", "发送测试"],
  test_lead: ["One real call through the same API; it counts like any other.", "通过同一 API 发送一次真实调用，照常计数。"],
  message: ["Message", "消息"],
  send: ["Send a test", "发送测试"],
  stop: ["Stop", "停止"],
  prompt: ["Say hello in one short sentence.", "用一句简短的话打个招呼。"],
  status: ["Status", "状态"],
  first: ["First word", "首字"],
  total: ["Total", "总计"],
  account: ["Account", "账号"],
  served: ["Model that answered", "实际模型"],
  unknown: ["not told by Google", "Google 未说明"],
  tokens: ["Tokens (estimated)", "Token（估算）"],
  story: ["How it was answered", "应答过程"],
  waiting: ["Waiting for Google …", "等待 Google 回应…"],
  works: ["It works.", "连接正常。"],
  connect: ["Connect a program", "连接程序"],
});

const named = (words) => (Array.isArray(words) ? say(words) : words);

/** An address in one line, ready to be copied. */
const Address = ({ label, value }) => html`
  <div class="address">
    <span class="label">${label}</span>
    <div><code>${value}</code><${Copy} text=${value} /></div>
  </div>
`;

/** The addresses, the first thing anybody came for. */
export function Addresses({ short }) {
  const elsewhere = gateway.address && gateway.address !== address ? gateway.address : "";
  return html`
    <div class="addresses">
      <${Address} label=${t("openai")} value=${address + "/v1"} />
      ${!short && html`<${Address} label=${t("others")} value=${address} />`}
      ${elsewhere && html`<${Address} label=${t("public")} value=${elsewhere + "/v1"} />`}
    </div>
  `;
}

/** What stands on the overview: the address, and the way to the rest. */
export const ConnectCard = () => html`
  <section class="sheet connect-card" aria-label=${t("connect")}>
    <${Addresses} short />
    <a class="button first" href="#/connect">${t("connect")}</a>
  </section>
`;

export function Connect({ title }) {
  const models = useModels();
  const [picked, setModel] = useState("");
  const model = picked || models.default || "gemini-3-flash-preview";
  return html`
    <${Page} title=${title} lead=${t("lead")}>
      <div class="halves">
        <section class="sheet" aria-labelledby="where">
          <h2 id="where">${t("where")}</h2>
          <${Addresses} />
          <div class="stack tight">
            <span class="label">${t("key")}</span>
            <p class="muted">${t(gateway.key ? "key_needed" : "key_free")}</p>
            <p><a class="button" href="#/keys">${t("make_key")}</a></p>
          </div>
          <${Field} label=${t("model")}>
            <select name="model" value=${model} onChange=${(e) => setModel(e.target.value)}>
              ${models.models.map((one) => html`<option value=${one.id} selected=${one.id === model}>${one.id}</option>`)}
            </select>
          <//>
        </section>
        <${Test} model=${model} />
      </div>
      <${Programs} model=${model} />
    <//>
  `;
}

function Programs({ model }) {
  const [id, setId] = useState(kept("client") ?? "curl");
  const chosen = CLIENTS.find(([name]) => name === id) ?? CLIENTS[0];
  const at = { root: address, v1: address + "/v1", model, key: gateway.key ? "YOUR_KEY" : "any-text" };
  const choose = (next) => (keep("client", next), setId(next));
  return html`
    <section class="stack" aria-labelledby="programs">
      <div><h2 id="programs">${t("programs")}</h2><p class="muted">${t("programs_lead")}</p></div>
      <div class="programs">
        <div class="stack">
          ${["code", "tool", "app"].map((kind) => html`
            <fieldset class="chips"><legend class="label">${t(kind)}</legend>
              ${CLIENTS.filter((one) => one[2] === kind).map(([name, label]) => html`
                <button type="button" class="chip" aria-pressed=${name === chosen[0]} onClick=${() => choose(name)}>${named(label)}</button>`)}
            </fieldset>`)}
        </div>
        <div class="stack" aria-live="polite">
          ${chosen[3](at).map(([label, text]) => html`<${Code} key=${text} label=${named(label)} text=${text} />`)}
        </div>
      </div>
    </section>
  `;
}

/** One call, streamed; then its status, times, account and model. */
export function Test({ model, onAnswered }) {
  const [text, setText] = useState(t("prompt"));
  const [state, setState] = useState(null);
  const stop = useRef(null);
  const send = async (event) => {
    event.preventDefault();
    const answer = unanswered();
    const show = (more) => setState({ answer: { ...answer }, ...more });
    stop.current = new AbortController();
    show({ open: true });
    let problem = null;
    try {
      const body = { model, messages: [{ role: "user", content: text }] };
      await complete(body, answer, { signal: stop.current.signal, told: () => show({ open: true }) });
    } catch (failed) {
      if (failed.name !== "AbortError") problem = failed;
    }
    show({ problem });
    const record = await remembered(answer.requestId);
    show({ problem, record });
    if (!problem && answer.text) onAnswered?.();
  };
  return html`
    <section class="sheet" aria-labelledby="test">
      <div><h2 id="test">${t("test")}</h2><p class="muted">${t("test_lead")}</p></div>
      <form class="row nowrap" onSubmit=${send}>
        <input name="test" aria-label=${t("message")} required value=${text} onInput=${(e) => setText(e.target.value)} />
        ${state?.open
          ? html`<button type="button" onClick=${() => stop.current.abort()}>${t("stop")}</button>`
          : html`<button class="first">${t("send")}</button>`}
      </form>
      ${state && html`<${Result} state=${state} />`}
    </section>
  `;
}

function Result({ state: { answer, open, problem, record } }) {
  const served = answer.served || record?.model?.served;
  const facts = [
    ["status", answer.status && html`<span class="state ${answer.status < 400 && !problem ? "ok" : "bad"}">${answer.status}</span>`],
    ["first", answer.first !== null && span(answer.first)],
    ["total", !open && span(answer.seconds)],
    ["account", record?.account],
    ["served", served && (served === "unknown" ? t("unknown") : served)],
    ["tokens", record?.tokens && `${number(record.tokens.prompt)} + ${number(record.tokens.output)}`],
  ].filter(([, value]) => value);
  return html`
    <div class="stack tight result" aria-live="polite" aria-busy=${Boolean(open)}>
      <${Trouble} problem=${problem} />
      ${answer.text ? html`<${Markdown} text=${answer.text} />` : open && html`<p class="muted">${t("waiting")}</p>`}
      ${!open && !problem && answer.text && html`<${Note} tone="ok"><p>${t("works")}</p><//>`}
      ${facts.length > 0 && html`<dl class="facts">${facts.map(([name, value]) => html`<dt>${t(name)}</dt><dd>${value}</dd>`)}</dl>`}
      ${!open && !problem && record && html`<p class="small"><a href="#/requests/${answer.requestId}">${t("story")}</a></p>`}
    </div>
  `;
}
