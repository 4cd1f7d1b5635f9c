// What changes by itself: figures that are asked for again while somebody looks, countdowns, streams of events.
import { get } from "./api.js";
import { useCallback, useEffect, useRef, useState } from "./html.js";

const visible = () => document.visibilityState === "visible";

/** Server time minus ours, in seconds. A remembered answer tells a moment that is past: the latest one counts. */
let ahead = -Infinity;
export const serverNow = () => Date.now() / 1000 + (Number.isFinite(ahead) ? ahead : 0);

/**
 * The JSON at `path`, asked for again every `seconds` while the page is visible. An unchanged answer costs a 304.
 * `path` null asks nothing; `seconds` 0 asks once.
 */
export function usePoll(path, seconds = 3) {
  const [state, setState] = useState({ data: null, problem: null, path: null });
  const again = useRef(() => {});
  useEffect(() => {
    if (!path) return;
    let timer = 0;
    const stop = new AbortController();
    const turn = async () => {
      clearTimeout(timer);
      if (!visible()) return;
      try {
        const data = await get(path, { signal: stop.signal });
        if (data.now) ahead = Math.max(ahead, data.now - Date.now() / 1000);
        setState({ data, problem: null, path });
      } catch (problem) {
        if (problem.name === "AbortError") return;
        setState((before) => ({ data: before.path === path ? before.data : null, problem, path }));
      }
      if (seconds && !stop.signal.aborted) timer = setTimeout(turn, seconds * 1000);
    };
    again.current = turn;
    turn();
    document.addEventListener("visibilitychange", turn);
    return () => {
      stop.abort();
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", turn);
    };
  }, [path, seconds]);
  const refresh = useCallback(() => again.current(), []);
  const own = state.path === path;
  return { data: own ? state.data : null, problem: own ? state.problem : null, refresh };
}

/** Server time, told anew every second while something counts. */
export function useClock(running = true) {
  const [now, setNow] = useState(serverNow());
  useEffect(() => {
    if (!running) return;
    const timer = setInterval(() => visible() && setNow(serverNow()), 1000);
    return () => clearInterval(timer);
  }, [running]);
  return running ? now : serverNow();
}

/** The `data:` of each event in a streamed answer, in their order; comments are skipped. */
export async function* eventsOf(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      const blocks = (rest + value).split(/\r?\n\r?\n/);
      rest = blocks.pop();
      for (const block of blocks) {
        const data = block
          .split(/\r?\n/)
          .filter((line) => line.startsWith("data:"))
          .map((line) => line.slice(5).trimStart())
          .join("\n");
        if (data) yield data;
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}
