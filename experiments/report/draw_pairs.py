"""Draw a scene and the pairs that each selection keeps.

``python -m experiments draw_pairs --task TASK --out pairs.png``
"""

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from datasets.task import Source, find_task
from experiments.cli import parse
from experiments.report.plots import save
from experiments.run.runs import load_model
from rn_graph import RelationNetwork
from rn_graph.encoders import Nodes
from rn_graph.explain import OverEdges
from rn_graph.pairs import (
    AllPairs,
    AttentionPairs,
    KNNPairs,
    PairSelection,
    PairSelector,
    RadiusPairs,
    RandomPairs,
)

PROG = "python -m experiments draw_pairs"
SELECTIONS = ("all", "nearest", "radius", "random", "attention")


@dataclass
class DrawConfig(Source):
    """Draw a scene, seen from above and as a picture, with chosen pairs.

    Args:
        out: Where the picture is written, PNG, PDF or SVG by its ending.
        selections: Which to draw, in a list or separated by commas: some of
            all, nearest, radius, random, attention.
        k: Pairs that each object receives; all of them for `all`.
        share: Instead of k: share of all pairs that is kept, in (0, 1].
        r: Largest distance of the pairs of `radius`.
        run: Folder of a run with learned pairs, as in
            `runs/quick/rn_attention/seed-0`, whose choice `attention` shows;
            without, it shows an untrained one.
        question: The question that the run's choice depends on.
        task: The task whose scenes are drawn, where there is no run.
    """

    out: str = "pairs.png"
    selections: str | list[str] = field(
        default_factory=lambda: ["all", "nearest", "random", "attention"]
    )
    k: int = 2
    share: float | None = None
    r: float = 2.0
    run: str | None = None
    question: str | None = None
    task: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.selections, str):
            self.selections = [s.strip() for s in self.selections.split(",")]
        for name in self.selections:
            if name not in SELECTIONS:
                raise ValueError(
                    f"unknown selection {name!r}: expected some of "
                    f"{', '.join(SELECTIONS)}"
                )
        if not self.selections:
            raise ValueError("`selections` is empty, expected at least one")
        if (self.run is None) != (self.question is None):
            raise ValueError(
                "expected `run` and `question` together: a trained choice "
                "depends on the question"
            )

    @property
    def budget(self) -> dict[str, Any]:
        """The budget of every selection."""
        return {"k": self.k} if self.share is None else {"share": self.share}


def choose_pairs(nodes: Nodes, config: DrawConfig) -> dict[str, PairSelection]:
    """Run each untrained selection on a scene: title → pairs."""
    x, pos = nodes.x, nodes.pos
    torch.manual_seed(config.seed)
    made: dict[str, tuple[str, PairSelector]] = {
        "all": ("all pairs", AllPairs()),
        "nearest": (
            "nearest",
            KNNPairs(**config.budget, self_pairs=False),
        ),
        "radius": (
            f"within {config.r:g}",
            RadiusPairs(config.r, self_pairs=False),
        ),
        "random": (
            "random",
            RandomPairs(**config.budget, seed=config.seed, self_pairs=False),
        ),
        "attention": (
            "attention, untrained",
            AttentionPairs(x.size(1), **config.budget, self_pairs=False),
        ),
    }
    chosen = {}
    for name in config.selections:
        if name == "attention" and config.run is not None:
            continue
        title, selector = made[name]
        with torch.no_grad():
            chosen[title] = selector.eval()(x, pos=pos)
    return chosen


def learned_pairs(
    model: Any, nodes: Nodes, question: torch.Tensor | None
) -> PairSelection:
    """The pairs that a trained model keeps for a question.

    Raises:
        ValueError: If it has no learned pairs.
    """
    network = model.model
    if not isinstance(network, RelationNetwork) or not isinstance(
        network.pairs, AttentionPairs
    ):
        raise ValueError(
            "`run` is a run of a model without learned pairs, expected one "
            "with them"
        )
    with torch.no_grad():
        return OverEdges(network).select(nodes.x, question, pos=nodes.pos)


def main(argv: list[str]) -> None:
    """Read or make the scene, choose pairs, draw."""
    config = parse(
        DrawConfig,
        argv,
        PROG,
        "Draw a scene with the pairs that each selection keeps.",
    )
    if config.run is None:
        task = find_task(config.task)
        settings = task.settings(objects="states")
        scene = task.find_scene(config, settings)
        batch = task.batch(scene, task.example, settings)
        # What untrained selections see: states as they are.
        nodes = Nodes(batch.x, batch.batch, batch.pos)
        chosen = choose_pairs(nodes, config)
    else:
        planned, model = load_model(Path(config.run))
        task, settings = planned.task, planned.data
        scene = task.find_scene(config, settings)
        batch = task.batch(scene, str(config.question), settings)
        with torch.no_grad():
            nodes, question = model.encode(batch)
        chosen = choose_pairs(nodes, config)
        if "attention" in config.selections:
            chosen[planned.label] = learned_pairs(model, nodes, question)
    figure = task.draw(scene, settings, chosen, nodes.pos, config.question)
    save(figure, Path(config.out))
    print(f"{config.out}: {len(nodes.x)} objects", file=sys.stderr)
