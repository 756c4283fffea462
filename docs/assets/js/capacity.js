/** The capacity page's calculator. The formulas are those of benchmarks/streaming/capacity.py; a test holds both to the same results. */
import { Announcer, h, root, unique } from "./dom.js";

/**
 * @typedef {Record<string, number>} Numbers
 * @typedef {object} Data what benchmarks/streaming/capacity.py has written
 * @property {Record<string, { value: number, run: string }>} figures
 * @property {Numbers} settings
 * @property {Numbers} known
 * @property {Record<string, number | boolean>} example
 */

/** What is asked: key, label, unit, smallest, largest. @type {[string, string, string, number, number][]} */
const ASKED = [
  ["connections", "Connections", "at one time", 1, 10_000_000],
  ["subscriptions", "Subscriptions", "of each connection", 1, 1000],
  ["messages_per_s", "Messages", "a second, in all channels", 0, 10_000_000],
  ["fan_out", "Readers of a message", "on average", 0, 10_000_000],
  ["message_bytes", "Size of a message", "bytes of JSON", 1, 16_777_216],
  ["heartbeat_s", "Heartbeat every", "seconds; 0 for none", 0, 3600],
  ["slow_percent", "Readers that are slow at once", "% of the connections", 0, 100],
  ["queue_bytes", "Queue of a slow reader", "bytes: queue_max_bytes", 1024, 4_294_967_296],
  ["lifetime_min", "Lifetime of a connection", "minutes; 0 for endless", 0, 525_600],
  ["busy_percent", "A core is busy at most", "%, the rest is for bursts and for a worker that died", 5, 95],
];

/**
 * Return what a load needs.
 * @param {any} given @param {Data} data
 */
export function plan(given, data) {
  const figure = Object.fromEntries(Object.entries(data.figures).map(([name, one]) => [name, one.value]));
  const work = cpu(given, figure);
  const share = given.busy_percent / 100;
  const workers = Math.max(1, Math.ceil(work.cpu_s / share), Math.ceil(given.connections / data.settings.max_connections));
  const relay = workers > 1 ? (given.messages_per_s * (figure.relay_us + workers * figure.relayed_us)) / 1e6 : 0;
  return {
    deliveries_per_s: work.deliveries,
    cores: work.cpu_s / share + relay / share,
    workers,
    ...memory(given, data, figure, workers),
    descriptors: Math.ceil(given.connections / Math.max(1, workers - 1)) + figure.base_descriptors,
    out_bits_per_s: work.deliveries * wire(given, data, figure) * 8,
    reconnect_s: (given.connections * work.arrival_us) / 1e6 / workers + data.known.first_wait_s,
    nats_in_per_s: given.messages_per_s,
    nats_out_per_s: given.messages_per_s * Math.min(workers, given.fan_out),
  };
}

/** @param {any} given @param {Numbers} figure */
function cpu(given, figure) {
  const deliveries = given.messages_per_s * given.fan_out;
  const tls = given.tls ? 1 : 0;
  const delivery = figure.delivery_us + tls * figure.tls_delivery_us + (given.message_bytes * (figure.byte_ns + tls * figure.tls_byte_ns)) / 1000;
  const arrival_us = figure.handshake_us + tls * figure.tls_handshake_us + given.subscriptions * figure.subscribe_us;
  const pings = given.heartbeat_s ? given.connections / given.heartbeat_s : 0;
  const arrivals = given.lifetime_min ? given.connections / (given.lifetime_min * 60) : 0;
  const spent = deliveries * delivery + given.messages_per_s * figure.publish_us + pings * figure.ping_us + arrivals * arrival_us;
  return { deliveries, cpu_s: spent / 1e6, arrival_us };
}

/** @param {any} given @param {Data} data @param {Numbers} figure @param {number} workers */
function memory(given, data, figure, workers) {
  const each = figure.connection_bytes + Math.max(0, given.subscriptions - 1) * figure.subscription_bytes + (given.tls ? figure.tls_connection_bytes : 0);
  const slow = given.connections * (given.slow_percent / 100) * given.queue_bytes;
  const fixed = workers * figure.base_bytes + (workers > 1 ? figure.supervisor_bytes : 0);
  const channels = (given.connections * given.subscriptions) / Math.max(1, given.fan_out);
  const { history_messages, history_bytes, history_total_bytes } = data.settings;
  const kept = Math.min(history_messages, history_bytes / given.message_bytes);
  const history = channels * (kept * (given.message_bytes + data.known.kept_message_bytes) + data.known.kept_channel_bytes);
  return {
    resident_bytes: fixed + given.connections * each + slow + Math.min(history, history_total_bytes),
    kernel_bytes: given.connections * figure.socket_slab_bytes,
  };
}

/** Bytes of one delivery on the wire. @param {any} given @param {Data} data @param {Numbers} figure */
function wire(given, { known }, figure) {
  const carried = given.message_bytes + figure.envelope_bytes + (given.tls ? known.record_bytes : 0);
  return carried + known.packet_bytes * Math.ceil(carried / known.segment_bytes);
}

/** @param {number} value @param {number} [digits] */
const text = (value, digits = 0) => value.toLocaleString("en", { minimumFractionDigits: digits, maximumFractionDigits: digits });

/** Return each output with its unit, as the example on the page has them. @param {ReturnType<typeof plan>} found */
export function words(found) {
  return {
    Deliveries: `${text(found.deliveries_per_s)}/s`,
    CPU: `${text(found.cores, 2)} cores`,
    Workers: text(found.workers),
    "Resident memory": `${text(found.resident_bytes / 2 ** 20)} MiB`,
    "Kernel memory": `${text(found.kernel_bytes / 2 ** 20)} MiB`,
    "Descriptors of a worker": text(found.descriptors),
    "Bandwidth out": `${text(found.out_bits_per_s / 1e6, 1)} Mbit/s`,
    "All back after a loss of all connections": `${text(found.reconnect_s, 1)} s`,
    "NATS, in": `${text(found.nats_in_per_s)}/s`,
    "NATS, out": `${text(found.nats_out_per_s)}/s`,
  };
}

class Calculator {
  /** @param {Element} place @param {Data} data */
  constructor(place, data) {
    this.data = data;
    this.announcer = new Announcer();
    this.given = { ...data.example, ...shared(data.example) };
    this.results = h("tbody");
    this.fields = ASKED.map((asked) => this.field(asked));
    const tls = h("input", { type: "checkbox", checked: this.given.tls === true, onchange: () => this.take("tls", tls.checked) });
    const switched = h("label", { class: "pl-capacity__switch" }, tls, " TLS at the gateway");
    const form = h("form", { class: "pl-capacity__form", onsubmit: (/** @type {Event} */ event) => event.preventDefault() }, ...this.fields, switched);
    const head = h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Needed"), h("th", { scope: "col" }, "at least")));
    const table = h("table", { class: "pl-capacity__results" }, head, this.results);
    place.replaceChildren(form, h("div", { class: "pl-table" }, table), this.announcer.element);
    this.show();
  }

  /** @param {[string, string, string, number, number]} asked */
  field([key, label, unit, least, most]) {
    const [id, hint] = [unique("pl-capacity"), unique("pl-capacity-unit")];
    const input = h("input", { id, type: "number", step: "any", min: least, max: most, required: true, inputmode: "decimal", value: this.given[key], "aria-describedby": hint });
    input.addEventListener("input", () => {
      const sound = input.checkValidity();
      input.setAttribute("aria-invalid", String(!sound));
      if (sound) this.take(key, input.valueAsNumber);
      else this.announcer.say(`${label}: ${input.validationMessage}`);
    });
    return h("div", { class: "pl-capacity__field" }, h("label", { for: id }, label), input, h("span", { id: hint, class: "pl-capacity__unit" }, unit));
  }

  /** @param {string} key @param {number | boolean} value */
  take(key, value) {
    this.given[key] = value;
    const changed = Object.entries(this.given).filter(([name, one]) => one !== this.data.example[name]);
    const query = new URLSearchParams(changed.map(([name, one]) => [name, String(Number(one))])).toString();
    history.replaceState(null, "", query ? `?${query}#calculator` : location.pathname);
    this.show();
  }

  show() {
    const shown = words(plan(this.given, this.data));
    this.results.replaceChildren(...Object.entries(shown).map(([name, value]) => h("tr", {}, h("th", { scope: "row" }, name), h("td", {}, value))));
    this.announcer.say(`${shown.Workers} workers, ${shown.CPU}, ${shown["Resident memory"]} resident and ${shown["Kernel memory"]} kernel memory`);
  }
}

/** Values that the address carries, where they are of use. @param {Record<string, number | boolean>} example */
function shared(example) {
  const asked = new URLSearchParams(location.search);
  /** @type {Record<string, number | boolean>} */
  const found = {};
  for (const [key, , , least, most] of ASKED) {
    const value = Number(asked.get(key) ?? NaN);
    if (key in example && value >= least && value <= most) found[key] = value;
  }
  if (asked.has("tls")) found.tls = asked.get("tls") === "1";
  return found;
}

/** Bring the page to life; if the figures cannot be had, the example stays. */
export async function mount() {
  const place = document.querySelector("[data-pl-capacity]");
  if (!place) return;
  const answer = await fetch(new URL("assets/data/capacity.json", root)).catch(() => undefined);
  if (answer?.ok) new Calculator(place, await answer.json());
}
