/** One question, one answer: from the search service, or from the site's own index when no service answers. */
import { Absent, Refused, ask } from "./service.js";
import { searchStatic } from "./static-index.js";

/**
 * @typedef {object} Hit a result, as GET /api/search gives it
 * @property {string} id
 * @property {string} title
 * @property {string} heading
 * @property {string[]} breadcrumb
 * @property {string} url
 * @property {string} page_kind
 * @property {string} snippet
 * @property {[number, number][]} highlights offsets into the snippet, in code points
 * @property {{ lanes: Record<string, number>, terms: string[], signature: string | null, evidence?: string | null }} why
 * @property {string | null} diagnostic
 * @property {string | null} proven_at
 */
/**
 * @typedef {object} Answer
 * @property {string} kind
 * @property {"hybrid" | "lexical" | "static"} mode
 * @property {string | null} notice
 * @property {boolean} no_guide
 * @property {string | null} ask
 * @property {string | null} corrected
 * @property {number} [took_ms]
 * @property {Hit[]} results empty when there is no guide
 * @property {Hit[]} [nearest] what came closest then
 */

const STATIC_NOTICE = "No search service answers here, so this is the site's built-in index: words only. `make up` starts the service.";
let absent = false; // static hosting stays static: do not ask for a missing service at every key

/**
 * @param {string} text
 * @param {{ log?: boolean, signal?: AbortSignal, limit?: number }} [options] `log` sends the text in the body: long, and not for any address bar
 * @returns {Promise<Answer>}
 */
export async function find(text, { log = false, signal, limit = 8 } = {}) {
  if (!absent) {
    try {
      if (log) return await ask("api/search", { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ log: text, limit }), signal });
      return await ask(`api/search?q=${encodeURIComponent(text)}&limit=${limit}`, { signal });
    } catch (error) {
      if (error instanceof Refused && error.status < 500 && error.status !== 404) throw error;
      if (!(error instanceof Absent || error instanceof Refused)) throw error;
      absent = error instanceof Absent;
    }
  }
  return builtIn(text, limit);
}

/**
 * Suggest while the reader types; quietly nothing when no service answers.
 * @param {string} text
 * @param {AbortSignal} signal
 * @returns {Promise<Hit[]>}
 */
export async function suggest(text, signal) {
  if (absent) return [];
  try {
    const { suggestions } = await ask(`api/suggest?q=${encodeURIComponent(text)}`, { signal });
    return suggestions.map(suggested);
  } catch (error) {
    absent ||= error instanceof Absent;
    return [];
  }
}

/** @param {{ text: string, page: string, url: string, page_kind: string }} one @returns {Hit} */
function suggested({ text, page, url, page_kind }) {
  const none = { lanes: {}, terms: [], signature: null };
  return { id: url, title: text, heading: text, breadcrumb: [page, page], url, page_kind, snippet: "", highlights: [], why: none, diagnostic: null, proven_at: null };
}

/** @param {string} text @param {number} limit @returns {Promise<Answer>} */
async function builtIn(text, limit) {
  const found = await searchStatic(text, limit);
  const results = found.map(({ entry, terms }) => {
    const { snippet, highlights } = excerpt(entry.text, terms);
    return {
      id: entry.url, title: entry.page || entry.title, heading: entry.title, breadcrumb: [], url: entry.url, page_kind: entry.guide ? "guide" : "page",
      snippet, highlights, why: { lanes: {}, terms, signature: null }, diagnostic: null, proven_at: null,
    };
  });
  return { kind: "question", mode: "static", notice: STATIC_NOTICE, no_guide: !results.length, ask: null, corrected: null, results };
}

/**
 * Cut the part of a text that holds a term first.
 * @param {string} text @param {string[]} terms
 * @returns {{ snippet: string, highlights: [number, number][] }}
 */
function excerpt(text, terms) {
  if (!terms.length) return { snippet: text.slice(0, 180), highlights: [] };
  const pattern = new RegExp(`\\b(?:${terms.join("|")})`, "gi"); // terms are letters, digits and _ only
  const first = Math.max(0, text.search(pattern) - 60);
  const snippet = [...text.slice(first ? text.indexOf(" ", first) + 1 : 0)].slice(0, 180).join("");
  return { snippet, highlights: [...snippet.matchAll(pattern)].map(({ index, 0: word }) => [[...snippet.slice(0, index)].length, [...snippet.slice(0, index)].length + [...word].length]) };
}
