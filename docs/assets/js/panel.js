/**
 * Diagnostic panels: a Run button, and live results under the static content of a `diagnostic` block.
 *
 * States (data-state): detecting, absent, ready, running, finished, interrupted, refused, limited, stale, watching. The focus
 * is never moved; what changes is said in a status region.
 */
import { Announcer, h, unique } from "./dom.js";
import { asMarkdown, download, overview, resultView } from "./report.js";
import { cancel, follow, pause, start, targets } from "./runs.js";
import { Refused } from "./service.js";

/** @typedef {import("./runs.js").Result} Result */
/** @typedef {import("./runs.js").Run} Run */

const STALE_AFTER = 5 * 60_000; // milliseconds
const WATCH_EVERY = 5_000;
const WATCH_FOR = 30 * 60_000;

/** Bring every panel of the page to life. */
export function mount() {
  for (const place of document.querySelectorAll("[data-pl-diagnostic]")) new Panel(/** @type {HTMLElement} */ (place), [place.getAttribute("data-pl-diagnostic") ?? ""]);
  for (const place of document.querySelectorAll("[data-pl-run-all]")) new Panel(/** @type {HTMLElement} */ (place), []);
}

export class Panel {
  /**
   * @param {HTMLElement} place the block with the static content
   * @param {string[]} ids what it runs; empty for all diagnostics
   */
  constructor(place, ids) {
    this.ids = ids;
    /** @type {Run | undefined} */
    this.current = undefined;
    /** @type {AbortController | undefined} */
    this.stop = undefined;
    /** @type {Result[]} */
    this.results = [];
    /** @type {number | undefined} */
    this.staleTimer = undefined;
    /** @type {number | undefined} */
    this.countdown = undefined;
    this.announcer = new Announcer();
    this.target = h("select", { class: "pl-panel__target", id: unique("pl-target") });
    this.button = h("button", { type: "button", class: "pl-panel__run", onclick: () => this.pressed() }, "Run");
    this.message = h("p", { class: "pl-panel__message" });
    this.body = h("div", { class: "pl-panel__body", "aria-busy": "false" });
    this.actions = h("div", { class: "pl-panel__actions", hidden: true }, ...this.makeActions());
    this.bar = h("div", { class: "pl-panel__bar", hidden: true }, this.button, h("label", { for: this.target.id }, "on"), this.target);
    this.panel = h("div", { class: "pl-panel", role: "group", "aria-label": ids.length ? `Run ${ids.join(", ")}` : "Run all diagnostics" }, this.bar, this.message, this.announcer.element, this.body, this.actions);
    this.panel.addEventListener("keydown", (event) => event.key === "Escape" && this.stop && (event.preventDefault(), this.end()));
    (place.querySelector("[data-pl-live]") ?? place).append(this.panel);
    addEventListener("pagehide", () => this.stop?.abort());
    this.detect();
  }

  makeActions() {
    this.watchButton = h("button", { type: "button", onclick: () => this.begin(true) }, "Watch until green");
    const copy = h("button", { type: "button", onclick: () => this.copy(copy) }, "Copy as Markdown");
    const name = this.ids.length === 1 ? this.ids[0] : "plumbline";
    return [this.watchButton, copy, h("button", { type: "button", onclick: () => download(`${name}.json`, this.report ?? this.results) }, "Download JSON")];
  }

  /** @param {string} state @param {string | Node} [said] */
  set(state, said = "") {
    this.panel.dataset.state = state;
    this.message.replaceChildren(said);
  }

  async detect() {
    this.set("detecting");
    try {
      const known = await targets();
      this.target.replaceChildren(...known.targets.map((name) => h("option", { value: name, selected: name === known.default }, name)));
      this.bar.hidden = false;
      this.set("ready");
    } catch (error) {
      if (error instanceof Refused) return this.refused(error);
      const again = h("button", { type: "button", class: "pl-link", onclick: () => this.detect() }, "look again");
      this.set("absent", h("span", {}, "No Plumbline serves this page, so it cannot run here. ", h("code", {}, "make up"), " starts one; open this page there, or use the command above. (", again, ")"));
    }
  }

  pressed() {
    if (this.stop) this.end();
    else this.begin(false);
  }

  /** Cancel what is under way; the button stays where it is and keeps the focus. */
  end() {
    this.stop?.abort(new DOMException("cancelled by the reader", "AbortError"));
    if (this.current) cancel(this.current).catch(() => undefined);
  }

  /** @param {boolean} watch run again and again until it is green */
  async begin(watch) {
    if (this.stop) return;
    this.stop = new AbortController();
    const { signal } = this.stop;
    this.button.textContent = "Cancel";
    this.button.classList.add("pl-panel__run--cancel");
    this.target.disabled = true;
    this.actions.hidden = true;
    clearTimeout(this.staleTimer);
    clearTimeout(this.countdown);
    try {
      if (watch) await this.watch(signal);
      else await this.once(signal);
    } catch (error) {
      this.failed(/** @type {Error} */ (error));
    } finally {
      this.stop = undefined;
      this.current = undefined;
      this.button.textContent = this.results.length ? "Run again" : "Run";
      this.button.classList.remove("pl-panel__run--cancel");
      this.target.disabled = false;
      this.body.setAttribute("aria-busy", "false");
    }
  }

  /** @param {AbortSignal} signal @param {string} [watching] what is said instead of the elapsed time */
  async once(signal, watching) {
    const began = Date.now();
    const what = this.ids.length === 1 ? this.ids[0] : "all diagnostics";
    if (!watching) this.announcer.say(`Running ${what}`);
    this.body.setAttribute("aria-busy", "true");
    let broken = false;
    const tell = () => broken || this.set(watching ? "watching" : "running", watching ?? `Running ${what} on ${this.target.value}, ${Math.round((Date.now() - began) / 1000)} s. Escape cancels.`);
    tell();
    const clock = setInterval(tell, 1000);
    try {
      this.current = await start(this.ids, this.target.value);
      /** @type {Result[]} */
      const came = [];
      const interrupted = () => {
        broken = true;
        this.set("interrupted", "The connection broke; resuming where it stopped.");
      };
      for await (const event of follow(this.current, signal, interrupted)) {
        broken = false;
        if (event.event === "check.finished") came.push(event.result);
        if (came.length) this.show(came);
        tell();
        if (event.event === "run.failed") throw new Error(event.sentence);
        if (event.event === "run.finished") this.finished(event.report, watching !== undefined);
      }
    } finally {
      clearInterval(clock);
      this.current = undefined;
    }
  }

  /** @param {Result[]} results */
  show(results) {
    this.results = results;
    this.body.replaceChildren(this.ids.length === 1 ? resultView(results[0]) : overview(results));
  }

  /** @param {any} report @param {boolean} quiet */
  finished(report, quiet) {
    this.report = report;
    this.show(report.results);
    const at = new Date(report.started_at).toLocaleTimeString();
    const incomplete = report.complete ? "" : " Not everything could be judged.";
    this.set("finished", `Judged ${report.target} at ${at}, in ${duration(report.duration_s)}.${incomplete}`);
    this.actions.hidden = false;
    if (this.watchButton) this.watchButton.hidden = !this.isRed();
    if (!quiet) this.announcer.say(this.heard(report.results));
    this.staleTimer = window.setTimeout(() => this.set("stale", `Judged at ${at}: more than five minutes ago. Run it again before you act on it.`), STALE_AFTER);
  }

  isRed() {
    return this.results.some(({ status }) => status === "critical" || status === "warning");
  }

  /** @param {Result[]} results */
  heard(results) {
    if (results.length === 1) return `Finished, ${results[0].status}: ${results[0].sentence}`;
    const red = results.filter(({ status }) => status === "critical" || status === "warning");
    return `Finished. ${red.length ? `${red.length} of ${results.length} red: ${red.map(({ question }) => question).join(" ")}` : `${results.length} diagnostics, none red`}`;
  }

  /** @param {AbortSignal} signal */
  async watch(signal) {
    const began = Date.now();
    this.announcer.say("Watching until green");
    for (let run = 1; Date.now() - began < WATCH_FOR; run += 1) {
      const red = Math.round((Date.now() - began) / 1000);
      try {
        await this.once(signal, `Watching: red for ${red} s, run ${run}. Escape ends it.`);
      } catch (error) {
        if (!(error instanceof Refused) || error.status !== 429) throw error;
        await pause(error.retryAfter * 1000, signal);
        continue;
      }
      if (!this.isRed() && this.results.every(({ status }) => status === "ok")) {
        const seconds = Math.round((Date.now() - began) / 1000);
        this.set("finished", `Green after ${seconds} s of watching.`);
        this.announcer.say(`Green after ${seconds} seconds. ${this.results[0]?.sentence ?? ""}`);
        return;
      }
      clearTimeout(this.staleTimer);
      this.actions.hidden = true;
      this.set("watching", `Watching: red for ${Math.round((Date.now() - began) / 1000)} s, run ${run}. Escape ends it.`);
      await pause(WATCH_EVERY, signal);
    }
    this.set("finished", "Still not green after 30 minutes of watching; this no longer looks.");
  }

  /** @param {Error} error */
  failed(error) {
    if (error.name === "AbortError") {
      this.set("ready", this.results.length ? "Cancelled. What stands below is from before." : "Cancelled.");
      this.announcer.say("Cancelled");
      this.actions.hidden = !this.results.length;
    } else if (error instanceof Refused) this.refused(error);
    else {
      this.set("interrupted", `The run was not finished: ${error.message}. What came until then stands below.`);
      this.announcer.say(`The run was not finished: ${error.message}`);
    }
  }

  /** @param {Refused} error */
  refused(error) {
    this.announcer.say(`${error.message}. ${error.hint}`);
    if (error.status !== 429) return this.set("refused", `Refused: ${error.message}${error.hint ? `; ${error.hint}` : ""}.`);
    let left = Math.max(1, error.retryAfter);
    const tick = () => {
      if (left <= 0) return this.set("ready", "You may run it again.");
      this.set("limited", `${error.message}; again in ${left} s.`);
      left -= 1;
      this.countdown = window.setTimeout(tick, 1000);
    };
    tick();
  }

  /** @param {HTMLButtonElement} button */
  async copy(button) {
    await navigator.clipboard.writeText(asMarkdown(this.results));
    button.textContent = "Copied";
    this.announcer.say("Copied as Markdown");
    setTimeout(() => (button.textContent = "Copy as Markdown"), 2000);
  }
}

/** @param {number} seconds */
const duration = (seconds) => (seconds < 1 ? `${Math.max(1, Math.round(seconds * 1000))} ms` : `${seconds.toFixed(1)} s`);
