/** Whether and when the browser's client comes back: the rules of the Python client, as pure functions. */

export const FLOOR = 100; // milliseconds: no attempt follows sooner
export const STABLE = 10_000; // a connection that lasted so long makes the next failure a first one
const BASE = 500;
const CAP = 30_000;
const NEVER = new Set([1002, 1003, 1007, 1008, 1009, 1010]);
const FRESH_TOKEN = new Set([4001, 4002, 4501]);
const WAIT = new Map([[4029, 10_000], [1013, 5_000]]);

/**
 * How long to wait before an attempt, in milliseconds: uniform between the floor and a ceiling that doubles.
 * @param {number} failures attempts that failed before @param {() => number} random from 0 to 1
 */
export function delay(failures, random = Math.random) {
  const ceiling = Math.min(CAP, BASE * 2 ** Math.min(failures, 32));
  return FLOOR + random() * (ceiling - FLOOR);
}

/**
 * What a close code means: come back, come back with another token, or never. 4000 to 4499 come back, 4500 to 4999 do not.
 * @param {number} code @returns {"again" | "token" | "never"}
 */
export function verdict(code) {
  if (FRESH_TOKEN.has(code)) return "token";
  return NEVER.has(code) || (code >= 4500 && code <= 4999) ? "never" : "again";
}

/** Milliseconds that a close code asks for at the least. @param {number} code @returns {number} */
export function atLeast(code) {
  return WAIT.get(code) ?? 0;
}
