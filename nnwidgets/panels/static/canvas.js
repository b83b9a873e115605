// Shared by all canvases: size, sharpness, theme, hover, and cleaning up. Each canvas adds `layout` and `draw`.

/**
 * @typedef {{ink: string, muted: string, grid: string, wrong: string, ground: string}} Theme
 * @typedef {{x: number, y: number} | null} Pointer
 * @typedef {{
 *   height: (data: any, width: number) => number,
 *   draw: (ctx: CanvasRenderingContext2D, data: any, width: number, height: number, theme: Theme) => void,
 *   hover: (data: any, width: number, height: number, pointer: {x: number, y: number}) => string | null,
 * }} Picture
 */

const FONT = "12px system-ui, sans-serif";

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
  if (ctx.measureText(text).width <= width) return text;
  let cut = text;
  while (cut.length > 1 && ctx.measureText("…" + cut).width > width) cut = cut.slice(1);
  return "…" + cut;
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
  canvas.setAttribute("role", "img");
  let frame = 0;
  /** @type {Pointer} */
  let pointer = null;
  let [width, height] = [0, 0];

  const paint = () => {
    frame = 0;
    const data = model.get("data");
    width = el.clientWidth;
    if (!width || !data) return;
    height = Object.keys(data).length ? picture.height(data, width) : 0;
    const scale = window.devicePixelRatio || 1;
    const [wide, high] = [Math.round(width * scale), Math.round(height * scale)];
    if (canvas.width !== wide || canvas.height !== high) {
      [canvas.width, canvas.height] = [wide, high];
      [canvas.style.width, canvas.style.height] = [`${width}px`, `${height}px`];
    }
    const ctx = canvas.getContext("2d");
    if (!ctx || !height) return;
    ctx.setTransform(scale, 0, 0, scale, 0, 0);
    ctx.clearRect(0, 0, width, height);
    ctx.font = FONT;
    ctx.textBaseline = "middle";
    picture.draw(ctx, data, width, height, themeOf(el));
    const text = pointer && picture.hover(data, width, height, pointer);
    tip.textContent = text || "";
    tip.style.display = text ? "block" : "none";
    if (text && pointer) {
      const left = Math.min(pointer.x + 12, width - tip.offsetWidth - 2);
      tip.style.transform = `translate(${Math.max(0, left)}px, ${Math.max(0, pointer.y - 30)}px)`;
    }
  };
  const ask = () => {
    frame = frame || requestAnimationFrame(paint);
  };
  const moved = (/** @type {PointerEvent} */ event) => {
    const box = canvas.getBoundingClientRect();
    pointer = { x: event.clientX - box.left, y: event.clientY - box.top };
    ask();
  };
  const left = () => {
    pointer = null;
    ask();
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
  model.on("change:data", ask);
  ask();
  return () => {
    cancelAnimationFrame(frame);
    resized.disconnect();
    themed.disconnect();
    dark.removeEventListener("change", ask);
    canvas.removeEventListener("pointermove", moved);
    canvas.removeEventListener("pointerleave", left);
    model.off("change:data", ask);
  };
}

