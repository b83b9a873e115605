// Small curves, one below the other, each with its own scale: the metrics beside the loss.
// data: {curves: [{title, lines: [{color, x: float64, y: float32, newest}]}]}

const ROW = 92;

/** @type {Picture} */
const picture = {
  height: (data) => ROW * data.curves.length,
  draw(ctx, data, width, height, theme) {
    data.curves.forEach((curve, row) => {
      const lines = curve.lines.map((line) => ({ ...line, x: doubles(line.x), y: floats(line.y) }));
      const [top, bottom, left, right] = [ROW * row + 22, ROW * (row + 1) - 8, 46, width - 6];
      const finite = lines.flatMap((line) => Array.from(line.y).filter(Number.isFinite));
      let [low, high] = [Math.min(...finite), Math.max(...finite)];
      if (!finite.length) [low, high] = [0, 1];
      const first = Math.min(...lines.map((line) => line.x[0]));
      const last = Math.max(...lines.map((line) => line.x[line.x.length - 1]));
      const xOf = (step) => left + ((step - first) / (last - first || 1)) * (right - left);
      const yOf = (value) => (high === low ? (top + bottom) / 2 : bottom - ((value - low) / (high - low)) * (bottom - top));
      ctx.textAlign = "left";
      ctx.fillStyle = theme.ink;
      ctx.fillText(fit(ctx, curve.title, width - 120), left, ROW * row + 10);
      ctx.textAlign = "right";
      let end = right;
      for (const line of [...lines].reverse()) {
        ctx.fillStyle = line.color;
        ctx.fillText(line.newest, end, ROW * row + 10);
        end -= ctx.measureText(line.newest).width + 8;
      }
      ctx.fillStyle = theme.muted;
      ctx.fillText(short(high), left - 6, top + 2);
      if (high !== low) ctx.fillText(short(low), left - 6, bottom - 2);
      ctx.strokeStyle = theme.grid;
      ctx.lineWidth = 1;
      ctx.strokeRect(left + 0.5, top + 0.5, right - left, bottom - top);
      for (const line of lines) {
        ctx.strokeStyle = line.color;
        ctx.lineWidth = 1.5;
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
    });
  },
  hover: () => null,
};

export default { render: ({ model, el }) => mount({ model, el, picture }) };
