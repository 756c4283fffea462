/** The live page: connections, rates, loop lag and queue fill of each worker of a gateway, once a second. */
import { alive } from "./alive.js";
import { Announcer, h, link, root } from "./dom.js";
import { Chart } from "./live-chart.js";
import { targets } from "./runs.js";

/**
 * @typedef {object} Worker what `/api/streaming/live` says of one worker
 * @property {string} worker
 * @property {number} pid
 * @property {number} connections
 * @property {number} subscriptions
 * @property {number | null} deliveries_per_s
 * @property {number | null} published_per_s
 * @property {number | null} opened_per_s
 * @property {number | null} closed_per_s
 * @property {number | null} dropped_per_s
 * @property {number} queued_bytes
 * @property {number} fullest_queue_bytes
 * @property {number} resident_bytes
 * @property {number} loop_lag_s
 * @property {number | null} accept_queue
 */

const count = (/** @type {number} */ value) => Math.round(value).toLocaleString("en");
const rate = (/** @type {number} */ value) => `${value >= 10 ? count(value) : value.toFixed(1)}/s`;
const time = (/** @type {number} */ value) => (value < 1 ? `${Math.round(value * 1000)} ms` : `${value.toFixed(1)} s`);

/** @param {number} value bytes */
function bytes(value) {
  const power = Math.min(3, Math.floor(Math.log2(Math.max(1, value)) / 10));
  return `${power ? (value / 2 ** (10 * power)).toFixed(1) : value} ${["B", "KiB", "MiB", "GiB"][power]}`;
}

/**
 * What is shown: key, heading, how a number is written, whether it has a chart, and how workers are put together.
 * @type {[keyof Worker, string, (value: number) => string, boolean, "sum" | "worst"][]}
 */
const SHOWN = [
  ["connections", "Connections", count, true, "sum"],
  ["deliveries_per_s", "Deliveries", rate, true, "sum"],
  ["published_per_s", "Published", rate, false, "sum"],
  ["loop_lag_s", "Loop lag, worst of 10–20 s", time, true, "worst"],
  ["queued_bytes", "Queued", bytes, true, "sum"],
  ["fullest_queue_bytes", "Fullest queue", bytes, false, "worst"],
  ["opened_per_s", "Opened", rate, false, "sum"],
  ["closed_per_s", "Closed", rate, false, "sum"],
  ["dropped_per_s", "Dropped", rate, false, "sum"],
  ["accept_queue", "Accept queue", count, false, "worst"],
  ["resident_bytes", "Memory", bytes, false, "sum"],
];

class Live {
  /** @param {Element} place */
  constructor(place) {
    this.place = place;
    this.announcer = new Announcer();
    this.message = h("p", { class: "pl-live__message" }, "Connecting…");
    this.choice = h("select", { class: "pl-panel__target", onchange: () => this.watch() });
    this.pause = h("button", { type: "button", class: "pl-live__pause", "aria-pressed": "false", onclick: () => this.toggle() }, "Pause");
    this.charts = h("div", { class: "pl-live__charts" });
    this.table = h("div", { class: "pl-table" });
    const bar = h("div", { class: "pl-panel__bar" }, h("label", {}, "Target ", this.choice), this.pause);
    place.replaceChildren(bar, this.message, this.charts, this.table, this.announcer.element);
    this.paused = false;
    /** @type {EventSource | undefined} */
    this.source = undefined;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.retry = undefined;
  }

  async begin() {
    const known = await targets();
    this.choice.replaceChildren(...known.targets.map((name) => h("option", { value: name, selected: name === known.default }, name)));
    this.watch();
    addEventListener("pagehide", () => this.source?.close());
  }

  /** Watch the chosen target from now on. */
  watch() {
    clearTimeout(this.retry);
    this.source?.close();
    this.drawings = new Map(SHOWN.filter(([, , , chart]) => chart).map(([key, title]) => [key, new Chart(title)]));
    this.charts.replaceChildren(...[...this.drawings.values()].map((chart) => chart.element));
    this.source = new EventSource(new URL(`api/streaming/live?target=${encodeURIComponent(this.choice.value)}`, root));
    this.source.addEventListener("look", (event) => this.show(JSON.parse(/** @type {MessageEvent} */ (event).data)));
    this.source.onerror = () => this.broken();
  }

  /** The stream broke: the browser comes back to a service that went, but not to one that refused. */
  broken() {
    const refused = this.source?.readyState === EventSource.CLOSED;
    this.say(refused ? "The service refused: too many pages watch, or it does not know the target. It is asked again every five seconds." : "The service does not answer. It is tried again every two seconds; `make up` starts it.");
    if (refused) this.retry = setTimeout(() => this.watch(), 5000);
  }

  toggle() {
    this.paused = !this.paused;
    this.pause.setAttribute("aria-pressed", String(this.paused));
    this.pause.textContent = this.paused ? "Go on" : "Pause";
  }

  /** @param {string} sentence */
  say(sentence) {
    if (this.message.textContent === sentence) return;
    this.message.textContent = sentence;
    this.announcer.say(sentence);
  }

  /** @param {{ workers?: Worker[], absent?: string }} look */
  show({ workers, absent }) {
    if (!workers) {
      this.say(`No gateway to look at: ${absent}.`);
      this.charts.hidden = true;
      this.table.replaceChildren();
      return;
    }
    if (this.paused) return;
    this.charts.hidden = false;
    const processes = workers.length === 1 ? "one process" : `${workers.length} workers`;
    this.say(`Live: ${processes}, a look every second.`);
    for (const [key, , format] of SHOWN) {
      this.drawings?.get(key)?.add(new Map(workers.map((one) => [one.worker, /** @type {number | null} */ (one[key])])), format);
    }
    this.table.replaceChildren(table(workers));
  }
}

/** @param {Worker[]} workers */
function table(workers) {
  const rows = SHOWN.map(([key, title, format, , together]) => {
    const values = workers.map((one) => /** @type {number | null} */ (one[key]));
    const cells = values.map((value, index) => h("td", { "data-of": workers[index].worker }, value === null ? "–" : format(value)));
    const known = /** @type {number[]} */ (values.filter((value) => value !== null));
    const all = together === "sum" ? known.reduce((sum, value) => sum + value, 0) : Math.max(...known);
    const last = workers.length > 1 && h("td", { "data-of": "all" }, known.length ? format(all) : "–");
    return h("tr", {}, h("th", { scope: "row" }, title), ...cells, last);
  });
  const heads = workers.map((one, index) => h("th", { scope: "col" }, h("span", { class: `pl-live__key pl-live__key--${index % 6}`, "aria-hidden": "true" }), one.worker));
  const last = workers.length > 1 && h("th", { scope: "col" }, "all (sum or worst)");
  const head = h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Now"), ...heads, last));
  return h("table", {}, head, h("tbody", {}, ...rows));
}

/** Bring the page to life; without a service it stays as it was written. */
export const mount = () => alive("[data-pl-gateway]", (place) => new Live(place));
