// Acknowledges the frames that ask for it once they are on the screen, and says what of the dashboard can be seen.
// to Python:   {kind: "view", id, shown, cards}   {kind: "ack", id, frame}   {kind: "gone", id}   {kind: "over", id}
// from Python: {kind: "frame", frame, step, ask}
// to JupyterLab's extension, as events of the document: "nnwidgets:dashboard" and "nnwidgets:gone", each with the model in its
// detail; from it: "nnwidgets:who", to be told of all again.

// Milliseconds that a dashboard is kept when its last view is gone: cells are moved, or deleted and brought back.
const GRACE = 10000;

/** Whether the kernel is gone for good, and what became of it in words, "" while it is there. @param {any} model */
async function fate(model) {
  const manager = model.widget_manager;
  const live = await manager.get_model(model.get("root")).then((/** @type {any} */ root) => root.comm_live !== false, () => false);
  if (!live || manager.kernel === null)
    return { gone: true, words: "The kernel was restarted or has ended: this is the last picture of that run. Run the cell again for a live one." };
  const connection = manager.kernel?.connectionStatus;
  if (!connection || connection === "connected") return { gone: false, words: "" };
  return { gone: false, words: "No connection to the kernel; it is being tried again. The run may go on meanwhile, but nothing can be steered." };
}

/** Call `changed` when that may have become another, until the function returned is called. @param {any} model @param {() => void} changed */
function followKernel(model, changed) {
  const kernel = model.widget_manager.kernel;
  const signals = kernel ? [kernel.connectionStatusChanged, kernel.disposed] : [];
  // all models are told of a restart, one after the other
  const later = () => void setTimeout(changed, 0);
  model.on("comm_live_update", later);
  for (const signal of signals) signal.connect(later);
  return () => {
    model.off("comm_live_update", later);
    for (const signal of signals) signal.disconnect(later);
  };
}

// out here: a function made below would hold on to what it is to let go of
const nothing = () => {};

/**
 * When the dashboard is closed (this model first), let its comms go of all its models: JupyterLab's comms listen to their kernel for
 * as long as it lives, and would hold on to the models and views for as long.
 * @param {any} model
 */
function letGo(model) {
  const manager = model.widget_manager;
  /** @type {any} */
  let dashboard = null;
  const find = () => {
    const id = model.get("root");
    if (!dashboard && manager.has_model?.(id)) manager.get_model(id).then((/** @type {any} */ found) => (dashboard = found));
  };
  find();
  model.on("msg:custom", find);
  model.on("comm:close", () => {
    const seen = new Set();
    const waiting = [dashboard];
    while (waiting.length) {
      const value = waiting.pop();
      if (Array.isArray(value)) waiting.push(...value);
      const comm = value?.comm;
      if (!comm || !value.attributes || seen.has(value)) continue;
      seen.add(value);
      waiting.push(...Object.values(value.attributes));
      const free = () => {
        comm.on_msg?.(nothing);
        comm.on_close?.(nothing);
      };
      // the others once their own comms are closed
      if (value.attributes.root) free();
      else value.once("comm:close", free);
    }
    dashboard = null;
  });
}

/** @param {{model: any}} context */
function initialize({ model }) {
  letGo(model);
  const say = (/** @type {string} */ what) => document.dispatchEvent(new CustomEvent(`nnwidgets:${what}`, { detail: { model } }));
  const here = () => say("dashboard");
  const unfollow = followKernel(model, async () => {
    if ((await fate(model)).gone) say("gone");
  });
  document.addEventListener("nnwidgets:who", here);
  here();
  return () => {
    document.removeEventListener("nnwidgets:who", here);
    unfollow();
    say("gone");
  };
}

/** Whether this output is the picture that stays in the notebook, or its text while nothing has run. @param {Element} output */
function isStill(output) {
  const image = output.querySelector("img");
  if (!image) return (output.querySelector("pre")?.textContent || "").startsWith("nnwidgets: ");
  const [kind, data] = image.src.split(",", 2);
  // who made a PNG stands right behind its first 33 bytes
  return kind === "data:image/png;base64" && atob(data.slice(0, 96)).includes("Software\0nnwidgets");
}

/**
 * Hide the picture that stays, in the output right below the live dashboard, where both would be seen in JupyterLab and Notebook 7.
 * @param {HTMLElement} root @param {() => boolean} alive
 * @returns {{look: () => void, stop: () => void}} `look` again when `alive` may have changed; `stop` shows it.
 */
function hideStill(root, alive) {
  const output = root.closest(".jp-OutputArea-child");
  /** @type {HTMLElement | null} */
  let hidden = null;
  const look = () => {
    seen.disconnect();
    const next = /** @type {HTMLElement | null} */ (output?.nextElementSibling ?? null);
    const still = next && alive() && isStill(next) ? next : null;
    if (hidden && hidden !== still) hidden.style.display = "";
    if (still) still.style.display = "none";
    hidden = still;
    // another output may come in its place, and an output is put in the page before what it shows
    if (output?.parentElement) seen.observe(output.parentElement, { childList: true });
    if (next && alive()) seen.observe(next, { childList: true, subtree: true });
  };
  const seen = new MutationObserver(look);
  const stop = () => {
    seen.disconnect();
    if (hidden) hidden.style.display = "";
  };
  look();
  return { look, stop };
}

/** @param {{model: any, el: HTMLElement}} context */
function render({ model, el }) {
  const id = Math.random().toString(36).slice(2);
  el.style.display = "none";
  /** @type {HTMLElement | null} */
  let root = null;
  /** @type {Element | null} */
  let home = null;
  let onScreen = true;
  /** @type {Set<number>} */
  const cards = new Set();
  let said = "";
  let waiting = 0;
  let drawing = 0;
  let pause = 0;
  let search = 0;
  let attempts = 0;
  let gone = false;

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
    if (message.kind !== "frame" || !message.ask) return;
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
    home = el.closest(".jp-NotebookPanel") || document.getElementById("main");
    const found = root ? root.querySelectorAll(".nnw-card") : [];
    if (root && found.length >= model.get("cards")) {
      root.dataset.nnwRoot = model.get("root");
      still = hideStill(root, () => !gone);
      mourn();
      watch.observe(root);
      found.forEach((card) => watch.observe(card));
    } else if (attempts++ < 100) search = window.setTimeout(find, 50);
  };

  // A dashboard that has lost its kernel says so.
  const lost = document.createElement("div");
  lost.className = "nnw-lost";
  lost.setAttribute("role", "status");
  const mourn = async () => {
    const now = await fate(model);
    gone = now.gone;
    lost.textContent = now.words;
    if (lost.textContent) root?.prepend(lost);
    else lost.remove();
    still?.look();
  };
  /** @type {{look: () => void, stop: () => void} | null} */
  let still = null;
  const unfollow = followKernel(model, mourn);

  const leave = () => model.send({ kind: "gone", id });
  // The output was cleared, or the cell deleted. A notebook that was closed as a whole, or a page that is loaded again,
  // comes back to the same models; in front ends that we do not know it might.
  const end = () => {
    if (home?.isConnected) model.send({ kind: "over", id });
  };
  model.on("msg:custom", asked);
  document.addEventListener("visibilitychange", turned);
  window.addEventListener("pagehide", leave);
  find();
  return () => {
    watch.disconnect();
    still?.stop();
    unfollow();
    cancelAnimationFrame(drawing);
    clearTimeout(pause);
    clearTimeout(search);
    document.removeEventListener("visibilitychange", turned);
    window.removeEventListener("pagehide", leave);
    model.off("msg:custom", asked);
    leave();
    window.setTimeout(end, GRACE);
  };
}

export default { initialize, render };
