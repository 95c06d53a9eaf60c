// Making and changing elements of a picture.

const stage = document.getElementById("stage");

/** Make an element with attributes and children. */
export function svg(name, attributes = {}, children = []) {
  const element = document.createElementNS(stage.namespaceURI, name);
  set(element, attributes);
  element.append(...children);
  return element;
}

/** Set attributes; null takes one away. */
export function set(element, attributes) {
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null) element.removeAttribute(key);
    else element.setAttribute(key, value);
  }
  return element;
}

/** The data of a path through points [x, y, …], closed unless told. */
export function path(points, closed = true) {
  const steps = points.map(([x, y]) => `${x.toFixed(2)} ${y.toFixed(2)}`);
  return `M${steps.join("L")}${closed ? "Z" : ""}`;
}
