// Acknowledges each frame once it is on the screen, and says what of the dashboard can be seen.
// to Python:   {kind: "view", id, shown, cards}   {kind: "ack", id, frame}   {kind: "gone", id}
// from Python: {kind: "frame", frame}

/** @param {{model: any, el: HTMLElement}} context */
function render({ model, el }) {
  const id = Math.random().toString(36).slice(2);
  el.style.display = "none";
  /** @type {HTMLElement | null} */
  let root = null;
  let onScreen = true;
  /** @type {Set<number>} */
  const cards = new Set();
  let said = "";
  let waiting = 0;
  let drawing = 0;
  let pause = 0;
  let attempts = 0;

  const report = () => {
    const shown = !document.hidden && onScreen;
    const now = JSON.stringify([shown, [...cards].sort()]);
    if (now === said) return;
    said = now;
    model.send({ kind: "view", id, shown, cards: [...cards] });
  };
  const ack = () => {
    if (waiting) model.send({ kind: "ack", id, frame: waiting });
    waiting = 0;
  };
  const asked = (/** @type {any} */ message) => {
    if (message.kind !== "frame") return;
    waiting = message.frame;
    cancelAnimationFrame(drawing);
    clearTimeout(pause);
    // A hidden tab has no frames: it answers at once, since the question is also whether anybody hears.
    if (document.hidden) pause = window.setTimeout(ack, 0);
    else drawing = requestAnimationFrame(() => (drawing = requestAnimationFrame(ack)));
  };
  const turned = () => {
    if (document.hidden) ack();
    report();
  };
  const watch = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      const card = Number(/** @type {HTMLElement} */ (entry.target).className.match(/nnw-card-(\d+)/)?.[1] ?? -1);
      if (card < 0) onScreen = entry.isIntersecting;
      else if (entry.isIntersecting) cards.add(card);
      else cards.delete(card);
    }
    report();
  });
  // The dashboard around this view is attached after it, and its cards one by one.
  const find = () => {
    root = el.closest(".nnw");
    const found = root ? root.querySelectorAll(".nnw-card") : [];
    if (root && found.length >= model.get("cards")) {
      watch.observe(root);
      found.forEach((card) => watch.observe(card));
    } else if (attempts++ < 100) pause = window.setTimeout(find, 50);
  };

  const leave = () => model.send({ kind: "gone", id });
  model.on("msg:custom", asked);
  document.addEventListener("visibilitychange", turned);
  window.addEventListener("pagehide", leave);
  find();
  return () => {
    watch.disconnect();
    cancelAnimationFrame(drawing);
    clearTimeout(pause);
    document.removeEventListener("visibilitychange", turned);
    window.removeEventListener("pagehide", leave);
    model.off("msg:custom", asked);
    leave();
  };
}

export default { render };
