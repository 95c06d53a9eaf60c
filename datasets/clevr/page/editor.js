// What the chosen object is: its size, colour, material and shape.

import { html, radio, write } from "./html.js";
import { css } from "./shine.js";

export class Editor {
  /**
   * @param {object} facts The task's facts.
   * @param {function(string, string): void} change Called with an attribute
   *   and its new value.
   */
  constructor(facts, change) {
    this.card = document.getElementById("editor");
    this.title = document.getElementById("chosen");
    this.inputs = {};
    const groups = Object.entries(facts.attributes).map(([name, values]) => {
      this.inputs[name] = new Map();
      const choices = values.map((value) => {
        const label = [html("span", { className: "name", textContent: value })];
        if (name === "color") {
          const swatch = html("span", { className: "swatch" });
          swatch.style.background = css(facts.colors[value]);
          label.unshift(swatch);
        }
        const choose = (chosen) => change(name, chosen);
        const { input, element } = radio(name, value, label, choose);
        element.classList.toggle("of-color", name === "color");
        this.inputs[name].set(value, input);
        return element;
      });
      const legend = html("legend", { textContent: name });
      return html("fieldset", {}, [legend, ...choices]);
    });
    document.getElementById("attributes").replaceChildren(...groups);
  }

  /** Show an object, or that none is chosen. */
  show(item, name) {
    this.card.classList.toggle("empty", !item);
    write(this.title, item ? name : "Click an object to change it");
    for (const input of this.card.querySelectorAll("input, button")) {
      input.disabled = !item;
    }
    for (const [attribute, inputs] of Object.entries(this.inputs)) {
      for (const [value, input] of inputs) {
        input.checked = item?.[attribute] === value;
      }
    }
  }
}
