import { key, model, report, url } from "./say.mjs";

const { GoogleGenAI } = await import(process.argv[2]);
const client = new GoogleGenAI({ apiKey: key, httpOptions: { baseUrl: url } });

async function heard(contents) {
  let text = "";
  try {
    for await (const chunk of await client.models.generateContentStream({ model, contents })) text += chunk.text ?? "";
  } catch (error) {
    return { text, failed: String(error.message).slice(0, 200) };
  }
  return { text, failed: "" };
}

await report({
  slow: () => heard("say slowly"),
  lost: () => heard("say something that is lost"),
  talk: async () => {
    const chat = client.chats.create({ model });
    const said = [];
    for (const message of ["say slowly", "now say slowly again"]) {
      let text = "";
      for await (const chunk of await chat.sendMessageStream({ message })) text += chunk.text ?? "";
      said.push(text);
    }
    return said;
  },
});
