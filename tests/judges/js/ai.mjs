// The Vercel AI SDK through each of its providers that can be pointed at us: process.argv[2] names one.
import { createAnthropic } from "@ai-sdk/anthropic";
import { createGoogle } from "@ai-sdk/google";
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { APICallError, generateImage, generateText, Output, stepCountIs, streamText, tool } from "ai";
import { z } from "zod";
import { collect, failure, imageModel, key, model, png, pngBytes, report, text, url } from "./say.mjs";

const ways = {
  responses: (apiKey) => createOpenAI({ baseURL: `${url}/v1`, apiKey }),
  chat: (apiKey) => createOpenAI({ baseURL: `${url}/v1`, apiKey }).chat,
  compatible: (apiKey) =>
    createOpenAICompatible({ name: "gemgate", baseURL: `${url}/v1`, apiKey, includeUsage: true, supportsStructuredOutputs: true }),
  anthropic: (apiKey) => createAnthropic({ baseURL: `${url}/v1`, apiKey }),
  google: (apiKey) => createGoogle({ baseURL: `${url}/v1beta`, apiKey }),
};
const way = process.argv[2];
const provider = ways[way](key);
const steps = stepCountIs(3);
const ask = (more, from = provider, name = model) => ({ model: from(name), maxRetries: 0, ...more });
const message = (part, words) => [{ role: "user", content: [{ type: "text", text: words }, part] }];
const pictures = { responses: provider.imageModel ?? provider.image, compatible: provider.imageModel };

await report({
  chat: async () => {
    const done = await generateText(ask({ prompt: "say hello" }));
    return { text: done.text, reason: done.finishReason, tokens: done.usage.totalTokens };
  },
  stream: async () => {
    const thinking = {
      openai: { reasoningEffort: "high", forceReasoning: true }, gemgate: { reasoningEffort: "high" },
      anthropic: { thinking: { type: "enabled", budgetTokens: 1024 } },
      google: { thinkingConfig: { includeThoughts: true, thinkingLevel: "high" } },
    };
    const done = streamText(ask({ prompt: "say hello", providerOptions: thinking }));
    const pieces = await collect(done.textStream);
    return { text: pieces.join(""), pieces: pieces.length, thoughts: (await done.reasoningText) ?? "" };
  },
  tools: async () => {
    const asked = [];
    const getWeather = tool({
      description: "The weather of a city", inputSchema: z.object({ city: z.string() }),
      execute: async (given) => (asked.push(given), "It rains frogs."),
    });
    const question = { prompt: "What is the weather in Paris?", tools: { get_weather: getWeather }, stopWhen: steps };
    const done = await generateText(ask(question));
    const streamed = streamText(ask(question));
    return { text: done.text, streamed: await streamed.text, asked };
  },
  structured: async () => {
    const trip = Output.object({ schema: z.object({ city: z.string(), days: z.int() }) });
    return (await generateText(ask({ prompt: "Plan a trip", output: trip }))).output;
  },
  see: async () =>
    (await generateText(ask({ messages: message({ type: "file", data: pngBytes, mediaType: "image/png" }, "look at this") }))).text,
  files: async () => {
    const data = way === "anthropic" || way === "google" ? Buffer.from(text) : Buffer.from("%PDF-1.4\n%%EOF\n");
    const mediaType = way === "anthropic" || way === "google" ? "text/plain" : "application/pdf";
    const part = { type: "file", data, mediaType, filename: mediaType === "text/plain" ? "jam notes.txt" : "jam notes.pdf" };
    return (await generateText(ask({ messages: message(part, "read this") }))).text;
  },
  pictures: async () => {
    if (!pictures[way]) return null;
    const { image } = await generateImage({ model: pictures[way](imageModel), prompt: "a red fox", maxRetries: 0 });
    return image.mediaType;
  },
  errors: async () => {
    const all = [
      await failure(() => generateText(ask({ prompt: "hi" }, provider, "gpt-nought"))),
      await failure(() => generateText(ask({ prompt: "hi" }, ways[way]("wrong")))),
      await failure(() => generateText(ask({ prompt: "say trouble" }))),
    ];
    return all.map((error) => [APICallError.isInstance(error), error.statusCode, error.message]);
  },
});
