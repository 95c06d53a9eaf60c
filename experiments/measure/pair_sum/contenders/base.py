"""What the measuring asks of a contender."""

import contextlib
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from experiments.measure.memory import PeakMemory
from experiments.measure.pair_sum.shapes import Inputs, Shape
from experiments.measure.pair_sum.weights import Weights, draw_weights

MODES = ("forward", "training")
PRECISIONS = ("fp32", "bf16")
GIB = 2**30


class Case(NamedTuple):
    """What is run: a mode and a precision.

    Attributes:
        mode: ``"forward"`` without gradients, or ``"training"``: forward, and
            backward from the sum of all outputs.
        precision: ``"fp32"``, or ``"bf16"`` by autocast.
    """

    mode: str
    precision: str

    @property
    def training(self) -> bool:
        """Whether gradients are computed."""
        return self.mode == "training"

    @property
    def itemsize(self) -> int:
        """Bytes of an activation."""
        return 2 if self.precision == "bf16" else 4


@dataclass(frozen=True)
class Settings:
    """What contenders need to know of the run.

    Attributes:
        seed: Seed of weights and inputs.
        device: Where torch computes.
        threads: CPU threads.
        jraph_python: Python that has jax and jraph.
        graph_nets_python: Python that has graph_nets; ``""``: none.
    """

    seed: int = 0
    device: str = "cpu"
    threads: int = 1
    jraph_python: str = ""
    graph_nets_python: str = ""


class Unavailable(Exception):  # noqa: N818  (no error: a reason to skip)
    """Says in one sentence why a contender does not run."""


class Contender(ABC):
    r"""An implementation of :math:`\sum_{ij} g(x_i, x_j, q)` of each graph.

    Args:
        shape: Sizes of g.
        settings: Of the run.

    Raises:
        Unavailable: If it cannot run here.
    """

    name: ClassVar[str]
    label: ClassVar[str]
    #: ``"ours"``; ``"peer"``: the same function; ``"sparse"``: ours over some
    #: pairs; ``"variant"``: ours, another function; ``"scale"``: a GNN layer.
    kind: ClassVar[str]
    #: Multiple of the floor that a step takes, for leaving out what is too
    #: slow before it is tried.
    expected: ClassVar[float] = 2.5
    #: Whether the first call of a case compiles it.
    compiles: ClassVar[bool] = False
    #: Whether its g has the weights of x_i for x_j, too.
    tied: ClassVar[bool] = False
    #: Objects of each graph of the batches that it is checked on.
    check_sizes: ClassVar[tuple[tuple[int, ...], ...]] = ((3, 5, 8),)

    def __init__(self, shape: Shape, settings: Settings) -> None:
        self.shape = shape
        self.settings = settings

    @classmethod
    def fits(cls, shape: Shape) -> str | None:
        """Why it has no place at a shape, or ``None`` if it has."""
        return None

    @classmethod
    def rows(cls, shape: Shape) -> int:
        """Rows of pairs that it makes; 0: it works in blocks."""
        return shape.pairs

    @classmethod
    def input_channels(cls, shape: Shape) -> int:
        """Channels of a row before the first layer."""
        return shape.row_channels

    @classmethod
    def recomputed_share(cls, shape: Shape, case: Case) -> float:
        """Share of the pairs that it computes twice to save memory."""
        return 0.0

    @classmethod
    def estimate_bytes(cls, shape: Shape, case: Case) -> int:
        """Estimate of the memory that a step needs: rows × widths.

        Training keeps a row's input and each layer's output, and works on two
        gradients; the forward pass holds two layers at a time.
        """
        into, width = cls.input_channels(shape), shape.width
        layers = shape.num_layers + 2 if case.training else 2
        return cls.rows(shape) * (into + layers * width) * case.itemsize

    @abstractmethod
    def prepare(self, inputs: Inputs) -> None:
        """Take the inputs and make whatever may be made ahead of time."""

    @abstractmethod
    def run(self, case: Case) -> float:
        """Run once, and return the seconds that it took."""

    @abstractmethod
    def output(self) -> Tensor:
        """Output of the last run, ``[graphs, width]``, float32."""

    @abstractmethod
    def gradients(self) -> dict[str, Tensor]:
        """Gradients of ``x``, ``question`` that the last run gave, if any."""

    @abstractmethod
    def peak_bytes(self, case: Case) -> int:
        """Peak memory of one step beyond parameters and inputs.

        To be called once in a fresh process, after a step on small inputs.
        """


class TorchContender(Contender):
    """A contender in this process, made of torch modules."""

    def __init__(self, shape: Shape, settings: Settings) -> None:
        super().__init__(shape, settings)
        torch.manual_seed(settings.seed)
        weights = draw_weights(shape, settings.seed)
        self.module = self.build(weights).to(settings.device)
        self.inputs: Inputs
        self._output: Tensor

    @abstractmethod
    def build(self, weights: Weights) -> nn.Module:
        """Make the module that holds the parameters."""

    @abstractmethod
    def forward(self) -> Tensor:
        """Sums of each graph, ``[graphs, width]``, of the prepared inputs."""

    def prepare(self, inputs: Inputs) -> None:
        """See :class:`Contender`."""
        self.inputs = inputs

    def leaves(self) -> dict[str, Tensor]:
        """Inputs that gradients are computed for."""
        named = {"x": self.inputs.x, "question": self.inputs.question}
        return {k: v for k, v in named.items() if v is not None}

    def run(self, case: Case) -> float:
        """See :class:`Contender`."""
        self.module.train(case.training)
        self._clear()
        began = self._now()
        out = self._step(case)
        took = self._now() - began
        self._output = out
        return took

    def _clear(self) -> None:
        for tensor in (*self.module.parameters(), *self.leaves().values()):
            tensor.grad = None

    def _step(self, case: Case) -> Tensor:
        device = self.settings.device.split(":")[0]
        gradients = (
            contextlib.nullcontext() if case.training else torch.no_grad()
        )
        with gradients:
            with torch.autocast(
                device, torch.bfloat16, enabled=case.precision == "bf16"
            ):
                out = self.forward()
            if case.training:
                out.sum().backward()
        return out.detach()

    def _now(self) -> float:
        if self.settings.device.startswith("cuda"):
            torch.cuda.synchronize()
        return time.perf_counter()

    def output(self) -> Tensor:
        """See :class:`Contender`."""
        return self._output.float().cpu()

    def gradients(self) -> dict[str, Tensor]:
        """See :class:`Contender`."""
        return {
            name: leaf.grad.cpu()
            for name, leaf in self.leaves().items()
            if leaf.grad is not None
        }

    def peak_bytes(self, case: Case) -> int:
        """See :class:`Contender`."""
        self._clear()
        peak = PeakMemory(self.settings.device)
        self.run(case)
        return peak()


def pool(nodes: Tensor, graph: Tensor, inputs: Inputs) -> Tensor:
    """Add the rows of each sum's graph, ``[num_sums, width]``."""
    if len(set(inputs.shape.sizes)) == 1:
        return nodes.view(inputs.num_sums, -1, nodes.size(1)).sum(1)
    out = nodes.new_zeros(inputs.num_sums, nodes.size(1))
    return out.index_add_(0, graph, nodes)
