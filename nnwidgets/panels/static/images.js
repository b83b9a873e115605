// Rows of small images: what layers make of an example. The arrow keys ask for the next example.
// data: {pixels: uint8, rows: [{family, kind, label, words, bad, range, signed, low, high, ends, strip, titles, count, over,
//        offset, height, width, color, lows, highs}]}; over is null or {offset, height, width, color, lows, highs}
// alone: each image on its own scale
// to Python: {kind: "go", by: -1 | 1}

const [STEPS, MINUS, PLUS] = [252, 253, 254];
const [GAP, LINE, TITLE] = [6, 18, 16];
const BOLD = `600 ${FONT}`;
// Below and above zero; red is kept for what is wrong.
const [BLUE, MIDDLE, ORANGE] = [[25, 92, 172], [242, 242, 242], [217, 116, 11]];
const FAMILIES = {
  structure: "Structure: the network's own numbers",
  activation: "Activation: what the layers make of the example",
  gradient: "Gradient: what the answer depends on",
};
const ABOUT = "Images of one example. The left and right arrow keys show the example before and after.";

const mix = (from, to, share) => from.map((part, k) => Math.round(part + (to[k] - part) * share));

/** The number that a byte stands for. */
function decode(part, image, code) {
  if (code > STEPS) return code === PLUS ? Infinity : code === MINUS ? -Infinity : NaN;
  return part.lows[image] + (code / STEPS) * (part.highs[image] - part.lows[image]);
}

/** The ends of the scale of an image. */
function scale(row, image, alone) {
  const [low, high] = alone ? [row.lows[image], row.highs[image]] : [row.low, row.high];
  if (!row.signed) return [low, high];
  const most = Math.max(Math.abs(low), Math.abs(high));
  return [-most, most];
}

/** The colour of a share between 0 and 1 of the scale. */
const shade = (row, share) => {
  if (!row.signed) return Array(3).fill(Math.round(255 * share));
  return share < 0.5 ? mix(MIDDLE, BLUE, 1 - 2 * share) : mix(MIDDLE, ORANGE, 2 * share - 1);
};

/** How much of the input a colour covers: weak ones are to be seen, too. */
const veiled = (strength) => 0.85 * Math.min(1, Math.max(0, strength)) ** 0.7;

/** An image as a canvas of its own size, and where it is no number. `veil`: as a transparent layer over the input. */
function tile(part, row, image, pixels, ends, veil, grey) {
  const { width, height, color } = part;
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [width, height];
  const ctx = canvas.getContext("2d");
  const bad = [];
  if (!ctx || !width || !height) return { canvas, bad };
  const out = ctx.createImageData(width, height);
  const size = width * height;
  for (let place = 0; place < size; place++) {
    const at = part.offset + (image * size + place) * (color ? 3 : 1);
    const codes = color ? [pixels[at], pixels[at + 1], pixels[at + 2]] : [pixels[at]];
    if (codes.some((code) => code > STEPS)) {
      bad.push(place);
      continue;
    }
    const share = (decode(part, image, codes[0]) - ends[0]) / (ends[1] - ends[0] || 1);
    let rgb = color ? codes.map((code) => Math.round((255 * code) / STEPS)) : shade(row, share);
    let alpha = 255;
    // dimmed, so that the colour on it can be seen on black and on white
    if (grey) rgb = Array(3).fill(Math.round(40 + (0.6 * (rgb[0] + rgb[1] + rgb[2])) / 3));
    if (veil) {
      const strength = row.signed ? Math.abs(2 * share - 1) : share;
      [rgb, alpha] = [row.signed && share < 0.5 ? BLUE : ORANGE, Math.round(255 * veiled(strength))];
    }
    out.data.set([...rgb, alpha], 4 * place);
  }
  ctx.putImageData(out, 0, 0);
  return { canvas, bad };
}

/** The size on the screen of the images of a row: as large as helps, in whole pixels where it can be. */
function sizes(part, count, room) {
  const [w, h] = [part.width, part.height];
  if (h === 1) {
    const wide = w <= room ? w * Math.max(1, Math.min(14, Math.floor(room / w))) : room;
    return [wide, 18];
  }
  const most = Math.max(w, h);
  const goal = Math.min(room, count > 2 ? (count > 12 ? 72 : 96) : Math.max(150, Math.min(most, 300)));
  const factor = most <= goal ? Math.floor(goal / most) : goal / most;
  return [Math.max(2, w * factor), Math.max(2, h * factor)];
}

/** The text in lines that fit. */
function wrap(ctx, text, width) {
  const lines = [];
  for (const word of text.split(" ")) {
    const longer = lines.length ? `${lines[lines.length - 1]} ${word}` : word;
    if (lines.length && ctx.measureText(longer).width <= width) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  return lines.filter(Boolean);
}

const ruler = document.createElement("canvas").getContext("2d");

/** Where everything goes. */
function plan(data, width) {
  const found = { heads: [], rows: [], height: 0 };
  let [y, family] = [2, ""];
  data.rows.forEach((row, index) => {
    // the input needs no heading
    if (row.family !== family && row.kind !== "input") {
      family = row.family;
      y += index ? 6 : 0;
      found.heads.push({ text: FAMILIES[family] || family, y });
      y += LINE + 4;
    }
    const place = { row, y, lines: [], tiles: [], bar: 0 };
    ruler.font = FONT;
    place.lines = wrap(ruler, row.words, width - 16);
    y += LINE + place.lines.length * LINE;
    if (row.bad) y += LINE;
    place.bar = y;
    y += row.color ? 2 : 18;
    const shape = row.over || row;
    const all = [...(row.over ? [-1] : []), ...Array(row.count).keys()];
    const [wide, tall] = sizes(shape, all.length, width - 14);
    const titled = (row.titles.length > 0 || row.over) && wide >= 30;
    let x = 10;
    for (const image of all) {
      if (x > 10 && x + wide > width - 2) [x, y] = [10, y + tall + GAP + (titled ? TITLE : 0)];
      const title = image < 0 ? "input" : row.titles[image] || (row.over ? row.kind : "");
      place.tiles.push({ image, x, y, wide, tall, title, titled });
      x += wide + GAP;
    }
    y += all.length ? tall + (titled ? TITLE : 0) + 12 : 4;
    place.bottom = y - 8;
    found.rows.push(place);
  });
  found.height = y;
  return found;
}

/** Red stripes over what is no number. */
function hatch(ctx, place, bad, part, theme) {
  const [across, down] = [place.wide / part.width, place.tall / part.height];
  ctx.save();
  ctx.beginPath();
  for (const at of bad) {
    const [column, line] = [at % part.width, Math.floor(at / part.width)];
    ctx.rect(place.x + column * across, place.y + line * down, across + 0.3, down + 0.3);
  }
  ctx.clip();
  ctx.fillStyle = "#fff";
  ctx.fillRect(place.x, place.y, place.wide, place.tall);
  ctx.strokeStyle = theme.wrong;
  ctx.lineWidth = 2;
  ctx.beginPath();
  for (let shift = -place.tall; shift < place.wide; shift += 5) {
    ctx.moveTo(place.x + shift, place.y + place.tall);
    ctx.lineTo(place.x + shift + place.tall, place.y);
  }
  ctx.stroke();
  ctx.restore();
}

/** @param {any} model @param {HTMLElement} el @returns {Picture} */
function images(model, el) {
  // images are made once, not at each move of the pointer
  let made = { data: null, alone: false, tiles: new Map() };
  const get = (data, row, image, kind) => {
    const alone = model.get("alone");
    if (made.data !== data || made.alone !== alone) made = { data, alone, tiles: new Map() };
    const key = `${data.rows.indexOf(row)} ${image} ${kind}`;
    if (!made.tiles.has(key)) {
      const pixels = bytes(data.pixels);
      made.pixels = made.pixels || pixels;
      const own = kind === "bare" || kind === "grey";
      const part = own ? row.over : row;
      const ends = own ? [part.lows[0], part.highs[0]] : scale(row, image, alone);
      const look = own ? { signed: false } : row;
      made.tiles.set(key, tile(part, look, own ? 0 : image, made.pixels, ends, kind === "veil", kind === "grey"));
    }
    return made.tiles.get(key);
  };
  return {
    height: (data, width) => plan(data, width).height,
    about: (data) => `${ABOUT} ${data.rows.map((row) => [row.label, row.bad].filter(Boolean).join(", ")).join("; ")}`,
    draw(ctx, data, width, height, theme) {
      const { heads, rows } = plan(data, width);
      ctx.textAlign = "left";
      for (const head of heads) {
        ctx.font = BOLD;
        ctx.fillStyle = theme.ink;
        ctx.fillText(head.text, 0, head.y + 9);
        ctx.fillStyle = theme.grid;
        const from = ctx.measureText(head.text).width + 10;
        ctx.fillRect(from, head.y + 9, Math.max(0, width - from), 1);
      }
      for (const place of rows) {
        const { row } = place;
        if (row.strip) {
          ctx.fillStyle = row.strip;
          ctx.fillRect(0, place.y + 1, 4, place.bottom - place.y - 2);
        }
        ctx.font = FONT;
        ctx.fillStyle = theme.ink;
        ctx.fillText(fit(ctx, row.label, width - 12), 10, place.y + 8);
        ctx.font = FONT;
        let y = place.y + LINE + 6;
        if (row.bad) {
          ctx.fillStyle = theme.wrong;
          ctx.fillText(fit(ctx, row.bad, width - 12), 10, y);
          y += LINE;
        }
        ctx.fillStyle = theme.muted;
        for (const line of place.lines) {
          ctx.fillText(line, 10, y);
          y += LINE;
        }
        if (!row.color) scaleBar(ctx, row, place.bar + 7, width, theme, model.get("alone"));
        ctx.imageSmoothingEnabled = false;
        for (const spot of place.tiles) {
          const base = row.over && get(data, row, 0, spot.image < 0 ? "bare" : "grey");
          const top = spot.image < 0 ? null : get(data, row, spot.image, row.over ? "veil" : "map");
          for (const layer of [base, top]) if (layer) ctx.drawImage(layer.canvas, spot.x, spot.y, spot.wide, spot.tall);
          if (base && base.bad.length) hatch(ctx, spot, base.bad, row.over, theme);
          if (top && top.bad.length) hatch(ctx, spot, top.bad, row, theme);
          ctx.strokeStyle = theme.grid;
          ctx.lineWidth = 1;
          ctx.strokeRect(spot.x - 0.5, spot.y - 0.5, spot.wide + 1, spot.tall + 1);
          if (!spot.titled) continue;
          ctx.fillStyle = theme.muted;
          ctx.fillText(fit(ctx, spot.title, spot.wide), spot.x, spot.y + spot.tall + 8);
        }
      }
      if (document.activeElement === el.querySelector("canvas")) {
        ctx.strokeStyle = "#3d8bd4";
        ctx.lineWidth = 2;
        ctx.strokeRect(1, 1, width - 2, height - 2);
      }
      ctx.font = FONT;
    },
    hover(data, width, height, { x, y }) {
      for (const { row, tiles } of plan(data, width).rows) {
        const over = (each) => x >= each.x && x < each.x + each.wide && y >= each.y && y < each.y + each.tall;
        const spot = tiles.find(over);
        if (!spot) continue;
        const part = spot.image < 0 ? row.over : row;
        const image = Math.max(0, spot.image);
        const column = Math.floor(((x - spot.x) / spot.wide) * part.width);
        const line = Math.floor(((y - spot.y) / spot.tall) * part.height);
        const at = part.offset + ((image * part.height + line) * part.width + column) * (part.color ? 3 : 1);
        const pixels = made.data === data && made.pixels ? made.pixels : bytes(data.pixels);
        const values = (part.color ? [0, 1, 2] : [0]).map((k) => decode(part, image, pixels[at + k]));
        const infinite = { Infinity: "∞", "-Infinity": "-∞" };
        const told = values.map((value) => infinite[value] || short(value));
        const where = part.height === 1 ? `number ${column}` : `row ${line}, column ${column}`;
        return `${spot.title || `image ${image}`} · ${where}: ${told.join(", ")}`;
      }
      return null;
    },
  };
}

/** What the colours stand for. */
function scaleBar(ctx, row, y, width, theme, alone) {
  ctx.font = FONT;
  ctx.fillStyle = theme.muted;
  if (row.range || !row.ends.length) {
    ctx.fillText(row.range || "no finite number", 10, y);
    return;
  }
  const ends = row.signed ? scale(row, 0, false) : [row.low, row.high];
  const own = row.signed ? ["below 0", "above 0, each on its own scale"] : ["smallest", "largest of each image"];
  const [low, high] = alone ? own : ends.map(short);
  ctx.fillText(low, 10, y);
  const [from, long] = [16 + ctx.measureText(low).width, 70];
  for (let x = 0; x < long; x++) {
    const strength = row.signed ? Math.abs((2 * x) / long - 1) : x / long;
    const veil = row.signed && x < long / 2 ? BLUE : ORANGE;
    ctx.fillStyle = row.over
      ? `rgba(${veil.join(",")},${veiled(strength)})`
      : `rgb(${shade(row, x / (long - 1)).join(",")})`;
    ctx.fillRect(from + x, y - 4, 1.4, 8);
  }
  ctx.strokeStyle = theme.grid;
  ctx.lineWidth = 1;
  ctx.strokeRect(from - 0.5, y - 4.5, long + 1, 9);
  ctx.fillStyle = theme.muted;
  const seen = row.signed || alone ? `${high}   (numbers: ${row.ends.join(" to ")})` : high;
  const room = width - from - long - 8;
  ctx.fillText(ctx.measureText(seen).width <= room ? seen : high, from + long + 6, y);
}

function render({ model, el }) {
  const end = mount({ model, el, picture: images(model, el) });
  const canvas = /** @type {HTMLCanvasElement} */ (el.querySelector("canvas"));
  canvas.tabIndex = 0;
  // JupyterLab's own arrow keys would move to another cell
  const free = ownKeys(el, (key) => key === "ArrowLeft" || key === "ArrowRight");
  // what `mount` redraws for
  const redraw = () => canvas.dispatchEvent(new PointerEvent("pointerleave"));
  const pressed = (event) => {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!by || event.ctrlKey || event.metaKey || event.altKey) return;
    model.send({ kind: "go", by });
    event.preventDefault();
    event.stopPropagation();
  };
  const focus = () => canvas.focus({ preventScroll: true });
  const heard = { keydown: pressed, focus: redraw, blur: redraw, click: focus };
  Object.entries(heard).forEach(([name, act]) => canvas.addEventListener(name, act));
  model.on("change:alone", redraw);
  return () => {
    Object.entries(heard).forEach(([name, act]) => canvas.removeEventListener(name, act));
    model.off("change:alone", redraw);
    free();
    end();
  };
}

export default { render };
