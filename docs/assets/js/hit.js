/** One result as a row: where it leads, why it was found, what checks it, when it was last proven. */
import { ago, h, link, unique } from "./dom.js";

/** @typedef {import("./search.js").Hit} Hit */

const KINDS = /** @type {Record<string, string>} */ ({ guide: "Guide", problem: "Guide", diagnostic: "Diagnostic", page: "Page" });
const LANES = /** @type {Record<string, string>} */ ({ signature: "log signature", lexical: "words", bm25: "words", words: "words", dense: "meaning", meaning: "meaning" });

/**
 * @param {Hit} hit
 * @returns {HTMLAnchorElement} an option of a listbox that is also a plain link
 */
export function hitRow(hit) {
  const deeper = hit.heading && hit.heading !== hit.title;
  return h(
    "a",
    { role: "option", class: "pl-hit", id: unique("pl-hit"), href: link(hit.url), tabindex: "-1", "aria-selected": "false" },
    h("span", { class: "pl-hit__head" }, h("span", { class: `pl-kind pl-kind--${hit.page_kind}` }, KINDS[hit.page_kind] ?? hit.page_kind), crumbs(hit)),
    h("span", { class: "pl-hit__title" }, hit.title, deeper && h("span", { class: "pl-hit__heading" }, ` › ${hit.heading}`)),
    hit.snippet ? marked(hit.snippet, hit.highlights ?? []) : null,
    facts(hit),
  );
}

/** @param {Hit} hit */
function crumbs(hit) {
  const place = new URL(link(hit.url)).pathname.slice(new URL(link("/")).pathname.length).split("/").slice(0, -2); // folders above the page
  const above = (hit.breadcrumb ?? []).slice(1).filter((step) => step !== hit.title && step !== hit.heading);
  const path = [...place.map((step) => step.charAt(0).toUpperCase() + step.slice(1)), ...above];
  return path.length ? h("span", { class: "pl-hit__crumbs" }, path.join(" › ")) : null;
}

/** @param {string} text @param {[number, number][]} spans in code points, as Python counts them */
function marked(text, spans) {
  const points = [...text];
  const line = h("span", { class: "pl-hit__snippet" });
  let at = 0;
  for (const [start, end] of [...spans].sort((one, other) => one[0] - other[0])) {
    if (start < at) continue;
    line.append(points.slice(at, start).join(""), h("mark", {}, points.slice(start, end).join("")));
    at = end;
  }
  line.append(points.slice(at).join(""));
  return line;
}

/** @param {Hit} hit */
function facts(hit) {
  const { lanes = {}, terms = [], signature = null, evidence = null } = hit.why ?? {};
  const by = [...new Set(Object.entries(lanes).filter(([, score]) => score > 0).map(([lane]) => LANES[lane] ?? lane))];
  const why = [
    signature ? h("span", { class: "pl-fact pl-fact--signature" }, "log line ", h("code", {}, signature)) : null,
    evidence ? h("span", { class: "pl-fact pl-fact--evidence" }, evidence) : null,
    terms.length ? h("span", { class: "pl-fact" }, `words: ${terms.slice(0, 6).join(", ")}`) : null,
    by.includes("meaning") ? h("span", { class: "pl-fact" }, terms.length ? "and meaning" : "found by meaning") : null,
    hit.diagnostic ? h("span", { class: "pl-fact" }, "checked by ", h("code", {}, hit.diagnostic)) : null,
    hit.proven_at ? h("span", { class: "pl-fact pl-fact--proven", title: hit.proven_at }, `✓ proven ${ago(hit.proven_at)}`) : null,
  ];
  return why.some(Boolean) ? h("span", { class: "pl-hit__facts" }, ...why) : null;
}
