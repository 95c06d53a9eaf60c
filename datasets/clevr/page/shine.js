// The colours of the objects, and how they run where a surface is round or shines.

import { svg } from "./svg.js";

const DOWN = { x2: 0, y2: 1 };

/** Colours are [r, g, b] of 255. */
export const css = (rgb) => `rgb(${rgb.map((v) => Math.round(v)).join(" ")})`;

/** A colour with so much of another one. */
const mix = (rgb, other, share) =>
  rgb.map((v, k) => v * (1 - share) + other[k] * share);
export const lighter = (rgb, share) => mix(rgb, [255, 252, 244], share);
export const darker = (rgb, share) => mix(rgb, [8, 8, 20], share);

/** Gradients that all objects of a colour and material share. */
export function gradients(colors) {
  const out = [];
  for (const [name, rgb] of Object.entries(colors)) {
    for (const metal of [false, true]) {
      const id = `${name}-${metal ? "metal" : "rubber"}`;
      out.push(ball(`ball-${id}`, rgb, metal), wall(`wall-${id}`, rgb, metal));
    }
  }
  out.push(
    stops("radialGradient", "spark", [
      [0, "white", 0.95],
      [0.35, "white", 0.6],
      [1, "white", 0],
    ]),
    // A polished side mirrors the dark above and the bright floor below.
    stops(
      "linearGradient",
      "polish",
      [
        [0, "white", 0.28],
        [0.1, "white", 0.06],
        [0.55, "black", 0.24],
        [0.72, "black", 0.12],
        [0.86, "white", 0.2],
        [1, "white", 0.04],
      ],
      DOWN,
    ),
    stops(
      "linearGradient",
      "matte",
      [
        [0, "white", 0.05],
        [1, "black", 0.2],
      ],
      DOWN,
    ),
    // A polished lid has a soft strip of light across.
    stops(
      "linearGradient",
      "lid",
      [
        [0.15, "black", 0.16],
        [0.45, "white", 0.02],
        [0.62, "white", 0.5],
        [0.78, "white", 0.05],
        [1, "black", 0.1],
      ],
      { x2: 1, y2: 0.5 },
    ),
  );
  return out;
}

function stops(kind, id, list, attributes = {}) {
  const made = list.map(([offset, color, opacity = 1]) =>
    svg("stop", { offset, "stop-color": color, "stop-opacity": opacity }),
  );
  return svg(kind, { id, ...attributes }, made);
}

function ball(id, rgb, metal) {
  const place = { cx: 0.5, cy: 0.5, r: 0.56, fx: 0.68, fy: 0.27 };
  const tones = metal
    ? [
        [0, lighter(rgb, 0.82)],
        [0.1, lighter(rgb, 0.5)],
        [0.3, lighter(rgb, 0.12)],
        [0.58, darker(rgb, 0.28)],
        [0.8, darker(rgb, 0.58)],
        [0.92, darker(rgb, 0.34)],
        [1, lighter(rgb, 0.08)],
      ]
    : [
        [0, lighter(rgb, 0.42)],
        [0.35, lighter(rgb, 0.16)],
        [0.7, darker(rgb, 0.14)],
        [1, darker(rgb, 0.52)],
      ];
  return stops(
    "radialGradient",
    id,
    tones.map(([at, tone]) => [at, css(tone)]),
    place,
  );
}

function wall(id, rgb, metal) {
  const tones = metal
    ? [
        [0, darker(rgb, 0.45)],
        [0.12, lighter(rgb, 0.05)],
        [0.24, darker(rgb, 0.5)],
        [0.52, darker(rgb, 0.12)],
        [0.7, lighter(rgb, 0.62)],
        [0.8, lighter(rgb, 0.15)],
        [0.93, darker(rgb, 0.4)],
        [1, lighter(rgb, 0.1)],
      ]
    : [
        [0, darker(rgb, 0.48)],
        [0.35, darker(rgb, 0.12)],
        [0.72, lighter(rgb, 0.22)],
        [1, darker(rgb, 0.16)],
      ];
  return stops(
    "linearGradient",
    id,
    tones.map(([at, tone]) => [at, css(tone)]),
  );
}
