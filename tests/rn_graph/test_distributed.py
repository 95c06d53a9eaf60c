"""Two processes give what one gives."""

import random

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from rn_graph import RNConv
from rn_graph.batching import Complete
from rn_graph.distributed import ShardedRNConv, share_of
from rn_graph.ops.blocked.layout import make_layout

pytestmark = pytest.mark.skipif(
    not (dist.is_available() and dist.is_gloo_available()),
    reason="torch is built without distributed processes (gloo)",
)

OPTIONS = [
    {},
    {"self_pairs": False, "plain_last": True, "question_channels": 3},
    {"question_channels": 3, "question_layer": 1, "aggr": "mean"},
    {"norm": "layer_norm", "question_channels": 3, "question_layer": 2},
    {"backend": "reference", "question_channels": 3, "self_pairs": False},
]
NODES = [0, 1, 2, 7, 12]


def results(conv, x, question):
    """Output, and the gradients of nodes, question and parameters."""
    out = conv(x, question=question)
    inputs = [x, *conv.parameters()]
    if question is not None:
        inputs.append(question)
    # A loss that is no sum over rows; zeros where there are none.
    loss = out.sum(0).square().sum() + sum(0 * t.sum() for t in inputs)
    return [out, *torch.autograd.grad(loss, inputs)]


def compare_with_one_process(rank, ranks, file, seed):
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo", init_method=f"file://{file}", rank=rank, world_size=ranks
    )
    try:
        for number, options in enumerate(OPTIONS):
            for nodes in NODES:
                torch.manual_seed(seed + number)
                one = RNConv(-1, 5, 6, num_layers=3, **options).double()
                many = ShardedRNConv(-1, 5, 6, num_layers=3, **options)
                many = many.double()
                x = torch.randn(nodes, 4, dtype=torch.double)
                x.requires_grad_()
                question = None
                if "question_channels" in options:
                    question = torch.randn(1, 3, dtype=torch.double)
                    question.requires_grad_()
                one(x, question=question)  # draws what is lazy
                many.load_state_dict(one.state_dict())
                expected = results(one, x, question)
                found = results(many, x, question)
                for a, b in zip(found, expected, strict=True):
                    scale = b.abs().max().clamp(min=1) if b.numel() else 1
                    error = (a - b).abs().div(scale)
                    assert a.shape == b.shape
                    assert not (error > 1e-10).any(), (options, nodes)
        check_errors(rank)
    finally:
        dist.destroy_process_group()


def check_errors(rank):
    conv = ShardedRNConv(4, 5, 6)
    with pytest.raises(ValueError, match="expected the same nodes on each"):
        conv(torch.randn(3 + rank, 4))
    with pytest.raises(ValueError, match="several graphs"):
        conv(torch.randn(3, 4), batch=torch.tensor([0, 0, 1]))
    # The ordinary forms still work, whole on each process.
    edges = torch.tensor([[0, 1], [1, 2]])
    assert conv(torch.randn(3, 4), edges).shape == (3, 5)


def test_two_processes_equal_one(tmp_path):
    seed = random.randrange(2**31)
    print("seed", seed)
    mp.spawn(
        compare_with_one_process, (2, tmp_path / "processes", seed), nprocs=2
    )


def test_without_processes_is_a_clear_error():
    with pytest.raises(RuntimeError, match="init_process_group"):
        ShardedRNConv(4, 5, 6)(torch.randn(3, 4))


@pytest.mark.parametrize("rows", [0, 1, 5, 12])
@pytest.mark.parametrize("ranks", [1, 2, 5, 7])
def test_shares_are_even_and_whole(rows, ranks):
    shares = [share_of(rows, rank, ranks) for rank in range(ranks)]
    found = [i for first, count in shares for i in range(first, first + count)]
    assert found == list(range(rows))
    counts = [count for _, count in shares]
    assert max(counts) - min(counts) <= 1


@pytest.mark.parametrize("self_pairs", [True, False])
def test_layouts_of_shares_cover_the_graph(self_pairs):
    nodes, block = 13, 30
    whole = make_layout(Complete(None, self_pairs), nodes, block)
    pairs = sum(s.pairs for b in whole.blocks for s in b)
    shared = 0
    for rank in range(3):
        first, count = share_of(nodes, rank, 3)
        share = Complete(None, self_pairs, share=(first, count))
        layout = make_layout(share, nodes, block)
        rows = [
            row
            for (s,) in layout.blocks
            for row in range(s.first, s.first + s.receivers)
        ]
        assert rows == list(range(first, first + count))
        assert all(s.pairs <= block for (s,) in layout.blocks)
        shared += sum(s.pairs for (s,) in layout.blocks)
    assert shared == pairs
