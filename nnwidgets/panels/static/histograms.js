// A small histogram a layer: filled now, an outline at the first step.
// data: {names, colors, now: {low, high, counts: bytes, 255 at each peak}, first: the same or null}

const [CELL, TALL, GAP] = [150, 88, 12];

/** @param {any} part */
const unpack = (part) => part && { low: floats(part.low), high: floats(part.high), counts: bytes(part.counts) };

function grid(data, width) {
  const most = Math.max(1, Math.floor((width + GAP) / (CELL + GAP)));
  const rows = Math.ceil(data.names.length / most);
  // as many in each row, and no wider than can be compared at a glance
  const columns = Math.ceil(data.names.length / rows);
  return { columns, wide: Math.min(2 * CELL, (width - GAP * (columns - 1)) / columns), rows };
}

/** An end of an axis: two digits are enough. @param {number} value */
const rounded = (value) => short(Number(value.toPrecision(2)));

/** Densities, and their edges, of one row; null if nothing was counted. */
function density(part, row, layers) {
  const bins = part.counts.length / layers;
  const counts = part.counts.subarray(row * bins, (row + 1) * bins);
  const total = counts.reduce((sum, count) => sum + count, 0);
  const [low, high] = [part.low[row], part.high[row]];
  if (!(total > 0) || !Number.isFinite(low) || !Number.isFinite(high)) return null;
  const width = (high - low) / bins;
  return { low, high, width, values: Array.from(counts, (count) => count / total / (width || 1)) };
}

/** @type {Picture} */
const picture = {
  height: (data, width) => grid(data, width).rows * (TALL + GAP),
  draw(ctx, data, width, height, theme) {
    const [now, first, { columns, wide }] = [unpack(data.now), unpack(data.first), grid(data, width)];
    data.names.forEach((name, i) => {
      const [left, top] = [(i % columns) * (wide + GAP), Math.floor(i / columns) * (TALL + GAP)];
      const [plotTop, plotBottom] = [top + 17, top + TALL - 16];
      ctx.textAlign = "left";
      ctx.fillStyle = theme.ink;
      ctx.fillText(fit(ctx, name, wide), left, top + 7);
      ctx.strokeStyle = theme.grid;
      ctx.beginPath();
      ctx.moveTo(left, plotBottom + 0.5);
      ctx.lineTo(left + wide, plotBottom + 0.5);
      ctx.stroke();
      const today = density(now, i, data.names.length);
      const before = first && density(first, i, data.names.length);
      const both = [today, before].filter((part) => part !== null);
      if (!today) {
        ctx.fillStyle = theme.wrong;
        ctx.fillText("nothing finite", left, (plotTop + plotBottom) / 2);
        return;
      }
      let [low, high] = [Math.min(...both.map((part) => part.low)), Math.max(...both.map((part) => part.high))];
      // what was wide at first must not squeeze what is narrow now out of sight
      const room = today.high - today.low;
      if (room > 0) [low, high] = [Math.max(low, today.low - room), Math.min(high, today.high + room)];
      if (low === high) {
        const around = Math.abs(low) * 0.5 || 1;
        [low, high] = [low - around, high + around];
      }
      const xOf = (value) => left + ((value - low) / (high - low)) * wide;
      // each as tall as the cell: a spike in one must not flatten the other
      const yOf = (part, value) => plotBottom - (value / Math.max(...part.values)) * (plotBottom - plotTop);
      const trace = (part) => {
        ctx.beginPath();
        if (part.width === 0) {
          ctx.rect(xOf(part.low) - 1, plotTop, 2, plotBottom - plotTop);
          return;
        }
        ctx.moveTo(xOf(part.low), plotBottom);
        part.values.forEach((value, bin) => {
          ctx.lineTo(xOf(part.low + bin * part.width), yOf(part, value));
          ctx.lineTo(xOf(part.low + (bin + 1) * part.width), yOf(part, value));
        });
        ctx.lineTo(xOf(part.high), plotBottom);
      };
      ctx.save();
      ctx.beginPath();
      ctx.rect(left, plotTop - 1, wide, plotBottom - plotTop + 1);
      ctx.clip();
      ctx.fillStyle = data.colors[i];
      ctx.globalAlpha = 0.75;
      trace(today);
      ctx.fill();
      ctx.globalAlpha = 1;
      if (before) {
        ctx.strokeStyle = theme.muted;
        ctx.lineWidth = 1;
        trace(before);
        ctx.stroke();
      }
      ctx.restore();
      ctx.fillStyle = theme.muted;
      const [from, to, zero] = [rounded(low), rounded(high), xOf(0)];
      ctx.fillText(from, left, plotBottom + 8);
      ctx.textAlign = "right";
      ctx.fillText(to, left + wide, plotBottom + 8);
      if (low < 0 && high > 0) {
        ctx.fillRect(zero - 0.5, plotBottom, 1, 3);
        ctx.textAlign = "center";
        const free = [left + ctx.measureText(from).width + 7, left + wide - ctx.measureText(to).width - 7];
        if (zero > free[0] && zero < free[1]) ctx.fillText("0", zero, plotBottom + 8);
      }
    });
  },
  hover(data, width, height, { x, y }) {
    const { columns, wide } = grid(data, width);
    const i = Math.floor(y / (TALL + GAP)) * columns + Math.min(columns - 1, Math.floor(x / (wide + GAP)));
    if (!(i in data.names)) return null;
    const [now, name] = [unpack(data.now), data.names[i]];
    return `${name} · now ${short(now.low[i])} to ${short(now.high[i])}`;
  },
  about: (data) => `Histograms of ${data.names.length} tensors or layers, now and at first. Arrow keys read where each lies.`,
  spots(data, width) {
    const { columns, wide, rows } = grid(data, width);
    const x = [...Array(columns).keys()].map((column) => column * (wide + GAP) + wide / 2);
    return { x, y: [...Array(rows).keys()].map((row) => row * (TALL + GAP) + TALL / 2) };
  },
};

export default { render: ({ model, el }) => mount({ model, el, picture }) };
