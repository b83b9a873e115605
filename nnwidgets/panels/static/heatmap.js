// Rows x steps as colours.
// data: {rows, colors, steps: float64, low, high, power, reading}, and either values: float32 and bad: uint8 (rows, steps), or
// codes: uint16 (rows, steps), from 0 for `least` to 65533 for `most`; 65534 is not finite, 65535 is nothing

const [ABOVE, BELOW] = [4, 42];
// Anchors of cividis (Nunez et al. 2018, made for colour-blind eyes), from low to high.
const RAMP = [[0, 34, 78], [59, 73, 107], [110, 110, 115], [163, 152, 115], [217, 199, 88], [254, 232, 56]];

/** @param {number} share from 0 to 1 */
function ramp(share) {
  const place = Math.min(0.9999, Math.max(0, share)) * (RAMP.length - 1);
  const [i, rest] = [Math.floor(place), place % 1];
  return RAMP[i].map((part, k) => Math.round(part + (RAMP[i + 1][k] - part) * rest));
}

const rowHeight = (data) => Math.max(5, Math.min(22, 240 / data.rows.length));
const shown = (data, value) => short(data.power ? 10 ** value : value);

/** The numbers, and which of them are not finite. */
function cells(data) {
  if (!data.codes) return { values: floats(data.values), bad: bytes(data.bad) };
  const codes = new Uint16Array(aligned(data.codes));
  const wide = (data.most - data.least) / 65533;
  return {
    values: Float32Array.from(codes, (code) => (code > 65533 ? NaN : data.least + code * wide)),
    bad: Uint8Array.from(codes, (code) => code === 65534),
  };
}

/** Where the cells begin: behind the longest name, if there is room for it. */
const sideOf = (data, width) => Math.round(Math.max(96, Math.min(26 + 7 * Math.max(...data.rows.map((name) => name.length)), 0.36 * width)));

/** The column of a step's place: columns are as wide as the steps that they stand for. */
function edges(data, width) {
  const steps = doubles(data.steps);
  const last = steps.length - 1;
  const before = steps.length > 1 ? steps[0] - (steps[1] - steps[0]) : steps[0] - 1;
  const side = sideOf(data, width);
  return [before, ...steps].map((step) => side + ((step - before) / (steps[last] - before || 1)) * (width - side - 8));
}

/** @type {Picture} */
const picture = {
  height: (data) => ABOVE + rowHeight(data) * data.rows.length + BELOW,
  draw(ctx, data, width, height, theme) {
    const [steps, { values, bad }, tall] = [doubles(data.steps), cells(data), rowHeight(data)];
    const [places, side] = [edges(data, width), sideOf(data, width)];
    // striped, so that it is no colour of the scale to any eye
    const alarm = stripes(ctx, theme.wrong, theme.ground);
    // where rows are narrower than letters, only some have their name; hovering tells the others
    const named = Math.ceil(13 / tall);
    data.rows.forEach((name, row) => {
      const y = ABOVE + row * tall;
      for (let column = 0; column < steps.length; column++) {
        const at = row * steps.length + column;
        if (!bad[at] && Number.isNaN(values[at])) continue;
        const share = (values[at] - data.low) / (data.high - data.low || 1);
        ctx.fillStyle = bad[at] ? alarm : `rgb(${ramp(share).join(",")})`;
        // half a pixel wider than it is: no seams
        ctx.fillRect(places[column], y, places[column + 1] - places[column] + 0.5, tall - (tall > 8 ? 1 : 0));
      }
      ctx.fillStyle = data.colors[row];
      ctx.fillRect(side - 8, y, 4, tall - (tall > 8 ? 1 : 0));
      ctx.fillStyle = theme.ink;
      ctx.textAlign = "right";
      if (row % named === 0) ctx.fillText(fit(ctx, name, side - 14), side - 12, y + tall / 2);
    });
    const y = ABOVE + tall * data.rows.length + 10;
    ctx.fillStyle = theme.muted;
    ctx.textAlign = "left";
    ctx.fillText(`step ${steps[0].toLocaleString("en")}`, side, y);
    ctx.textAlign = "right";
    ctx.fillText(steps[steps.length - 1].toLocaleString("en"), width - 8, y);
    const [from, long] = [side + 50, Math.max(20, Math.min(140, width - side - 260))];
    for (let x = 0; x < long; x++) {
      ctx.fillStyle = `rgb(${ramp(x / long).join(",")})`;
      ctx.fillRect(from + x, y + 12, 1.5, 9);
    }
    ctx.fillStyle = theme.muted;
    ctx.fillText(shown(data, data.low), from - 6, y + 17);
    ctx.textAlign = "left";
    ctx.fillText(shown(data, data.high), from + long + 6, y + 17);
    let x = from + long + 56;
    const key = (color, words) => {
      ctx.fillStyle = color === theme.wrong ? alarm : color;
      ctx.strokeStyle = color;
      if (color === theme.wrong) ctx.fillRect(x, y + 12, 9, 9);
      else ctx.strokeRect(x + 0.5, y + 12.5, 8, 8);
      ctx.fillStyle = theme.muted;
      ctx.fillText(words, x + 13, y + 17);
      x += 27 + ctx.measureText(words).width;
    };
    if (bad.some(Boolean)) key(theme.wrong, "not finite");
    if (data.power && values.some((value, at) => Number.isNaN(value) && !bad[at])) key(theme.muted, "blank: zero");
  },
  hover(data, width, height, { x, y }) {
    const row = Math.floor((y - ABOVE) / rowHeight(data));
    const column = edges(data, width).findIndex((place) => place > x) - 1;
    if (row < 0 || row >= data.rows.length || column < 0 || x < sideOf(data, width)) return null;
    const [steps, at] = [doubles(data.steps), row * doubles(data.steps).length + column];
    const { values, bad } = cells(data);
    const zero = data.power && Number.isNaN(values[at]);
    const value = bad[at] ? "not finite" : zero ? "0" : shown(data, values[at]);
    return `${data.rows[row]} · step ${steps[column].toLocaleString("en")} · ${data.reading} ${value}`;
  },
  about(data) {
    const [steps, { bad }] = [doubles(data.steps), cells(data)];
    const wrong = data.rows.filter((name, row) => bad.subarray(row * steps.length, (row + 1) * steps.length).some(Boolean));
    const [first, last] = [steps[0], steps[steps.length - 1]].map((step) => step.toLocaleString("en"));
    const ends = `${shown(data, data.low)} to ${shown(data, data.high)}`;
    const told = wrong.length ? `; not finite at some step: ${wrong.slice(0, 6).join(", ")}` : "";
    return `Heatmap of ${data.reading}, ${data.rows.length} rows, steps ${first} to ${last}, ${ends}${told}. Arrow keys read it.`;
  },
  spots(data, width) {
    const [places, tall] = [edges(data, width), rowHeight(data)];
    const x = places.slice(1).map((place, column) => (place + places[column]) / 2);
    return { x, y: data.rows.map((name, row) => ABOVE + (row + 0.5) * tall) };
  },
};

export default { render: ({ model, el }) => mount({ model, el, picture }) };
