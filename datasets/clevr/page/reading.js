// What is said of a question, and of objects, in words.

/** Words that are no question yet, or cannot be read. */
const nothing = (note, problem) => ({
  words: null,
  truth: null,
  note,
  problem,
});

/**
 * Read a question.
 *
 * @param {Questions} questions
 * @param {string} text As it was typed.
 * @param {Scene} scene What it is about.
 * @returns {{words: ?string[], truth: ?string[], note: string, short: ?string,
 *   problem: boolean}} Its words, null where the networks cannot be given
 *   them; the true answers, null where none is known; what to say of it, also
 *   in short; and whether something has to be changed.
 */
export function read(questions, text, scene) {
  const words = questions.tokenize(text);
  if (!words.some((word) => /[a-z]/.test(word))) {
    return nothing("Type a question, or let one be asked.", false);
  }
  const unknown = questions.unknown(words);
  if (unknown.length) {
    // A word that is being typed is no mistake yet.
    const last = text.toLowerCase().match(/[a-z]+$/)?.[0];
    const begun = unknown.length === 1 && unknown[0] === last;
    return begun && questions.begins(last)
      ? nothing("", false)
      : nothing(ofUnknown(questions, unknown), true);
  }
  const { answers, illPosed } = questions.truth(words, scene);
  const said = { words, truth: null, note: "", problem: false };
  if (answers.length) {
    const several = "This can be read in more ways than one.";
    return { ...said, truth: answers, note: answers[1] ? several : "" };
  }
  if (illPosed) {
    const { found, asked } = illPosed;
    const have = found ? `there are ${found}` : "there is none";
    return {
      ...said,
      note:
        `The question speaks of one ${asked}, but ${have}: it has no true ` +
        "answer. The networks answer all the same.",
      short: "the question does not fit the scene",
    };
  }
  return {
    ...said,
    note:
      "No question of CLEVR reads like this: what is true is not known. The " +
      "networks answer all the same.",
    short: "not known",
  };
}

function ofUnknown(questions, unknown) {
  const known = questions.facts.tokens.length - 2; // no padding, no "unknown"
  const [first, ...others] = unknown.map((word) => `“${word}”`);
  const also = others.length ? `, nor is ${others.join(", ")}` : "";
  const like = questions.like(unknown[0]);
  return (
    `The networks know ${known} words and marks, ${first} is none of them` +
    `${also}.${like ? ` Did you mean “${like}”?` : ""}`
  );
}

const LEVEL = {
  left: ["left nor right of", "from left to right"],
  front: ["in front of nor behind", "from front to back"],
};

/** What to say where an object is neither left nor right of another. */
export function levelHint(scene, item) {
  const found = scene.level(item);
  if (!found) return "";
  const [neither, along] = LEVEL[found.direction];
  const name = scene.name(found.other);
  if (found.apart <= scene.rules.relation) {
    return `It is neither ${neither} the ${name}: they are about level.`;
  }
  return (
    `Hardly apart from the ${name} ${along}: no scene for training has two ` +
    "objects so level."
  );
}
