// Running a question's program on a scene: programs.py, in few words.

/** An object that a question speaks of as the only one, and is not. */
export class IllPosed extends Error {
  /**
   * @param {number} found How many there are.
   * @param {string} asked What the question calls it.
   */
  constructor(found, asked) {
    super(`${found} of ${asked}`);
    this.found = found;
    this.asked = asked;
  }
}

/**
 * Run a function of a program.
 *
 * Objects are indices, sets of them are sorted lists.
 */
export function call(name, args, value, scene) {
  const [a, b] = args;
  const { objects } = scene;
  switch (name) {
    case "scene":
      return objects.map((_, i) => i);
    case "unique":
      return a[0];
    case "relate":
      return scene.relationships()[value][a];
    case "union":
      return objects
        .map((_, i) => i)
        .filter((i) => a.includes(i) || b.includes(i));
    case "intersect":
      return a.filter((i) => b.includes(i));
    case "count":
      return a.length;
    case "exist":
      return a.length > 0;
    case "less_than":
      return a < b;
    case "greater_than":
      return a > b;
  }
  const [verb, attribute] = name.split("_");
  switch (verb) {
    case "filter":
      return a.filter((i) => objects[i][attribute] === value);
    case "same":
      return objects.flatMap((other, i) =>
        i !== a && other[attribute] === objects[a][attribute] ? [i] : [],
      );
    case "query":
      return objects[a][attribute];
    case "equal":
      return a === b;
  }
  throw new Error(`unknown function ${name}`);
}

/** An answer as CLEVR writes it. */
export function written(value) {
  if (typeof value === "boolean") return value ? "yes" : "no";
  return String(value);
}

/**
 * Run a program.
 *
 * @param {{function: string, inputs: number[], value_inputs: string[]}[]} program
 * @returns {{answer: string, outputs: Array}} Its answer, and what each step gave.
 * @throws {IllPosed} Where there is not exactly one of what it speaks of.
 */
export function execute(program, scene) {
  const outputs = [];
  program.forEach((node, i) => {
    const args = node.inputs.map((k) => outputs[k]);
    if (node.function === "unique" && args[0].length !== 1) {
      throw new IllPosed(args[0].length, described(program, i));
    }
    outputs.push(call(node.function, args, node.value_inputs[0], scene));
  });
  return { answer: written(outputs.at(-1)), outputs };
}

/** What a step's objects are called: the filters before it. */
function described(program, i) {
  const words = { size: "", color: "", material: "", shape: "thing" };
  let node = program[program[i].inputs[0]];
  while (node.function.startsWith("filter_")) {
    words[node.function.slice("filter_".length)] = node.value_inputs[0];
    node = program[node.inputs[0]];
  }
  const where = {
    relate: " there",
    same: " of the same kind",
    intersect: " in both places",
  }[node.function.split("_")[0]];
  return Object.values(words).filter(Boolean).join(" ") + (where ?? "");
}
