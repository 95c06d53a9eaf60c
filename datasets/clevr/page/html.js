// Making elements of the page.

let count = 0;

/** Make an element with properties and children. */
export function html(name, properties = {}, children = []) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key in element) element[key] = value;
    else element.setAttribute(key, value);
  }
  element.append(...children);
  return element;
}

/**
 * Buttons of which one is chosen, as the browser's own radio buttons.
 *
 * @param {string} group The name that they share.
 * @param {string} value What this one stands for.
 * @param {Array} label What it says.
 * @param {function(string): void} choose Called when it is chosen.
 */
export function radio(group, value, label, choose) {
  const input = html("input", {
    type: "radio",
    name: group,
    value,
    id: `radio-${count++}`,
    className: "unseen",
  });
  input.addEventListener("change", () => choose(value));
  const text = html("label", { htmlFor: input.id }, label);
  return {
    input,
    element: html("span", { className: "radio" }, [input, text]),
  };
}

/** Write a text into an element, unless it stands there. */
export function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
