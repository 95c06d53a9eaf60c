// A trained model: its weights, and how it answers.

import { deepSets } from "./deep_sets.js";
import { edgeConv } from "./edge_conv.js";
import { fromRows, softmax } from "./layers.js";
import { encodeQuestion } from "./question.js";
import { relationNetwork } from "./relation_network.js";
import { fetchTensors } from "./tensors.js";

/** Kinds of models by the name that the page's builder gives them. */
const KINDS = {
  relation_network: relationNetwork,
  edge_conv: edgeConv,
  deep_sets: deepSets,
};

export class Model {
  /**
   * @param {{kind: string, share: ?number}} about What the builder wrote down.
   * @param {Map} tensors Its weights.
   */
  constructor(about, tensors) {
    this.about = about;
    this.tensors = tensors;
    this.asked = { key: null, vector: null };
  }

  /** Fetch a model's weights. */
  static async load(about) {
    return new Model(about, await fetchTensors(about.weights));
  }

  /**
   * Answer a question about a scene.
   *
   * @param {number[]} tokens Indices of the question's words.
   * @param {number[][]} objects Features of each object.
   * @returns {{scores: Float64Array, probability: Float64Array, best: number,
   *   pairs: ?Array, contributions: ?function}} Scores and probabilities of all
   *   answers, the likeliest one, and for a Relation Network its pairs, and
   *   what each contributed to an answer.
   */
  answer(tokens, objects) {
    // While an object is dragged, the question stays.
    const key = tokens.join(" ");
    if (key !== this.asked.key) {
      this.asked = { key, vector: encodeQuestion(tokens, this.tensors) };
    }
    const found = KINDS[this.about.kind](
      fromRows(objects),
      this.asked.vector,
      this.tensors,
      this.about,
    );
    const best = found.scores.indexOf(Math.max(...found.scores));
    return { ...found, probability: softmax(found.scores), best };
  }
}
