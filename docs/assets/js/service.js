/** Asking the service that serves this page. There may be none: the same pages also live on static hosting. */
import { root } from "./dom.js";

/** The service said no, and why. */
export class Refused extends Error {
  /**
   * @param {number} status HTTP status
   * @param {string} sentence what is wrong
   * @param {string} hint what to do
   * @param {number} retryAfter seconds to wait, 0 when it does not matter
   */
  constructor(status, sentence, hint, retryAfter) {
    super(sentence);
    this.status = status;
    this.hint = hint;
    this.retryAfter = retryAfter;
  }
}

/** No service answers at this address. */
export class Absent extends Error {
  /** @param {string} sentence @param {boolean} [elsewhere] something else answers: waiting does not help */
  constructor(sentence, elsewhere = false) {
    super(sentence);
    this.elsewhere = elsewhere;
  }
}

/**
 * Ask for JSON.
 * @param {string} path below the site's root, such as `api/targets`
 * @param {RequestInit & { timeout?: number }} [options] `timeout` in milliseconds
 * @returns {Promise<any>}
 * @throws {Refused | Absent | DOMException} the last one when the caller's signal aborted
 */
export async function ask(path, { timeout = 10_000, signal, ...options } = {}) {
  const limits = [AbortSignal.timeout(timeout), ...(signal ? [signal] : [])];
  let answer;
  try {
    answer = await fetch(new URL(path, root), { ...options, signal: AbortSignal.any(limits), cache: "no-store" });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Absent("no service answers");
  }
  return read(answer);
}

/**
 * Return the JSON of an answer.
 * @param {Response} answer
 * @throws {Refused | Absent}
 */
export async function read(answer) {
  if (!answer.headers.get("content-type")?.includes("json")) throw new Absent("static hosting answers, not the service", true);
  const body = await answer.json().catch(() => ({}));
  if (answer.ok) return body;
  const { sentence, message, hint = "" } = body.error ?? {};
  const said = sentence ?? message ?? (typeof body.detail === "string" ? body.detail : `the service answered ${answer.status}`);
  throw new Refused(answer.status, said, hint, Number(answer.headers.get("retry-after")) || 0);
}
