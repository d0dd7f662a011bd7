// The review page: moving, selecting, filtering, drawing, keys and buttons.

// Keys of the classes, in their order: n, u and x have other meanings.
const KEYS = "1234567890abcdefghijklmopqrstvwyz";
let shown = cells.map((cell, i) => i); // the cells that pass the filters
let current = 0;
let anchor = 0; // where a selection with Shift began
let selected = new Set();
let isByPointer = false; // whether a mouse or finger was used last, not a key

// --- Moving, selecting and filtering ---

function moveTo(i, extend = false) {
  byId("note").blur(); // a note that is being typed is of the cell before
  cards[current].classList.remove("current");
  cards[current].tabIndex = -1;
  current = i;
  if (extend) selectTo(i);
  else anchor = i;
  cards[i].classList.add("current");
  cards[i].tabIndex = 0;
  cards[i].focus({ preventScroll: true });
  cards[i].scrollIntoView({ block: "nearest" });
  drawPanel();
}

function step(n, extend = false) {
  if (!shown.length) return;
  const place = shown.indexOf(current) + n;
  moveTo(shown[Math.min(Math.max(place, 0), shown.length - 1)], extend);
}

function columns() {
  return getComputedStyle(byId("grid")).gridTemplateColumns.split(" ").length;
}

function select(list) {
  const before = selected;
  selected = new Set(list);
  for (const i of [...before, ...selected]) cards[i].setAttribute("aria-selected", selected.has(i));
  byId("chosen").hidden = !selected.size;
  byId("chosen").textContent = `Labels go to ${nameSelected()}.`;
}

function nameSelected() {
  return selected.size === 1 ? "the selected cell" : `the ${count(selected.size)} selected cells`;
}

function selectTo(i) {
  const [start, end] = [shown.indexOf(anchor), shown.indexOf(i)].sort((a, b) => a - b);
  select(shown.slice(Math.max(start, 0), end + 1));
}

function toggle(i) {
  select(selected.has(i) ? [...selected].filter((each) => each !== i) : [...selected, i]);
  say(`${count(selected.size)} selected.`);
}

function selectAll() {
  select(shown);
  say(`${count(shown.length)} selected.`);
}

const STATES = {
  undecided: (i) => !answerOf(i),
  decided: (i) => answerOf(i),
  changed: isChanged,
  differ: (i) => answers[i].first && answers[i].second && answers[i].first !== answers[i].second,
};

function filter() {
  const name = labels[byId("of-class").value || -1];
  const group = data.group_names[byId("of-group")?.value || -1];
  const isWanted = STATES[byId("of-state").value] ?? (() => true);
  select([]);
  shown = cells.flatMap((cell, i) => {
    const passes = (!name || labelOf(i) === name) && (!group || cell.group === group);
    return passes && isWanted(i) ? [i] : [];
  });
  const set = new Set(shown);
  cards.forEach((card, i) => (card.hidden = !set.has(i)));
  if (shown.length && !set.has(current)) moveTo(shown[0]);
  say(`${count(shown.length)} cells are shown.`);
}

function setReader(name) {
  reader = name;
  byId("reader").value = name;
  // Who reads alone does not learn where the other one differs.
  byId("of-state").querySelector("[value=differ]").disabled = name !== "consensus";
  if (name !== "consensus" && byId("of-state").value === "differ") byId("of-state").value = "";
  filter();
  draw();
}

function goToCells() {
  cards[current].focus({ preventScroll: true });
}

// A key pressed after a filter was chosen with the mouse is meant for the cells.
function onFilter(act) {
  act();
  if (isByPointer) goToCells();
}

// --- Drawing ---

function makeCard(i) {
  const card = element("div", { className: "card", tabIndex: -1 });
  card.setAttribute("role", "option");
  card.setAttribute("aria-selected", false);
  card.append(element("img", { alt: "" }), element("span"), element("span"));
  card.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey) toggle(i);
    else if (!event.shiftKey) select([]);
    moveTo(i, event.shiftKey);
  });
  return card;
}

function drawCard(i) {
  const [, title, detail] = cards[i].children;
  const answer = answerOf(i);
  cards[i].classList.toggle("decided", Boolean(answer));
  cards[i].classList.toggle("changed", isChanged(i));
  title.replaceChildren(answer ? (isChanged(i) ? "\u270e " : "\u2713 ") : "? ", isolated(labelOf(i)));
  const was = `was ${toCheck(i)}`;
  const likely = likelyOf(i);
  detail.replaceChildren(isolated(isChanged(i) ? was : likely));
  const state = answer ? (isChanged(i) ? `changed, ${was}` : "confirmed") : ["no answer", likely].filter(Boolean).join(", ");
  cards[i].setAttribute("aria-label", `Cell ${count(i + 1)}: ${[labelOf(i), state].filter(Boolean).join(", ")}`);
}

function draw() {
  cards.forEach((card, i) => drawCard(i));
  drawPanel();
}

// Return what the model says, or nothing on a blind page.
function likelyOf(i) {
  const [name, percent] = cells[i].probable[0] ?? [];
  if (!name) return "";
  return name === toCheck(i) ? `${percent.toFixed(0)} %` : `${name} ${percent.toFixed(0)} %`;
}

const sourceOf = (place) => byId(`picture-${place}`)?.textContent ?? "";

function drawPanel() {
  const cell = cells[current];
  byId("picture").src = sourceOf(current);
  byId("picture").alt = `Cell ${count(current + 1)}`;
  byId("facts").replaceChildren(...facts(cell, answers[current]));
  if (document.activeElement !== byId("note")) byId("note").value = answers[current].note ?? "";
  for (const button of byId("classes").children)
    button.setAttribute("aria-pressed", button.value === answerOf(current));
  const similar = cell.alike.map((each) => {
    const picture = element("img", { src: sourceOf(each.picture), alt: "" });
    return element("figure", {}, picture, isolated(each.label), ` ${each.similarity}`);
  });
  if (similar.length) similar.unshift(element("h2", {}, "Most similar, and how much (0 to 1)"));
  byId("alike").replaceChildren(...similar);
}

function facts(cell, { first, second, consensus }) {
  const percents = cell.probable.flatMap(([name, percent]) => [isolated(name), ` ${percent.toFixed(0)} %`, element("br")]);
  const file = isolated(cell.path.split(/[\\/]/).at(-1));
  file.title = cell.path;
  const read = reader === "consensus" ? [["First", first], ["Second", second], ["Consensus", consensus]] : [];
  const lines = [["Cell", `${count(current + 1)} of ${count(cells.length)}`], [data.groups, cell.group], ["Given", cell.given], ...read];
  const told = lines.filter(([, value]) => value).map(([name, value]) => element("p", {}, isolated(name), ": ", isolated(value)));
  if (data.blind) return told;
  return [...told, element("p", {}, element("b", {}, "Predicted"), element("br"), ...percents), element("p", { className: "muted" }, file)];
}

function say(message) {
  const n = cells.filter((cell, i) => answerOf(i)).length;
  byId("done").value = n;
  byId("said").textContent = `${message} ${count(n)} of ${count(cells.length)} answered.`.trim();
}

// --- Keys and buttons ---

const COMMANDS = {
  ArrowLeft: (extend) => step(-1, extend),
  ArrowRight: (extend) => step(1, extend),
  ArrowUp: (extend) => step(-columns(), extend),
  ArrowDown: (extend) => step(columns(), extend),
  Home: (extend) => step(-cells.length, extend),
  End: (extend) => step(cells.length, extend),
  Enter: confirmLabels,
  Delete: removeAnswers,
  Backspace: removeAnswers,
  Escape: () => select([]),
  " ": () => toggle(current),
  "Ctrl+a": selectAll,
  "Ctrl+z": undo,
  u: undo,
  x: () => labelAs(data.no_class),
  n: () => byId("note").focus(),
};

// Return the name of a key. Digits are those of the key: on some keyboards they need Shift.
function keyName(event) {
  const digit = event.key.length === 1 && /^(?:Digit|Numpad)(\d)$/.exec(event.code);
  if (digit) return digit[1];
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  return event.ctrlKey || event.metaKey ? `Ctrl+${key}` : key;
}

function onKey(event) {
  isByPointer = false;
  const isTyping = event.target.matches("input, select");
  if (event.key === "Escape" && event.target.matches("select")) goToCells();
  const isPressing = event.target.matches("button, summary") && [" ", "Enter"].includes(event.key);
  if (isTyping || isPressing || event.altKey) return;
  const name = keyName(event);
  const named = classes[KEYS.indexOf(name)];
  if (!named && !COMMANDS[name]) {
    if (name.length === 1) say(`The key ${name} has no class.`);
    return;
  }
  event.preventDefault();
  if (event.repeat && !name.startsWith("Arrow")) return; // a key held too long labels one cell
  if (named) labelAs(named);
  else COMMANDS[name](event.shiftKey);
}

function makeClassButton(name, place) {
  const button = element("button", { type: "button", value: name });
  const key = name === data.no_class ? "x" : KEYS[place];
  if (key) button.append(element("kbd", {}, key));
  button.append(isolated(name));
  button.addEventListener("click", () => labelAs(name));
  return button;
}

function onNote(event) {
  if (!["Enter", "Escape"].includes(event.key)) return;
  if (event.key === "Escape") byId("note").value = answers[current].note ?? "";
  goToCells(); // the note changes as it loses the focus
}

// Pictures get their source when they come near the window, and are decoded from then on.
function showPictures() {
  const observer = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      if (!isIntersecting) continue;
      observer.unobserve(target);
      target.firstChild.decoding = "async";
      target.firstChild.src = sourceOf(cards.indexOf(target));
    }
  }, { rootMargin: "600px" });
  cards.forEach((card) => observer.observe(card));
  drawPanel();
}

function listen() {
  const clicks = { confirm: confirmLabels, clear: removeAnswers, undo, save, "select-all": selectAll };
  for (const [id, action] of Object.entries(clicks)) byId(id).addEventListener("click", action);
  for (const id of ["of-class", "of-group", "of-state"]) byId(id)?.addEventListener("change", () => onFilter(filter));
  byId("reader").addEventListener("change", (event) => onFilter(() => { setReader(event.target.value); keep(); }));
  byId("load").addEventListener("change", (event) => { load(event.target.files[0]); event.target.value = ""; });
  byId("note").addEventListener("keydown", onNote);
  byId("note").addEventListener("change", (event) => change([["note", current, event.target.value.trim()]], "Noted."));
  byId("filters").addEventListener("submit", (event) => event.preventDefault());
  document.addEventListener("keydown", onKey);
  document.addEventListener("pointerdown", () => { isByPointer = true; });
  document.addEventListener("DOMContentLoaded", showPictures);
  // The same page in another window, where answers are given as well.
  window.addEventListener("storage", (event) => { if (event.key === STORED) { recall(); draw(); say("Changed in another window."); } });
  window.addEventListener("beforeunload", (event) => { if (isUnsaved && !byId("unkept").hidden) event.preventDefault(); });
}

const cards = cells.map((cell, i) => makeCard(i));
byId("classes").append(...labels.map(makeClassButton));
byId("filters").reset(); // some browsers bring the filters of the last visit back
reader = recall();
setReader(reader);
byId("grid").append(...cards);
cards[0].tabIndex = 0;
cards[0].classList.add("current");
listen();
