// What each pair contributed to an answer's score: rn_graph/explain.py.

import { row } from "./layers.js";

/** Points of the integral's midpoint rule, as many as there. */
const STEPS = 128;

/**
 * Integrated gradients over the pairs' messages, c_p = <m_p, ∫ ∇f(r + t s) dt>.
 *
 * f's first layer is linear in t, so that only what follows it is run at each
 * step. f has two hidden layers or more.
 *
 * @returns {Float64Array} One number a message; they sum to the score less
 *   that of no message at all.
 */
export function explain({ messages, total, rest, question, readout, answer }) {
  const first = readout[0].weight;
  const width = total.length;
  const start = new Float64Array(first.rows);
  const change = new Float64Array(first.rows);
  for (let o = 0; o < first.rows; o++) {
    const at = o * first.columns;
    start[o] = readout[0].bias.data[o];
    for (let k = 0; k < width; k++) {
      start[o] += first.data[at + k] * rest[k];
      change[o] += first.data[at + k] * total[k];
    }
    for (let k = 0; k < question.length; k++) {
      start[o] += first.data[at + width + k] * question[k];
    }
  }
  const slope = new Float64Array(first.rows);
  for (let step = 0; step < STEPS; step++) {
    const t = (step + 0.5) / STEPS;
    const h = start.map((value, o) => value + t * change[o]);
    const back = gradient(h, readout.slice(1), answer);
    for (let o = 0; o < slope.length; o++) slope[o] += back[o] / STEPS;
  }
  const ofSum = times(slope, first, width);
  const out = new Float64Array(messages.rows);
  for (let p = 0; p < messages.rows; p++) {
    const message = row(messages, p);
    for (let k = 0; k < width; k++) out[p] += message[k] * ofSum[k];
  }
  return out;
}

/** The gradient of a score by what comes out of f's first layer. */
function gradient(before, layers, answer) {
  const inputs = [];
  let h = before;
  // The last layer's output is not needed, only which of its rows is asked for.
  layers.slice(0, -1).forEach(({ weight, bias }) => {
    inputs.push(h);
    const from = h.map((value) => Math.max(value, 0));
    const out = new Float64Array(weight.rows);
    for (let o = 0; o < out.length; o++) {
      let sum = bias.data[o];
      const at = o * weight.columns;
      for (let k = 0; k < from.length; k++) sum += weight.data[at + k] * from[k];
      out[o] = sum;
    }
    h = out;
  });
  inputs.push(h);
  const last = layers.at(-1).weight;
  let back = Float64Array.from(row(last, answer));
  for (let l = layers.length - 1; l >= 0; l--) {
    if (l < layers.length - 1) {
      const { weight } = layers[l];
      back = times(back, weight, weight.columns);
    }
    back = back.map((value, k) => (inputs[l][k] > 0 ? value : 0));
  }
  return back;
}

/** A row times the first columns of a weight; noughts are passed over. */
function times(vector, weight, columns) {
  const out = new Float64Array(columns);
  for (let o = 0; o < vector.length; o++) {
    const value = vector[o];
    if (value === 0) continue;
    const at = o * weight.columns;
    for (let k = 0; k < columns; k++) out[k] += value * weight.data[at + k];
  }
  return out;
}
