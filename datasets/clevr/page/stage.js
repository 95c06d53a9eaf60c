// The scene as a picture whose objects are dragged, or moved with the keys.

import { drawArrows } from "./arrows.js";
import { Camera } from "./camera.js";
import { gradients } from "./shine.js";
import { drawn } from "./solids.js";
import { path, set, svg } from "./svg.js";

/** How far a key moves an object, and with Shift. */
export const STEP = 0.1;
export const LONG_STEP = 0.5;
const KEYS = {
  ArrowLeft: "left",
  ArrowRight: "right",
  ArrowUp: "behind",
  ArrowDown: "front",
};

export class Stage {
  /**
   * @param {SVGSVGElement} element What is drawn in.
   * @param {object} rules The task's facts.
   * @param {object} on What happens: `choose(item)`, `drop(item)`,
   *   `move(item, x, y)`, `remove(item)`.
   */
  constructor(element, rules, on) {
    this.element = element;
    this.rules = rules;
    this.on = on;
    this.camera = new Camera(rules.camera);
    this.layers = Object.fromEntries(
      ["floor", "shadows", "ring", "solids", "arrows", "handles"].map(
        (name) => [name, svg("g", { class: name })],
      ),
    );
    // What is seen is drawn anew, back to front. What has the focus stays.
    for (const name of ["floor", "shadows", "ring", "solids", "arrows"]) {
      this.layers[name].setAttribute("aria-hidden", "true");
    }
    const blur = svg("filter", { id: "soft", ...box(0.25) }, [
      svg("feGaussianBlur", { stdDeviation: 3.2 }),
    ]);
    const defs = svg("defs", {}, [...gradients(rules.colors), blur]);
    element.replaceChildren(defs, ...Object.values(this.layers));
    this.drawFloor();
    this.handles = new Map();
    this.dragged = null;
    element.addEventListener("pointerdown", (event) => this.grab(event));
    element.addEventListener("pointermove", (event) => this.drag(event));
    for (const name of ["pointerup", "pointercancel"]) {
      element.addEventListener(name, () => this.drop());
    }
  }

  drawFloor() {
    const [width, height] = this.rules.camera.size;
    const glow = svg(
      "radialGradient",
      { id: "glow", cx: 0.56, cy: 0.5, r: 0.75 },
      [
        svg("stop", { offset: 0, class: "floor-near" }),
        svg("stop", { offset: 1, class: "floor-far" }),
      ],
    );
    const edge = this.rules.floor + 0.7;
    const corners = [
      [-1, -1],
      [1, -1],
      [1, 1],
      [-1, 1],
    ].map(([a, b]) => this.camera.project([a * edge, b * edge, 0]));
    this.layers.floor.append(
      glow,
      svg("rect", { width, height, fill: "url(#glow)" }),
      svg("path", { d: path(corners), class: "field" }),
    );
  }

  /**
   * Draw a scene.
   *
   * @param {Scene} scene
   * @param {?Item} chosen The object with a ring.
   */
  draw(scene, chosen) {
    const looks = scene.objects.map((item) => {
      const half = scene.half(item);
      const [x, y, depth] = this.camera.project([item.x, item.y, half]);
      const radius = (half * this.camera.focal) / depth;
      const look = drawn(item, half, this.camera, this.rules.colors);
      return { item, half, x, y, depth, radius, ...look };
    });
    this.places = looks.map(({ x, y, radius }) => ({ x, y, radius }));
    const ordered = [...looks].sort((a, b) => b.depth - a.depth);
    this.layers.shadows.replaceChildren(
      ...looks.flatMap((look) => this.shadowsOf(look)),
    );
    this.layers.solids.replaceChildren(
      ...ordered.map(({ item, parts }) =>
        svg(
          "g",
          { class: "solid", "data-id": item.id },
          parts.map(([name, attributes]) => svg(name, attributes)),
        ),
      ),
    );
    const ring = looks.find(({ item }) => item === chosen);
    this.layers.ring.replaceChildren(...(ring ? [this.ringOf(ring)] : []));
    this.updateHandles(scene, looks, chosen);
  }

  /** Draw pairs over the scene that was drawn last. */
  drawPairs(pairs) {
    drawArrows(this.layers.arrows, this.places, pairs);
  }

  /** Mark one pair among all, or none. */
  mark(name) {
    this.layers.arrows.classList.toggle("marking", Boolean(name));
    for (const arrow of this.layers.arrows.children) {
      arrow.classList.toggle("marked", arrow.dataset.pair === name);
    }
  }

  shadowsOf({ item, half, shadow }) {
    const foot = this.onFloor(item, half * 1.06);
    return [
      svg("path", { d: shadow, class: "shadow", filter: "url(#soft)" }),
      svg("path", { d: foot, class: "foot", filter: "url(#soft)" }),
    ];
  }

  ringOf({ item, half }) {
    return svg("path", { d: this.onFloor(item, half * 1.5), class: "chosen" });
  }

  onFloor({ x, y }, radius) {
    const points = Array.from({ length: 40 }, (_, k) => {
      const angle = (2 * Math.PI * k) / 40;
      return this.camera.project([
        x + radius * Math.cos(angle),
        y + radius * Math.sin(angle),
        0,
      ]);
    });
    return path(points);
  }

  /** What the keyboard and screen readers go by, in the order of objects. */
  updateHandles(scene, looks, chosen) {
    const before = this.handles;
    this.handles = new Map();
    looks.forEach(({ item, outline }, i) => {
      const handle = before.get(item.id) ?? this.handleOf(item);
      before.delete(item.id);
      this.handles.set(item.id, handle);
      const { right, behind } = {
        right: this.along(item, "right"),
        behind: this.along(item, "behind"),
      };
      set(handle, {
        d: outline,
        "aria-label": `${scene.name(item)}, ${side(right, "right", "left")}, ${side(behind, "behind", "in front")} of the middle`,
        "aria-pressed": item === chosen,
      });
      if (this.layers.handles.children[i] !== handle) {
        this.layers.handles.insertBefore(
          handle,
          this.layers.handles.children[i],
        );
      }
    });
    for (const handle of before.values()) handle.remove();
  }

  along(item, direction) {
    const [dx, dy] = this.rules.directions[direction];
    return item.x * dx + item.y * dy;
  }

  handleOf(item) {
    const handle = svg("path", {
      class: "handle",
      tabindex: 0,
      role: "button",
      "aria-roledescription": "object",
    });
    handle.addEventListener("focus", () => this.on.choose(item));
    handle.addEventListener("keydown", (event) => this.key(event, item));
    return handle;
  }

  key(event, item) {
    const direction = KEYS[event.key];
    if (direction) {
      this.nudge(item, direction, event.shiftKey ? LONG_STEP : STEP);
    } else if (event.key === "Delete" || event.key === "Backspace") {
      this.on.remove(item);
    } else if (event.key === "Enter" || event.key === " ") {
      this.on.choose(item);
    } else {
      return;
    }
    event.preventDefault();
  }

  /** Move an object in a direction of the scene. */
  nudge(item, direction, far) {
    const [dx, dy] = this.rules.directions[direction];
    this.on.move(item, item.x + far * dx, item.y + far * dy);
  }

  /** Give an object the focus. */
  focus(item) {
    this.handles.get(item.id)?.focus({ preventScroll: true });
  }

  /** Where the pointer is, in the picture's own pixels. */
  pixel(event) {
    const frame = this.element.getBoundingClientRect();
    const [width, height] = this.rules.camera.size;
    return [
      ((event.clientX - frame.left) / frame.width) * width,
      ((event.clientY - frame.top) / frame.height) * height,
    ];
  }

  grab(event) {
    const solid = event.target.closest?.(".solid");
    if (event.button !== 0 || !solid) return;
    const item = this.on.find(Number(solid.dataset.id));
    const half = this.rules.half[item.size];
    const [x, y] = this.camera.atHeight(...this.pixel(event), half);
    // The object stays where it is under the pointer.
    this.dragged = { item, half, offset: [item.x - x, item.y - y] };
    this.element.setPointerCapture(event.pointerId);
    this.element.classList.add("dragging");
    this.focus(item);
    this.on.choose(item);
    event.preventDefault();
  }

  drag(event) {
    if (!this.dragged) return;
    const { item, half, offset } = this.dragged;
    const [x, y] = this.camera.atHeight(...this.pixel(event), half);
    this.on.move(item, x + offset[0], y + offset[1]);
  }

  drop() {
    if (!this.dragged) return;
    const { item } = this.dragged;
    this.dragged = null;
    this.element.classList.remove("dragging");
    this.on.drop(item);
  }
}

const side = (value, more, less) =>
  `${Math.abs(value).toFixed(1)} ${value < 0 ? less : more}`;

/** The region of a filter, so much larger than what is filtered. */
const box = (more) => ({
  x: -more,
  y: -more,
  width: 1 + 2 * more,
  height: 1 + 2 * more,
});
