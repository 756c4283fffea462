/** The steps of one deployment as they go: an ordered list, with verdicts of gates, shares, and how long a watch lasts. */
import { Announcer, h, root } from "./dom.js";

/** @typedef {{ gate: string, outcome: "pass" | "fail" | "inconclusive", sentence: string, overridden: null | { by: string, why: string } }} Verdict */
/**
 * @typedef {object} Step
 * @property {string} step
 * @property {string} state
 * @property {string} sentence
 * @property {number | null} began Unix time in seconds
 * @property {number | null} ended
 * @property {Verdict[]} [verdicts]
 * @property {{ version: string, copy: boolean, share: number }[]} [shares]
 * @property {number} [hold_s]
 */
/** @typedef {{ said: string, at: number, by: string, why: string, gate: string | null }} Note */
/** @typedef {{ id: string, ended: string | null, waits: boolean, at_work: string | null, step: string | null, steps: Step[], notes: Note[], absent?: string }} State */

const SIGNS = { ok: ["✓", "ok", "ok"], same: ["✓", "the same", "ok"], overridden: ["!", "overridden", "warning"], fail: ["✕", "failed", "critical"], inconclusive: ["?", "inconclusive", "warning"], aborted: ["✕", "aborted", "critical"], running: ["…", "under way", "running"], pending: ["", "to come", "idle"], skipped: ["–", "not done", "idle"], waiting: ["!", "waits", "warning"] };
const VERDICTS = { pass: "ok", fail: "fail", inconclusive: "inconclusive" };
const NAMES = { build: "Build", test: "Test", gates: "Gates", approval: "Approval", prepare: "Prepare", shift: "Share", watch: "Watch", promote: "Promote", settle: "Settle", "roll-back": "Roll back", rejected: "Rejected" };

/** @param {number} at Unix time in seconds */
export function moment(at) {
  const date = new Date(at * 1000);
  const text = date.toLocaleString("en-GB", { year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", second: "2-digit" });
  return h("time", { datetime: date.toISOString() }, text);
}

/** @param {number} seconds */
function span(seconds) {
  if (seconds < 1) return `${Math.max(1, Math.round(seconds * 1000))} ms`;
  if (seconds < 90) return `${seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)} s`;
  return seconds < 5400 ? `${Math.round(seconds / 60)} min` : `${(seconds / 3600).toFixed(1)} h`;
}

/** @param {string} step `shift:0` */
export function title(step) {
  const [name, stage] = step.split(":");
  const known = NAMES[/** @type {keyof typeof NAMES} */ (name)] ?? name;
  return stage === undefined ? known : `${known}, stage ${Number(stage) + 1}`;
}

/** @param {string} state @param {string} [word] */
function sign(state, word) {
  const [shape, said, kind] = SIGNS[/** @type {keyof typeof SIGNS} */ (state)] ?? SIGNS.fail;
  return h("span", { class: `pl-step__sign pl-step__sign--${kind}` }, h("span", { "aria-hidden": "true" }, shape), h("span", { class: "pl-step__word" }, word ?? said));
}

export class Timeline {
  constructor() {
    this.announcer = new Announcer(); // its own: what ended is not to be overtaken by what the overview says
    this.heading = h("h2", {});
    this.told = h("p", { class: "pl-live__message" });
    this.steps = h("ol", { class: "pl-steps" });
    this.notes = h("ul", { class: "pl-steps__notes" });
    this.element = h("section", { hidden: true, "aria-label": "Steps of a deployment" }, this.heading, this.told, this.steps, this.notes, this.announcer.element);
    /** @type {EventSource | undefined} */
    this.source = undefined;
    this.key = "";
    this.paused = false;
    /** @type {State | undefined} */
    this.newest = undefined;
    /** @type {ReturnType<typeof setInterval> | undefined} */
    this.ticking = undefined;
    /** @type {Map<string, boolean>} what the reader opened or closed, by step */
    this.open = new Map();
    this.spoken = "";
  }

  /** @param {string | null} id a deployment, or none @param {string} registry */
  show(id, registry) {
    const key = id === null ? "" : `${registry} ${id}`;
    if (key === this.key) return;
    this.end();
    this.key = key;
    this.element.hidden = id === null;
    if (id === null) return;
    this.open.clear();
    this.heading.textContent = id;
    this.told.textContent = "Connecting…";
    this.steps.replaceChildren();
    this.notes.replaceChildren();
    this.source = new EventSource(new URL(`api/deployment/deployments/${encodeURIComponent(id)}/events?registry=${encodeURIComponent(registry)}`, root));
    this.source.addEventListener("state", (event) => this.hear(JSON.parse(/** @type {MessageEvent} */ (event).data)));
    this.source.addEventListener("end", () => this.source?.close());
    this.ticking = setInterval(() => this.tick(), 1000);
  }

  end() {
    this.source?.close();
    clearInterval(this.ticking);
    this.key = this.spoken = "";
    this.newest = undefined;
  }

  /** @param {boolean} paused */
  hold(paused) {
    this.paused = paused;
    if (!paused && this.newest) this.draw(this.newest);
  }

  /** @param {State} state */
  hear(state) {
    if (state.absent) {
      this.told.textContent = `${state.absent}.`;
      return;
    }
    this.newest = state;
    if (!this.paused) this.draw(state);
  }

  /** @param {State} state */
  draw(state) {
    const said = this.sentence(state);
    this.told.replaceChildren(...said);
    const held = document.activeElement?.closest("[data-step]")?.getAttribute("data-step");
    this.steps.replaceChildren(...state.steps.map((step) => this.step(step, state)));
    if (held) /** @type {HTMLElement | null} */ (this.steps.querySelector(`[data-step="${CSS.escape(held)}"] summary`))?.focus();
    this.notes.replaceChildren(...state.notes.map((note) => h("li", {}, moment(note.at), ` ${note.by}: ${note.said}${note.gate ? ` ${note.gate}` : ""}, “${note.why}”`)));
    this.speak(state);
    this.tick();
  }

  /** One sentence on where it stands, and the command that goes on. @param {State} state @returns {(Node | string)[]} */
  sentence(state) {
    if (state.ended) return [`It is over: ${state.ended}.`];
    if (state.waits) return ["It waits for a person: ", h("code", {}, `plumb deployments approve ${state.id} --why "…"`), ", then ", h("code", {}, "plumb deploy PIPELINE --resume"), "."];
    if (!state.at_work) return ["It is not over, and no deployer of this machine is at work on it: ", h("code", {}, "plumb deploy PIPELINE --resume"), " goes on."];
    return [`Under way: ${state.at_work}.`];
  }

  /** Tell a screen reader of a step that ended, not of every second. @param {State} state */
  speak(state) {
    const done = state.steps.filter((step) => step.ended);
    const last = done[done.length - 1];
    const sentence = state.ended ? `${state.id} is over: ${state.ended}.` : last ? `${title(last.step)}: ${last.state}. ${last.sentence}` : "";
    if (sentence && sentence !== this.spoken && this.spoken !== "") this.announcer.say(sentence);
    this.spoken = sentence || " ";
  }

  /** @param {Step} step @param {State} state */
  step(step, state) {
    const waits = step.state === "running" && step.step === "approval" && state.waits;
    const stalled = step.state === "running" && !state.at_work && !waits;
    const mark = stalled ? sign("inconclusive", "interrupted") : sign(waits ? "waiting" : step.state);
    const time = h("span", { class: "pl-step__time" }, step.began && step.ended ? span(step.ended - step.began) : "");
    const head = h("div", { class: "pl-step__head" }, h("strong", {}, title(step.step)), mark, time);
    const running = step.state === "running" && !waits;
    return h("li", { class: "pl-step", "data-step": step.step, "data-state": step.state, "aria-current": running && "step" }, head, step.sentence ? h("p", {}, step.sentence) : null, this.bar(step), running && this.progress(step), this.verdicts(step));
  }

  /** Who gets which part of the requests; the sentence above says the same. @param {Step} step */
  bar({ shares }) {
    if (!shares) return null;
    const parts = shares.map(({ version, copy, share }, index) => h("span", { class: `pl-shares__part pl-shares__part--${index % 3}`, style: `flex-grow: ${share}`, title: `${version}${copy ? " (fresh copy)" : ""}: ${Math.round(share * 100)} %` }));
    return h("div", { class: "pl-shares", "aria-hidden": "true" }, ...parts);
  }

  /** How long it has been under way; a watch lasts as long as it holds, and longer if too little was seen. @param {Step} step */
  progress({ began, hold_s: hold }) {
    const since = h("span", { class: "pl-step__since", "data-began": began });
    if (!hold) return h("p", {}, since);
    const longer = h("span", { "data-began": began, "data-hold": hold });
    return h("p", {}, h("progress", { class: "pl-step__progress", max: hold, "data-began": began, "aria-label": `Watched, at least ${span(hold)}` }), " ", since, longer);
  }

  /** @param {Step} step */
  verdicts({ step, verdicts }) {
    if (!verdicts?.length) return null;
    const rows = verdicts.map((one) => {
      const over = one.overridden && ` Overridden by ${one.overridden.by}: ${one.overridden.why}`;
      return h("li", {}, sign(one.overridden ? "overridden" : VERDICTS[one.outcome], one.overridden ? "overridden" : one.outcome), h("strong", {}, ` ${one.gate} `), one.sentence, over);
    });
    const passed = verdicts.filter((one) => one.outcome === "pass").length;
    const open = this.open.get(step) ?? passed < verdicts.length;
    const details = h("details", { class: "pl-step__verdicts", open }, h("summary", {}, `${passed} of ${verdicts.length} verdicts pass`), h("ul", {}, ...rows));
    details.addEventListener("toggle", () => this.open.set(step, details.open));
    return details;
  }

  /** Move clocks and bars on. */
  tick() {
    if (this.paused) return;
    for (const place of this.steps.querySelectorAll("[data-began]")) {
      const passed = Math.max(0, Date.now() / 1000 - Number(place.getAttribute("data-began")));
      const hold = Number(place.getAttribute("data-hold"));
      if (place instanceof HTMLProgressElement) place.value = Math.min(place.max, passed);
      else if (hold) place.textContent = passed < hold + 2 ? `, at least ${span(hold)}` : `, longer than the ${span(hold)} that it holds: too little was seen to tell`;
      else place.textContent = `since ${span(Math.max(1, Math.round(passed)))}`;
    }
  }
}
