/** The cells of a CSV text (RFC 4180): quotes, doubled quotes, line breaks inside quotes, a mark at its beginning. */
export function rows(text) {
  const found = [];
  let row = [];
  let cell = "";
  let quoted = false;
  const end = () => {
    row.push(cell);
    cell = "";
  };
  const line = () => {
    end();
    if (row.some((one) => one !== "")) found.push(row);
    row = [];
  };
  const input = text.replace(/^\uFEFF/, "");
  for (let at = 0; at < input.length; at++) {
    const char = input[at];
    if (quoted) {
      if (char !== '"') cell += char;
      else if (input[at + 1] === '"') cell += input[++at];
      else quoted = false;
    } else if (char === '"' && cell === "") quoted = true;
    else if (char === ",") end();
    else if (char === "\n") line();
    else if (char !== "\r") cell += char;
  }
  line();
  return found;
}
