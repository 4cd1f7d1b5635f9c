import Anthropic from "@anthropic-ai/sdk";
import { zodOutputFormat } from "@anthropic-ai/sdk/helpers/zod";
import { z } from "zod";
import { collect, failure, key, model, pdf, png, report, text, url, weather } from "./say.mjs";

const client = new Anthropic({ baseURL: url, apiKey: key, maxRetries: 0 });
const asked = (content, more = {}) => ({ model, max_tokens: 999, messages: [{ role: "user", content }], ...more });
const said = (message) => message.content.filter((block) => block.type === "text").map((block) => block.text).join("");
const tools = [{ name: "get_weather", description: "The weather of a city", input_schema: weather }];
const question = "What is the weather in Paris?";

await report({
  models: async () => (await collect(client.models.list())).map((one) => one.id),
  chat: async () => {
    const message = await client.messages.create(asked("say hello"));
    return { text: said(message), reason: message.stop_reason, tokens: message.usage.output_tokens };
  },
  stream: async () => {
    const stream = client.messages.stream(asked("say hello", { thinking: { type: "enabled", budget_tokens: 1024 } }));
    let pieces = 0;
    stream.on("text", () => (pieces += 1));
    const message = await stream.finalMessage();
    const thoughts = message.content.filter((block) => block.type === "thinking").map((block) => block.thinking).join("");
    return { text: said(message), thoughts, pieces };
  },
  tools: async () => {
    const first = await client.messages.create(asked(question, { tools }));
    const call = first.content.find((block) => block.type === "tool_use");
    const second = await client.messages.create({
      ...asked(question, { tools }),
      messages: [
        { role: "user", content: question },
        { role: "assistant", content: first.content },
        { role: "user", content: [{ type: "tool_result", tool_use_id: call.id, content: "It rains frogs." }] },
      ],
    });
    return { name: call.name, asked: [call.input], reason: first.stop_reason, text: said(second) };
  },
  toolStream: async () => {
    const stream = client.messages.stream(asked(question, { tools, tool_choice: { type: "tool", name: "get_weather" } }));
    const message = await stream.finalMessage();
    const call = message.content.find((block) => block.type === "tool_use");
    return { name: call.name, given: call.input, reason: message.stop_reason };
  },
  structured: async () => {
    const format = zodOutputFormat(z.object({ city: z.string(), days: z.int() }));
    return (await client.messages.parse(asked("Plan a trip", { output_config: { format } }))).parsed_output;
  },
  see: async () =>
    said(await client.messages.create(asked([
      { type: "text", text: "look at this" },
      { type: "image", source: { type: "base64", media_type: "image/png", data: png } },
    ]))),
  files: async () =>
    said(await client.messages.create(asked([
      { type: "document", title: "jam notes.pdf", source: { type: "base64", media_type: "application/pdf", data: pdf } },
      { type: "text", text: "read this" },
    ]))),
  document: async () =>
    said(await client.messages.create(asked([
      { type: "document", title: "jam notes.txt", source: { type: "text", media_type: "text/plain", data: text } },
      { type: "text", text: "what is the word?" },
    ]))),
  count: async () => (await client.messages.countTokens({ model, messages: asked("one two three").messages })).input_tokens,
  errors: async () => {
    const stranger = new Anthropic({ baseURL: url, apiKey: "wrong", maxRetries: 0 });
    const all = [
      await failure(() => client.messages.create({ ...asked("hi"), model: "gpt-nought" })),
      await failure(() => stranger.messages.create(asked("hi"))),
      await failure(() => client.messages.create({ model, max_tokens: 9, messages: [] })),
      await failure(() => client.messages.create(asked("say trouble"))),
    ];
    return all.map((error) => [error.constructor.name, error.status, error.error?.error?.type, Boolean(error.requestID)]);
  },
});
