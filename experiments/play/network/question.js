// From words to a question: rn_graph/encoders/question.py, with heads.

import { fromRows, join, linear, lstm, row, softmax } from "./layers.js";

const reversed = (matrix) =>
  fromRows(
    Array.from({ length: matrix.rows }, (_, i) =>
      row(matrix, matrix.rows - 1 - i),
    ),
  );

/**
 * Read a question.
 *
 * @param {number[]} tokens Indices of its words, at least one.
 * @param {Map} tensors Weights of the whole model.
 * @returns {Float64Array} The question as a vector.
 */
export function encodeQuestion(tokens, tensors) {
  const table = tensors.get("encoder.embedding.weight");
  const words = fromRows(tokens.map((token) => row(table, token)));
  const back = lstm(reversed(words), tensors, "encoder.lstm_back");
  const states = join(lstm(words, tensors, "encoder.lstm"), reversed(back));
  const scores = linear(
    states,
    tensors.get("encoder.score.weight"),
    tensors.get("encoder.score.bias"),
  );
  const heads = scores.columns;
  // Each head reads the words' states by weights of its own.
  const read = new Float64Array(heads * states.columns);
  for (let head = 0; head < heads; head++) {
    const own = tokens.map((_, t) => row(scores, t)[head]);
    softmax(own).forEach((weight, t) => {
      const state = row(states, t);
      const at = head * states.columns;
      for (let k = 0; k < state.length; k++) read[at + k] += weight * state[k];
    });
  }
  return linear(
    fromRows([read]),
    tensors.get("encoder.join.weight"),
    tensors.get("encoder.join.bias"),
  ).data;
}
