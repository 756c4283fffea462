/**
 * The search box: a combobox (WAI-ARIA APG, list autocomplete). It suggests as one types, asks the full search on a pause
 * or Enter, and takes a pasted log as a whole.
 */
import { Announcer, h, unique } from "./dom.js";
import { hitRow } from "./hit.js";
import { Refused } from "./service.js";
import { find, suggest } from "./search.js";

/** @typedef {import("./search.js").Answer} Answer */

const SUGGEST_AFTER = 60; // milliseconds without a key
const SEARCH_AFTER = 300;

export class Finder {
  /**
   * @param {HTMLElement} place is filled; what stood in it was for readers without JavaScript
   * @param {{ inPage: boolean }} options in the page the query is kept in the address, so that Back finds it again
   */
  constructor(place, { inPage }) {
    this.inPage = inPage;
    /** @type {string | null} */
    this.log = null;
    /** @type {AbortController | undefined} */
    this.request = undefined;
    /** @type {number[]} */
    this.timers = [];
    this.answered = "";
    this.active = -1;
    this.announcer = new Announcer();
    const list = unique("pl-results");
    this.input = h("input", {
      type: "search", class: "pl-finder__input", role: "combobox", id: unique("pl-query"), "aria-expanded": "false", "aria-controls": list, "aria-autocomplete": "list",
      autocomplete: "off", autocapitalize: "off", spellcheck: "false", enterkeyhint: "search", maxlength: "2000", placeholder: "A symptom, an error line, or paste a whole log",
    });
    this.chip = h("button", { type: "button", class: "pl-finder__log", hidden: true, onclick: () => this.dropLog() });
    this.list = h("div", { role: "listbox", id: list, class: "pl-finder__list", "aria-label": "Results", hidden: true });
    this.note = h("div", { class: "pl-finder__note", hidden: true });
    this.foot = h("p", { class: "pl-finder__foot" });
    const form = h(
      "form", { class: "pl-finder__form", role: "search" },
      h("label", { class: "pl-hidden", for: this.input.id }, "Search: a symptom, an error line or a log"),
      this.chip, this.input, h("button", { type: "submit", class: "pl-finder__go" }, "Search"),
    );
    place.replaceChildren(form, this.announcer.element, this.note, this.list, this.foot);
    place.classList.add("pl-finder--ready");
    this.input.addEventListener("input", () => this.typed());
    this.input.addEventListener("paste", (event) => this.pasted(event));
    this.input.addEventListener("keydown", (event) => this.pressed(event));
    this.list.addEventListener("mousedown", (event) => event.preventDefault()); // the cursor stays in the box
    this.list.addEventListener("mousemove", (event) => this.pointed(event));
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.entered();
    });
    this.help();
  }

  focus() {
    this.input.focus();
    this.input.select();
  }

  /** @param {string} query asked at once, as from a link */
  ask(query) {
    this.input.value = query;
    this.search();
  }

  get query() {
    return this.log ?? this.input.value.trim();
  }

  typed() {
    this.later([]);
    if (!this.query) return this.clear();
    if (this.log === null) this.later([[SUGGEST_AFTER, () => this.suggest()], [SEARCH_AFTER, () => this.search()]]);
  }

  /** @param {[number, () => void][]} tasks replace those that wait */
  later(tasks) {
    this.timers.forEach(clearTimeout);
    this.timers = tasks.map(([wait, task]) => window.setTimeout(task, wait));
  }

  /** @param {ClipboardEvent} event */
  pasted(event) {
    const text = event.clipboardData?.getData("text/plain") ?? "";
    if (!/\n.*\S/.test(text.trim())) return;
    event.preventDefault(); // one line of it would be lost in a one-line box
    this.log = text.trim();
    const lines = this.log.split("\n").length;
    this.chip.replaceChildren(`Log, ${lines} lines `, h("span", { "aria-hidden": "true" }, "✕"), h("span", { class: "pl-hidden" }, " (remove)"));
    this.chip.title = this.log.slice(0, 300);
    this.chip.hidden = false;
    this.input.value = "";
    this.input.placeholder = "Press Enter to search with the log";
    this.search();
  }

  dropLog() {
    this.log = null;
    this.chip.hidden = true;
    this.input.placeholder = "A symptom, an error line, or paste a whole log";
    this.clear();
    this.input.focus();
  }

  /** @param {KeyboardEvent} event */
  pressed(event) {
    const rows = this.list.children.length;
    if (event.key === "ArrowDown" && rows) this.activate((this.active + 1) % rows);
    else if (event.key === "ArrowUp" && rows) this.activate((this.active - 1 + rows) % rows);
    else if (event.key === "Escape" && (rows || this.query)) this.escape();
    else if (event.key === "Backspace" && this.log !== null && !this.input.value) this.dropLog();
    else return;
    event.preventDefault();
    event.stopPropagation(); // Escape closes the list first, the dialog next
  }

  escape() {
    if (this.log !== null) return this.dropLog();
    if (this.list.hidden) this.input.value = "";
    this.clear();
  }

  entered() {
    const fresh = this.answered === this.query && !this.timers.length;
    const row = /** @type {HTMLAnchorElement | undefined} */ (this.list.children[this.active]);
    if (row && (fresh || this.active > 0)) row.click();
    else if (this.query) this.search();
  }

  /** @param {MouseEvent} event */
  pointed(event) {
    const row = event.target instanceof Element ? event.target.closest(".pl-hit") : null;
    const index = row ? [...this.list.children].indexOf(row) : -1;
    if (index >= 0 && index !== this.active) this.activate(index, false);
  }

  /** @param {number} index @param {boolean} [scroll] */
  activate(index, scroll = true) {
    this.list.children[this.active]?.setAttribute("aria-selected", "false");
    this.active = index;
    const row = this.list.children[index];
    row?.setAttribute("aria-selected", "true");
    if (row) this.input.setAttribute("aria-activedescendant", row.id);
    else this.input.removeAttribute("aria-activedescendant");
    if (scroll && row) row.scrollIntoView({ block: "nearest" });
  }

  async suggest() {
    const asked = this.query;
    const hits = await suggest(asked, this.abortable());
    if (asked !== this.query || !hits.length || this.answered === asked) return;
    this.show(hits, -1);
  }

  async search() {
    this.later([]);
    const asked = this.query;
    if (!asked) return;
    try {
      const answer = await find(asked, { log: this.log !== null, signal: this.abortable() });
      if (asked === this.query) this.render(answer, asked);
    } catch (error) {
      if (error instanceof DOMException && error.name === "AbortError") return;
      this.fail(/** @type {Error} */ (error));
    }
  }

  abortable() {
    this.request?.abort();
    this.request = new AbortController();
    return this.request.signal;
  }

  /** @param {Answer} answer @param {string} asked */
  render(answer, asked) {
    this.answered = asked;
    this.note.replaceChildren(...notes(answer));
    this.note.hidden = !this.note.childNodes.length;
    this.show(answer.no_guide ? (answer.nearest ?? []) : answer.results, answer.no_guide ? -1 : 0);
    const count = answer.results.length;
    this.announcer.say(count && !answer.no_guide ? `${count} ${count === 1 ? "result" : "results"}. First: ${answer.results[0].title}` : `No guide for this. ${answer.ask ?? ""}`);
    this.foot.textContent = [KIND_SAID[answer.kind], answer.mode === "hybrid" ? "words and meaning" : "words only", answer.took_ms === undefined ? "" : `${Math.max(1, Math.round(answer.took_ms))} ms`, "Enter opens, ↑ ↓ choose"].filter(Boolean).join(" · ");
    if (this.inPage && this.log === null) {
      const address = new URL(location.href);
      address.searchParams.set("q", asked);
      history.replaceState(history.state, "", address);
    }
  }

  /** @param {import("./search.js").Hit[]} hits @param {number} active */
  show(hits, active) {
    this.list.replaceChildren(...hits.map(hitRow));
    this.list.hidden = !hits.length;
    this.input.setAttribute("aria-expanded", String(hits.length > 0));
    this.activate(active, false);
  }

  /** @param {Error} error */
  fail(error) {
    this.show([], -1);
    const hint = error instanceof Refused && error.hint ? ` (${error.hint})` : "";
    this.note.replaceChildren(h("p", {}, `${sentence(error.message)}${hint}`));
    this.note.hidden = false;
    this.announcer.say(error.message);
  }

  clear() {
    this.request?.abort();
    this.answered = "";
    this.show([], -1);
    this.note.hidden = true;
    this.help();
  }

  help() {
    this.foot.textContent = "Numbers and error codes count. A pasted log is sent as a whole, to the service of this site only.";
  }
}

const KIND_SAID = /** @type {Record<string, string>} */ ({ question: "read as a question", error: "read as an error line", log: "read as a log" });

/** @param {Answer} answer */
function notes(answer) {
  const none = answer.no_guide
    ? h("p", { class: "pl-finder__none" }, h("strong", {}, "No guide for this. "), answer.ask ?? "Which component shows it, and what does its log say?", answer.nearest?.length ? " Nearest, but probably not it:" : null)
    : null;
  const corrected = answer.corrected ? h("p", {}, "Also searched for ", h("em", {}, answer.corrected)) : null;
  const notice = answer.notice ? h("p", { class: "pl-finder__notice" }, answer.notice) : null;
  return [none, corrected, notice].filter((one) => one !== null);
}

/** @param {string} text */
const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1);
