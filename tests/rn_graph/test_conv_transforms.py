"""RNConv under torch's transforms, traces, and tensors without values."""

import copy
import pickle

import pytest
import torch
from torch.autograd import forward_ad
from torch.autograd.functional import jacobian
from torch.func import grad, hessian, jacfwd, jacrev, jvp, vmap
from torch.optim.swa_utils import AveragedModel
from torch_geometric import EdgeIndex

from rn_graph import RelationNetwork, RNConv
from rn_graph.basic import RN
from rn_graph.pairs import AttentionPairs, KNNPairs
from tests.rn_graph.slow import awake

BATCH = torch.tensor([0, 0, 1, 1, 1])
EDGES = torch.tensor([[0, 1, 2, 2], [1, 0, 3, 4]])
WAYS = {
    "all pairs": {"batch": BATCH},
    "one graph": {},
    "edges": {"edge_index": EDGES},
}
every_way = pytest.mark.parametrize("way", WAYS)
every_g = pytest.mark.parametrize(
    "options",
    [
        {},
        {"backend": "blocked"},
        {"plain_last": True, "symmetric": True},
        {"norm": "layer_norm"},
    ],
    ids=str,
)


def make(**kwargs):
    options = {"hidden_channels": 8, "num_layers": 3, **kwargs}
    return awake(RNConv(4, 6, **options))


def asked(way, **options):
    """A function of the nodes alone, in float64, and nodes."""
    conv = make(**options).double()
    x = torch.randn(5, 4, dtype=torch.double)
    return (lambda nodes: conv(nodes, **WAYS[way])), x


def close(a, b, tolerance=1e-9):
    assert b.abs().sum() > 0
    torch.testing.assert_close(a, b, rtol=tolerance, atol=tolerance)


def slow_jacobian(function, x):
    """A row at a time, by plain backward passes."""
    nodes = x.clone().requires_grad_()
    out = function(nodes)
    rows = [
        torch.autograd.grad(value, nodes, retain_graph=True)[0]
        for value in out.flatten()
    ]
    return torch.stack(rows).view(*out.shape, *x.shape)


# Transforms ##################################################################


@every_way
@every_g
def test_grad(way, options):
    function, x = asked(way, **options)
    nodes = x.clone().requires_grad_()
    function(nodes).pow(2).sum().backward()
    close(grad(lambda t: function(t).pow(2).sum())(x), nodes.grad)


@every_way
@every_g
def test_vmap(way, options):
    function, x = asked(way, **options)
    several = torch.stack([x, -x, 2 * x])
    close(vmap(function)(several), torch.stack([*map(function, several)]))


@every_way
@every_g
@pytest.mark.parametrize("transform", [jacrev, jacfwd])
def test_jacobians(transform, way, options):
    function, x = asked(way, **options)
    close(transform(function)(x), slow_jacobian(function, x))


@every_way
@pytest.mark.parametrize("backend", [None, "blocked"])
def test_vectorized_jacobian(way, backend):
    function, x = asked(way, backend=backend)
    expected = slow_jacobian(function, x)
    close(jacobian(function, x, vectorize=True), expected)
    close(jacobian(function, x), expected)


@every_way
@every_g
def test_forward_mode(way, options):
    function, x = asked(way, **options)
    step = torch.randn_like(x)
    expected = torch.einsum("ncmd,md->nc", slow_jacobian(function, x), step)
    out, tangent = jvp(function, (x,), (step,))
    close(tangent, expected)
    close(out, function(x))
    with forward_ad.dual_level():
        out = function(forward_ad.make_dual(x, step))
        close(forward_ad.unpack_dual(out).tangent, expected)


@every_way
@every_g
def test_hessian(way, options):
    function, x = asked(way, **options)

    def energy(nodes):
        return function(nodes).pow(2).sum()

    def first(nodes):
        return torch.autograd.grad(energy(nodes), nodes, create_graph=True)[0]

    close(hessian(energy)(x), slow_jacobian(first, x))


# Traces ######################################################################


@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
@pytest.mark.parametrize(
    "options",
    [{}, {"plain_last": True}, {"symmetric": True}, {"norm": "layer_norm"}],
    ids=str,
)
def test_a_trace_is_for_other_sizes_too(options):
    conv = make(**options)
    x, other = torch.randn(5, 4), torch.randn(7, 4)
    batch = torch.tensor([0, 0, 0, 1, 1, 2, 2])
    traced = torch.jit.trace(
        conv, example_kwarg_inputs={"x": x, "batch": BATCH}
    )
    close(traced(x=other, batch=batch), conv(other, batch=batch), 1e-5)
    close(torch.jit.trace(conv, (x,))(other), conv(other), 1e-5)
    traced = torch.jit.trace(conv, (x, EDGES))
    edges = torch.tensor([[6, 5, 0], [0, 6, 6]])
    close(traced(other, edges), conv(other, edges), 1e-5)


@pytest.mark.parametrize("make", [make, lambda: RelationNetwork(4, 3)])
def test_a_script_is_refused_with_a_reason(make):
    with pytest.raises(NotImplementedError, match=r"expected torch.compile"):
        torch.jit.script(make())


def test_a_failed_trace_leaves_nothing_behind():
    model = awake(RN(4, 8, 2, 3, g_channels=8))
    x = torch.randn(5, 4)
    with pytest.raises(Exception):  # noqa: B017, PT011  (whatever it is)
        torch.fx.symbolic_trace(model)
    expected = model(x, None, batch=BATCH)
    assert expected.abs().sum() > 0
    moved = model(x + torch.eye(5)[:, :4], None, batch=BATCH)
    assert not torch.equal(moved, expected)  # pairs are summed
    copies = [
        copy.deepcopy(model),
        pickle.loads(pickle.dumps(model)),
        AveragedModel(model),
    ]
    for other in copies:
        close(other(x, None, batch=BATCH), expected, 1e-6)


# Tensors without values ######################################################


@every_g
def test_meta_tensors_have_shapes(options):
    conv = make(**options).to("meta")
    x = torch.randn(5, 4, device="meta", requires_grad=True)
    ways = [{}, {"edge_index": EDGES.to("meta")}]
    if "norm" not in options:
        ways.append({"batch": BATCH.to("meta")})
    for given in ways:
        out = conv(x, **given)
        assert out.is_meta
        assert out.shape == (5, 6)
        x.grad = None
        out.sum().backward()
        assert x.grad.shape == x.shape


def test_meta_tensors_with_questions():
    conv = make(question_channels=3).to("meta")
    x, batch = torch.randn(5, 4, device="meta"), BATCH.to("meta")
    question = torch.randn(2, 3, device="meta")
    assert conv(x, question=question, batch=batch).shape == (5, 6)
    assert conv(x, question=question[:1]).shape == (5, 6)


@every_g
def test_fake_tensors_have_shapes(options):
    with torch._subclasses.FakeTensorMode():
        conv = make(**options)
        x, batch = torch.randn(5, 4), torch.zeros(5, dtype=torch.long)
        edges = torch.zeros(2, 3, dtype=torch.long)
        assert conv(x).shape == (5, 6)
        assert conv(x, edges).shape == (5, 6)
        if "norm" not in options:
            conv(x, batch=batch).sum().backward()
            assert conv.g.lins[1].weight.grad.shape == (8, 8)


def test_what_has_no_shape_without_values_is_said():
    conv = make(norm="layer_norm").to("meta")
    x = torch.randn(5, 4, device="meta")
    with pytest.raises(ValueError, match="`batch` has a shape alone"):
        conv(x, batch=BATCH.to("meta"))
    conv = make(question_channels=3).to("meta")
    several = {
        "question": torch.randn(2, 3, device="meta"),
        "question_batch": torch.tensor([0, 1]).to("meta"),
    }
    with pytest.raises(ValueError, match="`batch` has a shape alone"):
        conv(x, batch=BATCH.to("meta"), **several)


@every_way
@every_g
def test_layers_of_a_cpu_where_meta_is_the_default(way, options):
    conv, x = make(**options), torch.randn(5, 4, requires_grad=True)
    expected = conv(x, **WAYS[way])
    (gradient,) = torch.autograd.grad(expected.sum(), x)
    with torch.device("meta"):
        out = conv(x, **WAYS[way])
        (found,) = torch.autograd.grad(out.sum(), x)
    close(out, expected, 1e-6)
    close(found, gradient, 1e-5)


@pytest.mark.parametrize(
    "pairs",
    [None, KNNPairs(k=2), AttentionPairs(4, 5, share=0.5)],
    ids=["all", "nearest", "attention"],
)
def test_a_model_of_a_cpu_where_meta_is_the_default(pairs):
    model = RelationNetwork(4, 3, 5, hidden_channels=8, pairs=pairs).eval()
    awake(model)
    x, question, pos = torch.randn(5, 4), torch.randn(2, 5), torch.randn(5, 3)
    expected = model(x, question, BATCH, pos=pos)
    with torch.device("meta"):
        out = model(x, question, BATCH, pos=pos)
    close(out, expected, 1e-5)


# Indices that change #########################################################


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("sorted_by", [None, "row", "col"])
def test_edges_that_change_before_the_backward_pass(sorted_by, weighted):
    conv, x = make(), torch.randn(5, 4, requires_grad=True)
    edges, index = EDGES.clone(), EDGES.clone()
    if sorted_by is not None:
        edges = EdgeIndex(edges, sparse_size=(5, 5)).sort_by(sorted_by)[0]
        index = edges.as_tensor()
    else:
        edges = index
    weight = torch.rand(4, requires_grad=True) if weighted else None
    conv(x, edges, edge_weight=weight).sum().backward()  # as it is, it works
    out = conv(x, edges, edge_weight=weight)
    index[0, 0] = 4
    with pytest.raises(RuntimeError, match="modified by an inplace"):
        out.sum().backward()


def test_weights_of_edges_that_change_before_the_backward_pass():
    conv, x = make(), torch.randn(5, 4, requires_grad=True)
    weight = torch.rand(4)
    out = conv(x, EDGES, edge_weight=weight)
    weight[0] = 2
    with pytest.raises(RuntimeError, match="modified by an inplace"):
        out.sum().backward()
    matrix = torch.eye(5).to_sparse_csr()
    out = conv(x, matrix)
    matrix.values()[0] = 2
    with pytest.raises(RuntimeError, match="modified by an inplace"):
        out.sum().backward()
