"""graph_nets' RelationNetwork under tf.function."""

import os
from importlib.metadata import version
from typing import Any

import numpy as np
from protocol import Peer, serve

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


class GraphNetsPeer(Peer):
    """``graph_nets.modules.RelationNetwork``, its edge model g."""

    def __init__(self) -> None:
        import tensorflow as tf
        from graph_nets import graphs, modules

        self.tf, self.graphs, self.modules = tf, graphs, modules

    def version(self) -> str:
        """See :class:`Peer`."""
        return (
            f"graph_nets {version('graph_nets')}, "
            f"tensorflow {self.tf.__version__}"
        )

    def setup(self, arrays: dict[str, np.ndarray]) -> None:
        """See :class:`Peer`."""
        tf = self.tf
        count = sum(k.startswith("weight") for k in arrays)
        self.g = [
            (
                tf.Variable(np.ascontiguousarray(arrays[f"weight{k}"].T)),
                tf.Variable(arrays[f"bias{k}"]),
            )
            for k in range(count)
        ]
        self.plain_last = bool(arrays["plain_last"])
        self.x = tf.Variable(arrays["x"])
        self.question = None
        if "question" in arrays:
            self.question = tf.Variable(arrays["question"])
        self.index = {
            k: tf.constant(arrays[k].astype(np.int32))
            for k in ("batch", "senders", "receivers", "n_node", "n_edge")
        }
        self.compiled: dict[tuple[str, str], Any] = {}

    def _sums(self, precision: str) -> Any:
        tf = self.tf
        dtype = tf.bfloat16 if precision == "bf16" else tf.float32
        x = nodes = tf.cast(self.x, dtype)
        if self.question is not None:
            question = tf.cast(self.question, dtype)
            asked = tf.gather(question, self.index["batch"])
            nodes = tf.concat([x, asked], 1)
        used = nodes.shape[1] + x.shape[1]

        def g(rows: Any) -> Any:
            h = rows[:, :used]  # [x_i ; q ; x_j], without the second q
            last = len(self.g) - 1
            for k, (weight, bias) in enumerate(self.g):
                h = h @ tf.cast(weight, dtype) + tf.cast(bias, dtype)
                h = h if k == last and self.plain_last else tf.nn.relu(h)
            return tf.cast(h, tf.float32)

        graph = self.graphs.GraphsTuple(
            nodes=nodes,
            edges=None,
            globals=None,
            senders=self.index["senders"],
            receivers=self.index["receivers"],
            n_node=self.index["n_node"],
            n_edge=self.index["n_edge"],
        )
        network = self.modules.RelationNetwork(
            edge_model_fn=lambda: g, global_model_fn=lambda: tf.identity
        )
        return network(graph).globals

    def compile(self, mode: str, precision: str) -> None:
        """See :class:`Peer`."""
        tf = self.tf
        inputs = [self.x] + ([] if self.question is None else [self.question])
        variables = [*inputs, *(v for pair in self.g for v in pair)]

        def step() -> Any:
            if mode == "forward":
                return self._sums(precision), []
            with tf.GradientTape() as tape:
                out = self._sums(precision)
                loss = tf.reduce_sum(out)
            # A gather's gradient is sparse: the tensor is what others give.
            found = tape.gradient(loss, variables)
            return out, [tf.convert_to_tensor(t) for t in found]

        function = tf.function(step)
        function.get_concrete_function()
        self.compiled[mode, precision] = function

    def run(self, mode: str, precision: str) -> None:
        """See :class:`Peer`."""
        out, gradients = self.compiled[mode, precision]()
        out.numpy()
        for gradient in gradients:
            gradient.numpy()
        self.last = out, gradients

    def results(self) -> dict[str, np.ndarray]:
        """See :class:`Peer`."""
        out, gradients = self.last
        names = ["x"] + ([] if self.question is None else ["question"])
        found = zip(names, gradients, strict=False)
        return {"out": out.numpy(), **{k: v.numpy() for k, v in found}}


if __name__ == "__main__":
    serve(GraphNetsPeer)
