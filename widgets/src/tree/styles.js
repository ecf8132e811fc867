// The editor's styles where the widget does not stand in the page itself.

/**
 * Bring the editor's styles to where the widget stands: the editor puts them into the page's head when it is loaded,
 * and from there they do not reach into the shadow root in which marimo shows a widget.
 * @param {HTMLElement} el
 */
export function bringStyles(el) {
  const place = el.getRootNode();
  if (!(place instanceof ShadowRoot)) return;
  for (const style of document.head.querySelectorAll("style"))
    if (/\.jse-|\.fa-icon/.test(style.textContent ?? "")) place.append(style.cloneNode(true));
}
