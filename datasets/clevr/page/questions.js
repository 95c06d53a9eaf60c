// From words to programs, and from a scene to a question about it.

import { call, execute, IllPosed, written } from "./programs.js";

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

  /** The known word that is most like another one. */
  like(word) {
    const known = this.facts.tokens.filter((token) => /^[a-z]+$/.test(token));
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

  /**
   * A question of a family that fits a scene, or null where none was found.
   *
   * Slots are filled in order, each by what some object bears; where that
   * leads nowhere, it begins anew.
   */
  ask(family, scene, random = Math.random) {
    for (let tries = 0; tries < 300; tries++) {
      const filled = this.fill(family, scene, random);
      if (filled) return this.render(family, filled, random);
    }
    return null;
  }

  fill(family, scene, random) {
    const filters = {};
    const directions = {};
    const outputs = [];
    for (const node of family.nodes) {
      const args = node.inputs.map((i) => outputs[i]);
      const directed = node.function.startsWith("relate");
      if (directed) {
        const names = Object.keys(this.facts.directions);
        directions[node.step] = pick(names, random);
      }
      const direction = directions[node.step];
      let out;
      if (node.function.includes("filter")) {
        const from = directed
          ? call("relate", args, direction, scene)
          : args[0];
        const filter = this.filterOf(node, from, scene, random);
        if (!filter) return null;
        filters[node.step] = filter;
        const kept = this.filtered(from, filter, scene);
        if (node.kind === "unique" && kept.length !== 1) return null;
        out = node.kind === "unique" ? kept[0] : kept;
      } else {
        out = call(node.function, args, direction, scene);
      }
      const same = (other) =>
        JSON.stringify(outputs[other]) === JSON.stringify(out);
      if (node.differ.some(same)) return null;
      outputs.push(out);
    }
    return { filters, directions, answer: written(outputs.at(-1)) };
  }

  /** What a slot names: some attributes of an object that is there. */
  filterOf(node, from, scene, random) {
    const names = Object.keys(this.facts.attributes);
    const only = node.function.split("filter_")[1];
    const open = names.map((name, k) =>
      only ? name === only : !node.unnamed.includes(k),
    );
    const emptied = node.kind === "count" || node.kind === "exist";
    // Now and then of any object: then there may be none of it.
    const pool = emptied && random() < 0.3 ? scene.objects : null;
    if (!from.length && !pool) return emptied ? names.map(() => null) : null;
    for (let tries = 0; tries < 12; tries++) {
      const item = pool ? pick(pool, random) : scene.objects[pick(from, random)];
      const filter = names.map((name, k) =>
        open[k] && (only || random() < 0.5) ? item[name] : null,
      );
      if (node.kind === "set" && !filter.some(Boolean)) continue;
      if (node.kind !== "unique") return filter;
      if (this.filtered(from, filter, scene).length === 1) return filter;
    }
    return null;
  }

  filtered(from, filter, scene) {
    const names = Object.keys(this.facts.attributes);
    return from.filter((i) =>
      names.every((name, k) => !filter[k] || scene.objects[i][name] === filter[k]),
    );
  }

  /** Put a filled family into words: templates.render. */
  render(family, { filters, directions }, random) {
    const { synonyms, relations } = this.facts;
    let phrase = pick(family.phrasings, random);
    const [a, b] = [filters.A, filters.B];
    const contradict = a && b && a.some((v, k) => v && b[k] && v !== b[k]);
    const words = [];
    const put = (part) => {
      if (typeof part === "string") {
        words.push(contradict ? part.replaceAll("other ", "") : part);
      } else if (Array.isArray(part)) {
        if (random() < 0.5) part.forEach(put);
      } else if (part.form === ".relation") {
        words.push(pick(relations[directions[part.step]], random));
      } else {
        const [size, color, material, shape] =
          filters[part.step] ?? Array(4).fill(null);
        for (const value of [size, color, material]) {
          if (value) words.push(`${pick(synonyms[value] ?? [value], random)} `);
        }
        words.push(pick(synonyms[shape ?? ""], random));
        if (part.form === "s") words.push("s");
      }
    };
    phrase.forEach(put);
    const text = words
      .join("")
      .trim()
      .replace(/\s+/g, " ")
      .replaceAll(" a other ", " another ")
      .replaceAll(" a object", " an object");
    return text[0].toUpperCase() + text.slice(1);
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

const pick = (list, random) => list[Math.floor(random() * list.length)];

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
