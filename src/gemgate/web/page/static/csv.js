// Orders for many pictures from text: a prompt in each line, or a table with a heading.

/** Rows of cells of a CSV text (RFC 4180; commas, semicolons or tabs). */
export function rows(text) {
  const head = text.slice(0, text.search(/\r?\n|$/));
  const mark = ["\t", ";", ","].find((one) => head.includes(one)) ?? ",";
  const found = [[]];
  let cell = "";
  let quoted = false;
  for (let at = 0; at < text.length; at++) {
    const sign = text[at];
    if (quoted) {
      if (sign !== '"') cell += sign;
      else if (text[at + 1] === '"') cell += text[++at];
      else quoted = false;
    } else if (sign === '"' && cell === "") quoted = true;
    else if (sign === mark) found.at(-1).push(cell), (cell = "");
    else if (sign === "\n") found.at(-1).push(cell.replace(/\r$/, "")), (cell = ""), found.push([]);
    else cell += sign;
  }
  found.at(-1).push(cell.replace(/\r$/, ""));
  return found.filter((row) => row.some((one) => one.trim()));
}

const WISHES = ["model", "size", "aspect", "quality", "size_policy"];

/** Items of a batch. A first line with a column "prompt" makes it a table; else every line is a prompt. */
export function itemsOf(text) {
  const clean = text.replace(/^\ufeff/, "");
  const first = clean.slice(0, clean.search(/\r?\n|$/)).toLowerCase();
  const columns = (rows(first)[0] ?? []).map((name) => name.trim());
  if (!columns.includes("prompt")) {
    return clean.split(/\r?\n/).map((line) => line.trim()).filter(Boolean).map((prompt) => ({ prompt }));
  }
  return rows(clean).slice(1).map((row) => {
    const cells = Object.fromEntries(columns.map((name, at) => [name, (row[at] ?? "").trim()]));
    const item = { prompt: cells.prompt ?? "" };
    for (const name of WISHES) if (cells[name]) item[name] = cells[name];
    return item;
  }).filter((item) => item.prompt);
}
