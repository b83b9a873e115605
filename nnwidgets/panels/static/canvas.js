// Shared by all canvases: size, sharpness, theme, hover by mouse and by keys, words for screen readers, and cleaning up.

/**
 * @typedef {{ink: string, muted: string, grid: string, wrong: string, ground: string}} Theme
 * @typedef {{x: number, y: number} | null} Pointer
 * @typedef {{
 *   height: (data: any, width: number) => number,
 *   draw: (ctx: CanvasRenderingContext2D, data: any, width: number, height: number, theme: Theme) => void,
 *   hover: (data: any, width: number, height: number, pointer: {x: number, y: number}) => string | null,
 *   about?: (data: any) => string,
 *   spots?: (data: any, width: number) => {x: number[], y: number[]},
 * }} Picture
 * `about` is for who does not see the picture; `spots` are the columns and rows through which the arrow keys lead.
 */

// All is laid out for this size of text, and zoomed where the theme's is another.
const SIZE = 13;
const FONT = `${SIZE}px system-ui, sans-serif`;
const WAYS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/** How many times as large as `SIZE` the theme's text is. @param {HTMLElement} el */
const zoomOf = (el) => (parseFloat(getComputedStyle(el).fontSize) || SIZE) / SIZE;

/** @param {KeyboardEvent} event */
const isChord = (event) => event.ctrlKey || event.metaKey || event.altKey;

/** The text, with signs that turn round the reading order written out. @param {string} text */
const literal = (text) =>
  text.replace(/[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, (sign) => `\\u${sign.charCodeAt(0).toString(16).padStart(4, "0")}`);

/**
 * While `el` has the focus, JupyterLab's shortcuts of one key rest where `el` uses that key; all others, and chords, work.
 * JupyterLab looks for the attribute when a key is pressed, so it is set just before.
 * @param {HTMLElement} el @param {(key: string) => boolean} uses @returns {() => void} what ends it
 */
function ownKeys(el, uses) {
  const early = (/** @type {KeyboardEvent} */ event) => {
    if (!el.contains(/** @type {Node} */ (event.target))) return;
    if (!isChord(event) && uses(event.key)) el.setAttribute("data-lm-suppress-shortcuts", "true");
    else el.removeAttribute("data-lm-suppress-shortcuts");
  };
  window.addEventListener("keydown", early, true);
  return () => window.removeEventListener("keydown", early, true);
}

/** Stripes in one colour, for what must not be told by its colour alone. @param {CanvasRenderingContext2D} ctx */
function stripes(ctx, color, ground = "") {
  const tile = document.createElement("canvas");
  tile.width = tile.height = 6;
  const brush = tile.getContext("2d");
  if (!brush) return color;
  if (ground) {
    brush.fillStyle = ground;
    brush.fillRect(0, 0, 6, 6);
  }
  brush.strokeStyle = color;
  brush.lineWidth = 2;
  brush.beginPath();
  for (const shift of [-6, 0, 6]) {
    brush.moveTo(shift - 1, 7);
    brush.lineTo(shift + 7, -1);
  }
  brush.stroke();
  return ctx.createPattern(tile, "repeat") || color;
}

/** @param {string} name @param {HTMLElement} el */
function colorOf(name, el) {
  el.style.color = `var(${name})`;
  const color = getComputedStyle(el).color;
  el.style.color = "";
  return color;
}

/** @param {HTMLElement} el @returns {Theme} */
function themeOf(el) {
  const names = ["ink", "muted", "grid", "wrong", "ground"];
  return /** @type {any} */ (Object.fromEntries(names.map((name) => [name, colorOf(`--nnw-${name}`, el)])));
}

/** @param {DataView} view */
const floats = (view) => (view ? new Float32Array(aligned(view)) : new Float32Array());
/** @param {DataView} view */
const doubles = (view) => (view ? new Float64Array(aligned(view)) : new Float64Array());
/** @param {DataView} view */
const bytes = (view) => (view ? new Uint8Array(aligned(view)) : new Uint8Array());
/** @param {DataView} view */
const aligned = (view) => view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength);

/** A number for people. @param {number} value */
function short(value) {
  if (Number.isNaN(value)) return "NaN";
  const size = Math.abs(value);
  if (size >= 1e3 && size < 1e7) return Math.round(value).toLocaleString("en");
  if (size >= 1e7 || (size > 0 && size < 1e-3)) return value.toExponential(1).replace("e+", "e").replace(".0e", "e");
  return String(Number(value.toPrecision(3)));
}

/** The text, cut at its front until it fits: the end of a path says most. */
function fit(ctx, text, width) {
  let cut = literal(text);
  if (ctx.measureText(cut).width <= width) return cut;
  while (cut.length > 1 && ctx.measureText("…" + cut).width > width) cut = cut.slice(1);
  return "…" + cut;
}

/** Where the keys are. */
function ring(ctx, { x, y }, theme) {
  ctx.setLineDash([]);
  for (const [color, wide] of [[theme.ground, 4], [theme.ink, 2]]) {
    ctx.strokeStyle = color;
    ctx.lineWidth = /** @type {number} */ (wide);
    ctx.beginPath();
    ctx.arc(x, y, 5, 0, 7);
    ctx.stroke();
  }
}

/** Scroll what is around `el` so far that this height of it can be seen. */
function reveal(el, top, tall = 40) {
  const scroll = el.parentElement;
  if (!scroll) return;
  if (top - 8 < scroll.scrollTop) scroll.scrollTop = top - 8;
  if (top + tall > scroll.scrollTop + scroll.clientHeight) scroll.scrollTop = top + tall - scroll.clientHeight;
}

/**
 * Draw `picture` into `el` at most once a frame, whenever its data, size or theme change.
 * @param {{model: any, el: HTMLElement, picture: Picture}} options
 * @returns {() => void} what ends it
 */
function mount({ model, el, picture }) {
  el.classList.add("nnw-canvas");
  const canvas = el.appendChild(document.createElement("canvas"));
  const tip = el.appendChild(document.createElement("div"));
  tip.className = "nnw-tip";
  // the same for who does not see it, but only where the keys lead: what the mouse points at is not read out
  const said = el.appendChild(document.createElement("div"));
  said.className = "nnw-said";
  said.setAttribute("role", "status");
  canvas.setAttribute("role", "img");
  if (picture.spots) canvas.tabIndex = 0;
  let frame = 0;
  /** @type {Pointer} */
  let pointer = null;
  /** The column and row where the keys are. @type {[number, number] | null} */
  let spot = null;
  let [width, height] = [0, 0];

  const paint = () => {
    frame = 0;
    const data = model.get("data");
    if (!el.clientWidth || !data) return;
    const zoom = zoomOf(el);
    width = el.clientWidth / zoom;
    height = Object.keys(data).length ? picture.height(data, width) : 0;
    const scale = (window.devicePixelRatio || 1) * zoom;
    const [wide, high] = [Math.round(width * scale), Math.round(height * scale)];
    if (canvas.width !== wide || canvas.height !== high) {
      [canvas.width, canvas.height] = [wide, high];
      [canvas.style.width, canvas.style.height] = [`${width * zoom}px`, `${height * zoom}px`];
    }
    canvas.style.display = height ? "" : "none";
    const about = height && picture.about ? literal(picture.about(data)) : "";
    if (about && canvas.getAttribute("aria-label") !== about) canvas.setAttribute("aria-label", about);
    const ctx = canvas.getContext("2d");
    if (!ctx || !height) return;
    ctx.setTransform(scale, 0, 0, scale, 0, 0);
    ctx.clearRect(0, 0, width, height);
    ctx.font = FONT;
    ctx.textBaseline = "middle";
    picture.draw(ctx, data, width, height, themeOf(el));
    if (spot && picture.spots) {
      const { x, y } = picture.spots(data, width);
      spot = [Math.min(spot[0], x.length - 1), Math.min(spot[1], y.length - 1)];
      pointer = { x: x[spot[0]], y: y[spot[1]] };
      ring(ctx, pointer, themeOf(el));
    }
    const text = pointer && picture.hover(data, width, height, pointer);
    const told = spot ? literal(text || "") : "";
    if (picture.spots && said.textContent !== told) said.textContent = told;
    tip.textContent = literal(text || "");
    tip.style.display = text ? "block" : "none";
    if (text && pointer) {
      const left = Math.min(pointer.x * zoom + 12, el.clientWidth - tip.offsetWidth - 2);
      const above = pointer.y * zoom - tip.offsetHeight - 8;
      tip.style.transform = `translate(${Math.max(0, left)}px, ${Math.max(0, above)}px)`;
    }
  };
  const ask = () => {
    frame = frame || requestAnimationFrame(paint);
  };
  const moved = (/** @type {PointerEvent} */ event) => {
    const box = canvas.getBoundingClientRect();
    const zoom = zoomOf(el);
    [pointer, spot] = [{ x: (event.clientX - box.left) / zoom, y: (event.clientY - box.top) / zoom }, null];
    ask();
  };
  const left = () => {
    [pointer, spot] = [null, null];
    ask();
  };
  const pressed = (/** @type {KeyboardEvent} */ event) => {
    if (!picture.spots || isChord(event) || !height) return;
    const way = WAYS[event.key];
    if (way) {
      const { x, y } = picture.spots(model.get("data"), width);
      const near = (place, all) => Math.min(all.length - 1, Math.max(0, place));
      // at the newest, and at the top
      spot = spot ? [near(spot[0] + way[0], x), near(spot[1] + way[1], y)] : [x.length - 1, 0];
      reveal(el, y[spot[1]] * zoomOf(el));
    } else if (event.key === "Escape" && spot) [pointer, spot] = [null, null];
    else return;
    ask();
    event.preventDefault();
    event.stopPropagation();
  };
  const resized = new ResizeObserver(ask);
  resized.observe(el);
  const themed = new MutationObserver(ask);
  themed.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-name", "class"] });
  themed.observe(document.documentElement, { attributes: true, attributeFilter: ["theme", "class", "style"] });
  const dark = matchMedia("(prefers-color-scheme: dark)");
  dark.addEventListener("change", ask);
  canvas.addEventListener("pointermove", moved);
  canvas.addEventListener("pointerleave", left);
  canvas.addEventListener("keydown", pressed);
  canvas.addEventListener("blur", left);
  const free = picture.spots ? ownKeys(el, (key) => key in WAYS || (key === "Escape" && spot !== null)) : () => {};
  model.on("change:data", ask);
  ask();
  return () => {
    cancelAnimationFrame(frame);
    resized.disconnect();
    themed.disconnect();
    dark.removeEventListener("change", ask);
    canvas.removeEventListener("pointermove", moved);
    canvas.removeEventListener("pointerleave", left);
    canvas.removeEventListener("keydown", pressed);
    canvas.removeEventListener("blur", left);
    free();
    model.off("change:data", ask);
  };
}

