// What each pair contributed to an answer's score: rn_graph/explain.py.

import { row } from "./layers.js";

/** Points of the integral's midpoint rule, as many as there. */
const STEPS = 128;

/**
 * Integrated gradients over the pairs' messages, c_p = <m_p, ∫ ∇f(r + t s) dt>.
 *
 * Between two points of the integral hardly a ReLU of f switches, and where
 * none does, f is linear in t: what comes before a layer is kept as a + t b,
 * and corrected by the ReLUs that switched. f has two hidden layers.
 *
 * @returns {Float64Array} One number a message; they sum to the score less
 *   that of no message at all.
 */
export function explain({ messages, total, rest, question, readout, answer }) {
  const [first, second, last] = readout;
  const a = firstLayer(first, rest, question);
  const b = times(first.weight, total);
  const w = second.weight.data;
  const width = second.weight.columns;
  const height = second.weight.rows;
  const above = row(last.weight, answer);
  const a2 = Float64Array.from(second.bias.data);
  const b2 = new Float64Array(height);
  const on = new Uint8Array(width);
  const on2 = new Uint8Array(height);
  // The gradient behind the first layer's ReLUs, and its mean over t before.
  const back = new Float64Array(width);
  const slope = new Float64Array(width);
  for (let step = 0; step < STEPS; step++) {
    const t = (step + 0.5) / STEPS;
    for (let k = 0; k < width; k++) {
      const now = a[k] + t * b[k] > 0 ? 1 : 0;
      if (now === on[k]) continue;
      const sign = now - on[k];
      on[k] = now;
      for (let o = 0; o < height; o++) {
        a2[o] += sign * w[o * width + k] * a[k];
        b2[o] += sign * w[o * width + k] * b[k];
      }
    }
    for (let o = 0; o < height; o++) {
      const now = a2[o] + t * b2[o] > 0 ? 1 : 0;
      if (now === on2[o]) continue;
      const change = (now - on2[o]) * above[o];
      on2[o] = now;
      for (let k = 0; k < width; k++) back[k] += change * w[o * width + k];
    }
    for (let k = 0; k < width; k++) if (on[k]) slope[k] += back[k] / STEPS;
  }
  // Of the sum of the messages.
  const ofSum = new Float64Array(total.length);
  for (let o = 0; o < width; o++) {
    const weights = row(first.weight, o);
    for (let k = 0; k < ofSum.length; k++) ofSum[k] += slope[o] * weights[k];
  }
  return Float64Array.from({ length: messages.rows }, (_, p) => {
    const message = row(messages, p);
    return message.reduce((sum, value, k) => sum + value * ofSum[k], 0);
  });
}

/** What f's first layer gives without a message, before its ReLU. */
function firstLayer({ weight, bias }, rest, question) {
  const joined = new Float64Array(weight.columns);
  joined.set(rest);
  joined.set(question, rest.length);
  return times(weight, joined).map((value, o) => value + bias.data[o]);
}

/** The first columns of a weight times a vector. */
function times(weight, vector) {
  return Float64Array.from({ length: weight.rows }, (_, o) => {
    const weights = row(weight, o);
    return vector.reduce((sum, value, k) => sum + value * weights[k], 0);
  });
}
