import OpenAI, { toFile } from "openai";
import { zodResponseFormat, zodTextFormat } from "openai/helpers/zod";
import { z } from "zod";
import { collect, failure, imageModel, key, model, png, pngBytes, report, text, url, weather } from "./say.mjs";

const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: key, maxRetries: 0 });
const user = (content) => [{ role: "user", content }];
const Trip = z.object({ city: z.string(), days: z.int() });
const tools = [{ type: "function", function: { name: "get_weather", description: "The weather of a city", parameters: weather } }];

await report({
  models: async () => (await collect(client.models.list())).map((one) => one.id),
  chat: async () => {
    const { data, response } = await client.chat.completions.create({ model, messages: user("say hello") }).withResponse();
    return { text: data.choices[0].message.content, model: data.model, id: response.headers.get("x-request-id") };
  },
  stream: async () => {
    const chunks = await collect(
      await client.chat.completions.create({
        model, messages: user("say hello"), stream: true, stream_options: { include_usage: true },
        reasoning_effort: "high",
      }),
    );
    const deltas = chunks.flatMap((chunk) => chunk.choices.map((choice) => choice.delta));
    return {
      text: deltas.map((delta) => delta.content ?? "").join(""),
      thoughts: deltas.map((delta) => delta.reasoning_content ?? "").join(""),
      pieces: deltas.filter((delta) => delta.content).length,
      tokens: chunks.at(-1).usage.total_tokens,
    };
  },
  helper: async () => {
    const runner = client.chat.completions.stream({ model, messages: user("say hello") });
    return { text: await runner.finalContent() };
  },
  tools: async () => {
    const asked = [];
    const runner = client.chat.completions.runTools({
      model,
      messages: user("What is the weather in Paris?"),
      tools: [{
        type: "function",
        function: {
          name: "get_weather", description: "The weather of a city", parameters: weather, parse: JSON.parse,
          function: (given) => (asked.push(given), "It rains frogs."),
        },
      }],
    });
    return { text: await runner.finalContent(), asked };
  },
  toolStream: async () => {
    const runner = client.chat.completions.stream({
      model, messages: user("What is the weather in Paris?"), tools, tool_choice: "required",
    });
    const { choices } = await runner.finalChatCompletion();
    const [call] = choices[0].message.tool_calls;
    return { name: call.function.name, given: JSON.parse(call.function.arguments), reason: choices[0].finish_reason };
  },
  structured: async () => {
    const done = await client.chat.completions.parse({
      model, messages: user("Plan a trip"), response_format: zodResponseFormat(Trip, "trip"),
    });
    return Trip.parse(done.choices[0].message.parsed);
  },
  see: async () => {
    const content = [
      { type: "text", text: "look at this" },
      { type: "image_url", image_url: { url: `data:image/png;base64,${png}` } },
    ];
    return (await client.chat.completions.create({ model, messages: user(content) })).choices[0].message.content;
  },
  files: async () => {
    const file = await client.files.create({ file: await toFile(Buffer.from(text), "jam notes.txt"), purpose: "user_data" });
    const content = [{ type: "text", text: "read this" }, { type: "file", file: { file_id: file.id } }];
    const done = await client.chat.completions.create({ model, messages: user(content) });
    const kept = await (await client.files.content(file.id)).text();
    const gone = await client.files.delete(file.id);
    return { name: file.filename, bytes: file.bytes, text: done.choices[0].message.content, kept, gone: gone.deleted };
  },
  responses: async () => {
    const first = await client.responses.create({ model, input: "say hello" });
    const events = await collect(
      await client.responses.create({ model, input: "say hello again", previous_response_id: first.id, stream: true }),
    );
    const parsed = await client.responses.parse({
      model, input: "Plan a trip", text: { format: zodTextFormat(Trip, "trip") },
    });
    const kept = await client.responses.retrieve(first.id);
    await client.responses.delete(first.id);
    return {
      text: first.output_text, kept: kept.output_text, last: events.at(-1).type,
      deltas: events.filter((event) => event.type === "response.output_text.delta").map((event) => event.delta).join(""),
      trip: Trip.parse(parsed.output_parsed),
    };
  },
  pictures: async () => {
    const made = await client.images.generate({ model: imageModel, prompt: "a red fox", response_format: "b64_json" });
    const edited = await client.images.edit({
      model: imageModel, prompt: "make it blue", image: await toFile(pngBytes, "fox.png", { type: "image/png" }),
      response_format: "b64_json",
    });
    return [made, edited].map((one) => Buffer.from(one.data[0].b64_json, "base64").subarray(1, 4).toString());
  },
  errors: async () => {
    const stranger = new OpenAI({ baseURL: `${url}/v1`, apiKey: "wrong", maxRetries: 0 });
    const all = [
      await failure(() => client.chat.completions.create({ model: "gpt-nought", messages: user("hi") })),
      await failure(() => stranger.models.list()),
      await failure(() => client.chat.completions.create({ model, messages: [] })),
      await failure(() => client.chat.completions.create({ model, messages: user("say trouble") })),
      await failure(() => client.files.retrieve("file-nought")),
    ];
    return all.map((error) => [error.constructor.name, error.status, error.code, Boolean(error.requestID)]);
  },
});
