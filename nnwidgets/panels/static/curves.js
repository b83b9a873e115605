// Small curves, one below the other, each with its own scale: the metrics beside the loss.
// data: {curves: [{title, lines: [{dashed, x: float64, y: float32, newest}]}]}

/** Validation, as in the picture of the loss. */
const DASH = [4, 3];

/** Rows share the height of the loss's picture beside them, as long as each can be read. */
const tall = (data) => Math.max(92, Math.min(150, 300 / data.curves.length));

const words = (curve) => `${curve.title} ${curve.lines.map((line) => `${line.dashed ? "validation " : ""}${line.newest}`).join(", ")}`;

/** @type {Picture} */
const picture = {
  height: (data) => tall(data) * data.curves.length,
  draw(ctx, data, width, height, theme) {
    const each = tall(data);
    data.curves.forEach((curve, row) => {
      const lines = curve.lines.map((line) => ({ ...line, x: doubles(line.x), y: floats(line.y) }));
      const [top, bottom, left, right] = [each * row + 22, each * (row + 1) - 8, 54, width - 6];
      const finite = lines.flatMap((line) => Array.from(line.y).filter(Number.isFinite));
      let [low, high] = [Math.min(...finite), Math.max(...finite)];
      if (!finite.length) [low, high] = [0, 1];
      const start = Math.min(...lines.map((line) => line.x[0]));
      const last = Math.max(...lines.map((line) => line.x[line.x.length - 1]));
      const first = start >= 0 && start < 0.1 * last ? 0 : start;
      const xOf = (step) => left + ((step - first) / (last - first || 1)) * (right - left);
      const yOf = (value) => (high === low ? (top + bottom) / 2 : bottom - ((value - low) / (high - low)) * (bottom - top));
      ctx.fillStyle = theme.ink;
      ctx.textAlign = "right";
      let end = right;
      ctx.strokeStyle = theme.ink;
      ctx.lineWidth = 1.5;
      for (const line of [...lines].reverse()) {
        ctx.fillText(line.newest, end, each * row + 10);
        end -= ctx.measureText(line.newest).width + 4;
        // which line the number belongs to, where there are two
        if (lines.length > 1) {
          ctx.setLineDash(line.dashed ? DASH : []);
          ctx.beginPath();
          ctx.moveTo(end - 15, each * row + 10);
          ctx.lineTo(end, each * row + 10);
          ctx.stroke();
          end -= 23;
        }
      }
      ctx.setLineDash([]);
      ctx.textAlign = "left";
      ctx.fillText(fit(ctx, curve.title, end - left - 2), left, each * row + 10);
      ctx.textAlign = "right";
      ctx.fillStyle = theme.muted;
      ctx.fillText(short(high), left - 6, top + 2);
      if (high !== low) ctx.fillText(short(low), left - 6, bottom - 2);
      ctx.strokeStyle = theme.grid;
      ctx.lineWidth = 1;
      ctx.strokeRect(left + 0.5, top + 0.5, right - left, bottom - top);
      for (const line of lines) {
        ctx.strokeStyle = theme.ink;
        ctx.lineWidth = 1.5;
        ctx.setLineDash(line.dashed ? DASH : []);
        ctx.beginPath();
        let drawing = false;
        line.y.forEach((value, i) => {
          if (!Number.isFinite(value)) {
            drawing = false;
            return;
          }
          if (drawing) ctx.lineTo(xOf(line.x[i]), yOf(value));
          else ctx.moveTo(xOf(line.x[i]), yOf(value));
          drawing = true;
        });
        ctx.stroke();
      }
      ctx.setLineDash([]);
    });
  },
  hover(data, width, height, { y }) {
    const curve = data.curves[Math.floor(y / tall(data))];
    return curve ? words(curve) : null;
  },
  about: (data) => `Curves over the steps. ${data.curves.map(words).join("; ")}`,
  spots: (data) => ({ x: [60], y: data.curves.map((curve, row) => tall(data) * (row + 0.5)) }),
};

export default { render: ({ model, el }) => mount({ model, el, picture }) };
