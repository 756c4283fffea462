/** Runs of diagnostics over HTTP: start, follow the events (resuming where they broke off), cancel. */
import { root } from "./dom.js";
import { Absent, Refused, ask, read } from "./service.js";

/** @typedef {{ name: string, value: number, unit: string, text: string, limit: null | { value: number, unit: string, source: string, name: string, text: string } }} Measure */
/**
 * @typedef {object} Result one diagnostic's judgement, as plumbline.report/1 gives it
 * @property {string} id
 * @property {string} question
 * @property {string} target
 * @property {"ok" | "warning" | "critical" | "unknown"} status
 * @property {string | null} reason
 * @property {string} sentence
 * @property {Measure[]} measures
 * @property {string | null} cause
 * @property {string | null} impact
 * @property {string[]} next
 * @property {string} guide
 * @property {string} started_at
 * @property {number} duration_s
 * @property {string[]} reads
 */
/** @typedef {{ run: string, events: string, report: string }} Run */
/** @typedef {{ event: string, [key: string]: any }} RunEvent */

const RESUMES = 4;

/** @type {Promise<string> | undefined} */
let token;

/** The session's token: this site's own pages may have it. @returns {Promise<string>} */
function session() {
  token ??= ask("api/session").then((body) => body.token);
  token.catch(() => (token = undefined));
  return token;
}

/**
 * Send a request that changes something; a server that was started anew has a new token, so a refused one is fetched once more.
 * @param {string} path @param {RequestInit} options
 */
async function send(path, options) {
  for (const last of [false, true]) {
    const headers = { "Content-Type": "application/json", "X-Plumbline-Token": await session() };
    try {
      return await ask(path, { ...options, headers });
    } catch (error) {
      if (last || !(error instanceof Refused) || error.status !== 401) throw error;
      token = undefined;
    }
  }
}

/** @returns {Promise<{ targets: string[], default: string }>} */
export const targets = () => ask("api/targets", { timeout: 1500 });

/** @returns {Promise<{ id: string, question: string, guide: string }[]>} */
export const diagnostics = async () => (await ask("api/diagnostics", { timeout: 5000 })).diagnostics;

/** @param {string[]} ids @param {string} target @returns {Promise<Run>} */
export const start = (ids, target) => send("api/diagnostics/runs", { method: "POST", body: JSON.stringify({ ids, target }) });

/** @param {Run} run */
export const cancel = (run) => send(run.report.slice(1), { method: "DELETE" });

/**
 * Follow a run to its end. A broken stream is resumed after the last event that came; when that fails too, the report is asked for.
 * @param {Run} run
 * @param {AbortSignal} signal
 * @param {() => void} interrupted is told each time the stream breaks
 * @returns {AsyncGenerator<RunEvent>}
 * @throws {Absent} the server is gone
 */
export async function* follow(run, signal, interrupted) {
  let after = 0;
  for (let attempt = 0; attempt <= RESUMES; attempt += 1) {
    try {
      for await (const { id, data } of stream(run.events.slice(1), after, signal)) {
        after = id || after;
        attempt = 0;
        yield data;
        if (data.event === "run.finished" || data.event === "run.failed") return;
      }
    } catch (error) {
      if (signal.aborted || error instanceof Refused) throw error;
    }
    interrupted();
    await pause(500 * 2 ** attempt, signal);
  }
  const report = await ask(run.report.slice(1), { signal });
  if (!report.results) throw new Absent("the run's events stopped");
  yield { event: "run.finished", report };
}

/**
 * Read server-sent events from fetch: unlike EventSource it can be aborted and says why it was refused.
 * @param {string} path @param {number} after @param {AbortSignal} signal
 * @returns {AsyncGenerator<{ id: number, data: RunEvent }>}
 */
async function* stream(path, after, signal) {
  const headers = { Accept: "text/event-stream", ...(after ? { "Last-Event-ID": String(after) } : {}) };
  const answer = await fetch(new URL(path, root), { headers, signal, cache: "no-store" });
  if (!answer.ok || !answer.body) return void (await read(answer));
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const blocks = (rest + value).split(/\r?\n\r?\n/);
    rest = blocks.pop() ?? "";
    for (const block of blocks) {
      const event = parse(block);
      if (event) yield event;
    }
  }
}

/** @param {string} block @returns {{ id: number, data: RunEvent } | null} null for comments and settings */
export function parse(block) {
  let id = 0;
  const data = [];
  for (const line of block.split(/\r?\n/)) {
    if (line.startsWith("id:")) id = Number(line.slice(3));
    else if (line.startsWith("data:")) data.push(line.slice(5).replace(/^ /, ""));
  }
  return data.length ? { id, data: JSON.parse(data.join("\n")) } : null;
}

/** @param {number} milliseconds @param {AbortSignal} signal @returns {Promise<void>} */
export function pause(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", stop);
      resolve();
    }, milliseconds);
    signal.addEventListener("abort", stop, { once: true });
  });
}
