// Keeps the chart beside it as wide as the page. Plotly measures its place when it draws first, which in a notebook may
// be before the page has given it one, and again when the window's size changes: so that is what is said to have happened.
import { oncePerPaint } from "../shared/dom.js";

/** @param {{el: HTMLElement}} props @returns {() => void} stops */
export function render({ el }) {
  let tried = "";
  const check = oncePerPaint(() => {
    for (const plot of el.closest(".vcr-figure")?.querySelectorAll(".js-plotly-plot") ?? []) {
      const drawn = plot.querySelector(".main-svg")?.clientWidth ?? 0;
      const state = `${drawn} of ${plot.clientWidth}`;
      // Once for each state: where Plotly wants another width than its place has, asking again changes nothing.
      if (drawn === 0 || plot.clientWidth === 0 || Math.abs(drawn - plot.clientWidth) < 3 || state === tried) continue;
      tried = state;
      window.dispatchEvent(new Event("resize"));
    }
  });
  // The chart may be drawn long after the page has given this its place.
  const drawing = new MutationObserver(check);
  const size = new ResizeObserver(() => {
    const box = el.closest(".vcr-figure");
    if (box) drawing.observe(box, { childList: true, subtree: true });
    check();
  });
  size.observe(el);
  return () => {
    size.disconnect();
    drawing.disconnect();
  };
}
