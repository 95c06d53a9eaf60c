// Objects on a floor: where they may lie, and what the networks are given.

import { dot } from "./camera.js";

/** The most tries to find a place, and scenes until all objects found one. */
const TRIES = 200;

/**
 * An object: its attributes, its place, and its turn in radians.
 *
 * @typedef {{id: number, size: string, color: string, material: string,
 *   shape: string, x: number, y: number, rotation: number}} Item
 */

export class Scene {
  /**
   * @param {object} rules The task's facts.
   * @param {function(): number} random Uniform numbers in [0, 1).
   */
  constructor(rules, random = Math.random) {
    this.rules = rules;
    this.random = random;
    /** @type {Item[]} */
    this.objects = [];
    this.nextId = 0;
  }

  /** Draw another scene, by the rules by which scenes for training are. */
  redraw() {
    const [least, most] = this.rules.objects;
    const count = least + Math.floor(this.random() * (most - least + 1));
    do {
      this.objects = [];
      while (this.objects.length < count && this.add(true)) continue;
    } while (this.objects.length < count || this.hidesOne());
  }

  /** Add an object where there is room; null where there is none. */
  add(apart = false) {
    const item = { id: this.nextId, rotation: 2 * Math.PI * this.random() };
    for (const [name, values] of Object.entries(this.rules.attributes)) {
      item[name] = values[Math.floor(this.random() * values.length)];
    }
    for (let tries = 0; tries < 2 * TRIES; tries++) {
      item.x = this.rules.floor * (2 * this.random() - 1);
      item.y = this.rules.floor * (2 * this.random() - 1);
      const strict = apart || tries < TRIES;
      if (this.tooClose(item) || (strict && this.level(item))) continue;
      this.nextId++;
      this.objects.push(item);
      return item;
    }
    return null;
  }

  remove(item) {
    this.objects = this.objects.filter((other) => other !== item);
  }

  half(item) {
    return this.rules.half[item.size];
  }

  /** How near the centres of two objects may come. */
  nearest(item, other) {
    return this.half(item) + this.half(other) + this.rules.gap;
  }

  /** An object that another one would be too close to, or undefined. */
  tooClose(item, tolerance = 0) {
    return this.others(item).find(
      (other) =>
        Math.hypot(item.x - other.x, item.y - other.y) <
        this.nearest(item, other) - tolerance,
    );
  }

  /**
   * An object that another one lies level with: along some direction they
   * are less apart than in any scene for training.
   */
  level(item) {
    const { directions, margin } = this.rules;
    for (const other of this.others(item)) {
      const away = [item.x - other.x, item.y - other.y];
      for (const direction of ["left", "front"]) {
        const apart = Math.abs(dot(away, directions[direction].slice(0, 2)));
        if (apart < margin) return { other, direction, apart };
      }
    }
    return null;
  }

  others(item) {
    return this.objects.filter((other) => other.id !== item.id);
  }

  /** Whether an object is about behind another one, as the camera sees it. */
  hidesOne() {
    const [cx, cy] = this.rules.camera.location;
    const seen = this.objects.map((item) => ({
      item,
      far: Math.hypot(item.x - cx, item.y - cy),
      angle: Math.atan2(item.y - cy, item.x - cx),
    }));
    return seen.some((near) =>
      seen.some(
        (other) =>
          other.far > near.far &&
          other.far - near.far < 2.5 * this.half(near.item) &&
          this.half(other.item) <= this.half(near.item) &&
          Math.abs(other.angle - near.angle) * near.far <
            0.6 * this.half(near.item),
      ),
    );
  }

  /**
   * Move an object as near to a place as the floor and the others let it.
   *
   * @returns {?Item} The object that it was stopped by.
   */
  moveTo(item, x, y) {
    const before = { x: item.x, y: item.y };
    const { floor } = this.rules;
    const clamp = (value) => Math.max(-floor, Math.min(floor, value));
    let stopped = null;
    item.x = clamp(x);
    item.y = clamp(y);
    // Out of one object it may come into another: a few rounds settle that.
    for (let round = 0; round < 12; round++) {
      const other = this.tooClose(item, 1e-9);
      if (!other) return stopped;
      stopped = other;
      const away = [item.x - other.x, item.y - other.y];
      const distance = Math.hypot(...away);
      const out = distance > 1e-9 ? this.nearest(item, other) / distance : 0;
      item.x = clamp(other.x + (out ? away[0] * out : 1));
      item.y = clamp(other.y + (out ? away[1] * out : 0));
    }
    if (this.tooClose(item, 1e-9)) Object.assign(item, before);
    return stopped;
  }

  /** Change an attribute; false where a larger object finds no room. */
  change(item, name, value) {
    const before = { ...item };
    item[name] = value;
    this.moveTo(item, item.x, item.y);
    if (!this.tooClose(item, 1e-9)) return true;
    Object.assign(item, before);
    return false;
  }

  /** Who lies left of, right of, in front of and behind whom: indices. */
  relationships() {
    const out = {};
    for (const [name, vector] of Object.entries(this.rules.directions)) {
      const along = this.objects.map((item) => dot(this.place(item), vector));
      out[name] = along.map((a) =>
        along.flatMap((b, j) => (b - a > this.rules.relation ? [j] : [])),
      );
    }
    return out;
  }

  /** An object's place in the numbers that the networks are given. */
  place(item) {
    return [item.x, item.y, this.half(item)].map(Math.fround);
  }

  /** What the networks are given of each object. */
  features() {
    const attributes = Object.entries(this.rules.attributes);
    return this.objects.map((item) => [
      ...attributes.flatMap(
        ([name, values], k) =>
          this.rules.features[k][values.indexOf(item[name])],
      ),
      ...this.place(item),
    ]);
  }

  /** An object in words, told apart from those that are alike. */
  name(item) {
    const words = ({ size, color, material, shape }) =>
      [size, color, material, shape].join(" ");
    const alike = this.objects.filter((other) => words(other) === words(item));
    const number = alike.length > 1 ? ` (${alike.indexOf(item) + 1})` : "";
    return words(item) + number;
  }
}
