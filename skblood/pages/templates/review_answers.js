// The answers of a review: changed, undone, kept by the browser, saved and loaded. `data` holds the
// cells in their order; an answer is kept by the path of its cell, so that the same page in another
// order finds it.

const data = JSON.parse(byId("data").textContent);
const { cells, classes } = data;
const labels = [...classes, data.no_class];
const STORED = `skblood-review-${data.id}`;
const FIELDS = { first: "first_reader", second: "second_reader", consensus: "consensus", note: "note" };
const count = (n) => n.toLocaleString("en");

// Of each cell: {first, second, consensus, note}, of which any may be missing.
let answers = cells.map(() => ({}));
let reader = "first";
const steps = []; // of lists of [field, cell, value before]
let isUnsaved = false; // whether there are answers that are in no table

function byId(id) {
  return document.getElementById(id);
}

// Return an element with children; texts are never read as HTML.
function element(tag, properties, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

// Names may be written from right to left.
function isolated(text) {
  return element("bdi", {}, text);
}

function answerOf(i) {
  const { first, second, consensus } = answers[i];
  return reader === "consensus" ? consensus || first || second : answers[i][reader];
}

function toCheck(i) {
  return cells[i].given || cells[i].predicted;
}

function labelOf(i) {
  return answerOf(i) || toCheck(i);
}

function isChanged(i) {
  return Boolean(answerOf(i) && toCheck(i)) && answerOf(i) !== toCheck(i);
}

// Make edits, lists of [field, cell, value], as one step of the history.
function change(edits, message) {
  if (!edits.length) return;
  steps.push(edits.map(([field, i]) => [field, i, answers[i][field]]));
  apply(edits);
  say(message);
}

function apply(edits) {
  for (const [field, i, value] of edits) {
    if (value) answers[i][field] = value;
    else delete answers[i][field];
  }
  new Set(edits.map(([, i]) => i)).forEach(drawCard);
  isUnsaved = true;
  keep();
  drawPanel();
}

function undo() {
  const edits = steps.pop();
  if (!edits) return say("Nothing to undo.");
  apply(edits);
  moveTo(edits[0][1]);
  say(`Undone: ${nameCells(edits.map(([, i]) => i))}.`);
}

function nameCells(list) {
  const different = new Set(list);
  return different.size === 1 ? `cell ${count(list[0] + 1)}` : `${count(different.size)} cells`;
}

function targets() {
  if (selected.size) return [...selected];
  return shown.length ? [current] : [];
}

// Label cells; after a single one the next is shown.
function label(nameOf, verb) {
  const chosen = targets();
  const names = new Set(chosen.map(nameOf));
  const what = names.size === 1 ? [...names][0] || "no answer" : "their labels";
  change(chosen.map((i) => [reader, i, nameOf(i)]), `${verb} ${nameCells(chosen)}: ${what}.`);
  const isOne = chosen.length === 1 && !selected.size;
  select([]);
  if (isOne && nameOf(chosen[0])) step(1);
}

const labelAs = (name) => label(() => name, "Labeled");
const confirmLabels = () => (targets().every(labelOf) ? label(labelOf, "Confirmed") : say("There is no label to confirm."));
const removeAnswers = () => label(() => undefined, "Removed");

// --- Storage ---

// A browser may forbid storage, or be out of space: then the page says that it keeps nothing.
function keep() {
  const found = cells.map((cell, i) => [cell.path, answers[i]]).filter(([, each]) => Object.keys(each).length);
  try {
    localStorage.setItem(STORED, JSON.stringify({ reader, answers: Object.fromEntries(found) }));
    byId("unkept").hidden = true;
  } catch {
    byId("unkept").hidden = false;
  }
}

function recall() {
  let stored = {};
  try {
    stored = JSON.parse(localStorage.getItem(STORED)) ?? {};
  } catch {
    byId("unkept").hidden = false;
  }
  answers = cells.map((cell) => ({ ...stored.answers?.[cell.path] }));
  return stored.reader ?? "first";
}

function save() {
  const header = ["path", "label", ...(data.groups ? [data.groups] : []), "given_label", "predicted"];
  const rows = cells.flatMap((cell, i) => {
    const { first, second, consensus } = answers[i];
    const label = consensus || first || second;
    const start = [cell.path, label, ...(data.groups ? [cell.group] : []), cell.given, cell.predicted];
    return label ? [[...start, ...Object.keys(FIELDS).map((field) => answers[i][field] ?? ""), ...cell.others]] : [];
  });
  if (!rows.length) return say("There is no answer to save.");
  const text = writeTable([[...header, ...Object.values(FIELDS), ...data.others], ...rows]);
  // Excel takes a table for UTF-8 only if it begins with this mark.
  const file = new Blob(["\ufeff", ...asBytes(text)], { type: "text/csv" });
  const link = element("a", { href: URL.createObjectURL(file), download: "corrections.csv" });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  isUnsaved = false;
  say(`Saved ${count(rows.length)} answers.`);
}

async function load(file) {
  try {
    const { edits, n, n_unknown, n_edited } = editsOf(readTable(await file.text()));
    const more = [[n_unknown, "rows are of other cells or classes"], [n_edited, "labels differ from the readers' and go first"]];
    const told = more.map(([n, what]) => (n ? ` ${count(n)} ${what}.` : ""));
    change(edits, `Loaded the answers of ${count(n)} cells.${told.join("")}`);
    if (!edits.length) say("No row of this table is of a cell of this page.");
  } catch (error) {
    say(`This table cannot be read: ${error.message}.`);
  }
}

// Bytes of a path that are not UTF-8 are lost when a browser reads a table.
const readable = (path) => path.replace(/[\ufffd\udc80-\udcff]+/gu, "\ufffd");

// Return the edits of the rows of a table. What is empty there leaves the page as it is.
function editsOf(rows) {
  const places = new Map(cells.map((cell, i) => [readable(cell.path), i]));
  const edits = [];
  let [n, n_edited] = [0, 0];
  for (const row of rows) {
    const i = places.get(readable(row.path));
    const found = Object.entries(FIELDS).map(([field, column]) => [field, i, fieldsOf(row)[column]]);
    const filled = found.filter(([, , value]) => value);
    const isKnown = filled.every(([field, , value]) => field === "note" || labels.includes(value));
    if (i === undefined || !isKnown) continue;
    edits.push(...filled);
    n += 1;
    if (decisionOf(row) && decisionOf(row) !== row.label) n_edited += 1;
  }
  return { edits, n, n_unknown: rows.length - n, n_edited };
}

const decisionOf = (row) => row.consensus || row.first_reader || row.second_reader;

// Return a row whose readers' columns lead to its label, which other programs read, and which may
// have been changed or removed there.
function fieldsOf(row) {
  const { label, first_reader: first, second_reader: second } = row;
  if (!label) return { note: row.note };
  if (label === decisionOf(row)) return row;
  const column = row.consensus || (first && second) ? "consensus" : second ? "second_reader" : "first_reader";
  return { ...row, [column]: label };
}
