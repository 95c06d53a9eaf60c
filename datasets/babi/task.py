"""bAbI as a task: questions about stories, whose sentences are objects."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor
from torch_geometric.data import Batch

from datasets.babi.importer import SCHEMA, check_tasks, make_stores
from datasets.babi.stories import read_plain
from datasets.babi.vocabulary import (
    CATEGORIES,
    encode_tokens,
    sentence,
    tokenize,
)
from datasets.babi.world import QUESTIONS
from datasets.babi.world import TASKS as MADE
from datasets.draw import INK, draw_pairs, panels
from datasets.task import MOST, SPLITS, Data, Source, Task, in_range
from rn_graph.pairs import PairSelection


@dataclass
class BabiData(Data):
    """bAbI's stories: the release, imported into `stores`, or made ones.

    Args:
        train: Training questions of each task whose stories are made.
        val: Validation questions of each.
        test: Test questions of each.
        tasks: Numbers of the tasks whose stories are made: 1 and 3.
        last: Sentences before a question that are read, the last of them; 0:
            all.
    """

    train: int = 9000
    val: int = 1000
    test: int = 1000
    tasks: list[int] = field(default_factory=lambda: list(MADE))
    last: int = 20

    def __post_init__(self) -> None:
        super().__post_init__()
        in_range("data.last", self.last, 0, MOST)
        check_tasks(self.tasks, "data.tasks")
        if self.stores is not None:
            return
        if not self.tasks or set(self.tasks) - set(MADE):
            raise ValueError(
                f"`data.tasks` is {self.tasks}, expected some of {list(MADE)}, "
                f"whose stories are made; those of the others are released: "
                f"`python -m datasets.babi import` makes `data.stores` of them"
            )
        for split in SPLITS:
            if getattr(self, split) % QUESTIONS:
                raise ValueError(
                    f"`data.{split}` is {getattr(self, split)}, expected a "
                    f"multiple of {QUESTIONS}, the questions of a story"
                )


class Babi(Task):
    """Toy tasks of reading (Weston et al. 2015)."""

    name = "babi"
    title = "bAbI"
    settings = BabiData
    schema = SCHEMA
    categories = CATEGORIES
    headline = ("1-3 facts", "15-16 deduction, induction")
    example = "Where is the milk?"
    solved = 0.95
    limits = """\
- Where the source of the data says so, stories of a task are made by the rules
  of the released ones, not released: figures of that task are of these.
- Sentences are of the 145 words of the release: it reads nothing else.
"""

    def make(self, settings: BabiData, folder: Path) -> None:
        """Write stores of made stories."""
        if not all((folder / f"{split}.h5").exists() for split in SPLITS):
            sizes = {split: getattr(settings, split) for split in SPLITS}
            info = {"seed": settings.seed}
            make_stores(folder, settings.tasks, sizes, settings.seed, info)

    def describe(self, settings: BabiData) -> str:
        """Say what is made."""
        sizes = ", ".join(f"{getattr(settings, s):,} {s}" for s in SPLITS)
        return (
            f"made stories of the tasks "
            f"{', '.join(map(str, settings.tasks))} (questions of each: "
            f"{sizes}), seed {settings.seed}"
        )

    def seen(self, settings: BabiData) -> str:
        """Say what is given of a story."""
        if settings.last:
            return f"the last {settings.last} sentences before the question"
        return "all sentences before the question"

    def last(self, settings: BabiData) -> int | None:
        """The last sentences before the question."""
        return settings.last or None

    # One story, for `ask` ####################################################

    def find_scene(self, source: Source, settings: Any) -> list[list[int]]:
        """The words of each sentence of a story, from a text file.

        Raises:
            FileNotFoundError: If there is no such file.
            ValueError: If none is given, or it has no such story.
        """
        if source.scene is None:
            raise ValueError(
                "`story` is missing: expected a text file with a sentence on "
                "each line, as in 'Mary got the milk.'"
            )
        if source.image is not None or source.objects:
            raise ValueError(
                "`image` or `objects` is given, expected neither: a story is "
                "the sentences of its file"
            )
        path = Path(source.scene)
        if not path.is_file():
            raise FileNotFoundError(f"`story` is {path}, which does not exist")
        stories = read_plain(path.read_bytes(), str(path))
        if source.index >= len(stories):
            raise ValueError(
                f"`index` is {source.index}, but {path} has {len(stories)} "
                f"stories"
            )
        return stories[source.index]

    def _read(
        self, scene: list[list[int]], settings: BabiData
    ) -> list[list[int]]:
        return scene[-settings.last :] if settings.last else scene

    def batch(
        self, scene: list[list[int]], question: str, settings: BabiData
    ) -> Batch:
        """The words of the sentences that are read, and of the question."""
        asked = tokenize(question)
        if not asked:
            raise ValueError("`question` has no words, expected a question")
        try:
            tokens = encode_tokens(asked)
        except ValueError as error:
            raise ValueError(f"`question` has an {error}") from None
        read = self._read(scene, settings)
        words = torch.zeros(len(read), max(map(len, read)), dtype=torch.long)
        for row, own in zip(words, read, strict=True):
            row[: len(own)] = torch.tensor(own)
        one = torch.zeros(1, dtype=torch.long)
        return Batch(
            words=words,
            num_words=torch.tensor([len(own) for own in read]),
            pos=torch.arange(len(read)).float().unsqueeze(1),
            batch=torch.zeros(len(read), dtype=torch.long),
            tokens=torch.tensor([tokens]),
            length=torch.tensor([len(tokens)]),
            question_batch=one,
        )

    def words(self, batch: Batch, question: int) -> str:
        """The question, as it stands in the files of its task."""
        tokens = batch.tokens[question, : batch.length[question]].tolist()
        kinds = getattr(batch, "question_type", None)  # unknown of `ask`'s
        return sentence(tokens, 0 if kinds is None else int(kinds[question]))

    def objects(
        self, scene: list[list[int]], settings: BabiData, pos: Tensor | None
    ) -> list[str]:
        """The sentences that are read, or their words."""
        read = self._read(scene, settings)
        if pos is not None and pos.size(1) == 2:
            return [
                f"{number + 1}: {word}"
                for number, own in enumerate(read)
                for word in sentence(own).rstrip(".").split()
            ]
        return [sentence(own) for own in read]

    def draw(
        self,
        scene: list[list[int]],
        settings: BabiData,
        chosen: Mapping[str, PairSelection],
        pos: Tensor | None,
        title: str | None = None,
    ) -> Figure:
        """Write the story down, and draw the pairs beside it."""
        names = self.objects(scene, settings, pos)
        places = np.stack(
            [np.zeros(len(names)), -np.arange(len(names), dtype=float)], 1
        )

        def paint(axes: Axes, pairs: PairSelection) -> None:
            draw_pairs(axes, places, np.full(len(names), 0.2), pairs, INK)
            for (x, y), name in zip(places, names, strict=True):
                axes.plot(x, y, "o", color=INK, ms=4)
                axes.text(x + 1.2, y, name, va="center", fontsize=8)
            axes.set(xlim=(-3, 9), ylim=(-len(names), 1))
            axes.axis("off")

        height = 1 + 0.22 * len(names)
        return panels(chosen, [(height, paint)], len(names), title=title)


TASK = Babi()
