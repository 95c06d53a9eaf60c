// From a scene to a question about it.

import { call } from "./programs.js";

const pick = (list, random) => list[Math.floor(random() * list.length)];

/**
 * A question of a family that fits a scene, or null where none was found.
 *
 * Slots are filled in order, each by what some object bears; where that
 * leads nowhere, it begins anew.
 */
export function ask(facts, family, scene, random = Math.random) {
  for (let tries = 0; tries < 300; tries++) {
    const filled = fill(facts, family, scene, random);
    if (filled) return render(facts, family, filled, random);
  }
  return null;
}

function fill(facts, family, scene, random) {
  const names = Object.keys(facts.attributes);
  const filters = {};
  const directions = {};
  const outputs = [];
  for (const node of family.nodes) {
    const args = node.inputs.map((i) => outputs[i]);
    const directed = node.function.startsWith("relate");
    if (directed) {
      directions[node.step] = pick(Object.keys(facts.directions), random);
    }
    const direction = directions[node.step];
    let out;
    if (node.function.includes("filter")) {
      const from = directed ? call("relate", args, direction, scene) : args[0];
      const filter = filterOf(names, node, from, scene, random);
      if (!filter) return null;
      filters[node.step] = filter;
      const kept = filtered(names, from, filter, scene);
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
  return { filters, directions };
}

/** What a slot names: some attributes of an object that is there. */
function filterOf(names, node, from, scene, random) {
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
    if (filtered(names, from, filter, scene).length === 1) return filter;
  }
  return null;
}

function filtered(names, from, filter, scene) {
  return from.filter((i) =>
    names.every(
      (name, k) => !filter[k] || scene.objects[i][name] === filter[k],
    ),
  );
}

/** Put a filled family into words: templates.render. */
function render(facts, family, { filters, directions }, random) {
  const { synonyms, relations } = facts;
  const phrase = pick(family.phrasings, random);
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
