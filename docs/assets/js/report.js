/** A result as people read it: verdict, numbers against their limits, what it means, what to do. */
import { h, link, unique } from "./dom.js";

/** @typedef {import("./runs.js").Result} Result */
/** @typedef {import("./runs.js").Measure} Measure */

/** Each status has a shape and a word: colour alone says nothing to many readers. */
export const MARKS = { ok: ["✓", "ok"], warning: ["▲", "warning"], critical: ["✕", "critical"], unknown: ["?", "unknown"] };

/** @param {Result["status"]} status */
export function badge(status) {
  const [icon, word] = MARKS[status] ?? MARKS.unknown;
  return h("span", { class: `pl-status pl-status--${status}` }, h("span", { "aria-hidden": "true", class: "pl-status__icon" }, icon), h("span", { class: "pl-status__word" }, word));
}

/** @param {Result} result */
export function resultView(result) {
  const cause = result.cause && document.getElementById(`cause-${result.cause}`);
  return h(
    "div",
    { class: `pl-result pl-result--${result.status}` },
    h("p", { class: "pl-result__verdict" }, badge(result.status), " ", h("span", {}, result.sentence)),
    result.measures.length ? measureTable(result) : null,
    result.cause ? h("p", {}, h("strong", {}, "Cause: "), cause ? h("a", { href: `#${cause.id}` }, cause.querySelector("th")?.textContent ?? result.cause) : h("code", {}, result.cause)) : null,
    result.impact ? h("p", {}, h("strong", {}, "Impact: "), result.impact) : null,
    result.next.length ? h("div", { class: "pl-result__next" }, h("p", {}, h("strong", {}, "What to do next")), h("ol", {}, ...result.next.map((step) => h("li", {}, ...coded(step))))) : null,
    result.reads.length ? h("details", { class: "pl-result__reads" }, h("summary", {}, "What was read"), h("ul", {}, ...result.reads.map((one) => h("li", {}, h("code", {}, one))))) : null,
  );
}

/** @param {Result} result */
function measureTable(result) {
  const head = h("tr", {}, ...["What", "Measured", "Limit", "Where the limit comes from"].map((name) => h("th", { scope: "col" }, name)));
  const table = h("table", { class: "pl-measures" }, h("caption", { class: "pl-hidden" }, `Numbers of ${result.id}`), h("thead", {}, head));
  return h("div", { class: "pl-measures__wrap" }, (table.append(h("tbody", {}, ...result.measures.map(measureRow))), table));
}

/** @param {Measure} measure */
function measureRow({ name, value, text, limit }) {
  return h(
    "tr",
    {},
    h("th", { scope: "row" }, name.replaceAll("_", " ")),
    h("td", { "data-label": "Measured" }, h("span", { class: "pl-number" }, text), limit ? gauge(name, value, limit) : null),
    h("td", { "data-label": "Limit" }, limit ? limit.text : "–"),
    h("td", { "data-label": "Source", class: "pl-source" }, limit ? limit.source : ""),
  );
}

/**
 * The number on a scale on which the limit is marked. Whether above or below is bad, the verdict says; the bar takes no side.
 * @param {string} name @param {number} value @param {NonNullable<Measure["limit"]>} limit
 */
function gauge(name, value, limit) {
  const top = Math.max(value, limit.value, Number.MIN_VALUE) * 1.15;
  const tick = h("span", { class: "pl-gauge__limit", "aria-hidden": "true" });
  tick.style.insetInlineStart = `${(limit.value / top) * 100}%`;
  const meter = h("meter", { min: 0, max: top, value, "aria-label": `${name.replaceAll("_", " ")}, limit ${limit.text}` }, String(value));
  return h("span", { class: "pl-gauge" }, meter, tick);
}

/** @param {string} text with code between backticks */
function coded(text) {
  return text.split(/`([^`]+)`/).map((part, index) => (index % 2 ? h("code", {}, part) : part));
}

/**
 * @param {Result[]} results
 * @returns {string} for a ticket
 */
export function asMarkdown(results) {
  const blocks = results.map((result) => {
    const rows = result.measures.map(({ name, text, limit }) => `| ${name} | ${text} | ${limit ? limit.text : ""} |`);
    const table = rows.length ? ["", "| what | measured | limit |", "|---|---|---|", ...rows] : [];
    const red = result.cause ? ["", `- cause: \`${result.cause}\``, `- impact: ${result.impact}`, ...result.next.map((step, index) => `${index + 1}. ${step}`)] : [];
    return [`**${result.status.toUpperCase()}** \`${result.id}\` on \`${result.target}\`: ${result.sentence}`, ...table, ...red, "", `Guide: ${link(result.guide)}, judged ${result.started_at}`].join("\n");
  });
  return `${blocks.join("\n\n")}\n`;
}

/** @param {string} name @param {unknown} content hand a file to the reader */
export function download(name, content) {
  const url = URL.createObjectURL(new Blob([JSON.stringify(content, null, 2)], { type: "application/json" }));
  h("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}

/** @param {Result[]} results a table that leads from each red diagnostic to its guide */
export function overview(results) {
  const order = ["critical", "warning", "unknown", "ok"];
  const sorted = [...results].sort((one, other) => order.indexOf(one.status) - order.indexOf(other.status) || one.id.localeCompare(other.id));
  const rows = sorted.map((result) => {
    const id = unique("pl-row");
    return h("tr", { class: `pl-row pl-row--${result.status}` }, h("td", { "data-label": "Status" }, badge(result.status)), h("th", { scope: "row", id }, h("a", { href: link(result.guide) }, result.question)), h("td", { "data-label": "Finding" }, result.sentence));
  });
  return h("table", { class: "pl-overview" }, h("caption", { class: "pl-hidden" }, "All diagnostics"), h("thead", {}, h("tr", {}, ...["Status", "Diagnostic", "Finding"].map((name) => h("th", { scope: "col" }, name)))), h("tbody", {}, ...rows));
}
