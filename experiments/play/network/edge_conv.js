// EdgeConv over a scene's objects: rn_graph/models/gnn.py.

import * as L from "./layers.js";

/** Answer a question about objects, as relationNetwork does. */
export function edgeConv(objects, question, tensors) {
  const phi = L.layersOf(tensors, "model.objects.phi");
  const x = phi.length
    ? L.join(objects, L.mlp(L.joinAll(objects, question), phi, false))
    : objects;
  let h = L.linear(
    L.joinAll(x, question),
    tensors.get("model.lin.weight"),
    tensors.get("model.lin.bias"),
  );
  for (let l = 0; tensors.has(`model.norms.${l}.weight`); l++) {
    const normed = L.layerNorm(
      h,
      tensors.get(`model.norms.${l}.weight`),
      tensors.get(`model.norms.${l}.bias`),
    );
    const layers = L.layersOf(tensors, `model.convs.${l}.nn`);
    const message = L.relu(furthest(normed, layers));
    for (let k = 0; k < h.data.length; k++) h.data[k] += message.data[k];
  }
  const readout = L.layersOf(tensors, "model.readout");
  const pooled = L.fromRows([L.sumRows(h)]);
  return { scores: L.mlp(L.joinAll(pooled, question), readout).data };
}

/** The largest message of the other objects, channel by channel. */
function furthest(x, [first, ...later]) {
  const out = L.zeros(x.rows, later.at(-1).weight.rows);
  if (x.rows === 1) return out; // nobody sends
  out.data.fill(-Infinity);
  // W [x_i ; x_j - x_i] in terms of objects.
  const own = L.linear(x, first.weight, first.bias);
  const other = L.linear(x, first.weight, null, x.columns);
  const h = L.zeros(x.rows - 1, first.weight.rows);
  for (let i = 0; i < x.rows; i++) {
    for (let j = 0, p = 0; j < x.rows; j++) {
      if (j === i) continue;
      const to = L.row(h, p++);
      const [a, b, c] = [L.row(own, i), L.row(other, i), L.row(other, j)];
      for (let k = 0; k < to.length; k++) to[k] = a[k] - b[k] + c[k];
    }
    const messages = L.mlp(L.relu(h), later);
    const best = L.row(out, i);
    for (let p = 0; p < messages.rows; p++) {
      const from = L.row(messages, p);
      for (let k = 0; k < best.length; k++) {
        if (from[k] > best[k]) best[k] = from[k];
      }
    }
  }
  return out;
}
