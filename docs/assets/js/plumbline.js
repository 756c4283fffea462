/**
 * Entry point: puts the finder into the header and where a page asks for one, and loads the panels only on pages that
 * have any. Everything here adds to pages that are complete without it.
 */
import { Finder } from "./finder.js";
import { openSearch, closeWith } from "./search-dialog.js";

const inPage = /** @type {HTMLElement | null} */ (document.querySelector("[data-pl-finder]"));
const finder = inPage && new Finder(inPage, { inPage: true });

/** Take the reader to the search box: the one in the page while it is in view, else the dialog. */
function search() {
  if (finder && isInView(finder.input)) finder.focus();
  else openSearch();
}

/** @param {Element} element */
function isInView(element) {
  const box = element.getBoundingClientRect();
  return box.top >= 0 && box.bottom <= innerHeight;
}

for (const link of document.querySelectorAll("[data-pl-open-search]")) {
  link.setAttribute("role", "button");
  link.setAttribute("aria-haspopup", "dialog");
  link.setAttribute("aria-keyshortcuts", "/ Control+K");
  link.addEventListener("click", (event) => {
    const click = /** @type {MouseEvent} */ (event);
    if (click.ctrlKey || click.metaKey || click.shiftKey) return;
    event.preventDefault();
    search();
  });
  link.addEventListener("keydown", (event) => {
    if (/** @type {KeyboardEvent} */ (event).key !== " ") return;
    event.preventDefault();
    search();
  });
}

document.addEventListener("keydown", (event) => {
  const command = event.key.toLowerCase() === "k" && (event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey;
  const slash = event.key === "/" && !event.ctrlKey && !event.metaKey && !event.altKey && !isTyping(event.target);
  if (!command && !slash) return;
  event.preventDefault();
  search();
});

/** @param {EventTarget | null} target */
function isTyping(target) {
  return target instanceof HTMLElement && (target.isContentEditable || target.matches("input, textarea, select"));
}

const shared = new URLSearchParams(location.search).get("q");
if (finder && shared) finder.ask(shared);

/** Let the keyboard scroll what is wider than the screen; the theme puts tables into their wrappers while the page loads. */
function reachable() {
  for (const wide of document.querySelectorAll(".md-typeset__scrollwrap, .pl-table, .pl-matrix")) {
    if (wide.scrollWidth > wide.clientWidth) wide.setAttribute("tabindex", "0");
    else wide.removeAttribute("tabindex");
  }
}

addEventListener("load", reachable);
addEventListener("resize", reachable);
addEventListener("pagehide", closeWith);
if (document.querySelector("[data-pl-diagnostic], [data-pl-run-all]")) import("./panel.js").then((panels) => panels.mount());
if (document.querySelector("[data-pl-gateway]")) import("./live.js").then((live) => live.mount());
if (document.querySelector("[data-pl-capacity]")) import("./capacity.js").then((capacity) => capacity.mount());
if (document.querySelector("[data-pl-deployments]")) import("./deployments.js").then((deployments) => deployments.mount());
