// The runs on record: sorted by a column's head, filtered by words, tagged, annotated, and two of them compared.
// data:   {rows: [{id, name, present, origin, state, message, started, seconds, step, speed, train, validation, differs,
//         tags, note}], waits, read}; numbers are {value, text}
// answer: {left, right, html, at} or {error, at}; news: counts what is new on record
// to Python: {kind: "list"} {kind: "compare", runs} {kind: "tags", run, tags} {kind: "note", run, note}

const MOST = 100;
const BAD = new Set(["failed", "nan", "killed"]);
const GOING = new Set(["running", "compiling", "paused"]);
const WORDS = { nan: "NaN" };

/** @param {string} tag @param {string} name @param {string} [text] */
function make(tag, name, text) {
  const made = document.createElement(tag);
  made.className = name;
  if (text !== undefined) made.textContent = text;
  return made;
}

/** When it began: today by the clock alone. @param {number} seconds */
function when(seconds) {
  const date = new Date(1000 * seconds);
  const clock = date.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
  if (date.toDateString() === new Date().toDateString()) return clock;
  const year = date.getFullYear() === new Date().getFullYear() ? {} : { year: /** @type {const} */ ("numeric") };
  return `${date.toLocaleDateString("en", { month: "short", day: "numeric", ...year })}, ${clock}`;
}

/** What is the same in every row is left out. @type {[key: string, head: string, about: string][]} */
const COLUMNS = [
  ["id", "run", "the number to type: nnw.follow(3)"],
  ["name", "name", "as the session was named"],
  ["state", "state", "how it ended, or that it goes on"],
  ["started", "started", "when it began"],
  ["seconds", "time", "how long it ran"],
  ["step", "step", "updates made"],
  ["speed", "steps/s", "over all of its time"],
  ["train", "train loss", "the newest"],
  ["validation", "valid. loss", "validation loss, the newest"],
  ["differs", "set to", "hyperparameters that are not the same in all runs"],
  ["tags", "tags", "words of yours, with commas between them: type into the row"],
  ["note", "note", "a sentence of yours: type into the row"],
];
const NUMBERS = new Set(["id", "seconds", "step", "speed", "train", "validation"]);
const classOf = (/** @type {string} */ name) => `nnw-runs-${name}${NUMBERS.has(name) ? " nnw-right" : ""}`;
const valueOf = (/** @type {any} */ row, /** @type {string} */ key) => {
  const cell = row[key];
  return cell !== null && typeof cell === "object" ? cell.value : cell;
};

/** Nothing comes last, whichever way it is sorted. @param {string} key @param {number} way */
function order(key, way) {
  return (/** @type {any} */ a, /** @type {any} */ b) => {
    const [left, right] = [valueOf(a, key), valueOf(b, key)];
    const [none, nothing] = [left === null || left === "", right === null || right === ""];
    if (none || nothing) return Number(none) - Number(nothing) || b.id - a.id;
    const less = typeof left === "number" ? left - right : String(left).localeCompare(String(right), "en", { numeric: true });
    return way * less || b.id - a.id;
  };
}

/** Whether every word stands in one of these. @param {any} row @param {string} filter */
function matches(row, filter) {
  const text = [row.id, row.name, row.origin, row.state, row.message, row.differs, row.tags, row.note].join(" ").toLowerCase();
  return filter.toLowerCase().split(/\s+/).every((word) => text.includes(word));
}

/** @param {{model: any, el: HTMLElement}} context */
function render({ model, el }) {
  el.classList.add("nnw-runs");
  // JupyterLab's own keys (a, b, x, ...) are not meant while this has the focus, its chords are: it looks when one is pressed
  const early = (/** @type {KeyboardEvent} */ event) => {
    if (el.contains(/** @type {Node} */ (event.target)))
      el.toggleAttribute("data-lm-suppress-shortcuts", !(event.ctrlKey || event.metaKey || event.altKey));
  };
  window.addEventListener("keydown", early, true);
  let [key, way] = ["id", -1];
  /** Runs that are chosen, the oldest choice first. @type {number[]} */
  let chosen = [];
  let waiting = false;

  const filter = /** @type {HTMLInputElement} */ (make("input", "nnw-runs-filter"));
  filter.type = "search";
  filter.placeholder = "filter: name, tag, state, note …";
  filter.setAttribute("aria-label", "show only runs with these words");
  const button = (/** @type {string} */ text, /** @type {() => void} */ act) => {
    const made = /** @type {HTMLButtonElement} */ (make("button", "jupyter-button widget-button", text));
    made.addEventListener("click", act);
    return made;
  };
  const compare = button("Compare", () => {
    waiting = true;
    model.send({ kind: "compare", runs: chosen });
    tell();
  });
  const refresh = button("Refresh", () => {
    refresh.disabled = true;
    model.send({ kind: "list" });
  });
  refresh.title = "Read the runs on record anew";
  const count = make("span", "nnw-note");
  count.setAttribute("aria-live", "polite");
  const bar = make("div", "nnw-runs-bar");
  bar.append(filter, compare, refresh, count);
  const table = make("table", "nnw-table nnw-runs-table");
  const [head, body] = [make("thead", ""), make("tbody", "")];
  table.append(head, body);
  const scroll = make("div", "nnw-runs-scroll");
  scroll.append(table);
  scroll.tabIndex = 0;
  scroll.setAttribute("role", "group");
  scroll.setAttribute("aria-label", "runs on record");
  const result = make("div", "nnw-runs-result");
  result.setAttribute("aria-live", "polite");
  el.replaceChildren(bar, scroll, result);

  const rowsNow = () => /** @type {any[]} */ (model.get("data").rows || []);

  const tell = () => {
    compare.disabled = chosen.length !== 2 || waiting;
    const [left, right] = [...chosen].sort((a, b) => a - b);
    compare.textContent = waiting ? "comparing …" : chosen.length === 2 ? `Compare ${left} with ${right}` : "Compare";
    compare.title = chosen.length === 2 ? "What differs between these two" : "Tick two runs first";
  };

  const sortBy = (/** @type {string} */ wanted) => {
    // numbers first come largest first, but a loss is looked for the smallest
    const first = NUMBERS.has(wanted) || wanted === "started" ? (["train", "validation"].includes(wanted) ? 1 : -1) : 1;
    [key, way] = wanted === key ? [key, -way] : [wanted, first];
    draw();
  };

  const shownColumns = (/** @type {any[]} */ rows) =>
    COLUMNS.filter(([name]) => !["validation", "differs"].includes(name) || rows.some((row) => valueOf(row, name)));

  const drawHead = (/** @type {any[]} */ rows) => {
    const line = make("tr", "");
    line.append(make("td", ""));
    for (const [name, text, about] of shownColumns(rows)) {
      const cell = make("th", classOf(name));
      cell.setAttribute("aria-sort", name !== key ? "none" : way > 0 ? "ascending" : "descending");
      const sort = make("button", "nnw-sort", name === key ? `${text} ${way > 0 ? "▴" : "▾"}` : text);
      sort.title = `${about}. Click: sort by it`;
      sort.dataset.focus = `sort ${name}`;
      sort.addEventListener("click", () => sortBy(name));
      cell.append(sort);
      line.append(cell);
    }
    head.replaceChildren(line);
  };

  const field = (/** @type {any} */ row, /** @type {"tags" | "note"} */ name) => {
    const input = /** @type {HTMLInputElement} */ (make("input", "nnw-runs-field"));
    input.value = row[name];
    input.title = row[name];
    input.placeholder = name === "tags" ? "add tags" : "add a note";
    input.setAttribute("aria-label", `${name} of run ${row.id}`);
    input.dataset.focus = `${name} ${row.id}`;
    input.addEventListener("change", () => model.send({ kind: name, run: row.id, [name]: input.value }));
    input.addEventListener("keydown", (event) => {
      if (event.key === "Enter") input.blur();
      if (event.key === "Escape") {
        input.value = row[name];
        input.blur();
      }
    });
    return input;
  };

  const stateOf = (/** @type {any} */ row) => {
    const word = /** @type {any} */ (WORDS)[row.state] || row.state;
    const kind = BAD.has(row.state) ? "nnw-runs-bad" : GOING.has(row.state) ? "nnw-runs-going" : "";
    const made = make("span", kind, BAD.has(row.state) ? `✗ ${word}` : GOING.has(row.state) ? `● ${word}` : word);
    made.title = [row.message, `began ${when(row.started)}, ran ${row.seconds.text}`].filter(Boolean).join("\n");
    return made;
  };

  const nameOf = (/** @type {any} */ row) => {
    const made = make("div", "");
    const name = make("span", "nnw-runs-cut nnw-runs-word", row.name);
    name.title = row.name;
    made.append(name);
    if (row.present) made.append(make("span", "nnw-runs-present", "this run"));
    if (row.origin) made.append(make("div", "nnw-note", row.origin));
    return made;
  };

  const cellOf = (/** @type {any} */ row, /** @type {string} */ name) => {
    if (name === "tags" || name === "note") return field(row, name);
    if (name === "state") return stateOf(row);
    if (name === "name") return nameOf(row);
    const cell = row[name];
    const text = name === "started" ? when(cell) : typeof cell === "object" ? cell.text : String(cell);
    const made = make("span", name === "differs" ? "nnw-runs-cut" : "", text);
    if (name === "started") made.title = new Date(1000 * cell).toLocaleString("en-GB");
    if (name === "differs") made.title = text;
    if (name === "step") made.title = `${row.speed.text} steps/s`;
    return made;
  };

  const choose = (/** @type {number} */ id, /** @type {boolean} */ on) => {
    chosen = [...chosen.filter((each) => each !== id), ...(on ? [id] : [])].slice(-2);
    for (const box of /** @type {NodeListOf<HTMLInputElement>} */ (body.querySelectorAll("input[type=checkbox]")))
      box.checked = chosen.includes(Number(box.value));
    tell();
  };

  const lineOf = (/** @type {any} */ row, /** @type {any[]} */ columns) => {
    const line = make("tr", row.present ? "nnw-runs-here" : "");
    const box = /** @type {HTMLInputElement} */ (make("input", ""));
    box.type = "checkbox";
    box.value = String(row.id);
    box.checked = chosen.includes(row.id);
    box.dataset.focus = `choose ${row.id}`;
    box.setAttribute("aria-label", `choose run ${row.id} to compare`);
    box.addEventListener("change", () => choose(row.id, box.checked));
    const first = make("td", "");
    first.append(box);
    line.append(first);
    for (const [name] of columns) {
      const cell = make("td", classOf(name));
      cell.append(cellOf(row, name));
      line.append(cell);
    }
    return line;
  };

  const draw = () => {
    const data = model.get("data");
    const rows = rowsNow();
    refresh.disabled = false;
    const focused = /** @type {HTMLElement | null} */ (el.contains(document.activeElement) ? document.activeElement : null);
    const typed = focused instanceof HTMLInputElement && focused.classList.contains("nnw-runs-field") ? focused.value : null;
    chosen = chosen.filter((id) => rows.some((row) => row.id === id));
    drawHead(rows);
    const found = rows.filter((row) => matches(row, filter.value.trim())).sort(order(key, way));
    const columns = shownColumns(rows);
    body.replaceChildren(...found.slice(0, MOST).map((row) => lineOf(row, columns)));
    scroll.style.display = rows.length ? "" : "none";
    compare.style.display = filter.style.display = rows.length > 1 ? "" : "none";
    const all = rows.length.toLocaleString("en");
    if (!rows.length) count.textContent = data.waits || "Waits for the runs on record …";
    else if (!found.length) count.textContent = `none of ${all} runs has these words`;
    else if (found.length > MOST) count.textContent = `showing ${MOST} of ${found.length.toLocaleString("en")}: filter to see others`;
    else if (found.length < rows.length) count.textContent = `${found.length} of ${all} runs`;
    else count.textContent = rows.length === 1 ? "1 run" : `${all} runs${rows.length > 1 && chosen.length < 2 ? "; tick two to compare them" : ""}`;
    tell();
    const again = focused && focused.dataset.focus && [...el.querySelectorAll("[data-focus]")].find(
      (each) => /** @type {HTMLElement} */ (each).dataset.focus === focused.dataset.focus,
    );
    if (again) {
      // what is being typed is not taken away by rows that come meanwhile
      if (typed !== null) /** @type {HTMLInputElement} */ (again).value = typed;
      /** @type {HTMLElement} */ (again).focus();
    }
  };

  const answered = () => {
    const answer = model.get("answer");
    waiting = false;
    tell();
    if (answer.error) result.replaceChildren(make("div", "nnw-error", answer.error));
    else if (answer.html !== undefined) {
      const name = (/** @type {number} */ id) => `run ${id} (${rowsNow().find((row) => row.id === id)?.name ?? ""})`;
      const content = make("div", "nnw-difference");
      content.tabIndex = 0;
      content.setAttribute("role", "group");
      content.setAttribute("aria-label", "what differs");
      // from Difference._repr_html_, which escapes all that comes from the runs
      content.innerHTML = answer.html;
      result.replaceChildren(make("div", "nnw-heading", `${name(answer.left)} and ${name(answer.right)}`), content);
    }
  };
  const ask = () => model.send({ kind: "list" });

  filter.addEventListener("input", draw);
  model.on("change:data", draw);
  model.on("change:answer", answered);
  model.on("change:news", ask);
  draw();
  answered();
  if (!model.get("data").rows) ask();
  return () => {
    model.off("change:data", draw);
    model.off("change:answer", answered);
    window.removeEventListener("keydown", early, true);
    model.off("change:news", ask);
  };
}

export default { render };
