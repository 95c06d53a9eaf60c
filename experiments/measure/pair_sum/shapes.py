"""What is timed: batches of graphs, and the sizes of g."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from rn_graph.batching import question_rows

#: Numbers of objects of 64 scenes of a released data set; docs/performance.md
#: says which ones.
# fmt: off
SCENES = (
    6, 9, 3, 10, 3, 9, 5, 7, 6, 5, 10, 7, 8, 10, 4, 5,
    3, 7, 3, 7, 8, 3, 7, 3, 6, 5, 5, 9, 8, 7, 8, 9,
    10, 4, 10, 5, 6, 5, 5, 8, 4, 6, 3, 5, 3, 4, 9, 5,
    4, 5, 4, 3, 4, 7, 9, 4, 7, 4, 6, 10, 4, 8, 10, 8,
)
# fmt: on


@dataclass(frozen=True)
class Shape:
    """A batch of graphs and the sizes of g.

    Attributes:
        name: What the command line calls it.
        title: What the table calls it.
        sizes: Objects of each graph.
        width: Channels of each layer of g.
        in_channels: Channels of an object; 26: the paper's 24 kernels and two
            coordinates.
        question_channels: Channels of a question; 0: no question.
        questions: Questions asked about each graph.
        num_layers: Layers of g.
        plain_last: Whether g's last layer is without ReLU.
    """

    name: str
    title: str
    sizes: tuple[int, ...]
    width: int = 256
    in_channels: int = 26
    question_channels: int = 0
    questions: int = 1
    num_layers: int = 4
    plain_last: bool = False

    @property
    def pairs(self) -> int:
        """Pairs, those of each question counted."""
        return self.questions * sum(n * n for n in self.sizes)

    @property
    def padded_pairs(self) -> int:
        """Pairs where each graph is padded to the largest."""
        return self.questions * len(self.sizes) * max(self.sizes) ** 2

    @property
    def row_channels(self) -> int:
        """Channels of a pair's input, ``[x_i ; x_j ; q]``."""
        return 2 * self.in_channels + self.question_channels

    @property
    def hidden_products(self) -> int:
        """Products that each pair needs at least, after the first layer.

        A plain last layer needs none: the sum of its outputs is its product
        with the sum of its inputs, one a node.
        """
        return self.num_layers - 1 - self.plain_last

    @property
    def hidden_flops(self) -> int:
        """FLOPs of the hidden layers' products, forward."""
        return 2 * self.pairs * self.hidden_products * self.width**2

    def like(self, *sizes: int) -> "Shape":
        """The same g on other graphs."""
        return replace(self, name="check", sizes=sizes)


def _one_graph(size: int) -> Shape:
    return Shape(f"n{size}", f"1 × {size:,} objects, g 4×256", (size,))


def _plain(shape: Shape, name: str) -> Shape:
    title = f"{shape.title}, last layer plain"
    return replace(shape, name=name, title=title, plain_last=True)


_MAIN = (
    Shape(
        "scenes",
        "64 scenes, g 4×512, question 256",
        SCENES,
        width=512,
        in_channels=18,
        question_channels=256,
    ),
    Shape("grid25", "16 × 25 objects, g 4×256", (25,) * 16),
    Shape("grid64", "8 × 64 objects, g 4×256", (64,) * 8),
    Shape(
        "questions",
        "16 scenes × 10 questions, g 4×512, question 256",
        SCENES[:16],
        width=512,
        in_channels=18,
        question_channels=256,
        questions=10,
    ),
)
_THREE_LAYERS = Shape(
    "n256_3", "1 × 256 objects, g 3×256", (256,), num_layers=3
)
#: Other forms of g; each plain one stands beside its like with a ReLU.
_PLAIN = (
    _plain(_MAIN[1], "grid25_plain"),
    *(_plain(_one_graph(n), f"n{n}_plain") for n in (64, 256, 1024)),
    _THREE_LAYERS,
    _plain(_THREE_LAYERS, "n256_plain3"),
)
#: One graph that grows, as the charts show it; the last two are for a GPU.
GROWTH = {f"n{n}": _one_graph(n) for n in (2**k for k in range(3, 15))}
SHAPES = {s.name: s for s in (*_MAIN, *GROWTH.values(), *_PLAIN)}
SWEEP = tuple(GROWTH)[:-2]
PLAIN = tuple(s.name for s in _PLAIN)
#: Names that stand for several shapes.
GROUPS = {
    "main": (*(s.name for s in _MAIN), "n1024"),
    "sweep": SWEEP,
    "plain": PLAIN,
    "all": (*(s.name for s in _MAIN), *SWEEP, *PLAIN),
}


def find_shapes(names: list[str]) -> list[Shape]:
    """Shapes by the names of shapes and groups, each once, in that order.

    Raises:
        ValueError: For a name that is neither.
    """
    found: dict[str, Shape] = {}
    for name in names:
        if name not in SHAPES and name not in GROUPS:
            raise ValueError(
                f"`shapes` holds {name!r}, expected some of "
                f"{', '.join([*GROUPS, *SHAPES])}"
            )
        for one in GROUPS.get(name, (name,)):
            found[one] = SHAPES[one]
    return list(found.values())


@dataclass(frozen=True)
class Inputs:
    """A batch of random objects and questions; all of them want gradients.

    Attributes:
        shape: Its shape.
        x: Objects, ``[N, in_channels]``.
        pos: Their positions, ``[N, 3]``.
        batch: Graph of each object, ``[N]``.
        question: ``[Q, question_channels]``, or ``None``.
        question_batch: Graph of each question ``[Q]``, where a graph has
            several; else ``None``.
    """

    shape: Shape
    x: Tensor
    pos: Tensor
    batch: Tensor
    question: Tensor | None
    question_batch: Tensor | None

    @property
    def num_sums(self) -> int:
        """Number of sums: one a graph, or one a question."""
        return len(self.shape.sizes) * self.shape.questions

    def one_graph_a_question(self) -> "Inputs":
        """The same for layers that know one question a graph: copied graphs."""
        if self.question_batch is None:
            return self
        node, question = question_rows(self.batch, self.question_batch)
        return replace(
            self,
            x=self.x.detach()[node].requires_grad_(),
            pos=self.pos[node],
            batch=question,
            question_batch=None,
        )


def make_inputs(shape: Shape, seed: int, device: str = "cpu") -> Inputs:
    """Draw a shape's objects and questions."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*size: int) -> Tensor:
        return torch.randn(*size, generator=generator).to(device)

    sizes = torch.tensor(shape.sizes)
    graphs = torch.arange(len(shape.sizes))
    batch = graphs.repeat_interleave(sizes).to(device)
    nodes = int(sizes.sum())
    question = question_batch = None
    if shape.question_channels:
        count = len(graphs) * shape.questions
        question = normal(count, shape.question_channels).requires_grad_()
    if shape.questions > 1:
        question_batch = graphs.repeat_interleave(shape.questions).to(device)
    x = normal(nodes, shape.in_channels).requires_grad_()
    return Inputs(shape, x, normal(nodes, 3), batch, question, question_batch)
