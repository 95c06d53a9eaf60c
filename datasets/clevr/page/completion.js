// Words to go on with, below the question, as one types.

import { html } from "./html.js";

/** The most words that are offered. */
const MOST = 10;

export class Completion {
  /**
   * @param {HTMLTextAreaElement} input Where the question is typed.
   * @param {HTMLElement} list Where words are offered.
   * @param {object} facts The task's facts.
   * @param {function(string): void} change Called with each new question.
   */
  constructor(input, list, facts, change) {
    this.input = input;
    this.list = list;
    this.facts = facts;
    this.change = change;
    this.active = -1;
    input.addEventListener("input", () => {
      this.offer();
      change(input.value);
    });
    // The words are those of the place where one writes.
    for (const name of ["click", "focus"]) {
      input.addEventListener(name, () => this.offer());
    }
    input.addEventListener("keydown", (event) => this.key(event));
    // A click keeps the focus in the question.
    list.addEventListener("pointerdown", (event) => event.preventDefault());
    list.addEventListener("click", (event) => {
      const option = event.target.closest("[role=option]");
      if (option) this.take(option.textContent);
    });
  }

  /** Set the question from outside. */
  set(text) {
    this.input.value = text;
    this.offer();
  }

  /** The text before the cursor: words that are whole, and the one begun. */
  begun() {
    const before = this.input.value
      .slice(0, this.input.selectionStart ?? this.input.value.length)
      .toLowerCase();
    const start = before.match(/[a-z]*$/)[0];
    const whole = before.slice(0, before.length - start.length);
    return { whole: whole.match(/[a-z]+|[^\sa-z]/g) ?? [], start };
  }

  /** Words that fit: those that follow in CLEVR's questions, then the rest. */
  words() {
    const { whole, start } = this.begun();
    const likely = this.facts.follow[whole.slice(-2).join(" ")] ?? [];
    const all = start ? this.facts.tokens.filter((t) => /^[a-z]/.test(t)) : [];
    return [...new Set([...likely, ...all])]
      .filter((word) => word.startsWith(start) && word !== start)
      .slice(0, MOST);
  }

  offer() {
    this.active = -1;
    this.list.replaceChildren(
      ...this.words().map((word, i) =>
        html("span", { role: "option", id: `word-${i}`, textContent: word }),
      ),
    );
    this.mark();
  }

  mark() {
    const options = [...this.list.children];
    options.forEach((option, i) =>
      option.setAttribute("aria-selected", i === this.active),
    );
    const chosen = options[this.active];
    if (chosen) this.input.setAttribute("aria-activedescendant", chosen.id);
    else this.input.removeAttribute("aria-activedescendant");
  }

  key(event) {
    const count = this.list.children.length;
    const steps = { ArrowDown: 1, ArrowUp: -1 };
    if (event.key in steps && count) {
      const from = this.active < 0 && event.key === "ArrowUp" ? 0 : this.active;
      this.active = (from + steps[event.key] + count) % count;
      this.mark();
    } else if (event.key === "Enter") {
      // A question is one line, however long.
      const word = this.list.children[this.active];
      if (word) this.take(word.textContent);
    } else if (event.key === "Escape" && count) {
      this.list.replaceChildren();
      this.active = -1;
      this.mark();
    } else {
      return;
    }
    event.preventDefault();
  }

  /** Put a word in the place of the one that is begun. */
  take(word) {
    const { start } = this.begun();
    const { input } = this;
    const end = input.selectionStart ?? input.value.length;
    let before = input.value.slice(0, end - start.length);
    const mark = !/[a-z]/.test(word);
    if (mark) before = before.trimEnd();
    else if (before && !before.endsWith(" ")) before += " ";
    if (!before) word = word[0].toUpperCase() + word.slice(1);
    const after = input.value.slice(end).trimStart();
    const done = `${before}${word}${word === "?" && !after ? "" : " "}`;
    input.value = done + after;
    input.setSelectionRange(done.length, done.length);
    input.focus();
    this.offer();
    this.change(input.value);
  }
}
