// The deciding pairs as arrows from sender to receiver, loops for an object
// with itself; the larger a pair's share, the stronger its arrow.

import { svg } from "./svg.js";

/** Weaker than this, beside the strongest, an arrow would not be seen. */
export const FAINT = 0.04;

/**
 * Draw pairs.
 *
 * @param {SVGElement} layer What they are drawn in; it is emptied.
 * @param {{x: number, y: number, radius: number}[]} places Of the objects.
 * @param {{sender: number, receiver: number, weight: number}[]} pairs Those
 *   that spoke for the answer.
 */
export function drawArrows(layer, places, pairs) {
  const most = Math.max(0, ...pairs.map((pair) => pair.weight));
  const shown = pairs
    .map((pair) => ({ ...pair, share: pair.weight / most }))
    .filter((pair) => pair.weight > 0 && pair.share >= FAINT)
    // Faint ones first, so that they do not hide the others.
    .sort((a, b) => a.share - b.share);
  layer.replaceChildren(
    ...shown.map((pair) => {
      const d =
        pair.sender === pair.receiver
          ? loop(places[pair.sender])
          : arrow(places[pair.sender], places[pair.receiver]);
      const group = svg("g", {
        opacity: (0.1 + 0.85 * pair.share).toFixed(3),
        class: "pair",
        "data-pair": `${pair.sender}-${pair.receiver}`,
      });
      const width = 0.7 + 2.3 * pair.share;
      // Of a faint arrow, a wide halo would be what is seen.
      group.append(
        svg("path", {
          d: d.line + d.head,
          class: "halo",
          "stroke-width": width + 2 * pair.share,
        }),
        svg("path", { d: d.line, class: "line", "stroke-width": width }),
        svg("path", { d: d.head, class: "head" }),
      );
      return group;
    }),
  );
}

const fixed = (...numbers) => numbers.map((v) => v.toFixed(1)).join(" ");

function arrow(from, to) {
  let [dx, dy] = [to.x - from.x, to.y - from.y];
  const far = Math.hypot(dx, dy) || 1;
  [dx, dy] = [dx / far, dy / far];
  let ends = [0.45 * from.radius, 0.6 * to.radius];
  const both = ends[0] + ends[1];
  if (both > 0.6 * far) ends = ends.map((end) => (0.6 * far * end) / both);
  const a = [from.x + ends[0] * dx, from.y + ends[0] * dy];
  const b = [to.x - ends[1] * dx, to.y - ends[1] * dy];
  // A pair and its reverse bend to different sides.
  const bend = 0.14 * far;
  const c = [(a[0] + b[0]) / 2 - bend * dy, (a[1] + b[1]) / 2 + bend * dx];
  return {
    line: `M${fixed(...a)}Q${fixed(...c)} ${fixed(...b)}`,
    head: tip(c, b),
  };
}

function loop({ x, y, radius }) {
  const size = 0.35 * radius + 6;
  const top = y - 0.75 * radius;
  const left = [x - 0.4 * size, top];
  const right = [x + 0.4 * size, top];
  const line =
    `M${fixed(...left)}C${fixed(x - 1.6 * size, top - 2.1 * size)} ` +
    `${fixed(x + 1.6 * size, top - 2.1 * size)} ${fixed(...right)}`;
  return { line, head: tip([x + 0.9 * size, top - size], right) };
}

/** The head of an arrow that ends in a point. */
function tip(from, to) {
  let [dx, dy] = [to[0] - from[0], to[1] - from[1]];
  const far = Math.hypot(dx, dy) || 1;
  [dx, dy] = [dx / far, dy / far];
  const [long, wide] = [6.5, 2.8];
  const back = [to[0] - long * dx, to[1] - long * dy];
  const side = [-wide * dy, wide * dx];
  return (
    `M${fixed(to[0] + dx, to[1] + dy)}L${fixed(back[0] + side[0], back[1] + side[1])}` +
    `L${fixed(back[0] - side[0], back[1] - side[1])}Z`
  );
}
