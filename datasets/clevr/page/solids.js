// Cubes, spheres and cylinders, as outlines in the picture and how light they are.

import { css, darker, lighter } from "./shine.js";
import { path } from "./svg.js";

/** Where the main light is, as in the pictures: warm, from the right. */
const LIGHT = normal([6.447, -2.905, 4.258]);
const AROUND = 48; // points of a circle

/**
 * What an object looks like.
 *
 * @returns {{shadow: string, outline: string, parts: Array}} Paths of its
 *   shadow and outline, and its surfaces as [element, attributes].
 */
export function drawn(item, half, camera, colors) {
  const rgb = colors[item.color];
  const metal = item.material === "metal";
  const id = `${item.color}-${item.material}`;
  const center = [item.x, item.y, half];
  const seen = (points) => points.map((point) => camera.project(point));
  const make = { sphere: sphereOf, cylinder: cylinderOf, cube: cubeOf };
  return make[item.shape]({ item, half, camera, center, rgb, metal, id, seen });
}

function sphereOf({ item, half, camera, center, metal, id, seen }) {
  // The circle in which rays from the camera touch the ball.
  const way = camera.location.map((v, k) => v - center[k]);
  const far = Math.hypot(...way);
  const middle = center.map((v, k) => v + (way[k] * half ** 2) / far ** 2);
  const radius = half * Math.sqrt(1 - (half / far) ** 2);
  const across = normal(cross(way, [0, 0, 1]));
  const up = normal(cross(across, way));
  const outline = seen(
    circle((c, s) =>
      middle.map((v, k) => v + radius * (c * across[k] + s * up[k])),
    ),
  );
  const parts = [["path", { d: path(outline), fill: `url(#ball-${id})` }]];
  if (metal) {
    // The lamp itself, where the ball mirrors it.
    const mirror = normal(normal(way).map((v, k) => v + LIGHT[k]));
    const [x, y, depth] = camera.project(
      center.map((v, k) => v + half * mirror[k]),
    );
    const size = (0.3 * half * camera.focal) / depth;
    parts.push(["circle", { cx: x, cy: y, r: size, fill: "url(#spark)" }]);
  }
  // From above, the shadow is stretched away from the light.
  const [dx, dy] = fall(half);
  const along = normal([dx, dy]);
  const stretch = half / LIGHT[2];
  const shadow = circle((c, s) => [
    item.x + dx + stretch * c * along[0] - half * s * along[1],
    item.y + dy + stretch * c * along[1] + half * s * along[0],
    0,
  ]);
  return { shadow: path(seen(shadow)), outline: path(outline), parts };
}

function cylinderOf({ item, half, metal, rgb, id, seen }) {
  const ring = (z, [dx, dy] = [0, 0]) =>
    circle((c, s) => [item.x + dx + half * c, item.y + dy + half * s, z]);
  const top = seen(ring(2 * half));
  const outline = hull([...top, ...seen(ring(0))]);
  const lid = metal ? lighter(rgb, 0.34) : lighter(rgb, 0.2);
  const parts = [
    ["path", { d: path(outline), fill: `url(#wall-${id})` }],
    ["path", { d: path(top), fill: css(lid) }],
  ];
  if (metal) {
    parts.push(["path", { d: path(top), fill: "url(#lid)" }]);
  }
  const shadow = hull(seen([...ring(0), ...ring(0, fall(2 * half))]));
  return { shadow: path(shadow), outline: path(outline), parts };
}

function cubeOf({ item, half, camera, metal, rgb, seen }) {
  const [cos, sin] = [Math.cos(item.rotation), Math.sin(item.rotation)];
  const corner = (a, b, z, [dx, dy] = [0, 0]) => [
    item.x + dx + half * (cos * a - sin * b),
    item.y + dy + half * (sin * a + cos * b),
    z,
  ];
  const around = [
    [1, 1],
    [-1, 1],
    [-1, -1],
    [1, -1],
  ];
  const parts = [];
  around.forEach(([a, b], k) => {
    const [c, d] = around[(k + 1) % 4];
    const out = [
      (cos * (a + c) - sin * (b + d)) / 2,
      (sin * (a + c) + cos * (b + d)) / 2,
      0,
    ];
    const place = [item.x + half * out[0], item.y + half * out[1], half];
    const way = camera.location.map((v, i) => v - place[i]);
    if (dot(out, way) <= 0) return; // it faces away
    const face = [
      corner(a, b, 0),
      corner(c, d, 0),
      corner(c, d, 2 * half),
      corner(a, b, 2 * half),
    ];
    parts.push(...surface(seen(face), out, rgb, metal ? "polish" : "matte"));
  });
  const top = around.map(([a, b]) => corner(a, b, 2 * half));
  parts.push(...surface(seen(top), [0, 0, 1], rgb, metal ? "lid" : null));
  const ring = (z, shift) => around.map(([a, b]) => corner(a, b, z, shift));
  const outline = hull(seen([...ring(0), ...ring(2 * half)]));
  const shadow = hull(seen([...ring(0), ...ring(0, fall(2 * half))]));
  return { shadow: path(shadow), outline: path(outline), parts };
}

/** A flat face, as light as it faces the lamps. */
function surface(points, out, rgb, finish) {
  const key = Math.max(0, dot(out, LIGHT));
  const light = 0.28 + 0.72 * key + 0.2 * out[2];
  const tone =
    light > 0.72
      ? lighter(rgb, Math.min(0.4, light - 0.72))
      : darker(rgb, Math.min(0.62, 1.2 * (0.72 - light)));
  // The stroke rounds the edges off, and closes the gap between two faces.
  const edge = { stroke: css(lighter(tone, finish === "matte" ? 0.05 : 0.16)) };
  const round = { "stroke-width": 1.1, "stroke-linejoin": "round" };
  const d = path(points);
  const parts = [["path", { d, fill: css(tone), ...edge, ...round }]];
  if (finish) parts.push(["path", { d, fill: `url(#${finish})` }]);
  return parts;
}

/** Where the shadow of a point falls, shortened: the lamps are wide. */
const fall = (height) =>
  [0, 1].map((k) => (-0.72 * height * LIGHT[k]) / LIGHT[2]);

function circle(point) {
  return Array.from({ length: AROUND }, (_, k) => {
    const angle = (2 * Math.PI * k) / AROUND;
    return point(Math.cos(angle), Math.sin(angle));
  });
}

/** The convex hull of points in the picture. */
export function hull(points) {
  const sorted = [...points].sort((a, b) => a[0] - b[0] || a[1] - b[1]);
  const turn = (o, a, b) =>
    (a[0] - o[0]) * (b[1] - o[1]) - (a[1] - o[1]) * (b[0] - o[0]);
  const half = (list) => {
    const out = [];
    for (const point of list) {
      while (out.length > 1 && turn(out.at(-2), out.at(-1), point) <= 0) {
        out.pop();
      }
      out.push(point);
    }
    return out.slice(0, -1);
  };
  return [...half(sorted), ...half(sorted.reverse())];
}

function dot(a, b) {
  return a.reduce((sum, value, k) => sum + value * b[k], 0);
}

function cross(a, b) {
  return [
    a[1] * b[2] - a[2] * b[1],
    a[2] * b[0] - a[0] * b[2],
    a[0] * b[1] - a[1] * b[0],
  ];
}

function normal(vector) {
  const length = Math.hypot(...vector) || 1;
  return vector.map((value) => value / length);
}
