// Which pairs are kept: rn_graph/pairs/attention.py, without gates.

import * as L from "./layers.js";

/**
 * The pairs of the highest scores.
 *
 * @param {L.Matrix} x Objects that have seen the question.
 * @param {Float64Array} question As a vector.
 * @param {Map} tensors Weights.
 * @param {number} share Share of all pairs that is kept.
 */
export function learnedPairs(x, question, tensors, share) {
  const part = (name) => [
    tensors.get(`model.pairs.${name}.weight`),
    tensors.get(`model.pairs.${name}.bias`),
  ];
  const h = L.linear(x, ...part("lin_x"));
  const film = L.linear(L.fromRows([question]), ...part("lin_question")).data;
  for (let i = 0; i < h.rows; i++) {
    const own = L.row(h, i);
    for (let k = 0; k < own.length; k++) {
      own[k] = (1 + film[k]) * own[k] + film[own.length + k];
    }
  }
  const out = L.linear(L.relu(h), ...part("lin_out"));
  const d = out.columns / 2 - 1;
  const nodes = Array.from({ length: x.rows }, (_, i) => {
    const own = L.row(out, i);
    return {
      key: own.subarray(0, d),
      u: own[d],
      query: own.slice(d + 1, 2 * d + 1).map((value) => value / Math.sqrt(d)),
      v: own[2 * d + 1],
    };
  });
  const mean = meanScore(nodes);
  const scored = [];
  nodes.forEach((i, receiver) => {
    nodes.forEach((j, sender) => {
      const score = dot(i.query, j.key) + (i.u - mean) + j.v;
      // Compared to six decimals, as in PyTorch: what is equal ties.
      const rounded = Math.fround(Math.round(score * 1e6) / 1e6);
      scored.push({ sender, receiver, score: rounded });
    });
  });
  scored.sort(
    (a, b) =>
      b.score - a.score || a.sender - b.sender || a.receiver - b.receiver,
  );
  // A product may come out just above the whole number that it stands for.
  const kept = Math.ceil(share * x.rows ** 2 * (1 - 1e-12));
  return scored
    .slice(0, kept)
    .sort((a, b) => a.receiver - b.receiver || a.sender - b.sender)
    .map(({ sender, receiver }) => ({ sender, receiver }));
}

const dot = (a, b) => a.reduce((sum, value, k) => sum + value * b[k], 0);

/** The mean score of all pairs: the product of the means, and the biases'. */
function meanScore(nodes) {
  const mean = (of) =>
    nodes.reduce((sum, node) => sum + of(node), 0) / nodes.length;
  let out = mean((node) => node.u + node.v);
  for (let k = 0; k < nodes[0].key.length; k++) {
    out += mean((node) => node.query[k]) * mean((node) => node.key[k]);
  }
  return out;
}
