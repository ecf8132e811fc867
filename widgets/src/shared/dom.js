// Elements without markup: text from a run reaches the page through textContent alone.

/**
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Record<string, string>} [attributes]
 * @param {...(Node | string)} children strings become text
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

const SVG = "http://www.w3.org/2000/svg";

/**
 * A 16 x 16 icon in the colour of the text; drawn, because common fonts lack some of the media glyphs.
 * @param {string} path
 * @returns {SVGSVGElement}
 */
export function icon(path) {
  const svg = document.createElementNS(SVG, "svg");
  for (const [name, value] of Object.entries({ viewBox: "0 0 16 16", width: "14", height: "14", "aria-hidden": "true" }))
    svg.setAttribute(name, value);
  const shape = document.createElementNS(SVG, "path");
  shape.setAttribute("d", path);
  shape.setAttribute("fill", "currentColor");
  svg.append(shape);
  return svg;
}

/**
 * @param {string} label what a screen reader says, and the tooltip
 * @param {() => void} onClick
 * @param {...(Node | string)} content
 */
export function button(label, onClick, ...content) {
  const made = element("button", { type: "button", class: "vcr-button", "aria-label": label, title: label }, ...content);
  made.addEventListener("click", onClick);
  return made;
}

const KEY_EVENTS = ["keydown", "keyup", "keypress", "copy", "cut", "paste"];

/**
 * Keep what is typed in a widget from the page around it: JupyterLab deletes cells on "d d" and undoes on Ctrl+Z,
 * and its context menu covers the widget's own.
 * @param {HTMLElement} root
 */
export function keepKeys(root) {
  root.setAttribute("data-lm-suppress-shortcuts", "true");
  root.setAttribute("data-jp-suppress-context-menu", "true");
  // Notebook 7 looks at a key before the widget does, and at the mark only on the way to what its rules match: the
  // focused element itself.
  root.addEventListener("focusin", (event) => {
    if (event.target instanceof Element) event.target.setAttribute("data-lm-suppress-shortcuts", "true");
  });
  for (const type of KEY_EVENTS) root.addEventListener(type, (event) => event.stopPropagation());
}

/**
 * The line in which a widget says what went wrong, in the kernel or here.
 * @param {() => void} onDismiss
 * @returns {{node: HTMLElement, show: (message: string) => void}}
 */
export function alertLine(onDismiss) {
  const text = element("span");
  const node = element("div", { class: "vcr-alert", role: "alert", hidden: "" }, text);
  const show = (/** @type {string} */ message) => {
    text.textContent = message;
    node.hidden = message === "";
  };
  const dismiss = () => {
    show("");
    onDismiss();
  };
  node.append(button("Dismiss", dismiss, "dismiss"));
  return { node, show };
}

/** @param {() => void} onChange called when the page's theme changes @returns {() => void} stops */
export function watchTheme(onChange) {
  const observer = new MutationObserver(onChange);
  const attributeFilter = ["data-jp-theme-light", "data-jp-theme-name", "data-theme", "class"];
  for (const page of [document.documentElement, document.body]) observer.observe(page, { attributes: true, attributeFilter });
  return () => observer.disconnect();
}

/** True on a dark page: JupyterLab says so, elsewhere it is told by the colour behind the widget. @param {HTMLElement} root */
export function isDark(root) {
  const told = document.body.dataset["jpThemeLight"];
  if (told) return told === "false";
  // A widget is drawn before the page takes it in, and what is not in the page has no colours.
  const host = root.isConnected ? root : document.body;
  const [red, green, blue] = rgba(getComputedStyle(host).getPropertyValue("--jp-layout-color0") || colourBehind(host));
  return red + green + blue < 384;
}

/** The first background around a widget that can be seen, also around a shadow root. @param {HTMLElement} root */
function colourBehind(root) {
  /** @type {Node | null} */
  let node = root === document.body ? root : root.parentNode;
  for (; node; node = node instanceof ShadowRoot ? node.host : node.parentNode) {
    const colour = node instanceof Element ? getComputedStyle(node).backgroundColor : "";
    if (colour && rgba(colour)[3] > 127) return colour;
  }
  return getComputedStyle(document.documentElement).colorScheme === "dark" ? "black" : "white";
}

/** @param {string} colour in any form of CSS @returns {[number, number, number, number]} 0 to 255; white if it is none */
function rgba(colour) {
  const context = element("canvas", { width: "1", height: "1" }).getContext("2d");
  if (!context) return [255, 255, 255, 255];
  context.fillStyle = "white";
  context.fillStyle = colour.trim();
  context.fillRect(0, 0, 1, 1);
  const [red = 255, green = 255, blue = 255, alpha = 255] = context.getImageData(0, 0, 1, 1).data;
  return [red, green, blue, alpha];
}

/**
 * Hide the view that is saved with the notebook while the live widget is on the page.
 * @param {string} group id of the debugger
 * @returns {() => void} shows it again
 */
export function hideSavedView(group) {
  if (!/^\w+$/.test(group)) return () => {};
  const rule = element("style", {}, `.vcr-saved-${group} { display: none; }`);
  document.head.append(rule);
  return () => rule.remove();
}

/** @param {() => void} work @returns {() => void} runs `work` once before the next paint, however often it is asked */
export function oncePerPaint(work) {
  let asked = false;
  return () => {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => {
      asked = false;
      work();
    });
  };
}
