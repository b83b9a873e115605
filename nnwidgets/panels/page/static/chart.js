// Lines over the steps: hover, zoom, names that can be chosen; all charts of the page show the same steps.

const [LEFT, RIGHT, TOP, BOTTOM] = [66, 14, 10, 38];
const DASHES = { dashed: [7, 4], dotted: [2, 3], "dash-dotted": [8, 3, 2, 3] };
const SUPERSCRIPT = "⁰¹²³⁴⁵⁶⁷⁸⁹";
// Rows of what hovering tells; the names below the chart tell all.
const TOLD = 12;
const SMOOTHING = [[0, "off"], [-1, "a little"], ...[3, 10, 30, 100, 300, 1000, 3000].map((steps) => [steps, `~${steps.toLocaleString("en")} steps`])];

/** An element with attributes and children. */
function make(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children.map((each) => (typeof each === "string" ? literal(each) : each)));
  return made;
}

/** Where all charts look: steps from and to, and the step that is pointed at. */
function sharedView() {
  const heard = new Set();
  const view = {
    whole: [0, 1], from: 0, to: 1, at: null,
    reach(first, last) {
      const [low, high] = view.known ? view.whole : [first, last];
      view.known = true;
      view.whole = [Math.min(low, first), Math.max(high, last)];
    },
    settle() {
      let [first, last] = view.whole;
      if (first >= 0 && first < 0.1 * last) first = 0;
      view.whole = [first, Math.max(last, first + 1)];
      [view.from, view.to] = view.whole;
    },
    zoom(from, to) {
      const [first, last] = view.whole;
      const wide = Math.min(last - first, Math.max(to - from, Math.min(4, last - first)));
      const start = Math.min(last - wide, Math.max(first, from));
      [view.from, view.to] = [start, start + wide];
      heard.forEach((act) => act("zoom"));
    },
    point(step) {
      view.at = step;
      heard.forEach((act) => act("point"));
    },
    redraw: () => heard.forEach((act) => act("theme")),
    on: (act) => heard.add(act),
  };
  return view;
}

/** Round numbers between two ends. */
function ticksBetween(low, high, count, whole = false) {
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  let apart = [1, 2, 5, 10].map((factor) => factor * power).find((each) => each >= rough * 0.999) || rough;
  if (whole) apart = Math.max(1, apart);
  const first = Math.ceil(low / apart - 1e-9);
  const found = [];
  for (let i = first; i * apart <= high + 1e-9 * apart && found.length < 4 * count; i++) found.push(Number((i * apart).toPrecision(12)));
  return found;
}

/** log10 of round numbers between two powers of ten, and what stands there. */
function logTicks(low, high, count) {
  let ticks;
  if (high - low > 2.5) ticks = ticksBetween(low, high, count, true);
  else if (high - low > 0.9) {
    ticks = [];
    for (let power = Math.floor(low); power <= high; power++) for (const digit of [1, 2, 5]) ticks.push(power + Math.log10(digit));
    ticks = ticks.filter((tick) => tick >= low && tick <= high);
  } else ticks = ticksBetween(10 ** low, 10 ** high, count).filter((tick) => tick > 0).map(Math.log10);
  const round = ticks.every(Number.isInteger) && Math.max(...ticks.map(Math.abs)) > 3;
  const raised = (power) => `10${power < 0 ? "⁻" : ""}${String(Math.abs(power)).replace(/\d/g, (digit) => SUPERSCRIPT[digit])}`;
  return ticks.map((tick) => [tick, round ? raised(tick) : short(Number((10 ** tick).toPrecision(3)))]);
}

/** Moving average that forgets within about `wide` steps; a gap stays one and does not spoil the rest. */
function smoothed(steps, values, wide) {
  if (!wide) return values;
  const found = new Float64Array(values.length);
  let [total, weight, last] = [0, 0, steps[0]];
  for (let i = 0; i < values.length; i++) {
    const fade = Math.exp((last - steps[i]) / wide);
    last = steps[i];
    [total, weight] = [total * fade, weight * fade];
    if (Number.isFinite(values[i])) [total, weight] = [total + values[i], weight + 1];
    found[i] = Number.isFinite(values[i]) ? total / weight : NaN;
  }
  return found;
}

/** The place of the row that is nearest to a step; -1 where the line does not reach. */
function nearest(steps, step) {
  let [low, high] = [0, steps.length - 1];
  if (high < 0) return -1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (steps[middle] < step) low = middle + 1;
    else high = middle;
  }
  return low > 0 && step - steps[low - 1] < steps[low] - step ? low - 1 : low;
}

/** The lines of a chart, unpacked. */
function linesOf(spec) {
  return spec.groups.flatMap((group) => {
    const steps = unpack(group.steps);
    const parts = ["values", "low", "high", "bad"].map((part) => unpack(group[part]));
    return group.lines.map((line, i) => {
      const [values, low, high, bad] = parts.map((all) => all && all.subarray(i * steps.length, (i + 1) * steps.length));
      return { ...line, steps, values, low: low || values, high: high || values, spread: Boolean(low), bad };
    });
  });
}

/**
 * @param {HTMLElement} host @param {any} spec what _curves.py gives @param {any} view
 */
function chart(host, spec, view) {
  const lines = linesOf(spec);
  const small = Boolean(spec.small);
  /** The lines that are shown; null: all. @type {Set<any> | null} */
  let chosen = null;
  let [log, window_] = [spec.log, spec.smooth];
  let [width, height, domain] = [0, small ? 190 : 320, [0, 1]];
  /** Where a drag began, and the pointer. */
  let [drag, pointer, keyed] = [null, null, false];
  host.classList.add("nnw-chart");
  if (small) host.classList.add("nnw-small");

  const canvas = make("canvas", { tabindex: "0", role: "img" });
  const over = make("canvas", { "aria-hidden": "true" });
  const tip = make("div", { class: "nnw-tip nnw-told", role: "status" });
  const plot = make("div", { class: "nnw-plot" }, canvas, over, tip);
  const shownLines = () => (chosen ? lines.filter((line) => chosen.has(line)) : lines);
  const scaled = (value) => (log ? (value > 0 ? Math.log10(value) : NaN) : value);
  const positive = lines.some((line) => line.values.some((value) => value > 0));

  // what stands above: log scale, smoothing, the whole run
  const heading = make(small ? "h4" : "h3", {}, spec.title);
  const logged = make("input", { type: "checkbox" });
  logged.checked = log;
  const smoothing = make("select", { "aria-label": `Smoothing of ${spec.title}` }, ...SMOOTHING.map(([value, words]) => make("option", { value }, words)));
  smoothing.value = String(window_);
  const whole = make("button", { type: "button", class: "nnw-whole", title: "Show all steps again; or double click, or Escape" }, "whole run");
  const bar = make("div", { class: "nnw-tools" }, heading);
  if (positive) bar.append(make("label", { title: "Powers of ten on the vertical axis" }, logged, " log scale"));
  if (!small) bar.append(make("label", { title: "The strong line averages over about so many steps; the faint one is never smoothed" }, "smoothing ", smoothing));
  bar.append(whole);

  // the names: each is a button, with the value that is pointed at
  const keys = lines.map((line) => {
    const value = make("span", { class: "nnw-value" });
    const name = make("span", { class: "nnw-name" }, line.name);
    const button = make("button", { type: "button", class: "nnw-key", "aria-pressed": "true", title: `${line.name}\nClick: this line alone; further clicks add and take away others` }, swatch(line), name, value);
    button.addEventListener("click", () => choose(line));
    return { line, button, value };
  });
  const all = make("button", { type: "button", class: "nnw-key nnw-all" }, "show all");
  all.addEventListener("click", () => {
    chosen = null;
    changed();
  });
  const names = make("div", { class: "nnw-keys", role: "group", "aria-label": `Lines of ${spec.title}` }, ...keys.map(({ button }) => button));
  const filter = make("input", { type: "search", placeholder: `filter ${lines.length} names`, "aria-label": `Filter the names of ${spec.title}` });
  filter.addEventListener("input", () => {
    const words = filter.value.trim().toLowerCase();
    for (const { line, button } of keys) button.hidden = !line.name.toLowerCase().includes(words);
    const found = lines.filter((line) => line.name.toLowerCase().includes(words));
    chosen = words && found.length ? new Set(found) : null;
    changed();
  });
  host.append(bar, ...(spec.note ? [make("div", { class: "nnw-note" }, spec.note)] : []), plot, make("div", { class: "nnw-below" }, ...(lines.length > 20 ? [filter] : []), all), names);

  function swatch(line) {
    const mark = make("i", { class: `nnw-mark nnw-${line.dash || "solid"}${line.faint ? " nnw-faint" : ""}${line.old ? " nnw-old" : ""}` });
    if (line.colour) mark.style.borderTopColor = line.colour;
    return mark;
  }

  function choose(line) {
    if (!chosen) chosen = new Set([line]);
    else if (chosen.has(line)) chosen.delete(line);
    else chosen.add(line);
    if (!chosen.size || chosen.size === lines.length) chosen = null;
    changed();
  }

  function changed() {
    for (const { line, button } of keys) button.setAttribute("aria-pressed", String(!chosen || chosen.has(line)));
    all.hidden = !chosen;
    host.dataset.shown = String(shownLines().length);
    ask();
  }

  const across = (step) => LEFT + ((step - view.from) / (view.to - view.from || 1)) * (width - LEFT - RIGHT);
  const stepAt = (x) => view.from + ((x - LEFT) / (width - LEFT - RIGHT || 1)) * (view.to - view.from);
  const up = (value) => TOP + (1 - (value - domain[0]) / (domain[1] - domain[0] || 1)) * (height - TOP - BOTTOM);

  /** The rows of a line in sight, with one more at each side. */
  function inSight(line) {
    const { steps } = line;
    let [first, last] = [nearest(steps, view.from), nearest(steps, view.to)];
    while (first > 0 && steps[first] > view.from) first--;
    while (last < steps.length - 1 && steps[last] < view.to) last++;
    return [first, last];
  }

  function look() {
    let [low, high] = [Infinity, -Infinity];
    const see = (value) => {
      const place = scaled(value);
      if (Number.isFinite(place)) [low, high] = [Math.min(low, place), Math.max(high, place)];
    };
    for (const line of shownLines()) {
      const [first, last] = inSight(line);
      for (let i = first; i <= last; i++) {
        if (line.steps[i] < view.from || line.steps[i] > view.to) continue;
        see(line.values[i]);
        see(line.low[i]);
        see(line.high[i]);
      }
    }
    for (const level of spec.band || []) see(level * (level < 1e-3 ? 0.5 : 2));
    if (low > high) [low, high] = [0, 1];
    const room = Math.max(0.05 * (high - low), 0.02 * Math.max(Math.abs(low), Math.abs(high)), log ? 0.02 : 1e-12) || 1;
    domain = [low - room, high + room];
  }

  function trace(ctx, xs, ys) {
    ctx.beginPath();
    let drawing = false;
    for (let i = 0; i < xs.length; i++) {
      if (!Number.isFinite(ys[i])) {
        drawing = false;
        continue;
      }
      const [x, y] = [across(xs[i]), up(ys[i])];
      if (drawing) ctx.lineTo(x, y);
      else {
        ctx.moveTo(x, y);
        // a point that stands alone is still seen
        if (!Number.isFinite(ys[i + 1])) ctx.lineTo(x + 1.5, y);
      }
      drawing = true;
    }
    ctx.stroke();
  }

  /** From low to high, or from high to low, whichever way the line goes. */
  function outline(line, first, last) {
    const [xs, ys] = [[], []];
    for (let i = first; i <= last; i++) {
      if (!line.spread) {
        xs.push(line.steps[i]);
        ys.push(scaled(line.values[i]));
        continue;
      }
      const rising = i === 0 || line.values[i] >= line.values[i - 1];
      const before = i > 0 ? (line.steps[i] + line.steps[i - 1]) / 2 : line.steps[i];
      xs.push(before, line.steps[i]);
      ys.push(scaled(rising ? line.low[i] : line.high[i]), scaled(rising ? line.high[i] : line.low[i]));
    }
    return [xs, ys];
  }

  function drawLine(ctx, line, theme, crowd) {
    const [first, last] = inSight(line);
    const colour = line.colour || (line.old ? theme.muted : theme.ink);
    ctx.strokeStyle = ctx.fillStyle = colour;
    ctx.setLineDash(DASHES[line.dash] || []);
    const strength = line.faint && !chosen ? 0.6 : 1;
    const plain = line.old || line.dots || window_ === 0;
    ctx.lineWidth = plain ? 1.6 : 1;
    ctx.globalAlpha = strength * (plain ? (line.old ? 0.65 : 1) : crowd ? 0.2 : 0.38);
    const [xs, ys] = outline(line, first, last);
    if (!(crowd > 60 && !plain)) trace(ctx, xs, ys);
    if (line.dots && last - first < 120) {
      for (let i = 0; i < xs.length; i++) {
        if (!Number.isFinite(ys[i])) continue;
        ctx.beginPath();
        ctx.arc(across(xs[i]), up(ys[i]), 2.6, 0, 7);
        ctx.fill();
      }
    }
    if (!plain) {
      const wide = window_ < 0 ? (view.to - view.from) / 50 : window_;
      const steps = line.steps.subarray(first, last + 1);
      ctx.globalAlpha = strength;
      ctx.lineWidth = crowd > 60 ? 1.2 : 2;
      trace(ctx, steps, smoothed(steps, Array.from(line.values.subarray(first, last + 1), scaled), wide));
    }
    ctx.globalAlpha = 1;
    ctx.setLineDash([]);
  }

  /** Red triangles on the lower edge: steps of which something was NaN or infinite. */
  function drawBad(ctx, theme) {
    const steps = new Set();
    for (const line of shownLines()) if (line.bad) line.steps.forEach((step, i) => line.bad[i] && step >= view.from && step <= view.to && steps.add(step));
    ctx.fillStyle = theme.wrong;
    for (const step of steps) {
      const x = across(step);
      ctx.beginPath();
      ctx.moveTo(x - 5, height - BOTTOM);
      ctx.lineTo(x + 5, height - BOTTOM);
      ctx.lineTo(x, height - BOTTOM - 9);
      ctx.fill();
    }
    host.dataset.bad = String(steps.size);
  }

  function axes(ctx, theme) {
    const bottom = height - BOTTOM;
    const count = small ? 3 : 6;
    const ups = log ? logTicks(domain[0], domain[1], count) : ticksBetween(domain[0], domain[1], count).map((tick) => [tick, short(tick)]);
    ctx.lineWidth = 1;
    ctx.strokeStyle = theme.grid;
    ctx.fillStyle = theme.muted;
    ctx.textAlign = "right";
    for (const [tick, words] of ups) {
      const y = Math.round(up(tick)) + 0.5;
      ctx.beginPath();
      ctx.moveTo(LEFT, y);
      ctx.lineTo(width - RIGHT, y);
      ctx.stroke();
      ctx.fillText(words, LEFT - 8, y);
    }
    ctx.textAlign = "center";
    for (const tick of ticksBetween(view.from, view.to, Math.max(2, Math.min(8, Math.floor((width - LEFT) / 110))), true)) {
      const x = Math.round(across(tick)) + 0.5;
      ctx.beginPath();
      ctx.moveTo(x, TOP);
      ctx.lineTo(x, bottom);
      ctx.stroke();
      ctx.fillText(tick.toLocaleString("en"), Math.min(x, width - RIGHT - 12), bottom + 12);
    }
    ctx.fillStyle = theme.ink;
    ctx.fillText("step", LEFT + (width - LEFT - RIGHT) / 2, height - 8);
    if (!small) {
      ctx.save();
      ctx.translate(8, TOP + (bottom - TOP) / 2);
      ctx.rotate(-Math.PI / 2);
      ctx.fillText(spec.y, 0, 0);
      ctx.restore();
    }
    ctx.strokeStyle = theme.muted;
    ctx.strokeRect(LEFT + 0.5, TOP + 0.5, width - LEFT - RIGHT, bottom - TOP);
  }

  function prepare(target) {
    const scale = window.devicePixelRatio || 1;
    const [wide, high] = [Math.round(width * scale), Math.round(height * scale)];
    if (target.width !== wide || target.height !== high) {
      [target.width, target.height] = [wide, high];
      [target.style.width, target.style.height] = [`${width}px`, `${height}px`];
    }
    const ctx = target.getContext("2d");
    ctx.setTransform(scale, 0, 0, scale, 0, 0);
    ctx.clearRect(0, 0, width, height);
    ctx.font = FONT;
    ctx.textBaseline = "middle";
    ctx.lineJoin = "round";
    return ctx;
  }

  function paint() {
    width = plot.clientWidth;
    if (!width) return;
    if (!small) height = width < 560 ? 260 : 320;
    const theme = themeOf(over);
    look();
    const ctx = prepare(canvas);
    axes(ctx, theme);
    ctx.save();
    ctx.beginPath();
    ctx.rect(LEFT, TOP, width - LEFT - RIGHT, height - TOP - BOTTOM);
    ctx.clip();
    if (spec.band) {
      const [low, high] = spec.band.map((level) => up(scaled(level)));
      ctx.fillStyle = theme.grid;
      ctx.fillRect(LEFT, high, width, low - high);
      ctx.strokeStyle = theme.muted;
      ctx.setLineDash([5, 4]);
      trace(ctx, [view.from, view.to], [scaled(spec.guide), scaled(spec.guide)]);
      ctx.setLineDash([]);
    }
    const shown = shownLines();
    for (const line of shown) drawLine(ctx, line, theme, shown.length > 4 ? shown.length : 0);
    ctx.restore();
    drawBad(ctx, theme);
    const zoomed = view.from > view.whole[0] || view.to < view.whole[1];
    whole.hidden = !zoomed;
    Object.assign(host.dataset, { from: String(view.from), to: String(view.to), log: String(log) });
    canvas.setAttribute("aria-label", about(shown));
    point();
  }

  function about(shown) {
    const ends = shown.slice(0, 4).map((line) => `${line.name} ${told(line, 0)} to ${told(line, line.steps.length - 1)}`);
    const more = shown.length > 4 ? `, and ${shown.length - 4} more lines` : "";
    return literal(
      `${spec.title}, steps ${Math.round(view.from).toLocaleString("en")} to ${Math.round(view.to).toLocaleString("en")}: ${ends.join("; ")}${more}. ` +
        "Left and right read the values, plus and minus zoom, Escape shows all.",
    );
  }

  /** A value in words. */
  function told(line, row) {
    const [value, low, high] = [line.values[row], line.low[row], line.high[row]];
    const bad = line.bad && line.bad[row];
    const words = Number.isNaN(value) ? "" : Number.isFinite(value) ? digits(value) : "";
    const range = words && line.spread && low !== high && Number.isFinite(low) ? ` (${digits(low)} to ${digits(high)})` : "";
    if (bad) return words ? `NaN or infinite at some step, else ${words}` : "NaN or infinite";
    return words ? words + range : "–";
  }

  /** What is pointed at: a line across, a dot on each line, the values. */
  function point() {
    const ctx = prepare(over);
    const theme = themeOf(over);
    if (drag !== null && pointer) {
      ctx.fillStyle = theme.ink;
      ctx.globalAlpha = 0.12;
      ctx.fillRect(Math.min(drag, pointer.x), TOP, Math.abs(pointer.x - drag), height - TOP - BOTTOM);
      ctx.globalAlpha = 1;
    }
    const { at } = view;
    const seen = at !== null && at >= view.from && at <= view.to;
    const rows = [];
    for (const { line, value } of keys) {
      const row = seen ? nearest(line.steps, at) : line.steps.length - 1;
      const reaches = row >= 0 && (!seen || (at >= line.steps[0] - 0.5 && at <= line.steps[line.steps.length - 1] + 0.5));
      const words = reaches ? told(line, row).replace(/ \(.*/, "").replace(/ at some step.*/, "") : "–";
      if (value.textContent !== words) value.textContent = words;
      if (seen && reaches && (!chosen || chosen.has(line))) rows.push({ line, row, y: up(scaled(line.values[row])) });
    }
    tip.style.display = "none";
    if (!seen) return;
    const x = across(at);
    ctx.strokeStyle = theme.ink;
    ctx.globalAlpha = 0.5;
    ctx.beginPath();
    ctx.moveTo(x, TOP);
    ctx.lineTo(x, height - BOTTOM);
    ctx.stroke();
    ctx.globalAlpha = 1;
    for (const { line, row, y } of rows.slice(0, 400)) {
      if (!Number.isFinite(y)) continue;
      ctx.fillStyle = line.colour || (line.old ? theme.muted : theme.ink);
      ctx.beginPath();
      ctx.arc(across(line.steps[row]), y, rows.length > 60 ? 2 : 3.5, 0, 7);
      ctx.fill();
    }
    if (pointer) tell(rows, x);
  }

  function tell(rows, x) {
    if (rows.length > TOLD) rows.sort((one, other) => Math.abs(one.y - pointer.y) - Math.abs(other.y - pointer.y) || 0);
    const shown = rows.slice(0, TOLD);
    const step = Math.round(view.at);
    const parts = [make("b", {}, `step ${step.toLocaleString("en")}`)];
    for (const { line, row } of shown) {
      const elsewhere = Math.abs(line.steps[row] - view.at) > 0.5 ? ` at step ${line.steps[row].toLocaleString("en")}` : "";
      parts.push(make("div", {}, swatch(line), make("span", { class: "nnw-name" }, line.name), make("span", { class: "nnw-value" }, told(line, row) + elsewhere)));
    }
    if (rows.length > TOLD) parts.push(make("div", { class: "nnw-more" }, `and ${rows.length - TOLD} more: their values stand below`));
    tip.setAttribute("aria-live", keyed ? "polite" : "off");
    tip.replaceChildren(...parts);
    tip.style.display = "block";
    const wide = tip.offsetWidth;
    const left = x + 14 + wide < width ? x + 14 : Math.max(0, x - 14 - wide);
    const top = Math.min(Math.max(0, pointer.y - tip.offsetHeight / 2), Math.max(0, height - tip.offsetHeight));
    tip.style.transform = `translate(${left}px, ${top}px)`;
  }

  /** @type {"" | "all" | "point"} */
  let asked = "";
  let visible = true;
  const ask = (what = "all") => {
    // what nobody sees need not follow the pointer
    if (what === "point" && !visible) return;
    if (!asked) {
      requestAnimationFrame(() => {
        const how = asked;
        asked = "";
        if (how === "all") paint();
        else point();
      });
    }
    asked = asked === "all" ? "all" : what;
  };

  /** The step of the row of some line that is nearest to this place. */
  function rowStep(x) {
    const [step, shown] = [stepAt(x), shownLines().filter((line) => !line.old)];
    let best = Math.round(step);
    let gap = Infinity;
    for (const line of shown.length ? shown : shownLines()) {
      const row = nearest(line.steps, step);
      if (row >= 0 && Math.abs(line.steps[row] - step) < gap) [best, gap] = [line.steps[row], Math.abs(line.steps[row] - step)];
    }
    return best;
  }

  const place = (event) => {
    const box = canvas.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  };
  const inside = ({ x, y }) => x >= LEFT && x <= width - RIGHT && y >= TOP - 4 && y <= height - BOTTOM + 4;
  plot.addEventListener("pointermove", (event) => {
    pointer = place(event);
    keyed = false;
    if (inside(pointer) || drag !== null) view.point(rowStep(Math.min(width - RIGHT, Math.max(LEFT, pointer.x))));
    else view.point(null);
  });
  plot.addEventListener("pointerleave", () => {
    if (drag !== null || keyed) return;
    pointer = null;
    view.point(null);
  });
  plot.addEventListener("pointerdown", (event) => {
    const at = place(event);
    if (event.button || !inside(at)) return;
    drag = at.x;
    pointer = at;
    plot.setPointerCapture(event.pointerId);
  });
  plot.addEventListener("pointerup", (event) => {
    if (drag === null) return;
    const [start, { x }] = [drag, place(event)];
    drag = null;
    if (Math.abs(x - start) > 6) {
      const ends = [start, x].map((each) => stepAt(Math.min(width - RIGHT, Math.max(LEFT, each)))).sort((one, other) => one - other);
      view.zoom(ends[0], ends[1]);
    } else ask("point");
  });
  plot.addEventListener("pointercancel", () => {
    drag = null;
    ask("point");
  });
  const reset = () => view.zoom(...view.whole);
  plot.addEventListener("dblclick", reset);
  whole.addEventListener("click", reset);
  const closer = (factor, around) => view.zoom(around - (around - view.from) * factor, around + (view.to - around) * factor);
  // with Ctrl, or two fingers: without it the wheel scrolls the page
  plot.addEventListener("wheel", (event) => {
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    closer(event.deltaY > 0 ? 1.25 : 0.8, stepAt(place(event).x));
  }, { passive: false });
  canvas.addEventListener("keydown", (event) => {
    if (isChord(event)) return;
    const steps = (shownLines()[0] || lines[0]).steps;
    const at = view.at === null ? view.to : view.at;
    const row = nearest(steps, at);
    const go = (to) => {
      const step = steps[Math.min(steps.length - 1, Math.max(0, to))];
      const kept = Math.min(view.to, Math.max(view.from, step));
      keyed = true;
      pointer = { x: across(kept), y: height / 2 };
      view.point(kept);
    };
    const pace = event.shiftKey ? 10 : 1;
    const acts = {
      ArrowLeft: () => go(view.at === null ? row : row - pace),
      ArrowRight: () => go(view.at === null ? row : row + pace),
      Home: () => go(0),
      End: () => go(steps.length - 1),
      "+": () => closer(0.6, at),
      "=": () => closer(0.6, at),
      "-": () => closer(1 / 0.6, at),
      0: reset,
      Escape: reset,
    };
    if (!acts[event.key]) return;
    acts[event.key]();
    event.preventDefault();
  });
  canvas.addEventListener("blur", () => {
    if (!keyed) return;
    [keyed, pointer] = [false, null];
    view.point(null);
  });
  logged.addEventListener("change", () => {
    log = logged.checked;
    ask();
  });
  smoothing.addEventListener("change", () => {
    window_ = Number(smoothing.value);
    ask();
  });
  new ResizeObserver(() => ask()).observe(plot);
  new IntersectionObserver((entries) => {
    visible = entries[entries.length - 1].isIntersecting;
    ask("point");
  }).observe(host);
  view.on((what) => ask(what === "point" ? "point" : "all"));
  for (const { steps } of lines) if (steps.length) view.reach(steps[0], steps[steps.length - 1]);
  changed();
}

/** Four digits. */
function digits(value) {
  const size = Math.abs(value);
  if (size >= 1e4 && size < 1e7) return Math.round(value).toLocaleString("en");
  if (size >= 1e7 || (size > 0 && size < 1e-3)) return value.toExponential(2).replace("e+", "e").replace(/\.?0+e/, "e");
  return String(Number(value.toPrecision(4)));
}
