// Prints one JSON line for each finding of the Dockerfiles that are named.
const fs = require("node:fs");
const { validate } = require("dockerfile-utils");
for (const path of process.argv.slice(2))
  for (const found of validate(fs.readFileSync(path, "utf8")))
    console.log(JSON.stringify({ path, line: found.range.start.line + 1, message: found.message }));
