"""What every model of a scene must satisfy, whichever it is."""

import torch
from hypothesis import strategies as st
from torch import Tensor, nn

F, C, OUT = 6, 5, 4
#: Objects of each scene; some are empty, the last never (it fixes Q).
scene_sizes = st.lists(st.integers(0, 6), min_size=0, max_size=4).map(
    lambda sizes: [*sizes, 3]
)


def scenes(sizes: list[int], seed: int) -> dict[str, Tensor]:
    """Scenes of the given sizes with a question each, in float64."""
    g = torch.Generator().manual_seed(seed)
    n = sum(sizes)
    return {
        "x": torch.randn(n, F, generator=g).double(),
        "question": torch.randn(len(sizes), C, generator=g).double(),
        "batch": torch.arange(len(sizes)).repeat_interleave(
            torch.tensor(sizes, dtype=torch.long)
        ),
        "pos": torch.randn(n, 2, generator=g).double(),
    }


def close(a: Tensor, b: Tensor) -> None:
    torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9)


def check_shuffled_objects(model: nn.Module, sizes: list[int], seed: int):
    data = scenes(sizes, seed)
    out = model(**data)
    assert out.shape == (len(sizes), OUT)
    shuffle = torch.randperm(
        len(data["x"]), generator=torch.Generator().manual_seed(seed + 1)
    )
    # Objects change places within their scene alone.
    shuffle = shuffle[data["batch"][shuffle].argsort(stable=True)]
    data["x"], data["pos"] = data["x"][shuffle], data["pos"][shuffle]
    close(model(**data), out)


def check_alone_as_in_a_batch(model: nn.Module, sizes: list[int], seed: int):
    data = scenes(sizes, seed)
    out = model(**data)
    for i, size in enumerate(sizes):
        mine = data["batch"] == i
        alone = model(
            data["x"][mine],
            data["question"][i : i + 1],
            torch.zeros(size, dtype=torch.long),
            torch.tensor([0]),
            data["pos"][mine],
        )
        close(alone[0], out[i])


def check_several_questions(model: nn.Module, sizes: list[int], seed: int):
    """Questions in any order, several or none a scene: as one by one."""
    data = scenes(sizes, seed)
    g = torch.Generator().manual_seed(seed + 2)
    graphs = torch.randint(len(sizes), (5,), generator=g)
    question = torch.randn(5, C, generator=g).double()
    out = model(data["x"], question, data["batch"], graphs, data["pos"])
    assert out.shape == (5, OUT)
    for i, graph in enumerate(graphs.tolist()):
        data["question"][graph] = question[i]
        close(model(**data)[graph], out[i])


def check_gradients(model: nn.Module) -> None:
    """Each parameter has a gradient, and not one of zeros."""
    for p in model.parameters():
        p.grad = None
    model(**scenes([4, 0, 1, 5, 3], 0)).square().sum().backward()
    for name, p in model.named_parameters():
        assert p.grad is not None, name
        assert p.grad.abs().sum() > 0, name
