// Names what ipywidgets and bqplot leave without a name for screen readers, and says aloud how the run's state changes.
// said: the newest sentence

// Tables come and go while a run goes on, so it looks again: soon at first, later seldom.
const [SOON, SELDOM, FIRST] = [300, 2000, 10];
// What scrolls must be reached by keys, too.
const SCROLLS = ".widget-box, .nnw-scroll, .nnw-images, .nnw-network, .nnw-network-side";

/** @param {Element | null | undefined} element */
const textOf = (element) => (element?.textContent || "").replace(/[▾▸]/g, "").trim();

/** The words that stand beside a control of ipywidgets, or those that show when the mouse rests on it. @param {Element} box */
function nameOf(box) {
  const own = box.querySelector("label.widget-label");
  const before = box.previousElementSibling;
  const beside = before?.classList.contains("widget-label") ? textOf(before) : "";
  return textOf(own) || [beside, own?.getAttribute("title")].filter((part) => part && part !== "null").join(": ");
}

/** @param {Element} element @param {string} role @param {string} name */
function label(element, role, name) {
  if (!name || element.getAttribute("aria-label") === name) return;
  if (role) element.setAttribute("role", role);
  element.setAttribute("aria-label", name);
}

/** @param {Element} root */
function controls(root) {
  for (const box of root.querySelectorAll(".widget-slider, .widget-text, .widget-dropdown, .widget-readout")) {
    const slider = box.closest(".widget-slider");
    if (box.classList.contains("widget-readout")) {
      if (slider) label(box, "textbox", `${nameOf(slider)}, as a number`);
      continue;
    }
    const parts = box.querySelectorAll(".noUi-handle, input, select");
    parts.forEach((each) => label(each, "", nameOf(box) || each.getAttribute("title") || ""));
  }
  // a button with nothing but an icon
  root.querySelectorAll("button[title]").forEach((button) => textOf(button) || label(button, "", button.getAttribute("title") || ""));
}

/** @param {Element} root */
function cards(root) {
  for (const card of root.querySelectorAll(".nnw-card")) {
    const title = card.querySelector(".nnw-title");
    const name = textOf(title);
    label(card, "group", name);
    title?.setAttribute("aria-expanded", String(!card.classList.contains("nnw-closed")));
    for (const figure of card.querySelectorAll(".bqplot.figure")) {
      const axes = [...figure.querySelectorAll(".axislabel")].map(textOf).filter(Boolean);
      label(figure, "img", `${name}: ${axes.reverse().join(" over ")}`);
    }
    for (const part of card.querySelectorAll(SCROLLS)) scrolls(part, name);
  }
  root.querySelectorAll(".nnw-legend").forEach((legend) => scrolls(legend, "layers and their colours"));
}

/** @param {Element} part @param {string} name */
function scrolls(part, name) {
  const over = part.scrollHeight > part.clientHeight + 12 || part.scrollWidth > part.clientWidth + 12;
  if (over && /auto|scroll/.test(getComputedStyle(part).overflow)) {
    /** @type {HTMLElement} */ (part).tabIndex = 0;
    label(part, "group", name);
  } else part.removeAttribute("tabindex");
}

/** @param {{model: any, el: HTMLElement}} context */
function render({ model, el }) {
  el.classList.add("nnw-said");
  el.setAttribute("role", "status");
  let [timer, looks] = [0, 0];
  /** @type {HTMLElement | null} */
  let root = null;
  const name = () => {
    root = root || el.closest(".nnw");
    if (!root) return;
    label(root, "region", "nnwidgets: a training run");
    controls(root);
    cards(root);
  };
  // what is around this view is attached after it, and its figures one by one
  const again = () => {
    if (!document.hidden) name();
    timer = window.setTimeout(again, looks++ < FIRST ? SOON : SELDOM);
  };
  const later = (/** @type {Event} */ event) => {
    if (!root || !root.contains(/** @type {Node} */ (event.target))) return;
    // once the kernel has answered
    clearTimeout(timer);
    timer = window.setTimeout(again, SOON);
  };
  const say = () => {
    el.textContent = model.get("said");
  };
  document.addEventListener("click", later, true);
  document.addEventListener("focusin", later, true);
  model.on("change:said", say);
  again();
  return () => {
    clearTimeout(timer);
    document.removeEventListener("click", later, true);
    document.removeEventListener("focusin", later, true);
    model.off("change:said", say);
  };
}

export default { render };
