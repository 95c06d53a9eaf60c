"""RNConv: methods of a subclass or an instance are what a layer does."""

import subprocess
import sys
import types

import pytest
import torch
from torch_geometric.nn import MaxAggregation, SumAggregation

from rn_graph import RNConv, complete_edge_index
from tests.rn_graph.slow import awake

BATCH = torch.tensor([0, 0, 1, 1, 1])
EDGES = torch.tensor([[0, 1, 2, 2], [1, 0, 3, 4]])
WAYS = {
    "all pairs": {"batch": BATCH},
    "one graph": {},
    "edges": {"edge_index": EDGES},
}
every_way = pytest.mark.parametrize("way", WAYS)


class Update(RNConv):
    def update(self, inputs):
        return 2 * inputs


class Propagate(RNConv):
    def propagate(self, *args, **kwargs):
        return 2 * super().propagate(*args, **kwargs)


class Message(RNConv):
    def message(self, receiver_i, sender_j, late_i, edge_term, alpha):
        return 2 * super().message(
            receiver_i, sender_j, late_i, edge_term, alpha
        )


class Aggregate(RNConv):
    def aggregate(self, inputs, index, row_ptr=None, dim_size=None):
        return 2 * super().aggregate(inputs, index, row_ptr, dim_size)


class Doubled(SumAggregation):
    def forward(self, *args, **kwargs):
        return 2 * super().forward(*args, **kwargs)


def pair(cls=RNConv, **kwargs):
    """A layer of a class, a plain one with its weights, and nodes."""
    options = {"hidden_channels": 8, "num_layers": 3, **kwargs}
    conv, plain = awake(cls(4, 6, **options)), RNConv(4, 6, **options)
    plain.load_state_dict(conv.state_dict())
    return conv.double(), plain.double(), torch.randn(5, 4).double()


def close(a, b):
    assert b.abs().sum() > 0
    torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-10)


@every_way
@pytest.mark.parametrize("cls", [Update, Propagate, Message, Aggregate])
@pytest.mark.parametrize(
    "options",
    [{}, {"backend": "blocked"}, {"plain_last": True}, {"norm": "layer_norm"}],
    ids=str,
)
def test_a_method_of_a_subclass(cls, way, options):
    conv, plain, x = pair(cls, **options)
    close(conv(x, **WAYS[way]), 2 * plain(x, **WAYS[way]))


@every_way
@pytest.mark.parametrize("name", ["message", "aggregate", "update"])
def test_a_method_that_is_set_on_the_instance(name, way):
    conv, plain, x = pair()
    cls = {"message": Message, "aggregate": Aggregate, "update": Update}[name]
    # Such a method's `super()` takes a layer of its class alone.
    other = cls(4, 6, hidden_channels=8, num_layers=3).double()
    other.load_state_dict(conv.state_dict())
    setattr(conv, name, getattr(other, name))
    close(conv(x, **WAYS[way]), 2 * plain(x, **WAYS[way]))
    delattr(conv, name)
    close(conv(x, **WAYS[way]), plain(x, **WAYS[way]))


@every_way
def test_propagate_that_is_set_on_the_instance(way):
    conv, plain, x = pair()
    whole = conv.propagate

    def propagate(self, *args, **kwargs):
        return 2 * whole(*args, **kwargs)

    conv.propagate = types.MethodType(propagate, conv)
    close(conv(x, **WAYS[way]), 2 * plain(x, **WAYS[way]))


@every_way
def test_another_aggregation(way):
    conv, plain, x = pair()
    conv.aggr_module = Doubled()
    close(conv(x, **WAYS[way]), 2 * plain(x, **WAYS[way]))


def test_the_largest_message():
    conv, plain, x = pair()
    conv.aggr_module = MaxAggregation()
    index = complete_edge_index(BATCH)
    # Of an edge each, a sum is its message.
    every = torch.stack(
        [plain(x, edge[:, None])[edge[1]] for edge in index.t()]
    )
    expected = torch.stack(
        [every[index[1] == i].max(0).values for i in range(5)]
    )
    close(conv(x, batch=BATCH), expected)


@every_way
def test_hooks_on_the_aggregation(way):
    conv, plain, x = pair()
    handle = conv.aggr_module.register_forward_hook(lambda *a: 2 * a[-1])
    close(conv(x, **WAYS[way]), 2 * plain(x, **WAYS[way]))
    handle.remove()
    close(conv(x, **WAYS[way]), plain(x, **WAYS[way]))
    seen = []
    conv.aggr_module.register_forward_pre_hook(lambda *a: seen.append(a))
    close(conv(x, **WAYS[way]), plain(x, **WAYS[way]))
    assert len(seen) == 1


@every_way
@pytest.mark.parametrize("name", ["message", "aggregate", "propagate"])
def test_hooks_of_pyg(name, way):
    conv, plain, x = pair()
    register = getattr(conv, f"register_{name}_forward_hook")
    handle = register(lambda *a: 2 * a[-1])
    close(conv(x, **WAYS[way]), 2 * plain(x, **WAYS[way]))
    handle.remove()
    close(conv(x, **WAYS[way]), plain(x, **WAYS[way]))


@every_way
def test_hooks_on_g(way):
    conv, plain, x = pair()
    conv.g.register_forward_hook(lambda _, __, out: 2 * out)
    close(conv(x, **WAYS[way]), 2 * plain(x, **WAYS[way]))


def test_an_edge_update_that_would_be_ignored_is_refused():
    with pytest.raises(TypeError, match="Ignored overrides `edge_update`"):

        class Ignored(RNConv):
            def edge_update(self):
                pass

    class Own(RNConv):
        def edge_update(self, x_i):
            return x_i

        def forward(self, x, edge_index):
            return self.edge_updater(edge_index, x=x)

    x = torch.randn(5, 4)
    assert Own(4, 6)(x, EDGES).equal(x[EDGES[1]])


def test_a_subclass_that_comes_first_is_as_fast():
    """PyG makes a class's propagate with its first layer."""
    code = """if True:
        import torch
        from rn_graph import RNConv
        from rn_graph.batching import Complete

        class Own(RNConv):
            pass

        x = torch.randn(5, 4)
        for cls in (Own, RNConv, Own):
            assert cls(4, 6)._choose(x, Complete()) == "dense", cls
    """
    subprocess.run([sys.executable, "-c", code], check=True)
