// The parts of the page: charts, the dashboard's canvases with data in place of a kernel, the theme, and printing.

const data = JSON.parse(document.getElementById("data").textContent);
const view = sharedView();
/** What redraws each canvas. @type {Set<() => void>} */
const redraws = new Set();

/** What a canvas of the dashboard takes for its widget. @param {any} value @param {(message: any) => void} send */
function modelOf(value, send = () => {}) {
  const values = { data: value };
  const heard = new Set();
  return {
    get: (name) => values[name],
    set(name, changed) {
      values[name] = changed;
      heard.forEach((act) => act());
    },
    on: (name, act) => name === "change:data" && heard.add(act),
    off: (name, act) => heard.delete(act),
    save_changes() {},
    send,
    again: () => heard.forEach((act) => act()),
  };
}

/** A canvas of the dashboard in this element. */
function drawing(name, host, value, send) {
  const model = modelOf(value, send);
  drawings[name].render({ model, el: host });
  redraws.add(model.again);
  return model;
}

const partOf = (name) => document.querySelector(`#${name} .nnw-part`);
const note = (...words) => make("p", { class: "nnw-note" }, ...words);

/** Buttons of which one is down. */
function choices(label, names, chosen, act) {
  const buttons = names.map((name) => make("button", { type: "button", "aria-pressed": String(name === chosen) }, name));
  buttons.forEach((button, i) =>
    button.addEventListener("click", () => {
      buttons.forEach((each) => each.setAttribute("aria-pressed", String(each === button)));
      act(names[i]);
    }),
  );
  return make("div", { class: "nnw-choices", role: "group", "aria-label": label }, ...buttons);
}

function lossPart() {
  const part = partOf("loss");
  part.append(
    note("Point at a chart to read the values of a step; drag over a stretch to zoom all charts to it, double click for the whole run. Click a name to see that line alone."),
  );
  if (data.loss.main) chart(part.appendChild(make("div")), data.loss.main, view);
  if (data.loss.small.length) {
    const grid = part.appendChild(make("div", { class: "nnw-metrics" }));
    for (const each of data.loss.small) chart(grid.appendChild(make("div")), each, view);
  }
}

function heatmapPart() {
  const part = partOf("heatmaps");
  const { readings, rows } = data.heatmaps;
  const names = Object.keys(readings);
  const known = new Map();
  const taken = (name) => {
    if (!known.has(name)) {
      const packed = readings[name];
      const [paths, colors] = rows[packed.rows];
      const [steps, read] = [Float64Array.from(unpack(packed.steps)), unpack(packed.values)];
      // a zero has no power of ten: a gap
      const values = Float32Array.from(read, (value) => (packed.power ? (value > 0 ? Math.log10(value) : NaN) : value));
      const bad = unpack(packed.bad) || new Uint8Array(values.length);
      known.set(name, { ...packed, rows: paths, colors, steps: viewOf(steps), values: viewOf(values), bad: viewOf(bad) });
    }
    return known.get(name);
  };
  const select = make("select", {}, ...[...names].sort().map((name) => make("option", { value: name }, name)));
  select.value = names[0];
  const said = note("");
  const host = make("div");
  part.append(make("div", { class: "nnw-tools" }, make("label", {}, "reading ", select)), said, host);
  const model = drawing("heatmap", host, taken(names[0]));
  const show = () => {
    const now = taken(select.value);
    said.textContent = `Layers from first (top) to last, steps across; colour: ${select.value}, ${now.power ? "log" : "linear"} scale. Striped red: NaN or infinite. A column that stands for several steps shows their mean.`;
    model.set("data", now);
    part.dataset.reading = select.value;
  };
  select.addEventListener("change", show);
  show();
}

function unitsPart() {
  const part = partOf("units");
  const host = make("div");
  part.append(note(`Share of units at step ${data.units.step.toLocaleString("en")}; solid: dead (zero for the whole batch), striped: saturated; red: half of them or more.`), host);
  drawing("shares", host, { bars: data.units.bars });
}

function histogramsPart() {
  const part = partOf("histograms");
  const kinds = Object.keys(data.histograms);
  const unpacked = (each) => each && Object.fromEntries(Object.entries(each).map(([name, value]) => [name, viewOf(Float32Array.from(unpack(value)))]));
  const taken = (kind) => ({ ...data.histograms[kind], now: unpacked(data.histograms[kind].now), first: unpacked(data.histograms[kind].first) });
  const said = note("");
  const host = make("div");
  const words = (kind) => {
    const [now, first] = data.histograms[kind].steps.map((step) => step.toLocaleString("en"));
    said.textContent = `Filled: at step ${now}; outline: at step ${first}. Across: the value; each is scaled to its own peak.`;
    part.dataset.kind = kind;
  };
  const scroll = make("div", { class: "nnw-tall", tabindex: "-1" }, host);
  part.append(choices("What the histograms show", kinds, kinds[0], (kind) => {
    words(kind);
    model.set("data", taken(kind));
  }), said, scroll);
  words(kinds[0]);
  const model = drawing("histograms", host, taken(kinds[0]));
}

function networkPart() {
  const part = partOf("network");
  const { states, around, details } = data.network;
  const host = make("div");
  const side = make("div", { class: "nnw-network-side", "aria-live": "polite" });
  const scroll = make("div", { class: "nnw-network" }, host);
  let [state, chosen] = ["", ""];
  const show = () => {
    model.set("data", { ...states[state], chosen });
    part.dataset.state = state;
    part.dataset.chosen = chosen;
    // told by Python, with all names escaped
    if (chosen && details[chosen]) side.innerHTML = details[chosen];
    else side.replaceChildren(note("Click a layer for its numbers and its line of code; ▸ opens a folded box, ▾ folds it again. Or press Tab, then the arrow keys and Enter."), note("✓ read, and well;  ! a warning;  ✗ a problem;  NaN: newest readings not finite;  no sign: not read"));
  };
  const heard = ({ kind, key }) => {
    if (kind === "choose") chosen = key;
    else if (kind === "open") {
      // one that is open at first was folded before
      if (states[`+${key}`]) state = `+${key}`;
      else if (state === `-${key}`) state = "";
      else return side.replaceChildren(note("What is inside this box was left out, to keep this page small."));
    } else if (kind === "close") {
      if (states[`-${key}`]) state = `-${key}`;
      else state = states[`+${around[key]}`] ? `+${around[key]}` : "";
    }
    return show();
  };
  part.append(make("div", { class: "nnw-network-body" }, scroll, side));
  const model = drawing("network", host, states[""], heard);
  show();
}

/** A part that fails says so, and the others are there. */
function build(name, act) {
  const part = partOf(name);
  if (!part) return;
  try {
    act(part);
  } catch (error) {
    part.append(make("p", { class: "nnw-error" }, `This part could not be drawn: ${error}`));
    console.error(error);
  }
}

build("loss", lossPart);
build("gradients", (part) => chart(part.appendChild(make("div")), data.gradients, view));
build("updates", (part) => chart(part.appendChild(make("div")), data.updates, view));
build("heatmaps", heatmapPart);
build("units", unitsPart);
build("histograms", histogramsPart);
build("network", networkPart);
view.settle();

// light or dark: as the system has it, until the button is pressed
const root = document.documentElement;
const button = document.getElementById("theme");
const system = matchMedia("(prefers-color-scheme: dark)");
const dark = () => root.classList.contains("page-dark") || (!root.classList.contains("page-light") && system.matches);
const redraw = () => {
  view.redraw();
  redraws.forEach((act) => act());
};
const label = () => {
  button.textContent = dark() ? "Light" : "Dark";
  button.title = `Show this page ${dark() ? "light" : "dark"}`;
};
button.hidden = false;
button.addEventListener("click", () => {
  const next = dark() ? "page-light" : "page-dark";
  root.classList.remove("page-light", "page-dark");
  root.classList.add(next);
  label();
  redraw();
});
system.addEventListener("change", () => {
  label();
  redraw();
});
label();
redraw();

// on paper: light, and with everything that is folded
/** @type {() => void} */
let restore = () => {};
window.addEventListener("beforeprint", () => {
  const classes = root.className;
  const closed = [...document.querySelectorAll("details:not([open])")];
  closed.forEach((each) => each.setAttribute("open", ""));
  root.classList.remove("page-dark");
  root.classList.add("page-light");
  redraw();
  paintNow();
  restore = () => {
    closed.forEach((each) => each.removeAttribute("open"));
    root.className = classes;
    redraw();
    restore = () => {};
  };
});
window.addEventListener("afterprint", () => restore());
