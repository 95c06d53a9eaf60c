"""Peers of other frameworks, each in a process of its own."""

import contextlib
import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from experiments.measure.pair_sum.contenders.base import (
    Case,
    Contender,
    Settings,
    Unavailable,
)
from experiments.measure.pair_sum.shapes import Inputs, Shape
from experiments.measure.pair_sum.weights import draw_weights
from rn_graph.batching import complete_edge_index

WORKERS = Path(__file__).parent.parent / "workers"


class Worker:
    """A peer's process.

    Args:
        script: File in ``workers/``.
        python: Interpreter that has the peer.
        threads: CPU threads that it may use.

    Raises:
        Unavailable: If it does not start.
    """

    def __init__(self, script: str, python: str, threads: int) -> None:
        self.folder = tempfile.TemporaryDirectory()
        try:
            self.process = subprocess.Popen(
                [python, str(WORKERS / script)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
        except OSError as error:
            raise Unavailable(f"its Python does not start: {error}") from None
        try:
            self.version = str(self.ask("start", threads=threads))
        except Unavailable:
            self.close()
            raise

    def ask(self, op: str, **values: Any) -> Any:
        """Send a request and wait for its answer.

        Raises:
            Unavailable: With the worker's error.
        """
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        try:
            print(
                json.dumps({"op": op, **values}),
                file=self.process.stdin,
                flush=True,
            )
            line = self.process.stdout.readline()
        except (BrokenPipeError, ValueError):
            line = ""
        if not line:
            raise Unavailable(f"its worker ended ({self.process.wait()})")
        answer = json.loads(line)
        if "error" in answer:
            raise Unavailable(answer["error"])
        return answer["value"]

    def close(self) -> None:
        """End the process."""
        if self.process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self.process.stdin.close()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()
        self.folder.cleanup()


#: Workers start slowly: one serves all shapes.
_workers: dict[tuple[str, str, int], Worker] = {}


def close_workers() -> None:
    """End all workers."""
    while _workers:
        _workers.popitem()[1].close()


class External(Contender):
    """A peer behind a worker, which compiles and times its own steps."""

    kind = "peer"
    compiles = True
    script: ClassVar[str]

    def __init__(self, shape: Shape, settings: Settings) -> None:
        super().__init__(shape, settings)
        if settings.device != "cpu":
            raise Unavailable("its worker is for the CPU")
        key = self.script, self.python(settings), settings.threads
        if key not in _workers:
            _workers[key] = Worker(*key)
        self.worker = _workers[key]
        self.cases: set[Case] = set()

    @classmethod
    def python(cls, settings: Settings) -> str:
        """The interpreter that has the peer."""
        raise NotImplementedError

    @property
    def version(self) -> str:
        """Names and versions of the peer's libraries."""
        return self.worker.version

    def prepare(self, inputs: Inputs) -> None:
        """See :class:`Contender`."""
        inputs = inputs.one_graph_a_question()
        weights = draw_weights(inputs.shape, self.settings.seed)
        w_i, w_j, w_q = weights.first()
        first = torch.cat([w_i, w_q, w_j], dim=1)  # nodes are [x ; q]
        sender, receiver = complete_edge_index(inputs.batch)
        n_node = torch.bincount(inputs.batch, minlength=inputs.num_sums)
        arrays = {
            "x": inputs.x.detach(),
            "batch": inputs.batch,
            "senders": sender,
            "receivers": receiver,
            "n_node": n_node,
            "n_edge": n_node**2,
            "plain_last": torch.tensor(weights.plain_last),
        }
        for k, weight in enumerate([first, *weights.weights[1:]]):
            arrays[f"weight{k}"] = weight
            arrays[f"bias{k}"] = weights.biases[k]
        if inputs.question is not None:
            arrays["question"] = inputs.question.detach()
        path = Path(self.worker.folder.name) / "inputs.npz"
        np.savez(path, **{k: v.numpy() for k, v in arrays.items()})
        self.worker.ask("setup", path=str(path))
        path.unlink()
        self.cases.clear()

    def _compiled(self, case: Case) -> dict[str, str]:
        values = {"mode": case.mode, "precision": case.precision}
        if case not in self.cases:
            self.worker.ask("compile", **values)
            self.cases.add(case)
        return values

    def run(self, case: Case) -> float:
        """See :class:`Contender`."""
        return float(self.worker.ask("run", **self._compiled(case)))

    def _results(self) -> dict[str, Tensor]:
        path = Path(self.worker.folder.name) / "results.npz"
        self.worker.ask("results", path=str(path))
        with np.load(path) as file:
            return {k: torch.from_numpy(file[k]) for k in file}

    def output(self) -> Tensor:
        """See :class:`Contender`."""
        return self._results()["out"].float()

    def gradients(self) -> dict[str, Tensor]:
        """See :class:`Contender`."""
        found = self._results()
        found.pop("out")
        return found

    def peak_bytes(self, case: Case) -> int:
        """See :class:`Contender`."""
        return int(self.worker.ask("peak", **self._compiled(case)))


class Jraph(External):
    """jraph's RelationNetwork under jax.jit."""

    name = "jraph"
    label = "jraph RelationNetwork, jit"
    script = "jraph_worker.py"

    @classmethod
    def python(cls, settings: Settings) -> str:
        """See :class:`External`."""
        return settings.jraph_python


class GraphNets(External):
    """graph_nets' RelationNetwork under tf.function."""

    name = "graph_nets"
    label = "graph_nets RelationNetwork"
    script = "graph_nets_worker.py"

    @classmethod
    def python(cls, settings: Settings) -> str:
        """See :class:`External`."""
        if not settings.graph_nets_python:
            raise Unavailable(
                "no Python that has graph_nets was named "
                "(--graph_nets_python: a python with `pip install graph_nets "
                "dm-sonnet tensorflow-cpu`)"
            )
        return settings.graph_nets_python
