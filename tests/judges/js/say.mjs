// What the scripts share: where the gateway is, the material they send, and one JSON line with what they found.
export const url = process.env.GEMGATE_URL;
export const key = process.env.GEMGATE_KEY;
export const model = "gemini-3-flash-preview";
export const imageModel = "gemini-2.5-flash-image";
export const png =
  "iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAIAAABLbSncAAAAFUlEQVR42mNkaGhgwAaYGHCAwSkBAMyIARAUbW44AAAAAElFTkSuQmCC";
export const pngBytes = Buffer.from(png, "base64");
export const pdf = Buffer.from("%PDF-1.4\n%%EOF\n").toString("base64");
export const text = "The word is marmalade.\n";
export const schema = {
  type: "object",
  properties: { city: { type: "string" }, days: { type: "integer" } },
  required: ["city", "days"],
  additionalProperties: false,
};
export const weather = {
  type: "object",
  properties: { city: { type: "string" } },
  required: ["city"],
  additionalProperties: false,
};

// Run every check in its order; what one throws stands in its place.
export async function report(checks) {
  const found = {};
  for (const [name, check] of Object.entries(checks)) {
    try {
      found[name] = await check();
    } catch (error) {
      found[name] = { thrown: `${error?.constructor?.name}: ${error?.message}`, stack: error?.stack };
    }
  }
  console.log(JSON.stringify(found));
}

// What is thrown where something has to be.
export async function failure(call) {
  try {
    await call();
  } catch (error) {
    return error;
  }
  throw new Error("nothing was thrown");
}

export async function collect(stream) {
  const all = [];
  for await (const one of stream) all.push(one);
  return all;
}
