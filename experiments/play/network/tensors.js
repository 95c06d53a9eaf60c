// Weights: the safetensors format, a JSON header and little-endian numbers.

/**
 * A matrix or a vector of weights.
 *
 * @typedef {{data: Float32Array, rows: number, columns: number}} Tensor
 */

/**
 * Read a file of weights.
 *
 * @param {ArrayBuffer} buffer The file.
 * @returns {Map<string, Tensor>} Tensors by name; a vector is one row.
 */
export function readTensors(buffer) {
  const length = Number(new DataView(buffer).getBigUint64(0, true));
  const text = new TextDecoder().decode(new Uint8Array(buffer, 8, length));
  const { __metadata__: _, ...header } = JSON.parse(text);
  const tensors = new Map();
  for (const [name, { dtype, shape, data_offsets: ends }] of Object.entries(
    header,
  )) {
    if (dtype !== "F32") {
      throw new Error(`${name} is of type ${dtype}, expected F32`);
    }
    // Copied, since a view would have to begin at a multiple of four.
    const bytes = buffer.slice(8 + length + ends[0], 8 + length + ends[1]);
    const columns = shape.at(-1);
    const rows = shape.length === 2 ? shape[0] : 1;
    tensors.set(name, { data: new Float32Array(bytes), rows, columns });
  }
  return tensors;
}

/**
 * Fetch and read a file of weights.
 *
 * @param {string} path Where it lies, from the page.
 */
export async function fetchTensors(path) {
  const answer = await fetch(path);
  if (!answer.ok) {
    throw new Error(
      `${path} could not be loaded (status ${answer.status}): is the ` +
        "folder of the page complete?",
    );
  }
  return readTensors(await answer.arrayBuffer());
}
