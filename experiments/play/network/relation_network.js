// The Relation Network: g over pairs of objects, their sum, and f.
// As rn_graph/models/relation_network.py, for one scene and one question.

import { explain } from "./explain.js";
import * as L from "./layers.js";
import { learnedPairs } from "./learned_pairs.js";

/**
 * Answer a question about objects.
 *
 * @param {L.Matrix} objects One a row.
 * @param {Float64Array} question As a vector.
 * @param {Map} tensors Weights.
 * @param {{share: ?number}} options Share of the pairs that is kept, or null.
 */
export function relationNetwork(objects, question, tensors, options) {
  const phi = L.layersOf(tensors, "model.objects.phi");
  const seen = phi.length
    ? L.mlp(L.joinAll(objects, question), phi, false)
    : null;
  const x = seen ? L.join(objects, seen) : objects;
  const pairs =
    options.share === null
      ? allPairs(x.rows)
      : learnedPairs(x, question, tensors, options.share);
  const messages = g(x, question, pairs, L.layersOf(tensors, "model.conv.g"));
  const total = L.sumRows(messages);
  // What each object says without a pair.
  const alone = tensors.get("model.object_sum.weight");
  const rest = alone
    ? L.linear(L.fromRows([L.sumRows(seen)]), alone).data
    : new Float64Array(total.length);
  const readout = L.layersOf(tensors, "model.readout");
  const pooled = total.map((value, k) => value + rest[k]);
  const scores = L.mlp(L.joinAll(L.fromRows([pooled]), question), readout).data;
  return {
    scores,
    pairs,
    contributions: (answer) =>
      explain({ messages, total, rest, question, readout, answer }),
  };
}

/** Every pair of sender j and receiver i, an object with itself included. */
function allPairs(count) {
  const pairs = [];
  for (let i = 0; i < count; i++) {
    for (let j = 0; j < count; j++) pairs.push({ sender: j, receiver: i });
  }
  return pairs;
}

/** g of each pair: its first layer is applied to objects, not to pairs. */
function g(x, question, pairs, [first, ...later]) {
  const width = x.columns;
  const receiver = L.linear(x, first.weight, first.bias);
  const sender = L.linear(x, first.weight, null, width);
  const asked = L.linear(
    L.fromRows([question]),
    first.weight,
    null,
    2 * width,
  ).data;
  const h = L.zeros(pairs.length, first.weight.rows);
  pairs.forEach((pair, p) => {
    const a = L.row(receiver, pair.receiver);
    const b = L.row(sender, pair.sender);
    const to = L.row(h, p);
    for (let k = 0; k < to.length; k++) to[k] = a[k] + b[k] + asked[k];
  });
  return L.mlp(L.relu(h), later, false);
}
