/**
 * One connection after the other to a gateway: connect, greet, keep alive, come back; what it carries is told by who extends it.
 */
import { atLeast, delay, FLOOR, STABLE, verdict } from "./plumbline-comeback.js";

export const CONNECTING = 0;
export const OPEN = 1;
export const CLOSED = 2;

const ANSWER_WITHIN = 10_000; // milliseconds
const BATCH = 32; // commands in one message

export class Link extends EventTarget {
  /** @param {string} url ws:// or wss:// @param {string | (() => string | Promise<string>)} [token] */
  constructor(url, token) {
    super();
    this.url = url;
    this.readyState = CONNECTING;
    /** @type {string | null} why there is no connection */
    this.trouble = null;
    this.counts = { messages: 0, duplicates: 0, holes: 0, gaps: 0, connected: 0 };
    this.token = token;
    this.refusedTokens = 0;
    this.failures = 0;
    this.openedAt = 0;
    this.heardAt = 0;
    this.requests = 0;
    this.attempt = 0;
    this.ordered = false; // the gateway asked for the wait that is under way
    this.greeted = false;
    /** @type {Map<number, (told: any) => void>} */
    this.asked = new Map();
    /** @type {object[]} */
    this.outbox = [];
    /** @type {WebSocket | undefined} */
    this.socket = undefined;
    /** @type {number | undefined} */
    this.timer = undefined;
    /** @type {number | undefined} */
    this.beating = undefined;
    this.online = () => this.hurry();
    addEventListener("online", this.online);
  }

  /** Commands may be sent. */
  onGreeted() {}

  /** The connection is gone. */
  onDropped() {}

  /** The gateway said something about a channel. @param {any} _told */
  onTold(_told) {}

  /** End it. No event follows. */
  close() {
    this.readyState = CLOSED;
    removeEventListener("online", this.online);
    clearTimeout(this.timer);
    this.drop(1000);
  }

  // Connecting.

  async connect() {
    const attempt = ++this.attempt;
    const protocols = ["plumbline.v2"];
    try {
      const token = typeof this.token === "function" ? await this.token() : this.token;
      if (token) protocols.push(`bearer.${token}`);
    } catch (error) {
      return this.lost(attempt, 1006, `the token callback failed: ${error}`);
    }
    if (this.readyState === CLOSED || attempt !== this.attempt) return;
    let socket;
    try {
      socket = new WebSocket(this.url, protocols);
    } catch (error) {
      return this.lost(attempt, 1002, String(error)); // the address, or a token with characters that no subprotocol has
    }
    this.socket = socket;
    const late = setTimeout(() => socket.readyState === WebSocket.CONNECTING && this.abandon(socket, attempt), ANSWER_WITHIN);
    socket.onopen = () => (socket.protocol === "plumbline.v2" ? this.expectGreeting(socket, attempt) : this.lost(attempt, 1002, "the server does not speak plumbline.v2"));
    socket.onmessage = (event) => attempt === this.attempt && this.received(event.data);
    socket.onclose = (event) => (clearTimeout(late), this.lost(attempt, event.code, event.reason));
  }

  /** @param {WebSocket} socket @param {number} attempt */
  expectGreeting(socket, attempt) {
    setTimeout(() => attempt === this.attempt && !this.greeted && this.abandon(socket, attempt), ANSWER_WITHIN);
  }

  /** A closing handshake with a dead peer takes minutes: the socket is left to it. @param {WebSocket} socket @param {number} attempt */
  abandon(socket, attempt) {
    socket.close();
    this.lost(attempt, 1006, "the gateway did not answer in time");
  }

  /** @param {number} attempt @param {number} code @param {string} reason */
  lost(attempt, code, reason) {
    if (attempt !== this.attempt || this.readyState === CLOSED) return;
    this.trouble = `the connection ended with ${code}${reason ? `: ${reason}` : ""}`;
    this.drop();
    const meaning = verdict(code);
    const over = meaning === "never" || (meaning === "token" && (typeof this.token !== "function" || ++this.refusedTokens > 1));
    this.readyState = over ? CLOSED : CONNECTING;
    if (!over) {
      if (this.openedAt && performance.now() - this.openedAt >= STABLE) this.failures = 0;
      this.openedAt = 0;
      this.ordered = atLeast(code) > 0;
      this.later(atLeast(code) + delay(this.failures++));
    }
    this.tell("error", { sentence: this.trouble, code });
  }

  /** @param {number} wait in milliseconds */
  later(wait) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.connect(), wait);
  }

  /** The network is back: wait less, but never not at all, and never against the gateway. */
  hurry() {
    if (this.readyState === CONNECTING && !this.socket && !this.ordered) this.later(delay(0));
  }

  /** Forget the connection; positions stay. @param {number} [code] */
  drop(code) {
    const socket = this.socket;
    this.socket = undefined;
    this.greeted = false;
    clearInterval(this.beating);
    this.asked.clear();
    this.outbox = [];
    this.attempt++;
    this.onDropped();
    if (socket && socket.readyState <= WebSocket.OPEN) socket.close(code);
  }

  // Talking.

  /** Send a command; those of one turn share messages. @param {object} command @param {(told: any) => void} [answered] */
  command(command, answered) {
    const id = ++this.requests;
    if (answered) {
      const attempt = this.attempt;
      this.asked.set(id, answered);
      setTimeout(() => attempt === this.attempt && this.asked.has(id) && this.lost(attempt, 1006, "the gateway did not answer in time"), ANSWER_WITHIN);
    }
    if (!this.outbox.length) queueMicrotask(() => this.flush());
    this.outbox.push({ id, ...command });
    return id;
  }

  flush() {
    const waiting = this.outbox;
    this.outbox = [];
    for (let at = 0; this.greeted && at < waiting.length; at += BATCH) this.socket?.send(JSON.stringify(waiting.slice(at, at + BATCH)));
  }

  /** @param {string} text */
  received(text) {
    this.heardAt = performance.now();
    let told;
    try {
      told = JSON.parse(text);
    } catch {
      return this.lost(this.attempt, 1006, "the gateway sent what is no JSON");
    }
    if ("id" in told) {
      const answered = this.asked.get(told.id);
      this.asked.delete(told.id);
      answered?.(told);
    } else if ("channel" in told) this.onTold(told);
    else if ("hello" in told) this.greet(told.hello);
    else if ("reconnect" in told) this.advised(told.reconnect);
    else if ("expiring" in told) this.renew();
  }

  /** @param {{ heartbeat_s?: number }} hello */
  greet(hello) {
    this.greeted = true;
    this.beat((hello.heartbeat_s || 25) * 1000);
    this.openedAt = performance.now();
    this.refusedTokens = 0;
    this.trouble = null;
    this.readyState = OPEN;
    this.counts.connected++;
    this.onGreeted();
    this.tell("open");
  }

  /** A script cannot see the gateway's own pings: when nothing came for as long, it asks. @param {number} every in milliseconds */
  beat(every) {
    clearInterval(this.beating);
    this.beating = setInterval(() => {
      if (this.greeted && performance.now() - this.heardAt >= every) this.command({ ping: null }, () => undefined);
    }, every);
  }

  /** The gateway will close this connection: come back when it says, without counting it as a failure. @param {{ after_s: number }} advice */
  advised(advice) {
    const attempt = this.attempt;
    setTimeout(() => {
      if (attempt !== this.attempt || this.readyState === CLOSED) return;
      this.drop(1000);
      this.readyState = CONNECTING;
      this.connect();
    }, Math.max(FLOOR, advice.after_s * 1000));
  }

  /** Show a fresh token before the old one ends. */
  async renew() {
    if (typeof this.token !== "function") return;
    const attempt = this.attempt;
    const token = await Promise.resolve(this.token()).catch(() => undefined);
    if (token && attempt === this.attempt && this.greeted) this.command({ auth: token });
  }

  /** @param {string} type @param {object} [fields] */
  tell(type, fields = {}) {
    this.dispatchEvent(Object.assign(new Event(type), fields));
    /** @type {any} */ (this)[`on${type}`]?.(Object.assign(new Event(type), fields));
  }
}
