// Runs modules that come as base64, one a line, one after the other; answers each with what it said and what went wrong.
import { createInterface } from "node:readline";

const write = process.stdout.write.bind(process.stdout);
let number = 0;
for await (const line of createInterface({ input: process.stdin })) {
  let said = "", wrong = null;
  process.stdout.write = (text) => Boolean(said += text);
  try {
    await import(`data:text/javascript;base64,${line}#${number++}`); // the number, because a module runs once
  } catch (error) {
    wrong = String(error?.stack ?? error);
  }
  write(JSON.stringify({ said, wrong }) + "\n");
}
