import { ApiError, GoogleGenAI } from "@google/genai";
import { collect, failure, imageModel, key, model, png, report, schema, text, url, weather } from "./say.mjs";

const make = (apiKey) => new GoogleGenAI({ apiKey, httpOptions: { baseUrl: url } });
const client = make(key);
const functionDeclarations = [{ name: "get_weather", description: "The weather of a city", parametersJsonSchema: weather }];

await report({
  models: async () => (await collect(await client.models.list())).map((one) => one.name),
  chat: async () => {
    const reply = await client.models.generateContent({ model, contents: "say hello" });
    return { text: reply.text, tokens: reply.usageMetadata.totalTokenCount, reason: reply.candidates[0].finishReason };
  },
  stream: async () => {
    const config = { thinkingConfig: { includeThoughts: true, thinkingLevel: "HIGH" } };
    const chunks = await collect(await client.models.generateContentStream({ model, contents: "say hello", config }));
    const parts = chunks.flatMap((chunk) => chunk.candidates?.[0]?.content?.parts ?? []);
    const join = (thought) => parts.filter((part) => Boolean(part.thought) === thought).map((part) => part.text ?? "").join("");
    return { text: join(false), thoughts: join(true), pieces: parts.filter((part) => !part.thought).length };
  },
  history: async () => {
    const chat = client.chats.create({ model });
    const first = await chat.sendMessage({ message: "say hello" });
    const second = await chat.sendMessage({ message: "say hello again" });
    return [first.text, second.text];
  },
  tools: async () => {
    const config = { tools: [{ functionDeclarations }] };
    const contents = [{ role: "user", parts: [{ text: "What is the weather in Paris?" }] }];
    const first = await client.models.generateContent({ model, contents, config });
    const [call] = first.functionCalls;
    contents.push(first.candidates[0].content, {
      role: "user", parts: [{ functionResponse: { id: call.id, name: call.name, response: { output: "It rains frogs." } } }],
    });
    const second = await client.models.generateContent({ model, contents, config });
    return { name: call.name, asked: [call.args], text: second.text };
  },
  structured: async () => {
    const config = { responseMimeType: "application/json", responseJsonSchema: schema };
    return JSON.parse((await client.models.generateContent({ model, contents: "Plan a trip", config })).text);
  },
  see: async () => {
    const contents = [{ text: "look at this" }, { inlineData: { mimeType: "image/png", data: png } }];
    return (await client.models.generateContent({ model, contents })).text;
  },
  files: async () => {
    const file = await client.files.upload({
      file: new Blob([text], { type: "text/plain" }), config: { displayName: "jam notes.txt" },
    });
    const part = { fileData: { fileUri: file.uri, mimeType: file.mimeType } };
    const reply = await client.models.generateContent({ model, contents: [{ text: "read this" }, part] });
    const kept = await client.files.get({ name: file.name });
    const listed = (await collect(await client.files.list())).map((one) => one.name).includes(file.name);
    await client.files.delete({ name: file.name });
    return { name: kept.displayName, bytes: Number(kept.sizeBytes), state: kept.state, text: reply.text, listed };
  },
  pictures: async () => {
    const config = { responseModalities: ["IMAGE"], imageConfig: { aspectRatio: "16:9" } };
    const reply = await client.models.generateContent({ model: imageModel, contents: "Draw a red fox", config });
    const found = reply.candidates[0].content.parts.filter((part) => part.inlineData);
    return found.map((part) => Buffer.from(part.inlineData.data, "base64").subarray(1, 4).toString());
  },
  count: async () => (await client.models.countTokens({ model, contents: "one two three" })).totalTokens,
  errors: async () => {
    const all = [
      await failure(() => client.models.generateContent({ model: "gpt-nought", contents: "hi" })),
      await failure(() => make("wrong").models.generateContent({ model, contents: "hi" })),
      await failure(() => client.models.generateContent({ model, contents: "say trouble" })),
      await failure(() => client.files.get({ name: "files/nought" })),
    ];
    return all.map((error) => [error instanceof ApiError, error.status, JSON.parse(error.message).error.status]);
  },
});
