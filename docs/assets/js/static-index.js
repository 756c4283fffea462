/**
 * Search without a service: BM25 over the index that the site builder writes for its own search. It knows words only,
 * so it finds less than the service does; the page says so.
 */
import { root } from "./dom.js";

/** @typedef {{ url: string, title: string, page: string, text: string, guide: boolean, words: Map<string, number>, length: number }} Entry */

const FILES = ["search/search_index.json", "search.json"]; // Material's, Zensical's
const K1 = 1.2;
const B = 0.75;
const TITLE_WEIGHT = 4; // a heading's word counts as often as this
const STOP = new Set("a an and are as at be but by for from has have i in is it its my of on or our so that the then they this to was we what when which why will with you your".split(" "));

/** @type {Promise<{ entries: Entry[], rarity: Map<string, number>, mean: number }> | undefined} */
let loaded;

/**
 * @param {string} query
 * @param {number} [limit]
 * @returns {Promise<{ entry: Entry, terms: string[] }[]>} best first
 */
export async function searchStatic(query, limit = 8) {
  loaded ??= load();
  const { entries, rarity, mean } = await loaded.catch((error) => {
    loaded = undefined;
    throw error;
  });
  const terms = [...new Set(wordsOf(query))].filter((term) => rarity.has(term));
  const scored = entries.map((entry) => ({ entry, ...score(entry, terms, rarity, mean) }));
  scored.sort((one, other) => other.score - one.score);
  /** @type {Map<string, { entry: Entry, terms: string[] }>} one result a page */
  const pages = new Map();
  for (const { entry, score: points, terms: found } of scored) {
    if (!points) break;
    const best = pages.get(entry.page);
    if (!best) pages.set(entry.page, { entry, terms: found });
    else if (!best.entry.text) best.entry = { ...best.entry, text: entry.text }; // a title that has no text shows its best section's
  }
  return [...pages.values()].slice(0, limit);
}

/** @param {Entry} entry @param {string[]} terms @param {Map<string, number>} rarity @param {number} mean */
function score(entry, terms, rarity, mean) {
  let sum = 0;
  const found = [];
  for (const term of terms) {
    const times = entry.words.get(term);
    if (!times) continue;
    found.push(term);
    sum += (rarity.get(term) ?? 0) * ((times * (K1 + 1)) / (times + K1 * (1 - B + (B * entry.length) / mean)));
  }
  return { score: sum * (entry.guide ? 1.3 : 1), terms: found }; // with like words, a guide is what is looked for
}

async function load() {
  const answers = await Promise.all(FILES.map((file) => fetch(new URL(file, root)).catch(() => null)));
  const answer = answers.find((one) => one?.ok);
  if (!answer) throw new Error("this copy of the site has no search index");
  const body = await answer.json();
  /** @type {Entry[]} */
  const entries = (body.docs ?? body.items).map(entryOf);
  const titles = new Map(entries.filter(({ url }) => !url.includes("#")).map((entry) => [entry.page, entry.title]));
  const rarity = new Map();
  for (const entry of entries) for (const word of entry.words.keys()) rarity.set(word, (rarity.get(word) ?? 0) + 1);
  for (const [word, count] of rarity) rarity.set(word, Math.log(1 + (entries.length - count + 0.5) / (count + 0.5)));
  const mean = entries.reduce((sum, entry) => sum + entry.length, 0) / entries.length;
  return { entries: entries.map((entry) => ({ ...entry, page: titles.get(entry.page) ?? entry.page })), rarity, mean };
}

/** @param {{ location: string, title: string, text: string }} record */
function entryOf(record) {
  const text = plain(record.text);
  const title = plain(record.title);
  const words = new Map();
  for (const word of wordsOf(text)) words.set(word, (words.get(word) ?? 0) + 1);
  for (const word of wordsOf(title)) words.set(word, (words.get(word) ?? 0) + TITLE_WEIGHT);
  const page = record.location.split("#")[0];
  const guide = /^troubleshooting\/[^/]+\/[^/]+\/$/.test(page);
  return { url: `/${record.location}`, title, page, text, guide, words, length: [...words.values()].reduce((a, b) => a + b, 0) };
}

/** @param {string} html @returns {string} its text; an inert document runs and fetches nothing */
function plain(html) {
  return (new DOMParser().parseFromString(html, "text/html").body.textContent ?? "").replace(/\s+/g, " ").trim();
}

/** @param {string} text @returns {string[]} numbers and error codes are words too */
function wordsOf(text) {
  return (text.toLowerCase().match(/[a-z0-9_]+/g) ?? []).filter((word) => !STOP.has(word)).map((word) => (word.length > 3 ? word.replace(/(?<=[^s])s$/, "") : word));
}
