/** Pages that show something live: they come to life where a service answers, and stay as they were written elsewhere. */
import { Absent } from "./service.js";

const AGAIN_MS = 5000;

/**
 * Bring places to life. One whose service was only slow, is just starting or is being started anew is tried again.
 * @param {string} selector
 * @param {(place: Element) => { begin(): Promise<void> }} make fills a place
 */
export function alive(selector, make) {
  for (const place of document.querySelectorAll(selector)) {
    const written = [...place.childNodes];
    const begin = async () => {
      try {
        await make(place).begin();
        place.removeAttribute("data-state");
      } catch (error) {
        place.replaceChildren(...written);
        place.setAttribute("data-state", "absent");
        if (!(error instanceof Absent && error.elsewhere)) setTimeout(begin, AGAIN_MS);
      }
    };
    begin();
  }
}
