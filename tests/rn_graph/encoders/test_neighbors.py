from types import SimpleNamespace

import pytest
import torch

from rn_graph import DeepSets, SceneQA
from rn_graph.encoders import States, WithNeighbors

X = torch.randn(5, 3)
EDGES = torch.tensor([[0, 1, 1, 4], [1, 0, 2, 3]])
ATTR = torch.randn(4, 2)
ROW = torch.tensor([0, 0, 0, 1, 1])


@pytest.mark.parametrize("width", [0, 2])
def test_objects_beside_the_sum_of_their_neighbours(width):
    objects = WithNeighbors(States(3), width)
    batch = SimpleNamespace(x=X, batch=ROW, edge_index=EDGES, edge_attr=ATTR)
    nodes = objects(batch)
    assert objects.out_channels == nodes.x.size(1) == 6 + width
    assert nodes.batch is ROW
    for i in range(5):
        total = torch.zeros(3 + width)
        for e, (j, receiver) in enumerate(EDGES.t().tolist()):
            if receiver == i:
                total += torch.cat([X[j], ATTR[e, :width]])
        torch.testing.assert_close(nodes.x[i], torch.cat([X[i], total]))


def test_the_model_behind_is_not_given_the_edges():
    batch = SimpleNamespace(x=X, batch=ROW, edge_index=EDGES)
    objects = WithNeighbors(States(3))
    qa = SceneQA(objects, None, DeepSets(objects.out_channels, 4))
    assert qa(batch).shape == (2, 4)
    with pytest.raises(ValueError, match="takes no edges"):
        SceneQA(States(3), None, DeepSets(3, 4))(batch)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"edge_index": None}, "`batch.edge_index` is missing"),
        ({"edge_index": EDGES + 1}, "nodes 1 to 5"),
        ({"edge_attr": None}, "`batch.edge_attr` is missing"),
        ({"edge_attr": ATTR[:, :1]}, "`batch.edge_attr` has"),
        ({"edge_attr": ATTR[:3]}, "`batch.edge_attr` has"),
    ],
)
def test_wrong_edges_are_named(change, error):
    batch = {"x": X, "batch": ROW, "edge_index": EDGES, "edge_attr": ATTR}
    with pytest.raises(ValueError, match=error):
        WithNeighbors(States(3), 2)(SimpleNamespace(**batch | change))
