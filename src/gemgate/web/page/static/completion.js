// One chat completion, streamed: what comes while it comes, and who served it once it is over.
import { ask, get, Problem } from "./api.js";
import { eventsOf } from "./live.js";

/** An answer that has not begun. Seconds; `status` 0 while there is none; `served` as Google named it. */
export const unanswered = () => ({
  text: "", thoughts: "", sources: [], requestId: "", served: "", status: 0, finish: "", first: null, seconds: null,
});

/** Ask, and fill `answer` as it streams; `told` is called after each piece. Throws Problem, or AbortError when stopped. */
export async function complete(body, answer, { signal, told = () => {} } = {}) {
  const began = performance.now();
  const since = () => (performance.now() - began) / 1000;
  try {
    const response = await ask("POST", "/v1/chat/completions", { body: { ...body, stream: true }, signal });
    answer.status = response.status;
    answer.requestId = response.headers.get("x-request-id") ?? "";
    for await (const data of eventsOf(response)) {
      if (data === "[DONE]") break;
      take(answer, JSON.parse(data));
      if (answer.first === null && (answer.text || answer.thoughts)) answer.first = since();
      told();
    }
  } catch (problem) {
    answer.status = problem.status || answer.status;
    answer.requestId = problem.requestId || answer.requestId;
    throw problem;
  } finally {
    answer.seconds = since();
  }
}

function take(answer, chunk) {
  if (chunk.error) throw new Problem(chunk.error.message, { code: chunk.error.code, requestId: answer.requestId });
  const choice = chunk.choices?.[0] ?? {};
  const delta = choice.delta ?? {};
  answer.text += delta.content ?? "";
  answer.thoughts += delta.reasoning_content ?? "";
  for (const { url_citation: source } of delta.annotations ?? [])
    if (!answer.sources.some((known) => known.url === source.url)) answer.sources.push(source);
  answer.served = chunk.served_model ?? answer.served;
  answer.finish = choice.finish_reason ?? answer.finish;
}

/** What the gateway remembers of a request; null when it does not, or may not say. Never throws. */
export async function remembered(requestId) {
  if (!requestId) return null;
  for (const wait of [0, 150, 600]) {
    if (wait) await new Promise((done) => setTimeout(done, wait));
    try {
      const record = await get(`/api/requests/${encodeURIComponent(requestId)}`);
      if (record.state === "done") return record;
    } catch {
      return null;
    }
  }
  return null;
}
