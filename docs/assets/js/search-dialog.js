/** The search of every page: one dialog, made when it is first wanted, full screen on a phone. */
import { h } from "./dom.js";
import { Finder } from "./finder.js";

/** @type {{ dialog: HTMLDialogElement, finder: Finder } | undefined} */
let made;

/** Open the dialog and put the cursor into its box. */
export function openSearch() {
  made ??= make();
  if (!made.dialog.open) made.dialog.showModal();
  made.finder.focus();
}

/** Close it: a page that the browser brings back must not come back under a dialog. */
export function closeWith() {
  made?.dialog.close();
}

function make() {
  const box = h("div", { class: "pl-finder" });
  const close = h("button", { type: "button", class: "pl-dialog__close", onclick: () => dialog.close() }, "Close");
  const dialog = h("dialog", { class: "pl-dialog md-typeset", "aria-label": "Search" }, close, box);
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close()); // the backdrop
  document.body.append(dialog);
  return { dialog, finder: new Finder(box, { inPage: false }) };
}
