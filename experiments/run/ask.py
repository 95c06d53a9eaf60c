"""Ask a trained model a question about a scene.

``python -m experiments ask "What color is the large cube?" --run RUN_FOLDER``
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from tabulate import tabulate
from torch import Tensor

from datasets.task import Source
from experiments.cli import parse
from experiments.config import PositiveInt
from experiments.report.plots import save
from experiments.run.accuracy import logits
from experiments.run.runs import load_model
from rn_graph import RelationNetwork, SceneQA
from rn_graph.encoders import Nodes
from rn_graph.explain import PairContributions, pair_contributions
from rn_graph.pairs import PairSelection

PROG = "python -m experiments ask"
HELP = """Ask a trained model a question in words about a scene: prints the
objects, the answers that it finds likely, and the pairs of objects that
decided; draws them with --out. As in "ask 'How many red things are there?'
--run runs/quick/rn/seed-0". Of a task of sentences, --story FILE (the same as
--scene FILE) is a text file, a sentence on each line; a model of pictures is
asked about the picture of a file with --image FILE."""
#: Pairs that are drawn at most; ties make more.
_DRAWN = 40


@dataclass
class AskConfig(Source):
    """Ask a trained model a question about a scene.

    Args:
        question: The question, in the words of the run's task.
        run: Folder of a trained run, as in `runs/quick/rn/seed-0`.
        answers: How many answers to list.
        pairs: How many pairs to list, those that say most for the answer.
        out: Where to draw the scene with what each pair contributed: PNG, PDF
            or SVG; empty: no drawing.
    """

    question: str = ""
    run: str = ""
    answers: PositiveInt = 5
    pairs: PositiveInt = 5
    out: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        for key in ("question", "run"):
            if not getattr(self, key):
                raise ValueError(
                    f"`{key}` is missing: expected a question in quotes, and "
                    f"a trained run, as in ask 'How many red things are "
                    f"there?' --run results/full/rn/seed-0"
                )


class Reply(NamedTuple):
    """What a model says.

    Attributes:
        probability: Of each answer, ``[answers]``.
        nodes: The objects, as the model was given them.
        pairs: What each pair contributed to the likeliest answer; ``None``
            for a model without pairs of its own.
    """

    probability: Tensor
    nodes: Nodes
    pairs: PairContributions | None


def reply(model: SceneQA, batch: Any) -> Reply:
    """Answer a question about a scene.

    Args:
        model: The model.
        batch: One question about one scene, as :meth:`Task.batch` gives it.

    Raises:
        ValueError: If the answers are not finite.
    """
    with torch.no_grad():
        scores = logits(model, batch)
        nodes, question = model.encode(batch)
        edges: dict[str, Any] = model.edges(batch)
    if not torch.isfinite(scores).all():
        raise ValueError(
            "the model's answers are not finite: the scene holds numbers (as "
            "of places) that are too large"
        )
    found = None
    if isinstance(model.model, RelationNetwork):
        found = pair_contributions(
            model.model, nodes.x, question, pos=nodes.pos, **edges
        )
    return Reply(scores.flatten(0, -2)[-1].softmax(-1), nodes, found)


def names_of(described: list[str], nodes: Nodes) -> list[str]:
    """Name each object: as the task does, or after its place."""
    if described or nodes.pos is None:
        return described or [""] * len(nodes.x)
    return [
        f"at ({', '.join(f'{v:.2f}' for v in place)})"
        for place in nodes.pos.tolist()
    ]


def table_of_pairs(
    found: PairContributions, names: list[str], count: int
) -> str:
    """List the pairs that contributed most to the answer's score."""
    order = found.contribution.argsort(descending=True)[:count].tolist()
    sender, receiver = found.edge_index.tolist()
    return tabulate(
        [
            [
                f"{found.contribution[p]:+.2f}",
                f"{receiver[p]} {names[receiver[p]]}",
                f"{sender[p]} {names[sender[p]]}",
            ]
            for p in order
        ],
        ["score", "object i", "object j"],
        disable_numparse=True,
        colalign=("right", "left", "left"),
    )


def strongest(found: PairContributions, count: int = _DRAWN) -> PairSelection:
    """The pairs that spoke most for the answer, weighted by how much.

    Those that spoke against it are none of them.

    Args:
        found: What each pair contributed.
        count: How many; those that tie with the last come too.
    """
    weight = found.contribution.clamp(min=0)
    least = weight.topk(min(count, len(weight))).values.min()
    kept = (weight > 0) & (weight >= least)
    return PairSelection(found.edge_index[:, kept], weight[kept])


def main(argv: list[str]) -> None:
    """Answer, and show what decided."""
    # A story is what the scenes of a task of sentences are called.
    argv = [re.sub(r"^--story(?=$|=)", "--scene", word) for word in argv]
    config = parse(AskConfig, argv, PROG, HELP, "question")
    planned, model = load_model(Path(config.run))
    task = planned.task
    scene = task.find_scene(config, planned.data)
    batch = task.batch(scene, config.question, planned.data)
    found = reply(model, batch)

    described = task.objects(scene, planned.data, found.nodes.pos)
    for i, name in enumerate(described):
        print(f"{i:3}  {name}")
    print(f"\n{config.question}")
    answers = task.schema.answers
    top = found.probability.topk(min(config.answers, len(answers)))
    rows = [
        [answers[i], f"{100 * p:.1f} %"]
        for p, i in zip(top.values.tolist(), top.indices.tolist(), strict=True)
    ]
    print(tabulate(rows, tablefmt="plain", colalign=("left", "right")))
    if found.pairs is None:
        print("(This model has no g: it cannot say which pairs decided.)")
        if config.out:
            raise ValueError(
                f"`out` is given, but {config.run} is a run of "
                f"{planned.model!r}: expected a Relation Network, whose pairs "
                f"can be drawn"
            )
        return
    answer = answers[int(top.indices[0])]
    print(f"\nThe pairs that spoke most for {answer!r}:")
    names = names_of(described, found.nodes)
    print(table_of_pairs(found.pairs, names, config.pairs))
    if config.out:
        shown = strongest(found.pairs)
        title = f"{config.question}  {answer}"
        chosen = {"pairs for the answer": shown}
        figure = task.draw(scene, planned.data, chosen, found.nodes.pos, title)
        save(figure, Path(config.out))
        print(f"\nDrawn: {config.out}")
