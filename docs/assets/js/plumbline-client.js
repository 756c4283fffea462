/**
 * A browser's client for a Plumbline gateway, with the interface of EventSource, over one WebSocket.
 *
 *   const source = new PlumblineSource("wss://gateway.example.org/", { channels: ["scores"] });
 *   source.addEventListener("message", (event) => draw(event.channel, event.data));
 *   source.addEventListener("gap", (event) => reload(event.channel));
 *
 * It comes back by itself: exponential backoff with full jitter, never without a delay, as the gateway says when it says
 * (close codes, notices before a planned close). It goes on where it was, by epoch and offset: each message comes once,
 * and what cannot be recovered is told as a "gap" event. No dependency, no build.
 *
 * Events: "open", "error" (`sentence`; `readyState` says whether it is for good), "message" (`channel`, `data`,
 * `epoch`, `offset`, `lastEventId`), "gap" (`channel`, `since`, `until`), "refused" (`channel`, `code`, `sentence`).
 */

import { delay, STABLE } from "./plumbline-comeback.js";
import { Link } from "./plumbline-link.js";

export { CLOSED, CONNECTING, OPEN } from "./plumbline-link.js";

const FOR_NOW = new Set(["unavailable", "rate-limited"]);

/** @typedef {{ epoch: string, offset: number }} Position */
/** @typedef {{ position?: Position, latest: boolean, state: "idle" | "asking" | "live" | "leaving", tries: number, liveAt: number, timer?: number }} Track */
/** @typedef {{ channels?: string[], since?: { [channel: string]: Position }, latest?: boolean, token?: string | (() => string | Promise<string>) }} Settings */

export class PlumblineSource extends Link {
  /** @param {string} url ws:// or wss:// @param {Settings} settings */
  constructor(url, settings = {}) {
    super(url, settings.token);
    /** @type {Map<string, Track>} */
    this.tracks = new Map();
    for (const channel of settings.channels ?? []) this.subscribe(channel, { since: settings.since?.[channel], latest: settings.latest });
    this.connect();
  }

  /** Read a channel. @param {string} channel @param {{ since?: Position, latest?: boolean }} how */
  subscribe(channel, { since, latest = false } = {}) {
    if (this.tracks.has(channel)) return;
    const track = /** @type {Track} */ ({ position: since, latest, state: "idle", tries: 0, liveAt: 0 });
    this.tracks.set(channel, track);
    if (this.greeted) this.ask(channel, track);
  }

  /** Read it no more. @param {string} channel */
  unsubscribe(channel) {
    const track = this.tracks.get(channel);
    if (!track) return;
    clearTimeout(track.timer);
    this.tracks.delete(channel);
    if (this.greeted && track.state !== "idle") this.command({ unsubscribe: channel });
  }

  /** Where a channel stands: give it to another source as `since`. @param {string} channel @returns {Position | undefined} */
  position(channel) {
    return this.tracks.get(channel)?.position;
  }

  onGreeted() {
    for (const [channel, track] of this.tracks) this.ask(channel, track);
  }

  onDropped() {
    for (const track of this.tracks.values()) {
      clearTimeout(track.timer);
      track.state = "idle";
    }
  }

  /** @param {any} told */
  onTold(told) {
    if ("offset" in told) this.message(told);
    else if ("ended" in told) this.ended(told.channel, told.ended);
  }

  /** @param {string} channel @param {Track} track */
  ask(channel, track) {
    track.state = "asking";
    const more = { ...(track.position && { since: track.position }), ...(track.latest && { mode: "latest" }) };
    this.command({ subscribe: channel, ...more }, (told) => this.confirmed(channel, track, told));
  }

  /** @param {string} channel @param {Track} track @param {any} told */
  confirmed(channel, track, told) {
    if (this.tracks.get(channel) !== track) return;
    if (told.error) return this.refused(channel, track, told.error);
    track.state = "live";
    track.liveAt = performance.now();
    const before = track.position;
    const head = { epoch: told.epoch, offset: told.offset };
    if (before && told.recovered === true && before.epoch === head.epoch && head.offset >= before.offset) return;
    track.position = head;
    if (before) {
      this.counts.gaps++;
      this.tell("gap", { channel, since: before, until: head });
    }
  }

  /** @param {string} channel @param {Track} track @param {{ code: string, message: string, retry_after_s?: number }} error */
  refused(channel, track, error) {
    if (FOR_NOW.has(error.code) || error.retry_after_s !== undefined) return this.hold(channel, track, (error.retry_after_s ?? 0) * 1000);
    this.tracks.delete(channel);
    this.tell("refused", { channel, code: error.code, sentence: error.message });
  }

  /** @param {{ channel: string, offset: number, data: any }} told */
  message({ channel, offset, data }) {
    const track = this.tracks.get(channel);
    if (!track || track.state !== "live" || !track.position) return;
    if (offset <= track.position.offset) return void this.counts.duplicates++;
    if (offset > track.position.offset + 1 && !track.latest) return this.hole(channel, track);
    track.position = { epoch: track.position.epoch, offset };
    this.counts.messages++;
    this.tell("message", { channel, data, ...track.position, lastEventId: `${track.position.epoch}:${offset}` });
  }

  /** A message is missing: leave, and come back for it. @param {string} channel @param {Track} track */
  hole(channel, track) {
    this.counts.holes++;
    track.state = "leaving";
    this.command({ unsubscribe: channel }, () => this.tracks.get(channel) === track && this.hold(channel, track, 0));
  }

  /** @param {string} channel @param {{ code: string, message: string, again: boolean }} ended */
  ended(channel, ended) {
    const track = this.tracks.get(channel);
    if (!track || track.state !== "live") return;
    if (ended.again) return this.hold(channel, track, 0);
    this.tracks.delete(channel);
    this.tell("refused", { channel, code: ended.code, sentence: ended.message });
  }

  /** Subscribe again, later each time. @param {string} channel @param {Track} track @param {number} wait in milliseconds */
  hold(channel, track, wait) {
    track.state = "idle";
    if (track.liveAt && performance.now() - track.liveAt >= STABLE) track.tries = 0;
    track.liveAt = 0;
    track.timer = setTimeout(() => this.greeted && this.tracks.get(channel) === track && this.ask(channel, track), wait + delay(track.tries++));
  }
}
