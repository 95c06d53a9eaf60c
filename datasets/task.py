"""What a task says of itself, so that no program has to know it by name.

A task is a folder of ``datasets/`` with a module ``task`` that holds its
:data:`TASK`, or any importable module that does. The programs find it by that
name (:func:`find_task`), make its data, train on its stores and ask it how a
scene is read, described and drawn.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from matplotlib.figure import Figure
from torch import Tensor
from torch_geometric.data import Batch

from datasets.store import Schema
from rn_graph.pairs import PairSelection

SPLITS = ("train", "val", "test")
#: Scenes of a split at most: more are a slip of the keys.
MOST = 10_000_000
#: Settings of how data are read, not of which data they are.
READING = ("objects", "features", "stores", "hold_out", "last")


@dataclass
class Data:
    """The scenes and questions, the same for every model.

    A task adds settings of its own in a subclass.

    Args:
        train: Training scenes that are made.
        val: Validation scenes: the best weights are picked on them.
        test: Test scenes: looked at once, after training.
        seed: Seed of the generator.
        objects: What the objects are, where the task's scenes have several
            forms, as in `states` or `images`; empty: the task's first.
        stores: Folder with `train.h5`, `val.h5` and `test.h5`; nothing is
            made then, and the settings above, but `objects`, are not used.
        hold_out: The last so many training scenes of `stores` are for
            validation, and its `val.h5` is the test split: so is a set used
            whose own test split has no answers. 0: as they are.
    """

    train: int = 7000
    val: int = 500
    test: int = 1500
    seed: int = 0
    objects: str = ""
    stores: str | None = None
    hold_out: int = 0

    def __post_init__(self) -> None:
        for split in SPLITS:
            in_range(f"data.{split}", getattr(self, split), 1, MOST)
        in_range("data.seed", self.seed, 0, 2**32 - 1)
        in_range("data.hold_out", self.hold_out, 0, MOST)
        if self.hold_out and self.stores is None:
            raise ValueError(
                f"`data.hold_out` is {self.hold_out}, expected 0 without "
                f"`data.stores`: made data have all three splits"
            )

    def identity(self) -> dict[str, Any]:
        """The settings that decide what is made."""
        values = asdict(self)
        return {k: v for k, v in values.items() if k not in READING}

    def used(self) -> dict[str, Any]:
        """The settings that matter: of ``stores``, those of reading alone."""
        values = asdict(self)
        if self.stores is None:
            return values
        return {k: v for k, v in values.items() if k in READING}


@dataclass
class Source:
    """Where a single scene comes from, to be asked about.

    Args:
        scene: A file of scenes; without, a scene is made.
        index: Which scene of the file, from 0.
        image: Folder of the scenes' pictures; without `scene`, the file of a
            picture to ask about, where the run's model is given pictures.
        objects: Objects of a scene that is made; 0: as many as is usual.
        seed: Seed of a scene that is made.
    """

    scene: str | None = None
    index: int = 0
    image: str | None = None
    objects: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        for key in ("index", "objects", "seed"):
            in_range(key, getattr(self, key), 0, 2**32 - 1)


class Page(NamedTuple):
    """A page on which people play with scenes of a task.

    Attributes:
        files: Folder of its files: ``index.html``, and what that loads. They
            find the networks in ``network/`` and the rest in ``page.json``,
            whose ``task`` is `facts`, whose ``models`` says what each
            model is.
        facts: What the page has to know of the task, as JSON has it.
    """

    files: Path
    facts: dict[str, Any]


class Task(ABC):
    """A task: its data, what is asked, and how a scene is read and drawn.

    Attributes:
        name: The folder's name.
        title: Its name in texts.
        version: Raised where other data come from the same settings.
        settings: Its :class:`Data`.
        schema: What its stores hold: kinds of objects (the first is the
            default), edges, the form of its questions, answers, question
            types, families, words.
        categories: Name of a column of the tables → the question types in it.
        headline: Those of them that short tables show; empty: all.
        example: A question that can be asked of a scene, in words.
        solved: Accuracy from which a family of questions counts as solved:
            tables then count those that are; 0: they do not.
        limits: Lines of a list in Markdown for model cards: what figures on
            its data do not say.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    version: ClassVar[int] = 1
    settings: ClassVar[type[Data]] = Data
    schema: ClassVar[Schema]
    categories: ClassVar[Mapping[str, Sequence[str]]]
    headline: ClassVar[Sequence[str]] = ()
    example: ClassVar[str] = ""
    solved: ClassVar[float] = 0.0
    limits: ClassVar[str] = ""

    @abstractmethod
    def make(self, settings: Any, folder: Path) -> None:
        """Write ``train.h5``, ``val.h5`` and ``test.h5`` into a folder.

        What is there and whole may be kept: a command that was broken off
        calls this again.
        """

    def describe(self, settings: Any) -> str:
        """Say in words what :meth:`make` makes."""
        scenes = ", ".join(f"{getattr(settings, s):,} {s}" for s in SPLITS)
        return f"made scenes ({scenes}), seed {settings.seed}"

    def seen(self, settings: Any) -> str:
        """Say in words what a model is given of a scene."""
        kind = settings.objects or self.schema.objects[0]
        return f"a scene's {kind}"

    def node_features(
        self, settings: Any
    ) -> Callable[[Tensor, Tensor], Tensor] | None:
        """What turns attribute indices and places into node features."""
        return None

    def last(self, settings: Any) -> int | None:
        """How many of a scene's nodes are read, the last; ``None``: all."""
        return None

    def select_families(self, wanted: Sequence[int | str]) -> list[int]:
        """Numbers of families, by their groups or numbers.

        Raises:
            ValueError: For one that there is not.
        """
        numbers = range(len(self.schema.families))
        groups = {self.group(i) for i in numbers}
        found: set[int] = set()
        for family in wanted:
            if isinstance(family, int) and family in numbers:
                found.add(family)
            elif family in groups:
                found.update(i for i in numbers if self.group(i) == family)
            else:
                raise ValueError(
                    f"unknown family {family!r} of {self.title}'s questions: "
                    f"expected a number below {len(numbers)} or some of "
                    f"{', '.join(sorted(groups))}"
                )
        return sorted(found)

    def group(self, family: int) -> str:
        """The group of a family, for tables of many of them."""
        return self.schema.families[family]

    def augmentation(self, settings: Any) -> Callable[[Batch], Batch]:
        """What a training batch may be changed into, the answers with it.

        Raises:
            ValueError: If there is no such thing.
        """
        raise ValueError(
            f"`train.augment` is true, but {self.title} has nothing that its "
            f"batches may be changed into: expected false"
        )

    # One scene, for `ask` ####################################################

    def find_scene(self, source: Source, settings: Any) -> Any:
        """Read or make a single scene.

        Args:
            source: Where it comes from.
            settings: How scenes are made, and read.

        Raises:
            FileNotFoundError: If there is no such file.
            ValueError: If it has no such scene, or is none of the task's.
        """
        raise self._unasked()

    def batch(self, scene: Any, question: str, settings: Any) -> Batch:
        """A batch of one question, in words, about one scene.

        Raises:
            ValueError: If the question cannot be read.
        """
        raise self._unasked()

    def words(self, batch: Batch, question: int) -> str:
        """A question of a batch, in words.

        Args:
            batch: Of :class:`~datasets.dataset.QuestionDataset`.
            question: Which one.
        """
        if self.schema.question != "words":
            return self.schema.question_types[
                int(batch.question_type[question])
            ]
        tokens = batch.tokens[question, : batch.length[question]].tolist()
        return " ".join(self.schema.tokens[token] for token in tokens)

    def objects(
        self, scene: Any, settings: Any, pos: Tensor | None
    ) -> list[str]:
        """What each object of a scene is called; empty: its place alone.

        Args:
            scene: What :meth:`find_scene` gave.
            settings: How scenes are read.
            pos: Places of the objects, as the model has them, ``[N, D]``.
        """
        return []

    def draw(
        self,
        scene: Any,
        settings: Any,
        chosen: Mapping[str, PairSelection],
        pos: Tensor | None,
        title: str | None = None,
    ) -> Figure:
        """Draw a scene, once for each choice of pairs of its objects.

        Args:
            scene: What :meth:`find_scene` gave.
            settings: How scenes are read.
            chosen: Title → pairs.
            pos: Places of the objects, as the model has them, ``[N, D]``.
            title: What stands above all.
        """
        raise self._unasked()

    # Any scene, for `play` ###################################################

    def page(self, settings: Any) -> Page:
        """A page on which scenes are made, changed and asked about.

        Args:
            settings: How a model was given its scenes.

        Raises:
            ValueError: If there is no such page.
        """
        raise ValueError(
            f"{self.title} has no page to play with: expected runs of a task "
            f"that has one"
        )

    def _unasked(self) -> ValueError:
        return ValueError(
            f"{self.title} does not say how a single scene is read: it can be "
            f"trained and evaluated, not asked"
        )


def task_names() -> list[str]:
    """The names of the tasks that are folders here."""
    folders = Path(__file__).parent.glob("*/task.py")
    return sorted(path.parent.name for path in folders)


def find_task(name: str) -> Task:
    """Find a task by its name.

    Args:
        name: A folder of ``datasets``, or the dotted name of a module that
            holds a task as ``TASK``.

    Raises:
        ValueError: If there is none.
    """
    module = f"datasets.{name}.task" if name in task_names() else name
    try:
        known = bool(name) and find_spec(module) is not None
    except (ImportError, ValueError):
        known = False
    task = getattr(import_module(module), "TASK", None) if known else None
    if not isinstance(task, Task):
        raise ValueError(
            f"`task` is {name!r}, expected one of {', '.join(task_names())}, "
            f"or a module with a `TASK`"
        )
    return task


def in_range(key: str, value: int, least: int, most: int) -> None:
    """Check a setting.

    Raises:
        ValueError: If it is less or more; it names the setting.
    """
    if not least <= value <= most:
        raise ValueError(f"`{key}` is {value}, expected {least} to {most:,}")
