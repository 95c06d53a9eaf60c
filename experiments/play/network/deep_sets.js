// Deep Sets with a question: rn_graph/models/sets.py.

import * as L from "./layers.js";

/** Answer a question about objects, as relationNetwork does. */
export function deepSets(objects, question, tensors) {
  const phi = L.layersOf(tensors, "model.phi");
  const h = L.mlp(L.joinAll(objects, question), phi, false);
  const readout = L.layersOf(tensors, "model.readout");
  const pooled = L.fromRows([L.sumRows(h)]);
  return { scores: L.mlp(L.joinAll(pooled, question), readout).data };
}
