"""Ask a trained model a question about a scene.

``python -m experiments ask "What color is the large cube?" --run RUN_FOLDER``
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from tabulate import tabulate
from torch import Tensor

from datasets.clevr.vocabulary import ANSWERS
from experiments.cli import parse
from experiments.report.draw_pairs import (
    draw,
    find_image,
    find_scene,
    objects_of,
    save,
    words_of,
)
from experiments.run.runs import load_model
from rn_graph import QuestionAnswering, RelationNetwork
from rn_graph.explain import PairContributions, pair_contributions
from rn_graph.pairs import PairSelection

PROG = "python -m experiments ask"
HELP = """Ask a trained model a question in words about a scene: prints the
objects, the answers that it finds likely, and the pairs of objects that
decided; draws them with --out. As in "ask 'How many red things are there?'
--run runs/quick/rn/seed-0"."""


@dataclass
class AskConfig:
    """Ask a trained model a question about a scene.

    Args:
        question: The question, in CLEVR's words.
        run: Folder of a trained run, as in `runs/quick/rn/seed-0`.
        scene: A file of scenes, as in
            `CLEVR_v1.0/scenes/CLEVR_val_scenes.json`; without, a scene is
            generated.
        index: Which scene of the file, from 0.
        image: Folder of the scenes' pictures, to draw over.
        objects: Objects of a generated scene.
        seed: Seed of the generated scene.
        answers: How many answers to list.
        pairs: How many pairs to list, those that say most for the answer.
        out: Where to draw the scene with what each pair contributed: PNG, PDF
            or SVG; empty: no drawing.
    """

    question: str
    run: str
    scene: str | None = None
    index: int = 0
    image: str | None = None
    objects: int = 6
    seed: int = 0
    answers: int = 5
    pairs: int = 5
    out: str = ""

    def __post_init__(self) -> None:
        for key in ("answers", "pairs", "objects"):
            if getattr(self, key) < 1:
                raise ValueError(
                    f"`{key}` is {getattr(self, key)}, expected at least 1"
                )
        if self.index < 0:
            raise ValueError(f"`index` is {self.index}, expected at least 0")
        if self.image is not None and self.scene is None:
            raise ValueError(
                "`image` is given without `scene`: a generated scene has no "
                "picture"
            )


class Reply(NamedTuple):
    """What a model says.

    Attributes:
        probability: Of each answer, ``[28]``.
        pairs: What each pair contributed to the likeliest answer; ``None``
            for a model without pairs of its own.
    """

    probability: Tensor
    pairs: PairContributions | None


def reply(
    model: QuestionAnswering, x: Tensor, pos: Tensor, question: str
) -> Reply:
    """Answer a question about a scene.

    Args:
        model: The model.
        x: Objects, ``[N, F]``.
        pos: Their positions, ``[N, 3]``.
        question: The question in words.

    Raises:
        ValueError: For a word outside of CLEVR's, or no words.
    """
    tokens, length = words_of(question)
    with torch.no_grad():
        encoded = model.encoder(tokens, length)
        scores = model.model(x, encoded, pos=pos)
    found = None
    if isinstance(model.model, RelationNetwork):
        found = pair_contributions(model.model, x, encoded, pos=pos)
    return Reply(scores[0].softmax(-1), found)


def describe(objects: list[Mapping[str, Any]]) -> list[str]:
    """Name each object: size, colour, material, shape."""
    keys = ("size", "color", "material", "shape")
    return [" ".join(o[key] for key in keys) for o in objects]


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


def main(argv: list[str]) -> None:
    """Answer, and show what decided."""
    if argv and not argv[0].startswith("-"):
        argv = ["--question", *argv]
    config = parse(AskConfig, argv, PROG, HELP)
    planned, model = load_model(Path(config.run))
    scene = find_scene(config.scene, config.index, config.objects, config.seed)
    image = find_image(config.image, scene)
    x, pos = objects_of(scene, planned.data.features)
    found = reply(model, x, pos, config.question)

    names = describe(scene["objects"])
    for i, name in enumerate(names):
        print(f"{i:3}  {name}")
    print(f"\n{config.question}")
    top = found.probability.topk(min(config.answers, len(ANSWERS)))
    rows = [
        [ANSWERS[i], f"{100 * p:.1f} %"]
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
    answer = ANSWERS[int(top.indices[0])]
    print(f"\nThe pairs that spoke most for {answer!r}:")
    print(table_of_pairs(found.pairs, names, config.pairs))
    if config.out:
        # What spoke against the answer is left out.
        weight = found.pairs.contribution.clamp(min=0)
        kept = weight > 0
        shown = PairSelection(found.pairs.edge_index[:, kept], weight[kept])
        title = f"{config.question}  {answer}"
        chosen = {"pairs for the answer": shown}
        save(draw(scene, chosen, image, title), Path(config.out))
        print(f"\nDrawn: {config.out}")
