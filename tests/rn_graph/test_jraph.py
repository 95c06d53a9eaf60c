"""RNConv with the weights of jraph's RelationNetwork gives its output."""

from itertools import pairwise

import numpy as np
import pytest
import torch

from rn_graph import RNConv, complete_edge_index

jax = pytest.importorskip("jax", reason="needs the extra `jraph`")
jraph = pytest.importorskip("jraph", reason="needs the extra `jraph`")

pytestmark = pytest.mark.jraph


def relation_network(weights, edges, sizes, x):
    """jraph's: edges are updated from both ends, and summed for each graph."""
    jnp = jax.numpy

    def update_edge(sent, received):
        h = jnp.concatenate([received, sent], axis=-1)
        for weight, bias in weights:
            h = jax.nn.relu(h @ weight.T + bias)
        return h

    per_graph = [int((edges[1] < stop).sum()) for stop in np.cumsum(sizes)]
    graph = jraph.GraphsTuple(
        nodes=jnp.asarray(x),
        edges=None,
        senders=jnp.asarray(edges[0]),
        receivers=jnp.asarray(edges[1]),
        globals=jnp.zeros((len(sizes), 1)),
        n_node=jnp.asarray(sizes),
        n_edge=jnp.asarray(np.diff([0, *per_graph])),
    )
    network = jraph.RelationNetwork(update_edge, lambda pairs: pairs)
    return np.array(network(graph).globals)


@pytest.mark.parametrize("sizes", [[4], [3, 1, 5]], ids=str)
@pytest.mark.parametrize("complete", [True, False])
def test_equal(sizes, complete):
    rng = np.random.default_rng()
    channels = [2 * 3, 8, 8, 6]
    weights = [
        (
            rng.normal(size=(o, i)).astype(np.float32) / i**0.5,
            rng.normal(size=o).astype(np.float32),
        )
        for i, o in pairwise(channels)
    ]
    x = rng.normal(size=(sum(sizes), 3)).astype(np.float32)
    batch = torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes))
    edges = complete_edge_index(batch)
    if not complete:
        edges = edges[:, torch.rand(edges.size(1)) < 0.5]
    expected = relation_network(weights, edges.numpy(), sizes, x)

    conv = RNConv(3, 6, hidden_channels=8, num_layers=3)
    with torch.no_grad():
        for lin, (weight, bias) in zip(conv.g.lins, weights, strict=True):
            lin.weight.copy_(torch.from_numpy(weight))
            lin.bias.copy_(torch.from_numpy(bias))
    nodes = torch.from_numpy(x)
    outs = [conv(nodes, edges)]
    if complete:
        outs.append(conv(nodes, batch=batch))
    for out in outs:
        summed = torch.zeros(len(sizes), 6).index_add(0, batch, out)
        torch.testing.assert_close(
            summed, torch.from_numpy(expected), rtol=1e-4, atol=1e-4
        )
