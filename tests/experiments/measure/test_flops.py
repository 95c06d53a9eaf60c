import pytest
import torch
from torch import nn
from torch_geometric.nn import GCNConv

from experiments.measure.cost import pairs_a_scene
from experiments.measure.flops import count_flops, flops_a_question
from experiments.run.models import MODELS, Plan
from rn_graph import QuestionEncoder, RNConv


def test_linear_and_sums():
    linear = nn.Linear(5, 7, bias=False)
    x = torch.randn(3, 5)
    assert count_flops(lambda: linear(x)) == 2 * 3 * 5 * 7
    index = torch.tensor([0, 0, 1])
    zeros = torch.zeros(2, 5)
    assert count_flops(lambda: zeros.index_add(0, index, x)) == 15
    assert count_flops(lambda: x * x + 1) == 30
    assert count_flops(lambda: torch.addcmul(x, x, x)) == 30
    assert count_flops(lambda: index + index) == 0  # index arithmetic
    assert count_flops(lambda: x.relu()) == 0


def lstm_flops(lengths, inputs, hidden):
    """Products of an LSTM's four gates, over real words alone."""
    return 2 * sum(lengths) * 4 * hidden * (inputs + hidden)


def test_the_lstm_counts_its_real_words():
    encoder = QuestionEncoder(20, 6, 8)
    tokens = torch.randint(1, 20, (3, 9))
    length = torch.tensor([9, 2, 5])
    count = count_flops(lambda: encoder(tokens, length))
    products = lstm_flops([9, 2, 5], 6, 8)
    # Gates: f·c + i·g and o·tanh(c), 4 a state and word, and biases.
    assert products <= count <= products + 16 * (4 + 2 * 4) * 8


@pytest.mark.parametrize("backend", ["blocked", "reference"])
def test_rn_counts_its_pairs(backend):
    channels, hidden, question = 6, 8, 5
    sizes = torch.tensor([3, 1, 5])
    pairs, nodes = int((sizes**2).sum()), int(sizes.sum())
    conv = RNConv(
        channels, hidden, hidden, 4, question_channels=question,
        backend=backend,
    )  # fmt: skip
    x, q = torch.randn(nodes, channels), torch.randn(3, question)
    batch = torch.repeat_interleave(torch.arange(3), sizes)
    count = count_flops(lambda: conv(x, None, q, batch))
    products = (
        2 * pairs * 3 * hidden * hidden  # g's layers after the first
        + 2 * nodes * 2 * channels * hidden  # the first, as two node terms
        + 2 * 3 * question * hidden  # and one of the question
    )
    # Additions: the first layer's terms, biases, the sum over pairs.
    assert (
        products
        < count
        <= products + (2 + 3 + 1) * pairs * hidden + (4 * nodes * hidden)
    )


def test_gcn_counts_its_messages():
    conv = GCNConv(6, 8, normalize=False, bias=False)
    x, edges = torch.randn(4, 6), torch.randint(4, (2, 11))
    weight = torch.rand(11)
    count = count_flops(lambda: conv(x, edges, weight))
    assert count == 2 * 4 * 6 * 8 + 2 * 11 * 8


WITHOUT_PAIRS = (
    "deep_sets",
    "set2set",
    "sequence",
    "stacked_attention",
    "mlp",
    "lstm",
)


def edges(name, spec, n):
    """Edges of each question, at a share of one half."""
    if name in WITHOUT_PAIRS:
        return 0 * n
    count = (0.5 * n**2).ceil() if spec.selects else n**2
    if name == "rn" or (name.startswith("rn_") and name != "rn_recurrent"):
        return count
    count = count.minimum(n * (n - 1))
    # These layers add a loop to each node.
    return count + n if name.startswith(("gcn", "gatv2")) else count


def test_models_on_a_batch(splits, sizes):
    batch = next(iter(splits.loader("val", 20)))
    n = torch.bincount(batch.batch)[batch.question_batch].double()
    lstm = lstm_flops(batch.length.tolist(), 5, 7) / 20
    for name, spec in MODELS.items():
        if spec.build is None or spec.cells:
            continue
        torch.manual_seed(0)
        model = spec.build(Plan(sizes, splits.inputs, 12, 2, 0.5, [0, 3, 4]))
        expected = float(edges(name, spec, n).mean())
        assert pairs_a_scene(model, batch) == pytest.approx(expected)
        flops = flops_a_question(model, batch)
        assert flops > lstm
        if name == "lstm":
            readout = 2 * (7 * 9 + 9 * 28)
            assert flops == pytest.approx(lstm + readout, rel=0.25)
        if name == "rn":
            g = 2 * expected * 2 * 12 * 12
            assert flops > lstm + g
            assert flops == pytest.approx(lstm + g, rel=0.35)
        assert model.training
