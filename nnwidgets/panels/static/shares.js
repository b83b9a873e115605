// The share of dead (solid) and saturated (striped) units a layer, as bars with their number.
// data: {bars: [{name, color, dead?, saturated?}]}

const [ROW, SIDE, NUMBER, BELOW] = [22, 134, 136, 20];
const HALF = 0.5;

const percent = (share) => `${share > 0 && share < 0.01 ? "<1" : Math.round(100 * share)} %`;
const words = (bar) =>
  ["dead", "saturated"].filter((kind) => kind in bar).map((kind) => `${percent(bar[kind])} ${kind}`).join(", ");

const blocked = (bar) => Math.max(bar.dead || 0, bar.saturated || 0) >= HALF;

/** @type {Picture} */
const picture = {
  height: (data) => ROW * data.bars.length + BELOW,
  draw(ctx, data, width, height, theme) {
    const long = width - SIDE - NUMBER;
    const bottom = ROW * data.bars.length;
    data.bars.forEach((bar, row) => {
      const y = row * ROW + 3;
      ctx.fillStyle = bar.color;
      ctx.fillRect(SIDE - 8, y, 4, ROW - 6);
      ctx.fillStyle = theme.ink;
      ctx.textAlign = "right";
      ctx.fillText(fit(ctx, bar.name, SIDE - 14), SIDE - 12, y + (ROW - 6) / 2);
      ctx.fillStyle = theme.grid;
      ctx.fillRect(SIDE, y, long, ROW - 6);
      let from = SIDE;
      for (const kind of ["dead", "saturated"]) {
        const share = bar[kind] || 0;
        const color = share >= HALF ? theme.wrong : theme.muted;
        ctx.fillStyle = kind === "dead" ? color : stripes(ctx, color);
        const wide = Math.min(share * long, SIDE + long - from);
        ctx.fillRect(from, y, wide, ROW - 6);
        from += wide;
      }
      ctx.textAlign = "left";
      ctx.fillStyle = blocked(bar) ? theme.wrong : theme.ink;
      ctx.fillText(fit(ctx, (blocked(bar) ? "✗ " : "") + words(bar), NUMBER - 8), SIDE + long + 8, y + (ROW - 6) / 2);
    });
    ctx.fillStyle = theme.muted;
    for (const share of [0, HALF, 1]) {
      const x = SIDE + share * long;
      ctx.globalAlpha = 0.4;
      ctx.fillRect(Math.round(x), 0, 1, bottom + 2);
      ctx.globalAlpha = 1;
      ctx.textAlign = "center";
      ctx.fillText(percent(share), x, bottom + 10);
    }
  },
  hover: (data, width, height, { y }) => {
    const bar = data.bars[Math.floor(y / ROW)];
    return bar ? `${bar.name}: ${words(bar)}` : null;
  },
  about(data) {
    const many = data.bars.filter(blocked);
    const told = many.slice(0, 6).map((bar) => `${bar.name} ${words(bar)}`);
    const worst = many.length ? `; half of the units or more: ${told.join("; ")}` : "";
    return `Shares of dead or saturated units of ${data.bars.length} layers${worst}. Arrow keys read them.`;
  },
  spots: (data) => ({ x: [SIDE + 12], y: data.bars.map((bar, row) => (row + 0.5) * ROW) }),
};

export default { render: ({ model, el }) => mount({ model, el, picture }) };
