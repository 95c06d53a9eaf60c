"""The public helper passes what is invariant and catches what is not."""

import pytest
import torch
from torch import nn

from rn_graph import DeepSets, RelationNetwork
from rn_graph.pairs import KNNPairs
from rn_graph.testing import assert_permutation_invariant

X, BATCH = torch.randn(9, 4), torch.tensor([0] * 5 + [1] * 4)
QUESTION = torch.randn(2, 3)


@pytest.mark.parametrize(
    "model",
    [
        RelationNetwork(4, 5, 3, hidden_channels=8, readout_dropout=0.5),
        RelationNetwork(4, 5, 3, hidden_channels=8, pairs=KNNPairs(k=2)),
        DeepSets(4, 5, 3, hidden_channels=8),
    ],
    ids=["all pairs", "nearest pairs", "deep sets"],
)
def test_models_are_invariant(model):
    pos = torch.randn(9, 2)
    assert_permutation_invariant(model, X, QUESTION, BATCH, pos=pos)
    assert_permutation_invariant(
        model,
        X,
        torch.randn(3, 3),
        BATCH,
        question_batch=torch.tensor([1, 0, 1]),
        pos=pos,
    )
    assert_permutation_invariant(model, X, QUESTION[:1], pos=pos)
    assert model.training


def test_a_model_that_reads_the_order_is_caught():
    class First(nn.Module):
        def forward(self, x, question, batch=None, question_batch=None):
            return x[:1]

    with pytest.raises(AssertionError, match="order changes the answer"):
        assert_permutation_invariant(First(), X, trials=10)
