// From words to programs, and to what is true of a scene.

import { execute, IllPosed } from "./programs.js";

/** Spellings that are meant well. */
const SPELLINGS = { grey: "gray", colour: "color", coloured: "color" };

export class Questions {
  /** @param {object} facts The task's facts. */
  constructor(facts) {
    this.facts = facts;
    this.index = new Map(facts.tokens.map((token, i) => [token, i]));
    this.last = { line: null, programs: [] };
    this.patterns = facts.patterns.map((p) => ({
      ...p,
      pattern: null, // made when it is first needed
      source: `^${p.pattern}$`,
    }));
  }

  /** A question's words and marks, a missing question mark put in. */
  tokenize(text) {
    const words = (text.toLowerCase().match(/[a-z]+|[^\sa-z]/g) ?? [])
      .map((word) => SPELLINGS[word] ?? word)
      .map((word) => (word === "," ? ";" : word));
    if (words.length && words.at(-1) !== "?") words.push("?");
    return words;
  }

  /** Words that the networks do not know. */
  unknown(words) {
    return [...new Set(words.filter((word) => !this.index.has(word)))];
  }

  encode(words) {
    return words.map((word) => this.index.get(word));
  }

  /** Whether some known word begins like this. */
  begins(start) {
    return this.facts.tokens.some((token) => token.startsWith(start));
  }

  /** The known word that another one begins with, or is most like. */
  like(word) {
    const known = this.facts.tokens.filter((token) => /^[a-z]+$/.test(token));
    const within = known.filter((t) => t.length > 2 && word.startsWith(t));
    if (within.length) return within.sort((a, b) => b.length - a.length)[0];
    const scored = known.map((token) => [edits(word, token), token]);
    scored.sort((a, b) => a[0] - b[0]);
    return scored[0][0] <= Math.max(1, word.length / 2) ? scored[0][1] : null;
  }

  /** Every program that some phrasing gives these words for. */
  parse(words) {
    const line = words.map((word) => `${word} `).join("");
    // While an object is dragged, the question stays.
    if (line === this.last.line) return this.last.programs;
    const found = new Map();
    for (const matcher of this.patterns) {
      matcher.pattern ??= new RegExp(matcher.source);
      const groups = matcher.pattern.exec(line)?.groups;
      if (!groups) continue;
      const program = this.programOf(matcher, groups);
      if (program) found.set(JSON.stringify(program), program);
    }
    this.last = { line, programs: [...found.values()] };
    return this.last.programs;
  }

  /** The program of a family whose slots are filled as a pattern found. */
  programOf({ family, steps }, groups) {
    const { meaning, attributes } = this.facts;
    const filters = {};
    for (const [step, name] of Object.entries(steps)) {
      filters[step] = Object.keys(attributes).map(
        (attribute) => meaning[groups[`${step}_${attribute}`]] || null,
      );
      // A step that filters by one attribute cannot leave it open.
      if (name.startsWith("filter_") && !filters[step].some(Boolean)) {
        return null;
      }
    }
    const directions = {};
    for (const [name, words] of Object.entries(groups)) {
      if (name.endsWith("_relation") && words) {
        directions[name[0]] = meaning[words];
      }
    }
    return this.build(this.facts.families[family], filters, directions);
  }

  /** A family's program with its slots filled: families.build_program. */
  build(family, filters, directions) {
    const program = [];
    const append = (name, inputs, values = []) =>
      program.push({ function: name, inputs, value_inputs: values }) - 1;
    const ends = [];
    for (const node of family.nodes) {
      let inputs = node.inputs.map((i) => ends[i]);
      if (!node.function.includes("filter")) {
        const values =
          node.function === "relate" ? [directions[node.step]] : [];
        ends.push(append(node.function, inputs, values));
        continue;
      }
      if (node.function.startsWith("relate")) {
        inputs = [append("relate", inputs, [directions[node.step]])];
      }
      Object.keys(this.facts.attributes).forEach((attribute, k) => {
        const value = filters[node.step][k];
        if (value) inputs = [append(`filter_${attribute}`, inputs, [value])];
      });
      if (node.kind === "unique") inputs = [append("unique", inputs)];
      ends.push(inputs[0]);
    }
    return program;
  }

  /**
   * Read a question, and run what it asks for.
   *
   * @returns {{answers: string[], illPosed: ?IllPosed, programs: Array}}
   *   The distinct true answers of its readings that fit the scene; none, and
   *   why, where no reading does.
   */
  truth(words, scene) {
    const programs = this.parse(words);
    const answers = new Set();
    let illPosed = null;
    for (const program of programs) {
      try {
        answers.add(execute(program, scene).answer);
      } catch (error) {
        if (!(error instanceof IllPosed)) throw error;
        illPosed = error;
      }
    }
    return { answers: [...answers], illPosed, programs };
  }

  /** A family as a choice in a list: a phrasing with its slots left open. */
  title(family) {
    const open = (part) => {
      if (typeof part === "string") return part;
      if (Array.isArray(part)) return "";
      return "…";
    };
    const text = family.phrasings[0].map(open).join("");
    return text.replace(/\s+/g, " ").replace(/ ([;?])/g, "$1");
  }
}

/** How many letters have to change to make one word of another. */
function edits(a, b) {
  let before = Array.from({ length: b.length + 1 }, (_, k) => k);
  for (let i = 1; i <= a.length; i++) {
    const now = [i];
    for (let j = 1; j <= b.length; j++) {
      const swap = before[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1);
      now.push(Math.min(swap, before[j] + 1, now[j - 1] + 1));
    }
    before = now;
  }
  return before.at(-1);
}
