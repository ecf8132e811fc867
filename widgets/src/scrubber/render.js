// The frame scrubber on the page: strip, buttons, label, legend.
import { selectionOf } from "../shared/bus.js";
import { button, element, hideSavedView, icon, oncePerPaint } from "../shared/dom.js";
import { keyHelp } from "../shared/help.js";
import { save } from "../shared/kernel.js";
import { CANCELLED, EDITED, ERROR, MOCKED, REPLAYED, RUNNING, TYPES } from "../shared/types.js";
import { WidgetView, showing } from "../shared/view.js";
import { LANE, MARKS, OVERVIEW, drawCells, drawOverview, drawWindow, palette, prepare } from "./draw.js";
import {
  COMMANDS,
  FrameStore,
  KEY_HELP,
  TREE_COMMANDS,
  actionOf,
  cellsByCount,
  cellsByTime,
  clamp,
  closeUp,
  describe,
  frameAt,
  isTimed,
  laneCount,
  nextError,
} from "./model.js";

/** @typedef {import("../shared/types.js").Model} Model */

const PLAY_MS = 350;
/** Frames on each side of the selected one whose names are asked for. */
const DETAIL_REACH = 100;
const ICONS = {
  first: "M3 3h2v10H3zM13 3v10L6 8z",
  previous: "M11 3v10L4 8z",
  play: "M4 2.5v11L13 8z",
  pause: "M4 3h3v10H4zM9 3h3v10H9z",
  next: "M5 3v10l7-5z",
  last: "M11 3h2v10h-2zM3 3v10l7-5z",
  error: "M3.5 2 8 6.5 12.500 2 14 3.500 9.500 8 14 12.500 12.500 14 8 9.500 3.500 14 2 12.500 6.500 8 2 3.500z",
};

class ScrubberView extends WidgetView {
  /** @type {ReturnType<typeof setInterval> | null} */
  #playing = null;
  /** @type {import("./model.js").Cell[]} */
  #cells = [];
  #askedAround = -Infinity;
  #byTime = false;

  /** @param {Model} model */
  constructor(model) {
    super(model, element("section", { class: "vcr-scrubber", "aria-label": "Frame scrubber", "data-testid": "vcr-scrubber" }));
    this.store = new FrameStore();
    this.selection = selectionOf(model.get("group"));
    this.overview = element("canvas", { class: "vcr-overview", "aria-hidden": "true", "data-testid": "vcr-overview" });
    this.strip = element("canvas", { class: "vcr-strip", "aria-hidden": "true" });
    this.slider = element(
      "div",
      { class: "vcr-slider", role: "slider", tabindex: "0", "aria-label": "Frame", "aria-valuemin": "0" },
      this.overview,
      this.strip,
    );
    this.label = element("output", { class: "vcr-label" });
    this.problem = element("div", { class: "vcr-problem" });
    this.play = button("Play", () => this.act("play"), icon(ICONS.play));
    this.errors = button("Next error", () => this.act("error"), icon(ICONS.error), " next error");
    this.follow = element("button", { type: "button", class: "vcr-button vcr-toggle", "aria-pressed": "false" }, "follow");
    this.follow.title = "Stay at the newest frame while the run goes on";
    this.time = element("button", { type: "button", class: "vcr-button vcr-toggle", "aria-pressed": "false" }, "by time");
    this.time.title = "Width of a cell by its duration";
    this.legend = element("div", { class: "vcr-legend", "aria-hidden": "true" });
    this.session = element("div", { class: "vcr-session", "data-testid": "vcr-session" });
    this.help = keyHelp("Keys of the frame scrubber", KEY_HELP);
    this.root.append(
      this.session,
      this.slider,
      element(
        "div",
        { class: "vcr-bar" },
        button("First frame", () => this.act("first"), icon(ICONS.first)),
        button("Previous frame", () => this.act("previous"), icon(ICONS.previous)),
        this.play,
        button("Next frame", () => this.act("next"), icon(ICONS.next)),
        button("Last frame", () => this.act("last"), icon(ICONS.last)),
        this.errors,
        this.time,
        this.follow,
        this.label,
        this.help.button,
      ),
      this.help.panel,
      this.problem,
      this.legend,
    );
    this.repaint = oncePerPaint(() => this.paint());
    this.save = oncePerPaint(() => save(this.model, this.alert.show));
  }

  start() {
    super.start();
    this.#listenToUser();
    this.#listenToKernel();
    const resize = new ResizeObserver(this.repaint);
    resize.observe(this.slider);
    this.untilStop(() => resize.disconnect(), this.selection.lead());
    this.untilStop(this.selection.listen((frame) => this.go(frame)));
    this.untilStop(hideSavedView(this.model.get("group")));
    this.selection.select(this.frame);
    this.tell({ kind: "hello", have: 0 });
    this.repaint();
  }

  stop() {
    if (this.#playing !== null) clearInterval(this.#playing);
    super.stop();
  }

  applyTheme() {
    super.applyTheme();
    this.repaint();
  }

  get frame() {
    return /** @type {number} */ (this.model.get("frame"));
  }

  #listenToKernel() {
    this.on("change:frame", () => {
      this.selection.select(this.frame);
      this.repaint();
    });
    this.on("change:epoch", () => this.#startOver());
    for (const trait of ["session", "origin"]) this.on(`change:${trait}`, () => this.#nameSession());
    this.#nameSession();
  }

  #nameSession() {
    const [session, origin] = [this.model.get("session"), this.model.get("origin")];
    const name = element("strong", {}, session);
    this.session.replaceChildren(name, ...(origin ? [element("span", {}, ` · ${origin}`)] : []));
    this.session.hidden = !session;
  }

  #startOver() {
    this.store = new FrameStore();
    this.#askedAround = -Infinity;
    this.tell({ kind: "hello", have: 0 });
    this.repaint();
  }

  /** @param {any} message */
  receive(message) {
    if (message.epoch !== this.model.get("epoch")) return;
    if (message.kind === "frames") {
      const whole = this.store.append(message.at, message.rows);
      if (!whole) this.tell({ kind: "hello", have: this.store.count });
      if (this.isFollowing) this.go(this.store.count - 1);
    } else if (message.kind === "changed") {
      this.store.change(message.rows);
      this.#askedAround = -Infinity;
    } else if (message.kind === "details") {
      this.store.describe(message.details);
    }
    this.repaint();
  }

  #listenToUser() {
    this.slider.addEventListener("keydown", (event) => {
      const action = actionOf(event);
      if (action === null) return;
      event.preventDefault();
      // A key that is held down scrubs on, and forks once.
      if (!(event.repeat && COMMANDS.includes(action))) this.act(action);
    });
    for (const canvas of [this.overview, this.strip]) this.#dragOn(canvas);
    this.follow.addEventListener("click", () => this.#setFollowing(!this.isFollowing));
    this.time.addEventListener("click", () => {
      this.#byTime = !this.#byTime;
      this.time.setAttribute("aria-pressed", String(this.#byTime));
      this.repaint();
    });
  }

  get isFollowing() {
    return this.follow.getAttribute("aria-pressed") === "true";
  }

  /** @param {boolean} on */
  #setFollowing(on) {
    this.follow.setAttribute("aria-pressed", String(on));
    if (on) this.go(this.store.count - 1);
  }

  /** @param {HTMLCanvasElement} canvas */
  #dragOn(canvas) {
    const goTo = (/** @type {PointerEvent} */ event) => {
      const box = canvas.getBoundingClientRect();
      const [x, y] = [event.clientX - box.left, event.clientY - box.top];
      const frame =
        canvas === this.overview
          ? Math.floor((x / box.width) * this.store.count)
          : frameAt(this.#cells, x, Math.floor((y - MARKS) / LANE));
      if (frame === null) return;
      this.#setFollowing(false);
      this.go(frame);
    };
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      this.slider.focus({ preventScroll: true });
      event.preventDefault();
      goTo(event);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (canvas.hasPointerCapture(event.pointerId)) goTo(event);
    });
  }

  /** @param {string} action */
  act(action) {
    if (action === "play") return this.#togglePlay();
    if (action === "help") return this.help.toggle();
    if ([...COMMANDS, ...TREE_COMMANDS].includes(action)) return this.selection.command(action);
    this.#setFollowing(false);
    const page = Math.max(1, this.#cells.length - 1);
    const error = nextError(this.store.rows, this.frame);
    /** @type {Record<string, number>} */
    const targets = {
      first: 0,
      last: this.store.count - 1,
      previous: this.frame - 1,
      next: this.frame + 1,
      back: this.frame - page,
      forward: this.frame + page,
      error: error ?? this.frame,
    };
    this.go(targets[action] ?? this.frame);
  }

  #togglePlay() {
    if (this.#playing !== null) return this.#pause();
    this.#showPlaying(true);
    this.#playing = setInterval(() => {
      if (this.frame >= this.store.count - 1) return this.#pause();
      this.go(this.frame + 1);
    }, PLAY_MS);
  }

  #pause() {
    if (this.#playing !== null) clearInterval(this.#playing);
    this.#playing = null;
    this.#showPlaying(false);
  }

  /** @param {boolean} playing */
  #showPlaying(playing) {
    this.play.replaceChildren(icon(playing ? ICONS.pause : ICONS.play));
    for (const name of ["aria-label", "title"]) this.play.setAttribute(name, playing ? "Pause" : "Play");
  }

  /** @param {number} target */
  go(target) {
    if (this.store.count === 0) return;
    const frame = clamp(target, this.store.count);
    if (frame === this.frame) return;
    this.model.set("frame", frame);
    this.save();
  }

  #askForDetails() {
    if (this.store.count === 0 || Math.abs(this.frame - this.#askedAround) < DETAIL_REACH / 2) return;
    this.#askedAround = this.frame;
    const at = Math.max(0, this.frame - DETAIL_REACH);
    this.tell({ kind: "details", at, stop: this.frame + DETAIL_REACH });
  }

  paint() {
    this.#askForDetails();
    this.#writeWords();
    const width = this.slider.clientWidth;
    const { first, stop } = closeUp(this.frame, this.store.count, width);
    const rows = this.store.rows.slice(first, stop);
    const timed = isTimed(rows);
    this.time.hidden = !timed;
    this.#cells = this.#byTime && timed ? cellsByTime(rows, first, width) : cellsByCount(rows, first, width);
    const colours = palette(this.root);
    const strip = prepare(this.strip, MARKS + laneCount(rows) * LANE);
    if (strip) drawCells(strip, this.#cells, (number) => this.store.rows[number], this.frame, colours);
    this.overview.hidden = stop - first === this.store.count;
    if (this.overview.hidden) return;
    const whole = prepare(this.overview, OVERVIEW);
    if (!whole) return;
    drawOverview(whole, this.store.rows, width, colours);
    const scale = width / this.store.count;
    drawWindow(whole, first * scale, (stop - first) * scale, colours);
  }

  #writeWords() {
    const { count, rows, details } = this.store;
    const detail = details.get(this.frame);
    const words = describe(this.frame, count, rows[this.frame], detail);
    this.label.textContent = words;
    this.slider.setAttribute("aria-valuemax", String(Math.max(0, count - 1)));
    this.slider.setAttribute("aria-valuenow", String(this.frame));
    this.slider.setAttribute("aria-valuetext", detail?.error ? `${words} · ${detail.error}` : words);
    this.problem.textContent = detail?.error ?? "";
    this.problem.hidden = !detail?.error;
    this.problem.classList.toggle("vcr-cancelled", rows[this.frame]?.[1] === CANCELLED);
    this.errors.disabled = nextError(rows, -1) === null;
    this.root.dataset.count = String(count);
    this.root.dataset.frame = String(this.frame);
    this.root.dataset.epoch = String(this.model.get("epoch"));
    this.#writeLegend();
  }

  #writeLegend() {
    const present = new Set(this.store.rows.map((row) => TYPES[row[0]] ?? "unknown"));
    const has = (/** @type {(row: import("../shared/types.js").Row) => boolean} */ test) => this.store.rows.some(test);
    const entries = [
      ...[...TYPES, "unknown"].filter((type) => present.has(type)).map((type) => [`vcr-swatch vcr-is-${type}`, type]),
      ...(has((row) => row[1] === ERROR) ? [["vcr-mark-error", "failed"]] : []),
      ...(has((row) => row[1] === CANCELLED) ? [["vcr-mark-cancelled", "cancelled"]] : []),
      ...(has((row) => row[1] === RUNNING) ? [["vcr-swatch vcr-mark-running", "running"]] : []),
      ...(has((row) => row[2] === REPLAYED) ? [["vcr-swatch vcr-mark-replayed", "replayed"]] : []),
      ...(has((row) => row[2] === EDITED) ? [["vcr-mark-edited", "edited"]] : []),
      ...(has((row) => row[2] === MOCKED) ? [["vcr-swatch vcr-mark-mocked", "mocked"]] : []),
    ];
    const text = entries.map(([, name]) => name).join(" ");
    if (this.legend.dataset.shown === text) return;
    this.legend.dataset.shown = text;
    this.legend.replaceChildren(
      ...entries.map(([look = "", name = ""]) => element("span", {}, element("i", { class: look }), name)),
    );
  }
}

export const render = showing(ScrubberView);
