"""Do a model's pairs, and their explanation, name the objects that decide?

``python -m experiments support_recall RUN [RUN ...]``
"""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import torch
from tabulate import tabulate
from torch import Tensor, nn
from tqdm import tqdm

from datasets.files import write
from experiments.cli import parse
from experiments.config import PositiveInt
from experiments.run.accuracy import logits
from experiments.run.data import open_splits
from experiments.run.runs import load_model
from rn_graph import RelationNetwork, SceneQA
from rn_graph.batching import graph_sizes, question_rows
from rn_graph.explain import pair_contributions
from rn_graph.pairs import RandomPairs

PROG = "python -m experiments support_recall"
HELP = """Of questions whose data say which objects decide the answer, and that
a trained Relation Network answers right: how many of these objects are among
those of its strongest pairs, as the explanation ranks them (as many objects as
decide), and how many of the pairs of two deciding objects a selection keeps;
each beside what chance gives. No model is told which objects decide. As in
"support_recall runs/NAME/rn/seed-0"."""
#: Questions a batch: an explanation holds every pair's message.
_BATCH = 64


@dataclass
class SupportConfig:
    """What to look at.

    Args:
        runs: Folders of trained runs.
        split: The split whose questions are answered.
        questions: How many of them, spread evenly over the split.
        out: JSON file for the figures; empty: they are printed alone.
        data_root: Folder where data that were made are kept and found again.
    """

    runs: list[str] = field(default_factory=list)
    split: str = "test"
    questions: PositiveInt = 1000
    out: str = ""
    data_root: str = "data"

    def __post_init__(self) -> None:
        if not self.runs:
            raise ValueError("`runs` is empty, expected folders of runs")


class Asked(NamedTuple):
    """A batch as rows, one for each object of each question.

    Attributes:
        decides: Whether a row's object decides its question, ``[R]``.
        row: Question of each row, ``[R]``, ascending.
        start: First row of each question, ``[Q]``.
        size: Rows of each question, ``[Q]``.
    """

    decides: Tensor
    row: Tensor
    start: Tensor
    size: Tensor


def asked_of(batch: Any, scenes: Tensor) -> Asked:
    """The rows of a batch, and which of them decide.

    Args:
        batch: Of :class:`~datasets.dataset.QuestionDataset`, with support.
        scenes: Scene of each object, ``[N]``.
    """
    node, row = question_rows(scenes, batch.question_batch)
    count = len(batch.y)
    size = graph_sizes(row, count)
    wanted = batch.support_batch * len(scenes) + batch.support
    decides = torch.isin(row * len(scenes) + node, wanted)
    return Asked(decides, row, size.cumsum(0) - size, size)


def top_objects(
    sender: Tensor, receiver: Tensor, weight: Tensor, count: int
) -> Tensor:
    """The objects of the strongest pairs, until there are enough.

    Args:
        sender: Of each pair, ``[P]``.
        receiver: Of each pair, ``[P]``.
        weight: What ranks the pairs, ``[P]``.
        count: How many different objects. Where the last pair brings two and
            one is wanted, its sender is.
    """
    order = weight.argsort(descending=True)
    both = torch.stack([sender[order], receiver[order]], 1).flatten()
    found: dict[int, None] = {}
    for node in both.tolist():
        if len(found) == count:
            break
        found[node] = None
    return torch.tensor(list(found), dtype=torch.long)


def explained(model: SceneQA, batch: Any) -> Iterator[tuple[int, float, float]]:
    """Of each question with support: its row, its recall, and chance's.

    Recall is the share of the objects that decide among as many objects of
    the pairs that contributed most to the answer; chance's is that of as many
    drawn at random.
    """
    nodes, question = model.encode(batch)
    asked = asked_of(batch, nodes.batch)
    assert isinstance(model.model, RelationNetwork)
    found = pair_contributions(
        model.model,
        nodes.x,
        question,
        nodes.batch,
        batch.question_batch,
        nodes.pos,
    )
    node = question_rows(nodes.batch, batch.question_batch).node
    for q in range(len(batch.y)):
        rows = slice(int(asked.start[q]), int(asked.start[q] + asked.size[q]))
        wanted = node[rows][asked.decides[rows]]
        if not len(wanted):
            continue
        mine = found.question == q
        sender, receiver = found.edge_index[:, mine]
        top = top_objects(
            sender, receiver, found.contribution[mine], len(wanted)
        )
        hit = float(torch.isin(wanted, top).float().mean())
        yield q, hit, len(wanted) / int(asked.size[q])


def kept_pairs(
    select: Callable[..., Any], model: SceneQA, batch: Any
) -> tuple[Tensor, Tensor]:
    """Pairs of two objects that decide: kept, and all, of each question.

    Args:
        select: A selection of pairs.
        model: The network that it is given objects and questions of.
        batch: The questions.
    """
    nodes, question = model.encode(batch)
    asked = asked_of(batch, nodes.batch)
    node, row = question_rows(nodes.batch, batch.question_batch)
    x = nodes.x[node]
    network = model.model
    if isinstance(network, RelationNetwork):
        x = network.objects(x, question, row)
    pos = None if nodes.pos is None else nodes.pos[node]
    edges = select(x, question, row, pos).edge_index
    count = len(batch.y)
    both = asked.decides[edges].all(0) & (edges[0] != edges[1])
    kept = torch.bincount(row[edges[1]][both], minlength=count)
    deciding = torch.bincount(row[asked.decides], minlength=count)
    return kept, deciding * (deciding - 1)


@torch.no_grad()
def recall(
    model: SceneQA, batches: Iterable[Any], share: float | None
) -> dict[str, float]:
    """Recall of the objects that decide, in percent.

    Args:
        model: The network.
        batches: The questions.
        share: Budget of its selection; ``None``: it sums all pairs.

    Returns:
        ``questions`` answered right with support; of these, if there are any,
        ``explained`` and ``explained, chance``; with a selection ``selected``
        and ``selected, chance``: pairs of two deciding objects that are kept.
    """
    hits: list[float] = []
    chance: list[float] = []
    pairs = torch.zeros(3)
    for batch in batches:
        scores = logits(model, batch)
        right = scores.flatten(0, -2)[-len(batch.y) :].argmax(-1) == batch.y
        for q, hit, by_chance in explained(model, batch):
            if right[q]:
                hits.append(hit)
                chance.append(by_chance)
        if share is not None:
            random = RandomPairs(share=share).eval()
            own = model.model.pairs
            assert isinstance(own, nn.Module)
            kept, every = kept_pairs(own, model, batch)
            drawn, _ = kept_pairs(random, model, batch)
            rows = torch.stack([kept, drawn, every]).float()
            pairs += rows[:, right].sum(1)
    out = {"questions": float(len(hits))}
    if hits:
        out["explained"] = 100 * sum(hits) / len(hits)
        out["explained, chance"] = 100 * sum(chance) / len(hits)
    if share is not None and pairs[2]:
        out["selected"] = 100 * float(pairs[0] / pairs[2])
        out["selected, chance"] = 100 * float(pairs[1] / pairs[2])
    return out


def look(folder: Path, config: SupportConfig) -> dict[str, float]:
    """Load a run, and measure it.

    Raises:
        ValueError: If it is no Relation Network's, or its data do not say
            which objects decide.
    """
    planned, model = load_model(folder)
    if not planned.task.schema.support:
        raise ValueError(
            f"{folder} is of {planned.task.title}, whose data do not say "
            f"which objects decide: expected a task whose data do"
        )
    assert isinstance(model, SceneQA)
    if not isinstance(model.model, RelationNetwork):
        raise ValueError(
            f"{folder} is a run of {planned.model!r}, expected a Relation "
            f"Network, whose pairs can be told apart"
        )
    splits = open_splits(planned.task, planned.data, config.data_root, "cpu")
    splits.check_fits(planned.inputs, config.split)
    data = splits.dataset(config.split)
    if not hasattr(data[0], "support"):
        raise ValueError(
            f"{folder} is given {planned.inputs.objects}, expected a run on "
            f"objects that support can name"
        )
    count = min(config.questions, len(data))
    rows = torch.linspace(0, len(data) - 1, count).long().numpy()
    parts = range(0, count, _BATCH)
    bar = tqdm(parts, str(folder), unit="batch", leave=False)
    batches = (data[rows[i : i + _BATCH]] for i in bar)
    return recall(model, batches, planned.share)


def _cell(figures: dict[str, float], key: str) -> str:
    if key not in figures:
        return "–"
    return (
        f"{figures[key]:.0f}" if key == "questions" else f"{figures[key]:.1f}"
    )


def main(argv: list[str]) -> None:
    """Measure runs, and tabulate."""
    words = []
    while argv and not argv[0].startswith("-"):
        words.append(argv[0])
        argv = argv[1:]
    if words:
        argv = ["--runs", json.dumps(words), *argv]
    config = parse(SupportConfig, argv, PROG, HELP, "runs")
    found = {name: look(Path(name), config) for name in config.runs}
    heads: list[str] = []
    for figures in found.values():
        heads += [key for key in figures if key not in heads]
    rows = [
        [name, *(_cell(f, key) for key in heads)] for name, f in found.items()
    ]
    print(tabulate(rows, ["run", *heads], "github", disable_numparse=True))
    if config.out:
        write(Path(config.out), json.dumps(found, indent=2) + "\n")
