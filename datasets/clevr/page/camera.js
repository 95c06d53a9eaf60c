// Where points of the scene land in the picture, and back: camera.py.

/** A pinhole camera that looks at the origin, z up. */
export class Camera {
  constructor({ location, focal, size }) {
    const [x, y, z] = location;
    const distance = Math.hypot(x, y, z);
    const ground = Math.hypot(x, y);
    this.location = location;
    this.size = size;
    this.focal = focal * size[0]; // in pixels
    this.forward = location.map((value) => -value / distance);
    this.right = [-y / ground, x / ground, 0];
    const [fx, fy, fz] = this.forward;
    const [rx, ry] = this.right;
    this.up = [ry * fz, -rx * fz, rx * fy - ry * fx];
  }

  /** Pixels from the left, from the top, and the depth along the axis. */
  project(point) {
    const away = point.map((value, k) => value - this.location[k]);
    const depth = dot(away, this.forward);
    const scale = this.focal / depth;
    return [
      this.size[0] / 2 + scale * dot(away, this.right),
      this.size[1] / 2 - scale * dot(away, this.up),
      depth,
    ];
  }

  /** The point at a height that is seen at a pixel: x and y. */
  atHeight(column, line, z) {
    const across = (column - this.size[0] / 2) / this.focal;
    const down = (line - this.size[1] / 2) / this.focal;
    const ray = this.forward.map(
      (value, k) => value + across * this.right[k] - down * this.up[k],
    );
    // Rays above the horizon meet no floor: as far as one looks.
    const t = ray[2] < -1e-6 ? (z - this.location[2]) / ray[2] : 100;
    return [0, 1].map((k) => this.location[k] + t * ray[k]);
  }
}

export const dot = (a, b) => a.reduce((sum, value, k) => sum + value * b[k], 0);
