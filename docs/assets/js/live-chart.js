/** A small line chart: one line per worker, the last two minutes. The numbers themselves stand in the table beside it. */

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 300;
const HEIGHT = 80;
const DASHES = ["", "6 3", "2 3", "10 3 2 3"]; // lines are told apart without colour, too
const COLOURS = 6;
export const KEPT = 120;

/** @param {string} tag @param {Record<string, string | number>} attributes */
function svg(tag, attributes) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, String(value));
  return element;
}

export class Chart {
  /** @param {string} title what the lines show */
  constructor(title) {
    /** @type {Map<string, (number | null)[]>} */
    this.series = new Map();
    this.drawing = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", "aria-hidden": "true" });
    this.top = document.createElement("span");
    this.top.className = "pl-live__top";
    this.element = document.createElement("figure");
    this.element.className = "pl-live__chart";
    const caption = document.createElement("figcaption");
    caption.append(title, this.top);
    this.element.append(caption, this.drawing);
  }

  /**
   * Add one look.
   * @param {Map<string, number | null>} values by worker; a worker that is missing has a gap
   * @param {(value: number) => string} format
   */
  add(values, format) {
    const length = Math.max(0, ...[...this.series.values()].map((line) => line.length));
    for (const name of values.keys()) if (!this.series.has(name)) this.series.set(name, Array(length).fill(null));
    for (const [name, line] of this.series) {
      line.push(values.get(name) ?? null);
      if (line.length > KEPT) line.shift();
      if (line.every((value) => value === null)) this.series.delete(name);
    }
    this.draw(format);
  }

  /** @param {(value: number) => string} format */
  draw(format) {
    const top = Math.max(0, ...[...this.series.values()].flat().map((value) => value ?? 0));
    this.top.textContent = `top ${format(top)}`;
    const lines = [...this.series.keys()].sort().map((name, index) =>
      svg("path", {
        d: path(this.series.get(name) ?? [], top || 1),
        class: `pl-live__line pl-live__line--${index % COLOURS}`,
        "stroke-dasharray": DASHES[Math.floor(index / COLOURS) % DASHES.length],
        "vector-effect": "non-scaling-stroke",
      }),
    );
    this.drawing.replaceChildren(svg("path", { d: `M0 ${HEIGHT - 1}H${WIDTH}`, class: "pl-live__axis" }), ...lines);
  }
}

/**
 * Return the path of a line; null makes a gap.
 * @param {(number | null)[]} values @param {number} top the value at the upper edge
 */
export function path(values, top) {
  const step = WIDTH / (KEPT - 1);
  const from = KEPT - values.length;
  let pen = "M";
  let drawn = "";
  values.forEach((value, index) => {
    if (value === null) {
      pen = "M";
      return;
    }
    drawn += `${pen}${((from + index) * step).toFixed(1)} ${(HEIGHT - 2 - (value / top) * (HEIGHT - 6)).toFixed(1)}`;
    pen = "L";
  });
  return drawn || "M0 0";
}
