// Keeps the charts beside it as wide as the page. Plotly measures its place when it draws first, which in a notebook is
// before the page has given it one, and again when the window's size changes: so that is what is said to have happened.

/** @param {{el: HTMLElement}} props @returns {() => void} stops */
export function render({ el }) {
  let width = 0;
  const observer = new ResizeObserver(() => {
    const now = el.clientWidth;
    if (now === 0 || now === width) return;
    width = now;
    // Not within the observer's own turn: what it resizes would be observed again in the same one.
    requestAnimationFrame(() => window.dispatchEvent(new Event("resize")));
  });
  observer.observe(el);
  return () => observer.disconnect();
}
