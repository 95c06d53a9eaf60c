"""jraph's RelationNetwork under jax.jit."""

from importlib.metadata import version
from typing import Any

import numpy as np
from protocol import Peer, serve


class JraphPeer(Peer):
    """``jraph.RelationNetwork``, its edge function g, its sums per graph."""

    def __init__(self) -> None:
        import jax
        import jax.numpy as jnp
        import jraph

        self.jax, self.jnp, self.jraph = jax, jnp, jraph
        self.compiled: dict[tuple[str, str], Any] = {}

    def version(self) -> str:
        """See :class:`Peer`."""
        return f"jraph {version('jraph')}, jax {version('jax')}"

    def setup(self, arrays: dict[str, np.ndarray]) -> None:
        """See :class:`Peer`."""
        a = {k: self.jnp.asarray(v) for k, v in arrays.items()}
        self.plain_last = bool(arrays["plain_last"])
        count = sum(k.startswith("weight") for k in a)
        self.leaves = {
            "g": [(a[f"weight{k}"].T, a[f"bias{k}"]) for k in range(count)],
            "x": a["x"],
        }
        if "question" in a:
            self.leaves["question"] = a["question"]
        # Indices are arguments, not constants that XLA would try to fold.
        self.index = {
            k: a[k]
            for k in ("batch", "senders", "receivers", "n_node", "n_edge")
        }
        self.compiled = {}

    def _sums(self, precision: str, leaves: Any, index: Any) -> Any:
        jax, jnp = self.jax, self.jnp
        if precision == "bf16":
            leaves = jax.tree.map(lambda t: t.astype(jnp.bfloat16), leaves)
        x = nodes = leaves["x"]
        if "question" in leaves:
            nodes = jnp.concatenate([x, leaves["question"][index["batch"]]], 1)

        def g(sent: Any, received: Any) -> Any:
            h = jnp.concatenate([received, sent[:, : x.shape[1]]], 1)
            last = len(leaves["g"]) - 1
            for k, (weight, bias) in enumerate(leaves["g"]):
                h = h @ weight + bias
                h = h if k == last and self.plain_last else jax.nn.relu(h)
            return h.astype(jnp.float32)

        graph = self.jraph.GraphsTuple(
            nodes=nodes,
            edges=None,
            globals=None,
            senders=index["senders"],
            receivers=index["receivers"],
            n_node=index["n_node"],
            n_edge=index["n_edge"],
        )
        network = self.jraph.RelationNetwork(g, lambda summed: summed)
        return network(graph).globals

    def compile(self, mode: str, precision: str) -> None:
        """See :class:`Peer`."""

        def forward(leaves: Any, index: Any) -> Any:
            return self._sums(precision, leaves, index), {}

        def training(leaves: Any, index: Any) -> Any:
            def loss(leaves: Any) -> Any:
                out = self._sums(precision, leaves, index)
                return out.sum(), out

            (_, out), grad = self.jax.value_and_grad(loss, has_aux=True)(leaves)
            return out, grad

        function = training if mode == "training" else forward
        self.compiled[mode, precision] = (
            self.jax.jit(function).lower(self.leaves, self.index).compile()
        )

    def run(self, mode: str, precision: str) -> None:
        """See :class:`Peer`."""
        step = self.compiled[mode, precision]
        self.last = self.jax.block_until_ready(step(self.leaves, self.index))

    def results(self) -> dict[str, np.ndarray]:
        """See :class:`Peer`."""
        out, grad = self.last
        found = {k: np.asarray(grad[k]) for k in ("x", "question") if k in grad}
        return {"out": np.asarray(out), **found}


if __name__ == "__main__":
    serve(JraphPeer)
