// What the networks are made of. Weights are float32, as they were trained;
// sums are made in float64, JavaScript's own numbers.

/**
 * A matrix of numbers, row by row.
 *
 * @typedef {{data: Float64Array, rows: number, columns: number}} Matrix
 */

/** Make a matrix of noughts. */
export function zeros(rows, columns) {
  return { data: new Float64Array(rows * columns), rows, columns };
}

/** One row of a matrix, as a view. */
export function row(matrix, i) {
  return matrix.data.subarray(i * matrix.columns, (i + 1) * matrix.columns);
}

/** Make a matrix of rows. */
export function fromRows(rows) {
  const out = zeros(rows.length, rows[0].length);
  rows.forEach((values, i) => row(out, i).set(values));
  return out;
}

/** Put another row behind each row of a matrix, the same for all. */
export function joinAll(matrix, vector) {
  const out = zeros(matrix.rows, matrix.columns + vector.length);
  for (let i = 0; i < matrix.rows; i++) {
    const to = row(out, i);
    to.set(row(matrix, i));
    to.set(vector, matrix.columns);
  }
  return out;
}

/** Join two matrices of as many rows, row by row. */
export function join(left, right) {
  const out = zeros(left.rows, left.columns + right.columns);
  for (let i = 0; i < left.rows; i++) {
    const to = row(out, i);
    to.set(row(left, i));
    to.set(row(right, i), left.columns);
  }
  return out;
}

/** Sum the rows of a matrix. */
export function sumRows(matrix) {
  const out = new Float64Array(matrix.columns);
  for (let i = 0; i < matrix.rows; i++) {
    const from = row(matrix, i);
    for (let k = 0; k < out.length; k++) out[k] += from[k];
  }
  return out;
}

/** Negative numbers become noughts, in place. */
export function relu(matrix) {
  const { data } = matrix;
  for (let i = 0; i < data.length; i++) if (!(data[i] > 0)) data[i] = 0;
  return matrix;
}

/** Turn scores into shares that sum to 1. */
export function softmax(scores) {
  const top = Math.max(...scores);
  const out = Float64Array.from(scores, (s) => Math.exp(s - top));
  const total = out.reduce((a, b) => a + b, 0);
  return out.map((value) => value / total);
}

/**
 * Some columns of a weight times each row, plus a bias: W x + b.
 *
 * @param {Matrix} x What is multiplied.
 * @param {import("./tensors.js").Tensor} weight Its rows are outputs.
 * @param {?import("./tensors.js").Tensor} bias Or nothing.
 * @param {number} first The first column that is used; as many follow as x has.
 */
export function linear(x, weight, bias = null, first = 0) {
  const { columns, rows } = x;
  const outputs = weight.rows;
  const out = zeros(rows, outputs);
  const [w, from, to] = [weight.data, x.data, out.data];
  for (let o = 0; o < outputs; o++) {
    const start = bias ? bias.data[o] : 0;
    const at = o * weight.columns + first;
    let i = 0;
    // Four rows at a time: their sums need not wait for each other.
    for (; i + 4 <= rows; i += 4) {
      const [r0, r1] = [i * columns, (i + 1) * columns];
      const [r2, r3] = [r1 + columns, r1 + 2 * columns];
      let [s0, s1, s2, s3] = [start, start, start, start];
      for (let k = 0; k < columns; k++) {
        const value = w[at + k];
        s0 += value * from[r0 + k];
        s1 += value * from[r1 + k];
        s2 += value * from[r2 + k];
        s3 += value * from[r3 + k];
      }
      to[i * outputs + o] = s0;
      to[(i + 1) * outputs + o] = s1;
      to[(i + 2) * outputs + o] = s2;
      to[(i + 3) * outputs + o] = s3;
    }
    for (; i < rows; i++) {
      let sum = start;
      for (let k = 0; k < columns; k++)
        sum += w[at + k] * from[i * columns + k];
      to[i * outputs + o] = sum;
    }
  }
  return out;
}

/** The layers of an MLP, in order: `prefix.lins.0`, `prefix.lins.1`, … */
export function layersOf(tensors, prefix) {
  const layers = [];
  for (;;) {
    const name = `${prefix}.lins.${layers.length}`;
    const weight = tensors.get(`${name}.weight`);
    if (!weight) return layers;
    layers.push({ weight, bias: tensors.get(`${name}.bias`) });
  }
}

/** An MLP: a ReLU after each layer, after the last one where it is not plain. */
export function mlp(x, layers, plainLast = true) {
  layers.forEach(({ weight, bias }, l) => {
    x = linear(x, weight, bias);
    if (!plainLast || l < layers.length - 1) relu(x);
  });
  return x;
}

/** Layer normalisation, with PyTorch's epsilon. */
export function layerNorm(x, weight, bias) {
  const out = zeros(x.rows, x.columns);
  for (let i = 0; i < x.rows; i++) {
    const from = row(x, i);
    const to = row(out, i);
    const mean = from.reduce((a, b) => a + b, 0) / x.columns;
    const square = from.reduce((a, b) => a + (b - mean) ** 2, 0) / x.columns;
    const scale = 1 / Math.sqrt(square + 1e-5);
    for (let k = 0; k < x.columns; k++) {
      to[k] = (from[k] - mean) * scale * weight.data[k] + bias.data[k];
    }
  }
  return out;
}

const sigmoid = (value) => 1 / (1 + Math.exp(-value));

/** An LSTM's states, one a row; gates in PyTorch's order i, f, g, o. */
export function lstm(words, tensors, name) {
  const part = (which) => tensors.get(`${name}.${which}_l0`);
  const inputs = linear(words, part("weight_ih"), part("bias_ih"));
  const width = inputs.columns / 4;
  const states = zeros(words.rows, width);
  const cell = new Float64Array(width);
  let before = zeros(1, width);
  for (let t = 0; t < words.rows; t++) {
    const a = row(inputs, t);
    const b = linear(before, part("weight_hh"), part("bias_hh")).data;
    const state = row(states, t);
    const gate = (which, k) => a[which * width + k] + b[which * width + k];
    for (let k = 0; k < width; k++) {
      cell[k] =
        sigmoid(gate(1, k)) * cell[k] +
        sigmoid(gate(0, k)) * Math.tanh(gate(2, k));
      state[k] = sigmoid(gate(3, k)) * Math.tanh(cell[k]);
    }
    before = { data: state, rows: 1, columns: width };
  }
  return states;
}
