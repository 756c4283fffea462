/** Small tools for building elements. Text is always set as text: nothing that a server sends is ever parsed as HTML. */

/** Where the site begins: pages may lie at any depth, and the whole site under any path. */
export const root = new URL(`${meta("pl-base").replace(/\/$/, "") || ""}/`, location.href);

/** @param {string} name */
function meta(name) {
  return document.querySelector(`meta[name="${name}"]`)?.getAttribute("content") ?? ".";
}

/**
 * Turn an address that the service gives from the site's root (`/troubleshooting/…`) into one that works here.
 * @param {string} path
 */
export function link(path) {
  return new URL(path.replace(/^\/+/, ""), root).href;
}

/**
 * Build an element: `h("p", { class: "x" }, "text", child)`. Attributes that are false, null or undefined are left out.
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Record<string, any>} [attributes] names that begin with `on` are listeners
 * @param {...(Node | string | null | undefined | false)} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  for (const child of children) if (child) element.append(child);
  return element;
}

let count = 0;
/** @param {string} prefix @returns {string} an id that no other element of the page has */
export const unique = (prefix) => `${prefix}-${(count += 1)}`;

/** A status region for screen readers: present and empty at first, and never louder than one message a second. */
export class Announcer {
  constructor() {
    this.element = h("p", { role: "status", class: "pl-hidden" });
    this.last = 0;
    /** @type {number | undefined} */
    this.timer = undefined;
  }

  /** @param {string} sentence the newest one wins when several come within a second */
  say(sentence) {
    clearTimeout(this.timer);
    const wait = Math.max(0, this.last + 1000 - Date.now());
    this.timer = window.setTimeout(() => {
      this.last = Date.now();
      this.element.textContent = sentence;
    }, wait);
  }
}

/** @param {string} iso @returns {string} "3 days ago" */
export function ago(iso) {
  const seconds = (Date.parse(iso) - Date.now()) / 1000;
  const steps = /** @type {[Intl.RelativeTimeFormatUnit, number][]} */ ([["day", 86400], ["hour", 3600], ["minute", 60]]);
  const [unit, size] = steps.find(([, length]) => Math.abs(seconds) >= length) ?? ["second", 1];
  return new Intl.RelativeTimeFormat("en", { numeric: "auto" }).format(Math.round(seconds / size), unit);
}
