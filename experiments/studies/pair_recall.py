"""Does a selection find the pairs that decide the answer?

``python -m experiments pair_recall --selections '[attention, random]'``
"""

import math
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import torch
import torch.nn.functional as F
import yaml
from tabulate import tabulate
from tqdm import tqdm

from datasets.files import write
from experiments.cli import parse
from experiments.report.frames import read_csv
from experiments.report.stats import interval
from experiments.report.tables import insert
from experiments.run.budgets import shrunk
from experiments.run.provenance import provenance
from experiments.run.runs import flatten
from experiments.studies.pair_selections import SELECTIONS, Budgeted
from experiments.studies.pair_task import (
    IN_CHANNELS,
    QUESTION_CHANNELS,
    Relation,
    draw_scenes,
    recall,
)
from rn_graph import RelationNetwork
from rn_graph.pairs import make_budget

PROG = "python -m experiments pair_recall"
HELP = """Train a Relation Network on scenes where the question names two of
20 objects, from the answer's loss alone, over the few pairs that a selection
keeps; then count, on fresh scenes, how often the two deciding pairs are among
them. Every selection trains with the same model, steps and seeds. Finished
runs are kept: the same command goes on where it stopped."""


@dataclass
class RecallConfig:
    """What to train.

    Args:
        selections: Which selections: names of experiments/pair_selections.py.
        relation: What is asked of the two objects: `near`, `left` or `same`
            material.
        objects: Objects of a scene, N.
        share: Budget, a share of a scene's N² pairs.
        start_share: Budget at the first step; it shrinks to `share`
            geometrically over `shrink_steps`.
        shrink_steps: Steps over which the budget shrinks; 0: never larger.
        seeds: Seeds to train, from 0.
        steps: Training steps, each on fresh scenes.
        batch_size: Scenes a step.
        lr: Adam's learning rate; in the second half of the steps it falls to 0
            along a half cosine.
        hidden_channels: Width of g's layers.
        num_layers: Layers of g; f is linear, so that g has to relate the two.
        test_scenes: Fresh scenes for the figures.
        threads: Threads of torch.
        folder: Where the results go.
        readme: Markdown file to put the table into, between the lines
            `<!-- results:NAME -->` and `<!-- /results:NAME -->`, where NAME is
            the folder's name.
    """

    selections: list[str] = field(
        default_factory=lambda: ["attention", "random"]
    )
    relation: Relation = "near"
    objects: int = 20
    share: float = 0.05
    start_share: float = 0.2
    shrink_steps: int = 1500
    seeds: int = 5
    steps: int = 3000
    batch_size: int = 128
    lr: float = 3e-3
    hidden_channels: int = 64
    num_layers: int = 3
    test_scenes: int = 5000
    threads: int = 1
    folder: str = "results/pair_recall/near"
    readme: str | None = None

    def __post_init__(self) -> None:
        for name in self.selections:
            if name not in SELECTIONS:
                raise ValueError(
                    f"`selections` names {name!r}, expected some of "
                    f"{', '.join(SELECTIONS)}"
                )
        for key in ("seeds", "steps", "batch_size", "test_scenes", "threads"):
            if getattr(self, key) < 1:
                raise ValueError(
                    f"`{key}` is {getattr(self, key)}, expected at least 1"
                )


def train(
    config: RecallConfig, name: str, seed: int
) -> tuple[dict[str, float], list[dict[str, float]]]:
    """Train one model with one selection, and measure it.

    Args:
        config: What to train.
        name: The selection's name.
        seed: Seed of weights and scenes.

    Returns:
        Recall and accuracy on fresh scenes with seconds of processor time,
        and the course of the former in training.
    """
    torch.manual_seed(seed)
    pairs = SELECTIONS[name](IN_CHANNELS, QUESTION_CHANNELS, config.share)
    model = RelationNetwork(
        IN_CHANNELS,
        2,
        QUESTION_CHANNELS,
        config.hidden_channels,
        config.num_layers,
        pairs=pairs,
        readout_channels=(),
    )
    optimizer = torch.optim.Adam(model.parameters(), config.lr)
    course: list[dict[str, float]] = []
    start = time.process_time()
    every = max(1, config.steps // 20)
    progress = tqdm(
        range(config.steps), f"{name}, seed {seed}", leave=False, disable=None
    )
    for step in progress:
        if step % every == 0:
            pairs.budget = make_budget(None, config.share)
            figures = test(config, model, pairs, seed, 1000)
            course.append({"step": step, **figures})
            progress.set_postfix(recall=course[-1]["recall"])
        pairs.budget = make_budget(None, share_at(config, step))
        optimizer.param_groups[0]["lr"] = lr_at(config, step)
        scenes = draw_scenes(config.batch_size, config.relation, config.objects)
        model.train()
        scores = model(scenes.x, scenes.question, scenes.batch, pos=scenes.pos)
        loss = F.cross_entropy(scores, scenes.answer)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    pairs.budget = make_budget(None, config.share)
    figures = test(config, model, pairs, seed, config.test_scenes)
    seconds = round(time.process_time() - start, 1)
    return figures | {"seconds": seconds}, course


def share_at(config: RecallConfig, step: int) -> float:
    """The budget of a training step."""
    done = step / config.shrink_steps if config.shrink_steps else 1
    return shrunk(config.start_share, config.share, done)


def lr_at(config: RecallConfig, step: int) -> float:
    """The learning rate of a training step."""
    late = max(0.0, 2 * step / config.steps - 1)
    return config.lr * (1 + math.cos(math.pi * late)) / 2


@torch.no_grad()
def test(
    config: RecallConfig,
    model: RelationNetwork,
    pairs: Budgeted,
    seed: int,
    count: int,
) -> dict[str, float]:
    """Measure recall of the deciding pairs and accuracy on fresh scenes.

    Args:
        config: What was trained.
        model: The model, with its
        pairs: selection, at the budget that it has.
        seed: The training's seed; the scenes differ from its own.
        count: Number of scenes.

    Returns:
        ``recall``, ``accuracy``, and ``pairs`` kept a scene.
    """
    generator = torch.Generator().manual_seed(1_000_003 + seed)
    scenes = draw_scenes(count, config.relation, config.objects, generator)
    model.eval()
    kept = pairs(scenes.x, scenes.question, scenes.batch, scenes.pos)
    scores = model(scenes.x, scenes.question, scenes.batch, pos=scenes.pos)
    right = (scores.argmax(dim=1) == scenes.answer).float().mean()
    edges = kept.edge_index
    return {
        "recall": round(recall(edges, scenes.deciding, len(scenes.x)), 4),
        "accuracy": round(float(right), 4),
        "pairs": edges.size(1) / count,
    }


def tabulate_results(runs: pd.DataFrame) -> str:
    """Make the table of all runs, in Markdown."""
    rows = []
    for name, mine in runs.groupby("selection", sort=False):
        recalls = mine["recall"]
        half = interval(recalls.tolist())
        rows.append(
            {
                "selection": name,
                "recall, mean ± 95 %": f"{recalls.mean():.3f}"
                + (f" ± {half:.3f}" if len(mine) > 1 else ""),
                "recall by seed": " ".join(f"{v:.3f}" for v in recalls),
                "accuracy by seed": " ".join(
                    f"{v:.3f}" for v in mine["accuracy"]
                ),
                "pairs": f"{mine['pairs'].iloc[0]:g}",
                "CPU s": f"{mine['seconds'].mean():.0f}",
            }
        )
    markdown = tabulate(
        rows, headers="keys", tablefmt="github", disable_numparse=True
    )
    return markdown + "\n"


def add(rows: list[dict[str, Any]], path: Path) -> pd.DataFrame:
    """Add rows to a CSV file, in the order of ``SELECTIONS``, by seed.

    Returns:
        All its rows.
    """
    parts = [read_csv(path)] if path.exists() else []
    frame = pd.concat([*parts, pd.DataFrame(rows)], ignore_index=True)
    place = frame["selection"].map(list(SELECTIONS).index)
    keys = [key for key in ("seed", "step") if key in frame]
    frame = frame.assign(place=place).sort_values(["place", *keys])
    # A run that was stopped while it was written is made again.
    frame = frame.drop(columns="place").drop_duplicates(
        ["selection", *keys], keep="last"
    )
    write(path, frame.to_csv(index=False))
    return frame


def main(argv: list[str]) -> None:
    """Train what is missing, and write the table of all that is there."""
    config = parse(RecallConfig, argv, PROG, HELP)
    torch.set_num_threads(config.threads)
    folder = Path(config.folder)
    settings = asdict(config)
    for key in ("selections", "seeds", "folder", "readme", "threads"):
        del settings[key]
    path = folder / "config.yaml"
    text = yaml.safe_dump(settings, sort_keys=False)
    if path.exists() and path.read_text(encoding="utf-8") != text:
        raise ValueError(
            f"{path} holds other settings than those asked for: give another "
            f"`--folder`, or delete it"
        )
    write(path, text)
    path = folder / "runs.csv"
    runs = read_csv(path) if path.exists() else pd.DataFrame()
    keys = runs.reindex(columns=["selection", "seed"])
    done = set(keys.itertuples(index=False, name=None))
    for seed in range(config.seeds):
        for name in config.selections:
            if (name, seed) not in done:
                metrics, course = train(config, name, seed)
                run: dict[str, Any] = {"selection": name, "seed": seed}
                add([run | row for row in course], folder / "curves.csv")
                runs = add([run | metrics | flatten(provenance())], path)
    markdown = tabulate_results(runs)
    write(folder / "table.md", markdown)
    print(markdown)
    if config.readme:
        insert(Path(config.readme), folder.name, markdown.strip())
