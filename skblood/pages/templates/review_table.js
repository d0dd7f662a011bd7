"use strict";
// The table of corrections as text: written so that spreadsheets run nothing, and read back.

// A cell of a table that begins like this, marked or not, is a formula to spreadsheets.
const FORMULA = /^'*[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]/;

function asField(text) {
  const safe = FORMULA.test(text) ? `'${text}` : text;
  return /[",;\t\r\n|]|^\s|\s$/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

function writeTable(rows) {
  return rows.map((row) => row.map(asField).join(",") + "\n").join("");
}

// Return the bytes of a text. Python reads bytes of file names that are not UTF-8 as single
// surrogates, which become these bytes again: otherwise the paths would not open.
function asBytes(text) {
  const parts = text.split(/([\udc80-\udcff])/u);
  return parts.map((part, i) => (i % 2 ? Uint8Array.of(part.charCodeAt(0) & 0xff) : part));
}

// Return the rows of a table as lists of texts. A spreadsheet may have saved it with semicolons.
function parseTable(text) {
  const delimiter = /^[^\r\n]*?([,;\t|])/.exec(text)?.[1] ?? ",";
  const pattern = new RegExp(`("(?:[^"]|"")*"|[^"\\r\\n\\${delimiter}][^\\r\\n\\${delimiter}]*|)(\\${delimiter}|\\r\\n?|\\n|$)`, "y");
  const rows = [[]];
  while (pattern.lastIndex < text.length) {
    const found = pattern.exec(text);
    if (!found) throw new Error("a quotation mark is missing");
    rows.at(-1).push(asText(found[1]));
    if (found[2] !== delimiter) rows.push([]);
  }
  return rows.filter((row) => row.length > 1);
}

function asText(field) {
  const text = field.startsWith('"') ? field.slice(1, -1).replaceAll('""', '"') : field;
  return text.startsWith("'") && FORMULA.test(text) ? text.slice(1) : text;
}

// Return the rows of a table with a header as objects.
function readTable(text) {
  const [header, ...rows] = parseTable(text.replace(/^\ufeff/, ""));
  if (!header?.includes("path") || !header.includes("label"))
    throw new Error("it has no columns path and label");
  return rows.map((row) => Object.fromEntries(header.map((name, i) => [name, row[i] ?? ""])));
}
