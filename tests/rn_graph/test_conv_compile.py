"""torch.compile without graph breaks or recompiles, and torch.export.

``aot_eager`` traces forward and backward as the default backend does, and
leaves out the code generation, which is most of the time.
"""

import io

import pytest
import torch
from torch import nn
from torch.export import Dim, export

from rn_graph import RNConv, complete_edge_index

# Nodes of each graph. A size that two calls share by chance would stay fixed
# in what is compiled, so nodes, graphs and pairs all differ in the first two.
SIZES = [(3, 4), (5, 1, 3), (4, 6, 2, 3, 5), (1, 4)]


def make(**kwargs):
    return RNConv(4, 6, **{"hidden_channels": 8, "num_layers": 3, **kwargs})


def draw(conv, sizes, edges, several):
    graphs = len(sizes)
    x = torch.randn(sum(sizes), 4, requires_grad=True)
    batch = torch.arange(graphs).repeat_interleave(torch.tensor(sizes))
    inputs = {"batch": batch}
    if edges:
        inputs["edge_index"] = complete_edge_index(batch)[:, ::2]
    if conv.question_channels is not None:
        asked = graphs + 2 if several else graphs
        inputs["question"] = torch.randn(asked, 3, requires_grad=True)
        if several:
            inputs["question_batch"] = torch.randint(graphs, (asked,))
    return x, inputs


def run(function, conv, x, inputs):
    out = function(x, **inputs)
    wanted = [x, *conv.parameters()]
    if "question" in inputs:
        wanted.append(inputs["question"])
    return [out, *torch.autograd.grad(out.tanh().sum(), wanted)]


@pytest.mark.parametrize(
    ("edges", "several", "options"),
    [
        (False, False, {}),
        (False, False, {"question_channels": 3, "aggr": "mean"}),
        (False, True, {"question_channels": 3, "question_layer": 1}),
        (False, False, {"question_channels": 3, "norm": "layer_norm"}),
        (False, False, {"plain_last": True}),
        (False, False, {"symmetric": True, "self_pairs": False}),
        (
            False,
            True,
            {
                "question_channels": 3,
                "question_layer": 1,
                "plain_last": True,
                "symmetric": True,
                "aggr": "mean",
            },
        ),
        (True, False, {"question_channels": 3}),
        (True, False, {"question_channels": 3, "plain_last": True}),
        (True, True, {"question_channels": 3, "question_layer": 1}),
    ],
    ids=[
        "all pairs",
        "question, mean",
        "several late questions",
        "norm",
        "plain last",
        "symmetric",
        "several late questions, plain last, symmetric",
        "edges",
        "edges, plain last",
        "edges, several late questions",
    ],
)
def test_no_graph_break_and_no_recompile(edges, several, options):
    torch._dynamo.reset()
    conv = make(**options)
    compiled = torch.compile(conv, fullgraph=True, backend="aot_eager")
    for number, sizes in enumerate(SIZES):
        x, inputs = draw(conv, sizes, edges, several)
        # The second call makes sizes dynamic; then one graph serves all.
        warm = number >= 2
        with torch._dynamo.config.patch(error_on_recompile=warm):
            found = run(compiled, conv, x, inputs)
        expected = run(conv, conv, x, inputs)
        for a, b in zip(found, expected, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


def test_the_default_compiler():
    torch._dynamo.reset()
    conv = make(question_channels=3)
    compiled = torch.compile(conv, fullgraph=True)
    for number, sizes in enumerate(SIZES[:3]):
        x, inputs = draw(conv, sizes, False, False)
        with torch._dynamo.config.patch(error_on_recompile=number >= 2):
            found = run(compiled, conv, x, inputs)
        expected = run(conv, conv, x, inputs)
        for a, b in zip(found, expected, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


def test_value_checks_are_not_compiled():
    torch._dynamo.reset()
    conv, x = make(), torch.full((5, 4), float("nan"))
    with pytest.raises(ValueError, match="NaN"):
        conv(x)
    compiled = torch.compile(conv, fullgraph=True, backend="eager")
    assert compiled(x).isnan().any()


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize("edges", [False, True])
@pytest.mark.parametrize(
    "options",
    [{}, {"norm": "layer_norm"}, {"plain_last": True, "symmetric": True}],
    ids=str,
)
def test_export(options, edges, strict):
    conv = make(question_channels=3, **options).eval()

    class AllPairs(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = conv

        def forward(self, x, question, batch):
            return self.conv(x, None, question, batch)

    class Listed(AllPairs):
        def forward(self, x, question, batch, edge_index):
            return self.conv(x, edge_index, question, batch)

    names = ["question", "batch", "edge_index"][: 3 if edges else 2]
    n, b = Dim("n", min=2, max=1000), Dim("b", min=2, max=100)
    shapes = {"x": {0: n}, "question": {0: b}, "batch": {0: n}}
    if edges:
        shapes["edge_index"] = {1: Dim("e", min=2)}

    def inputs(sizes):
        x, given = draw(conv, sizes, edges, False)
        given["question"] = given["question"].detach()
        return (x.detach(), *(given[name] for name in names))

    model = Listed() if edges else AllPairs()
    program = export(
        model, inputs((3, 2)), dynamic_shapes=shapes, strict=strict
    )
    buffer = io.BytesIO()
    torch.export.save(program, buffer)
    buffer.seek(0)
    loaded = torch.export.load(buffer).module()
    for sizes in SIZES:
        given = inputs(sizes)
        torch.testing.assert_close(loaded(*given), model(*given))
