/** The deployments' live page: models with their aliases, the newest deployments, and the steps of one of them. */
import { alive } from "./alive.js";
import { Announcer, h, root } from "./dom.js";
import { ask } from "./service.js";
import { Timeline, moment, title } from "./deployment-timeline.js";

/** @typedef {{ model: string, versions: number, highest: string, aliases: Record<string, string>, deploying: string | null }} Model */
/**
 * @typedef {object} Deployment a deployment in short, as `/api/deployment/live` gives it
 * @property {string} id
 * @property {string} model
 * @property {"deploy" | "rollback"} kind
 * @property {string} by
 * @property {string} why
 * @property {number} at Unix time in seconds
 * @property {string | null} ended
 * @property {string | null} from
 * @property {string | null} to
 * @property {string | null} step
 * @property {boolean} waits
 * @property {string | null} at_work
 * @property {string} sentence
 */
/** @typedef {{ registry: string, at: string, models: Model[], deployments: Deployment[], absent?: string, next?: string }} Look */

/** How a deployment stands: a word, and its kind of badge. @param {Deployment} one @returns {[string, string]} */
export function standing(one) {
  if (one.ended) return [one.ended, { promoted: "ok", "rolled-back": "warning" }[one.ended] ?? "critical"];
  if (one.waits) return ["waits for approval", "warning"];
  return [one.step ? `at ${title(one.step)}` : "begins", "unknown"];
}

/** @param {string} word @param {string} kind */
export function badge(word, kind) {
  const sign = { ok: "✓", warning: "!", critical: "✕" }[kind] ?? "…";
  return h("span", { class: `pl-status pl-status--${kind}` }, h("span", { "aria-hidden": "true" }, sign), word);
}

/** @param {string} caption @param {string[]} heads @param {HTMLTableRowElement[]} rows */
function table(caption, heads, rows) {
  const head = h("thead", {}, h("tr", {}, ...heads.map((text) => h("th", { scope: "col" }, text))));
  return h("div", { class: "pl-table" }, h("table", { class: "pl-overview pl-deploy__table" }, h("caption", { class: "pl-hidden" }, caption), head, h("tbody", {}, ...rows)));
}

/** @param {string} label @param {...(Node | string | null | false)} content */
const cell = (label, ...content) => h("td", { "data-label": label }, ...content);

class Deployments {
  /** @param {Element} place */
  constructor(place) {
    this.place = place;
    this.announcer = new Announcer();
    this.message = h("p", { class: "pl-live__message" }, "Connecting…");
    this.choice = h("select", { class: "pl-panel__target", onchange: () => this.watch() });
    this.pause = h("button", { type: "button", class: "pl-live__pause", "aria-pressed": "false", onclick: () => this.toggle() }, "Pause");
    this.models = h("div");
    this.list = h("div");
    this.timeline = new Timeline();
    const bar = h("div", { class: "pl-panel__bar" }, h("label", {}, "Registry ", this.choice), this.pause, h("a", { href: new URL("experiments/", root).href }, "Experiments"));
    place.replaceChildren(bar, this.message, this.models, this.list, this.timeline.element, this.announcer.element);
    this.paused = false;
    /** @type {string | null} the deployment whose steps are shown; null: the newest */
    this.chosen = new URLSearchParams(location.search).get("deployment");
    /** @type {Look | undefined} */
    this.newest = undefined;
    /** @type {EventSource | undefined} */
    this.source = undefined;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.retry = undefined;
  }

  async begin() {
    /** @type {{ registries: { name: string, at: string }[], default: string }} */
    const known = await ask("api/deployment/registries", { timeout: 1500 });
    const wanted = new URLSearchParams(location.search).get("registry") ?? known.default;
    this.choice.replaceChildren(...known.registries.map(({ name, at }) => h("option", { value: name, title: at, selected: name === wanted }, name)));
    this.watch();
    addEventListener("pagehide", () => this.end());
  }

  end() {
    clearTimeout(this.retry);
    this.source?.close();
    this.timeline.end();
  }

  /** Watch the chosen registry from now on. */
  watch() {
    this.end();
    this.newest = undefined;
    this.timeline.show(null, "");
    const registry = encodeURIComponent(this.choice.value);
    this.source = new EventSource(new URL(`api/deployment/live?registry=${registry}`, root));
    this.source.addEventListener("look", (event) => this.hear(JSON.parse(/** @type {MessageEvent} */ (event).data)));
    this.source.onerror = () => this.broken();
  }

  broken() {
    const refused = this.source?.readyState === EventSource.CLOSED;
    this.say(refused ? "The service refused: too many pages watch, or it does not know the registry. It is asked again every five seconds." : "The service does not answer. It is tried again every two seconds; `make up` starts it.");
    if (refused) this.retry = setTimeout(() => this.watch(), 5000);
  }

  toggle() {
    this.paused = !this.paused;
    this.pause.setAttribute("aria-pressed", String(this.paused));
    this.pause.textContent = this.paused ? "Go on" : "Pause";
    this.timeline.hold(this.paused);
    if (!this.paused && this.newest) this.show(this.newest);
  }

  /** @param {string} sentence */
  say(sentence) {
    if (this.message.textContent === sentence) return;
    this.message.textContent = sentence;
    this.announcer.say(sentence);
  }

  /** @param {Look} look */
  hear(look) {
    this.newest = look;
    if (!this.paused) this.show(look);
  }

  /** @param {Look} look */
  show(look) {
    const running = look.deployments.filter((one) => !one.ended).length;
    if (look.absent) this.say(`${look.absent}.`);
    else this.say(`Live from ${look.at}: ${running ? `${running} under way` : "nothing is under way"}.`);
    const held = document.activeElement?.getAttribute("data-deployment");
    this.models.replaceChildren(...(look.models.length ? [h("h2", {}, "Models"), this.modelTable(look.models)] : this.beginning(look)));
    this.list.replaceChildren(...(look.deployments.length ? [h("h2", {}, "Deployments"), this.deploymentTable(look.deployments)] : []));
    if (held) this.list.querySelector(`[data-deployment="${CSS.escape(held)}"]`)?.focus();
    const one = look.deployments.find(({ id }) => id === this.chosen) ?? look.deployments[0];
    this.timeline.show(one?.id ?? null, this.choice.value);
  }

  /** What to do next where there is nothing yet. @param {Look} look */
  beginning(look) {
    if (!look.next) return [];
    return [h("p", { class: "pl-deploy__next" }, "What puts a model here: ", h("code", {}, look.next), ".")];
  }

  /** @param {Model[]} models */
  modelTable(models) {
    const rows = models.map(({ model, versions, highest, aliases, deploying }) => {
      const { production, candidate, ...others } = aliases;
      const more = Object.entries(others).map(([alias, version]) => `${alias}: ${version}`).join(", ");
      return h("tr", {}, h("th", { scope: "row" }, model), cell("Production", production ?? "–"), cell("Candidate", candidate ?? "–"), cell("Highest", `${highest} (${versions === 1 ? "the only one" : `of ${versions} versions`})`), cell("Other aliases", more || "–"), cell("Under way", deploying ?? "–"));
    });
    return table("Models and where their aliases point", ["Model", "Production", "Candidate", "Highest", "Other aliases", "Under way"], rows);
  }

  /** @param {Deployment[]} deployments */
  deploymentTable(deployments) {
    const shown = deployments.some(({ id }) => id === this.chosen) ? this.chosen : deployments[0].id;
    const rows = deployments.map((one) => {
      const pick = h("button", { type: "button", class: "pl-link", "data-deployment": one.id, "aria-pressed": String(one.id === shown), onclick: () => this.choose(one.id) }, one.id);
      const way = `${one.from ?? "nothing"} → ${one.to ?? "?"}`;
      return h("tr", { "data-chosen": one.id === shown }, h("th", { scope: "row" }, pick), cell("Began", moment(one.at)), cell("Versions", way), cell("State", badge(...standing(one))), cell("By", one.by), cell("Why", one.why));
    });
    return table("The newest deployments; a name shows its steps below", ["Deployment", "Began", "Versions", "State", "By", "Why"], rows);
  }

  /** @param {string} id */
  choose(id) {
    this.chosen = id;
    const address = new URL(location.href);
    address.searchParams.set("deployment", id);
    address.searchParams.set("registry", this.choice.value);
    history.replaceState(null, "", address);
    if (this.newest) this.show(this.newest);
  }
}

/** Bring the page to life; without a service it stays as it was written. */
export const mount = () => alive("[data-pl-deployments]", (place) => new Deployments(place));
