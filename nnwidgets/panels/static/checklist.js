// The checklist as a column of lights; each check opens to what was expected, measured and meant.
// data: {headings: [{number, title, light, rows: [{name, about, seconds, light, measured?, expected?, words?, step?, at?}],
//        findings: [{light, rule, where}], more}], about, refused}
// to Python: {kind: "check", names}

const SIGNS = { ok: "✓", wrong: "✗", suspicious: "!", unknown: "–", waiting: "…", "": "" };
const WORDS = {
  ok: "as expected", wrong: "wrong", suspicious: "suspicious", unknown: "can't be told", waiting: "running", "": "not run",
};

/** @param {string} tag @param {string} name @param {string} [text] */
function make(tag, name, text) {
  const made = document.createElement(tag);
  made.className = name;
  if (text !== undefined) made.textContent = text;
  return made;
}

/** @param {string} light */
function lightOf(light) {
  const made = make("span", `nnw-light nnw-light-${light || "none"}`, SIGNS[light]);
  made.setAttribute("role", "img");
  made.setAttribute("aria-label", WORDS[light]);
  made.title = WORDS[light];
  return made;
}

/** When it ran. @param {any} row */
function when(row) {
  const clock = row.at ? new Date(1000 * row.at).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" }) : "";
  return `at step ${row.step.toLocaleString("en")}${clock ? `, ${clock}` : ""}`;
}

/** @param {{model: any, el: HTMLElement}} context */
function render({ model, el }) {
  el.classList.add("nnw-checklist");
  /** @type {Set<string>} */
  const open = new Set();
  /** What was asked for, with the time of the result that was there before. @type {Map<string, number>} */
  const waiting = new Map();
  let refused = 0;

  const ask = (/** @type {any[]} */ rows, /** @type {string[]} */ names) => {
    for (const row of rows) waiting.set(row.name, row.at || 0);
    refused = model.get("data").refused;
    model.send({ kind: "check", names });
    draw();
  };

  const againButton = (/** @type {any} */ row) => {
    const button = /** @type {HTMLButtonElement} */ (make("button", "nnw-again", row.at ? "↻" : "▷"));
    button.title = `${row.at ? "Run again" : "Run"}: ${row.name} (about ${row.seconds})`;
    button.setAttribute("aria-label", button.title);
    button.dataset.focus = `again ${row.name}`;
    button.disabled = waiting.has(row.name);
    button.addEventListener("click", (event) => {
      event.preventDefault();
      ask([row], [row.name]);
    });
    return button;
  };

  const rowOf = (/** @type {any} */ row) => {
    // the button stands beside what folds, not in its headline: nothing can be clicked inside of what is clicked
    const made = make("div", "nnw-check-row");
    const details = /** @type {HTMLDetailsElement} */ (make("details", ""));
    details.open = open.has(row.name);
    details.addEventListener("toggle", () => (details.open ? open.add(row.name) : open.delete(row.name)));
    const light = waiting.has(row.name) ? "waiting" : row.light;
    const summary = make("summary", "");
    summary.dataset.focus = `row ${row.name}`;
    summary.append(lightOf(light), make("span", "nnw-check-name", row.name));
    details.append(summary);
    if (row.measured !== undefined) {
      details.append(make("div", "nnw-check-measured", row.measured));
      if (row.expected) details.append(make("div", "nnw-note", `expected: ${row.expected}`));
      if (row.words) details.append(make("div", "", row.words));
      details.append(make("div", "nnw-note", when(row)));
    }
    details.append(make("div", "nnw-note", row.about));
    made.append(details, againButton(row));
    return made;
  };

  const draw = () => {
    const data = model.get("data");
    if (!data.headings) return;
    const rows = data.headings.flatMap((/** @type {any} */ heading) => heading.rows);
    for (const row of rows) if (waiting.has(row.name) && row.at !== waiting.get(row.name) && row.at) waiting.delete(row.name);
    if (data.refused > refused) waiting.clear();
    const focused = /** @type {HTMLElement | null} */ (el.contains(document.activeElement) ? document.activeElement : null);
    const parts = [];
    if (rows.length) {
      const all = /** @type {HTMLButtonElement} */ (make("button", "nnw-run-all jupyter-button widget-button"));
      all.textContent = waiting.size ? `running, ${waiting.size} to go …` : `Run all (about ${data.about})`;
      all.disabled = waiting.size > 0;
      all.dataset.focus = "all";
      all.addEventListener("click", () => ask(rows, []));
      parts.push(all);
    }
    for (const heading of data.headings) {
      const title = make("div", "nnw-heading");
      title.append(lightOf(heading.light), make("span", "", `${heading.number}. ${heading.title}`));
      title.setAttribute("role", "heading");
      title.setAttribute("aria-level", "3");
      parts.push(title, ...heading.rows.map(rowOf));
      for (const found of heading.findings) {
        const line = make("div", "nnw-check-finding");
        line.append(lightOf(found.light), make("span", "", found.where ? `${found.rule}: ${found.where}` : found.rule));
        line.title = "see Findings";
        parts.push(line);
      }
      if (heading.more) parts.push(make("div", "nnw-note", `and ${heading.more} more: see Findings`));
      if (!heading.rows.length && !heading.findings.length) parts.push(make("div", "nnw-note", "no check of this step yet"));
    }
    el.replaceChildren(...parts);
    const again = focused && [...el.querySelectorAll("[data-focus]")].find(
      (each) => /** @type {HTMLElement} */ (each).dataset.focus === focused.dataset.focus,
    );
    if (again) /** @type {HTMLElement} */ (again).focus();
  };

  model.on("change:data", draw);
  draw();
  return () => model.off("change:data", draw);
}

export default { render };
