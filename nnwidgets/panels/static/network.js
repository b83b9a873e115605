// The layers of a network as boxes from top to bottom. A click, or Enter, opens a folded box and chooses a layer.
// data: {boxes: [{key, fold, name, path, words, strip, state, mark, lane, y}], edges: [[from, to, track]],
//        frames: [{key, label, state, mark, depth, header, top, bottom, left, right, closed}], wide, tracks, height, chosen}
// to Python: {kind: "open" | "close" | "choose", key}

const [BOX, HEADER, LEAST, MOST, ROUND] = [44, 19, 104, 300, 6];
const BOLD = `600 ${FONT}`;
const USED = new Set(["Enter", " ", "ArrowUp", "ArrowDown", "ArrowLeft", "ArrowRight", "Home", "End"]);
const ABOUT = "The network. The arrow keys move from layer to layer, Enter opens or chooses.";

/** The words, as many of them as fit. */
function fitting(ctx, words, width) {
  for (let count = words.length; count > 1; count--) {
    const text = words.slice(0, count).join(" · ");
    if (ctx.measureText(text).width <= width) return text;
  }
  return words.length ? fit(ctx, words[0], width) : "";
}

/** Where things are at this width. */
function places(data, width) {
  const between = data.tracks ? Math.min(12, 120 / data.tracks) : 0;
  const side = data.tracks ? between * data.tracks + 12 : 0;
  const lane = Math.min(MOST, (width - side - 8) / data.wide);
  const inset = 6 + 4 * Math.max(0, ...data.frames.map((frame) => frame.depth + 1));
  const start = Math.max(4, (width - side - data.wide * lane) / 2);
  const left = (at) => start + at * lane;
  return {
    lane,
    left,
    box: (box) => ({ x: left(box.lane) + inset, y: box.y, wide: lane - 2 * inset, tall: BOX }),
    header: (frame) => {
      const x = left(frame.left) + 3 + 4 * frame.depth;
      return { x, y: frame.header, wide: (frame.right - frame.left) * lane - 6 - 8 * frame.depth, tall: HEADER - 2 };
    },
    track: (number) => left(data.wide) + 8 + number * between,
  };
}

/** All that can be clicked, in reading order. */
function items(data, width) {
  const at = places(data, width);
  const boxes = data.boxes.map((box) => ({ ...at.box(box), key: box.key, box, kind: box.fold ? "open" : "choose" }));
  const heads = data.frames.map((frame) => ({ ...at.header(frame), key: frame.key, frame, kind: "close" }));
  return [...heads, ...boxes].sort((one, other) => one.y - other.y || one.x - other.x);
}

/** A line through these points with rounded corners. */
function bend(ctx, points) {
  ctx.beginPath();
  ctx.moveTo(...points[0]);
  points.slice(1, -1).forEach((corner, i) => {
    const [before, after] = [points[i], points[i + 2]];
    const far = (point) => Math.abs(point[0] - corner[0]) + Math.abs(point[1] - corner[1]);
    ctx.arcTo(...corner, ...after, Math.min(ROUND, far(before) / 2, far(after) / 2));
  });
  ctx.lineTo(...points[points.length - 1]);
  ctx.stroke();
}

/** @param {CanvasRenderingContext2D} ctx */
function arrow(ctx, x, y) {
  ctx.beginPath();
  ctx.moveTo(x - 4, y - 7);
  ctx.lineTo(x, y - 0.5);
  ctx.lineTo(x + 4, y - 7);
  ctx.fill();
}

function drawEdges(ctx, data, at, theme, marked) {
  // those of the box under the pointer last, so that they lie on top
  const order = [...data.edges].sort((one, other) => marked(one) - marked(other));
  for (const edge of order) {
    const [from, to, track] = edge;
    const [start, end] = [at.box(data.boxes[from]), at.box(data.boxes[to])];
    ctx.strokeStyle = ctx.fillStyle = marked(edge) ? theme.ink : theme.muted;
    ctx.lineWidth = marked(edge) ? 2 : 1.2;
    const [x, y, down] = [start.x + start.wide / 2, start.y + BOX, end.y];
    const goal = end.x + end.wide / 2;
    if (track < 0) {
      ctx.beginPath();
      ctx.moveTo(x, y);
      if (x === goal) ctx.lineTo(goal, down - 4);
      else ctx.bezierCurveTo(x, (y + down) / 2 + 4, goal, (y + down) / 2 - 4, goal, down - 4);
      ctx.stroke();
      arrow(ctx, goal, down);
    } else {
      const [out, side, into] = [x + 14, at.track(track), goal + 14];
      bend(ctx, [[out, y], [out, y + 7], [side, y + 7], [side, down - 11], [into, down - 11], [into, down - 4]]);
      arrow(ctx, into, down);
    }
  }
}

/** @param {HTMLElement} el @param {{cursor: string, pointer: string}} state @returns {Picture} */
function network(el, state) {
  const colors = (theme) => ({
    problem: theme.wrong,
    nan: theme.wrong,
    warning: colorOf("--nnw-warn", el),
    well: colorOf("--nnw-good", el),
  });
  const words = ({ box, frame }) => {
    if (frame) return `${frame.key} · click to fold`;
    const fares = { problem: "a problem was found", nan: `newest readings: ${box.mark}`, warning: "a warning", well: "well" };
    const click = box.fold ? "click to open" : "click for more";
    return [box.path, ...box.words, fares[box.state], click].filter(Boolean).join(" · ");
  };
  return {
    height(data) {
      const side = data.tracks ? Math.min(12, 120 / data.tracks) * data.tracks + 12 : 0;
      el.style.minWidth = `${(data.wide * LEAST + side) * zoomOf(el)}px`;
      return data.height;
    },
    draw(ctx, data, width, height, theme) {
      const at = places(data, width);
      const of = colors(theme);
      for (const frame of data.frames) {
        if (!frame.closed) continue;
        const x = at.left(frame.left) + 3 + 4 * frame.depth;
        const [wide, top] = [(frame.right - frame.left) * at.lane - 6 - 8 * frame.depth, frame.header];
        ctx.fillStyle = theme.ink;
        ctx.globalAlpha = 0.035;
        ctx.beginPath();
        ctx.roundRect(x, top, wide, frame.bottom + 7 - frame.depth - top, 5);
        ctx.fill();
        ctx.globalAlpha = 1;
        ctx.strokeStyle = theme.grid;
        ctx.lineWidth = 1;
        ctx.stroke();
      }
      const hot = data.boxes.findIndex((box) => box.key === (state.pointer || state.cursor || data.chosen));
      drawEdges(ctx, data, at, theme, (edge) => Number(edge[0] === hot || edge[1] === hot));
      ctx.textAlign = "left";
      for (const item of items(data, width)) {
        const { x, y, wide, tall, box, frame } = item;
        if (frame) {
          ctx.font = FONT;
          const text = fit(ctx, frame.label, wide - 60);
          ctx.fillStyle = theme.ground;
          ctx.fillRect(x + 2, y + 2, Math.min(wide - 4, ctx.measureText(text).width + 22), tall - 3);
          ctx.fillStyle = theme.ink;
          ctx.fillText(`▾ ${text}`, x + 6, y + tall / 2 + 1);
          if (frame.state && frame.state !== "well") {
            const room = ctx.measureText(frame.mark).width + 8;
            ctx.fillStyle = theme.ground;
            ctx.fillRect(x + wide - room - 2, y + 2, room, tall - 3);
            ctx.fillStyle = of[frame.state];
            ctx.textAlign = "right";
            ctx.fillText(frame.mark, x + wide - 6, y + tall / 2 + 1);
            ctx.textAlign = "left";
          }
        } else {
          ctx.fillStyle = theme.ground;
          ctx.strokeStyle = of[box.state === "well" ? "" : box.state] || theme.muted;
          ctx.lineWidth = box.state && box.state !== "well" ? 2 : 1;
          // a folded box looks like a pile
          for (const shift of box.fold ? [5, 2.5, 0] : [0]) {
            ctx.beginPath();
            ctx.roundRect(x + shift, y + shift, wide - (box.fold ? 5 : 0), tall - (box.fold ? 5 : 0), 4);
            ctx.fill();
            ctx.stroke();
          }
          const [inner, high] = [wide - (box.fold ? 5 : 0), tall - (box.fold ? 5 : 0)];
          const part = (high - 4) / box.strip.length;
          box.strip.forEach((color, i) => {
            ctx.fillStyle = color;
            ctx.fillRect(x + 2, y + 2 + i * part, 5, part + 0.3);
          });
          ctx.font = BOLD;
          const mark = box.mark ? ctx.measureText(box.mark).width + 8 : 0;
          ctx.fillStyle = theme.ink;
          const sign = box.fold ? "▸ " : "";
          ctx.fillText(sign + fit(ctx, box.name, inner - 20 - mark - (sign ? 12 : 0)), x + 12, y + high / 2 - 8);
          if (box.mark) {
            ctx.fillStyle = of[box.state] || theme.muted;
            ctx.textAlign = "right";
            ctx.fillText(box.mark, x + inner - 6, y + high / 2 - 8);
            ctx.textAlign = "left";
          }
          ctx.font = FONT;
          ctx.fillStyle = theme.muted;
          ctx.fillText(fitting(ctx, box.words, inner - 20), x + 12, y + high / 2 + 9);
        }
        if (box && box.key === data.chosen) {
          ctx.strokeStyle = theme.ink;
          ctx.lineWidth = 2;
          ctx.beginPath();
          ctx.roundRect(x - 3, y - 3, wide + 6, tall + 6, 6);
          ctx.stroke();
        }
        if (item.key === state.cursor && document.activeElement === el.querySelector("canvas")) {
          ctx.strokeStyle = "#3d8bd4";
          ctx.lineWidth = 2;
          ctx.strokeRect(x - 3, y - 3, wide + 6, tall + 6);
        }
      }
      ctx.font = FONT;
    },
    hover(data, width, height, { x, y }) {
      const found = hit(data, width, x, y);
      state.pointer = found && found.box ? found.key : "";
      el.style.cursor = found ? "pointer" : "";
      return found ? words(found) : null;
    },
  };
}

function hit(data, width, x, y) {
  return items(data, width).find((item) => x >= item.x && x < item.x + item.wide && y >= item.y && y < item.y + item.tall);
}

function render({ model, el }) {
  const state = { cursor: "", pointer: "" };
  const end = mount({ model, el, picture: network(el, state) });
  const canvas = /** @type {HTMLCanvasElement} */ (el.querySelector("canvas"));
  canvas.tabIndex = 0;
  canvas.setAttribute("role", "application");
  canvas.setAttribute("aria-label", ABOUT);
  // JupyterLab's own arrow keys would move to another cell
  const free = ownKeys(el, (key) => USED.has(key));
  // what `mount` redraws for
  const redraw = () => canvas.dispatchEvent(new PointerEvent("pointerleave"));
  const say = (item) => model.send({ kind: item.kind, key: item.key });
  const clicked = (event) => {
    const zoom = zoomOf(el);
    const found = hit(model.get("data"), el.clientWidth / zoom, event.offsetX / zoom, event.offsetY / zoom);
    if (!found) return;
    state.cursor = found.key;
    say(found);
  };
  const move = (all, key) => {
    const now = Math.max(0, all.findIndex((item) => item.key === (state.cursor || model.get("data").chosen)));
    const here = all[now];
    const row = (step) => {
      const row = all.filter((item) => item.y === here.y);
      return row[Math.min(row.length - 1, Math.max(0, row.indexOf(here) + step))];
    };
    const below = (sign) =>
      all
        .filter((item) => sign * (item.y - here.y) > 0)
        .sort((one, other) => sign * (one.y - other.y) || Math.abs(one.x - here.x) - Math.abs(other.x - here.x))[0] || here;
    const moves = { ArrowDown: () => below(1), ArrowUp: () => below(-1), ArrowLeft: () => row(-1), ArrowRight: () => row(1) };
    return { ...moves, Home: () => all[0], End: () => all[all.length - 1] }[key]?.();
  };
  const pressed = (event) => {
    const data = model.get("data");
    const all = data.boxes ? items(data, el.clientWidth / zoomOf(el)) : [];
    if (!all.length || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Enter" || event.key === " ") {
      const item = all.find((each) => each.key === state.cursor);
      if (item) say(item);
    } else {
      const next = move(all, event.key);
      if (!next) return;
      state.cursor = next.key;
      const { box, frame } = next;
      const name = box ? [box.path, ...box.words, box.state].join(", ") : frame.key;
      canvas.setAttribute("aria-label", literal(`${name}. ${ABOUT}`));
      /** @type {HTMLElement} */ (el.querySelector(".nnw-said")).textContent = literal(name);
      show(next);
      redraw();
    }
    event.preventDefault();
    event.stopPropagation();
  };
  /** So far that this item can be seen. */
  const show = (item) => reveal(el, item.y * zoomOf(el), (item.tall + 8) * zoomOf(el));
  let chosen = model.get("data").chosen || "";
  const changed = () => {
    const data = model.get("data");
    if (!data.boxes || data.chosen === chosen) return;
    chosen = data.chosen;
    const item = items(data, el.clientWidth / zoomOf(el)).find((each) => each.key === chosen);
    state.cursor = chosen;
    // once the canvas has its new height
    if (item) requestAnimationFrame(() => requestAnimationFrame(() => show(item)));
  };
  const focused = () => {
    const data = model.get("data");
    state.cursor = state.cursor || data.chosen || (data.boxes && data.boxes[0]?.key) || "";
    redraw();
  };
  const heard = { click: clicked, keydown: pressed, focus: focused, blur: redraw };
  Object.entries(heard).forEach(([name, act]) => canvas.addEventListener(name, act));
  model.on("change:data", changed);
  return () => {
    model.off("change:data", changed);
    Object.entries(heard).forEach(([name, act]) => canvas.removeEventListener(name, act));
    free();
    end();
  };
}

export default { render };
