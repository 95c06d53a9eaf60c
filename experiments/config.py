"""What a comparison is made of, as dataclasses; presets are YAML files."""

import copy
import functools
import math
from collections.abc import Mapping
from dataclasses import (
    asdict,
    dataclass,
    field,
    fields,
    is_dataclass,
    make_dataclass,
)
from pathlib import Path
from typing import Any, Literal, TypeVar

import yaml
from jsonargparse import ArgumentError, ArgumentParser, Namespace

from datasets.messages import nearest
from datasets.task import Data, find_task
from experiments.ranges import (
    Count,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    Share,
    UnitFloat,
    Width,
)
from experiments.run.models import MODELS, check_models

PRESETS = Path(__file__).parent / "presets"

T = TypeVar("T")


@dataclass
class ModelConfig:
    """Sizes that the models share.

    Args:
        embedding_channels: Width of a word's embedding.
        question_channels: Width of a question, as its encoder gives it.
        question_heads: Heads that read the words' states, in both directions,
            of questions, and of sentences that are objects; 0: the last state
            of one LSTM, as in the paper.
        text_objects: What the objects of a story are: its sentences, each
            read by an LSTM, or all their words.
        sentence_channels: Width of a sentence, as its LSTM gives it.
        sentence_places: Width of a sentence's index, one-hot, told beside its
            relative place; in training a story begins anywhere within it. 0:
            not told.
        question_scale: What questions that are vectors are multiplied by:
            which object a few bits mean is learned earlier if they weigh as
            much as an object's channels.
        hidden_channels: Width of the reference model's relation function g;
            the other models get the width that gives them as many parameters.
        num_layers: Layers of g.
        num_steps: Rounds of the recurrent RN, which answers after each.
        question_layer: Layer of RN's g, from 0, that the question enters at.
            Questions of a scene share the layers before, where a batch holds
            several (`train.whole_scenes`).
        object_layers: Layers of an MLP that shows each object the question
            before any model sums over pairs or passes messages; 0: none.
        object_sum: Whether RN's f is given the sum of what these layers say,
            too, so that an object counts of which no pair is kept.
        aggr: How RN adds up what g says of the pairs: their sum, as in the
            paper, or each object's mean.
        norm: Normalisation in RN's g, as in `layer_norm`; empty: none.
        readout_channels: Widths of the readout f's hidden layers.
        dropout: Dropout in the readout f.
        cnn_channels: Kernels of the convolutions before pictures, each of
            3×3 with stride 2: what they give are the cells that are objects.
            Four of 24 are the paper's for pictures of 128×128.
        cnn_blocks: Residual blocks that follow them, of two convolutions
            each; 0: none, as in the paper.
    """

    embedding_channels: Width = 32
    question_channels: Width = 64
    question_heads: NonNegativeInt = 0
    text_objects: Literal["sentences", "words"] = "sentences"
    sentence_channels: Width = 32
    sentence_places: NonNegativeInt = 0
    question_scale: PositiveFloat = 1.0
    hidden_channels: Width = 64
    num_layers: Width = 4
    num_steps: Width = 8
    question_layer: NonNegativeInt = 0
    object_layers: NonNegativeInt = 0
    object_sum: bool = False
    aggr: Literal["sum", "mean"] = "sum"
    norm: str = ""
    readout_channels: list[Width] = field(default_factory=lambda: [128])
    dropout: UnitFloat = 0.0
    cnn_channels: list[Width] = field(default_factory=lambda: [32, 64, 64, 64])
    cnn_blocks: NonNegativeInt = 0

    def __post_init__(self) -> None:
        for name in ("question_channels", "sentence_channels"):
            if self.question_heads and getattr(self, name) % 2:
                raise ValueError(
                    f"`model.{name}` is {getattr(self, name)}, expected an "
                    f"even number with `model.question_heads`"
                )
        if not 0 <= self.question_layer < self.num_layers:
            raise ValueError(
                f"`model.question_layer` is {self.question_layer}, expected 0 "
                f"to {self.num_layers - 1}, a layer of g"
            )
        if self.object_sum and not self.object_layers:
            raise ValueError(
                "`model.object_sum` is true and `model.object_layers` is 0, "
                "expected at least 1: what they give is summed"
            )
        if not self.cnn_channels:
            raise ValueError("`model.cnn_channels` is empty")


@dataclass
class Stage:
    """A part of a training in which only some questions are asked.

    Args:
        steps: Its steps.
        families: Question families to ask, by their names or numbers.
    """

    steps: Count
    families: list[int | str]


@dataclass
class TrainConfig:
    """How every model is trained: warm-up, clipping, equal steps.

    Args:
        steps: Optimiser steps, the same for every model.
        batch_size: Questions a step.
        whole_scenes: Draw scenes with all their questions, instead of
            questions; their number is such that there are about `batch_size`
            questions.
        scene_questions: With `whole_scenes`, the most questions of a scene in
            a step, others each time: more scenes are seen for the same price.
            0: all of them.
        curriculum: Stages, before all questions are asked: it is learned much
            faster if the simplest come first.
        augment: Change each training batch into another one that is as true,
            as the task says how: less is then learned by heart.
        optimizer: AdamW; or Muon for the matrices of hidden layers, and AdamW
            with a twentieth of the learning rate for everything else.
        learning_rate: Learning rate after the warm-up.
        warmup_steps: Steps over which it rises linearly from nought.
        schedule: What it does then: fall to nought, as a cosine or along a
            line, or stay.
        weight_decay: Weight decay.
        clip: Largest norm of the gradient; 0 switches clipping off.
        init: Folder of a trained run whose weights a training begins with, as
            far as the model has them; empty: fresh weights. So RN on some of
            the pairs may begin as RN on all. Widths are then all
            `model.hidden_channels`, not matched by parameters.
        shrink_steps: Steps over which the budget of a model that selects
            pairs shrinks, from all of them to its own share; 0: it has its
            share from the first step. `rn_distilled` sums all pairs in them,
            learns from that which ones its answers depend on, and then has
            its share at once.
        val_every: Steps between looks at the validation split. The weights
            best there are kept, and a stopped run goes on from its last look.
        accelerator: Lightning's accelerator: `cpu`, `gpu` or `auto`.
        precision: Lightning's precision, as in `32-true` or `bf16-mixed`.
    """

    steps: Count = 2000
    batch_size: Count = 512
    whole_scenes: bool = False
    scene_questions: NonNegativeInt = 0
    curriculum: list[Stage] = field(default_factory=list)
    augment: bool = False
    optimizer: Literal["adamw", "muon"] = "adamw"
    learning_rate: PositiveFloat = 1e-3
    warmup_steps: NonNegativeInt = 100
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    weight_decay: NonNegativeFloat = 1e-4
    clip: NonNegativeFloat = 5.0
    init: str = ""
    shrink_steps: NonNegativeInt = 0
    val_every: Count = 200
    accelerator: Literal["cpu", "gpu", "cuda", "auto"] = "cpu"
    precision: str = "32-true"

    def __post_init__(self) -> None:
        if not math.isfinite(self.learning_rate):
            raise ValueError(
                f"`train.learning_rate` is {self.learning_rate}, expected a "
                f"finite rate > 0"
            )
        if self.scene_questions and not self.whole_scenes:
            raise ValueError(
                f"`train.scene_questions` is {self.scene_questions}, expected "
                f"0 without `train.whole_scenes`"
            )
        if sum(stage.steps for stage in self.curriculum) > self.steps:
            raise ValueError(
                f"`train.curriculum` has stages of "
                f"{[stage.steps for stage in self.curriculum]} steps, expected "
                f"at most `train.steps` ({self.steps}) in all"
            )
        if self.shrink_steps > self.steps:
            raise ValueError(
                f"`train.shrink_steps` is {self.shrink_steps}, expected at "
                f"most `train.steps` ({self.steps}): a model is tested at its "
                f"own share"
            )
        if self.steps % self.val_every:
            raise ValueError(
                f"`train.steps` is {self.steps}, expected a multiple of "
                f"`train.val_every` ({self.val_every})"
            )


@dataclass
class CompareConfig:
    """Train models side by side on a task and tabulate what comes out.

    Args:
        task: What is asked about what: a folder of `datasets`, or the dotted
            name of a module that has a `TASK`.
        name: Name of the results folder inside `runs`.
        models: Names of the models, in a list or separated by commas.
        reference: The model whose parameters the others must match.
        depths: Depths to try for each GNN. With more than one, the first
            seed trains every depth within the same steps, and the one best
            on validation is trained with the other seeds too.
        shares: Budgets of the models that select pairs, as shares of a
            scene's N² pairs: each of them is trained once for every budget.
        learning_rates: Learning rates to try for each trained model, as
            depths are: the first seed trains every one, at every depth, and
            the one best on validation stands; `train.learning_rate` is among
            them. Empty: it alone.
        seeds: How many seeds each model is trained with (0, 1, 2, …).
        cost_steps: Training steps over which time and memory are measured.
        cost_rounds: How often that is done, the models one after another; the
            fastest median of each counts.
        plan: Only say what would be trained and how long it would take, from
            a few steps of each model.
        jobs: Trainings side by side, in a process each. Small models train
            faster so than with many threads; cost is measured one by one.
        threads: CPU threads of a training; 0 shares out all cores.
        data: The scenes and questions, as the task has them.
        model: Sizes that the models share.
        train: How every model is trained.
        runs: Folder of all results.
        data_root: Folder where data that were made are kept and found again.
    """

    task: str
    name: str = "compare"
    models: str | list[str] = field(
        default_factory=lambda: [
            name
            for name, spec in MODELS.items()
            if not (spec.distilled or spec.cells)
        ]
    )
    reference: str = "rn"
    depths: list[Width] = field(default_factory=lambda: [2])
    shares: list[Share] = field(default_factory=lambda: [0.35])
    learning_rates: list[PositiveFloat] = field(default_factory=list)
    seeds: Count = 3
    cost_steps: PositiveInt = 20
    cost_rounds: PositiveInt = 1
    plan: bool = False
    jobs: PositiveInt = 1
    threads: NonNegativeInt = 0
    data: Data = field(default_factory=Data)
    model: ModelConfig = field(default_factory=ModelConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    runs: str = "runs"
    data_root: str = "data"

    def __post_init__(self) -> None:
        if isinstance(self.models, str):
            self.models = [name.strip() for name in self.models.split(",")]
        check_models([*self.models, self.reference])
        for name in self.models:
            if MODELS[name].distilled and not self.train.shrink_steps:
                raise ValueError(
                    f"`train.shrink_steps` is 0, expected the steps in which "
                    f"{name} learns its pairs"
                )
        for key in ("models", "depths", "shares"):
            if not getattr(self, key):
                raise ValueError(f"`{key}` is empty, expected at least one")
        for key in ("models", "depths", "shares", "learning_rates"):
            values = getattr(self, key)
            for value in values:
                if values.count(value) > 1:
                    raise ValueError(
                        f"`{key}` is {values}, expected {value!r} once"
                    )
        rates, own = self.learning_rates, self.train.learning_rate
        if not all(map(math.isfinite, rates)):
            raise ValueError(
                f"`learning_rates` is {rates}, expected finite rates > 0"
            )
        if rates and own not in rates:
            raise ValueError(
                f"`learning_rates` is {rates}, expected `train.learning_rate` "
                f"({own:g}) among them"
            )
        check_folder_name(self.name)

    @property
    def folder(self) -> Path:
        """The results folder."""
        return Path(self.runs) / self.name


@functools.cache
def of_task(kind: Any, task: str) -> Any:
    """A config whose section ``data`` is the task's own.

    Args:
        kind: A dataclass with a field ``data``.
        task: Name of the task.

    Raises:
        ValueError: If there is no such task.
    """
    data = find_task(task).settings
    section = ("data", data, field(default_factory=data))
    made = make_dataclass(kind.__name__, [section], bases=(kind,))
    made.__doc__ = kind.__doc__
    return made


@functools.cache
def _parser(kind: Any) -> ArgumentParser:
    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(kind)
    return parser


def read(kind: type[T], values: Any) -> T:
    """Build a config dataclass from nested dictionaries.

    Args:
        kind: One of the dataclasses of this file.
        values: Its fields; those left out keep their default.

    Raises:
        ValueError: For a key that the dataclass does not have, or a value
            that is none of the field's.
    """
    made: Any = kind
    if kind is CompareConfig:
        task = values.get("task", "") if isinstance(values, Mapping) else ""
        made = of_task(made, str(task))
    parser = _parser(made)
    try:
        # The parser puts numbers of its own types into the lists it is given.
        found = parser.parse_object(copy.deepcopy(values))
        config: T = instantiate(parser, made, found)
        return config
    except (ArgumentError, TypeError) as error:
        text = " ".join(str(error).split())
        raise ValueError(f"the configuration is wrong: {text}") from None


def instantiate(parser: ArgumentParser, kind: type[T], found: Any) -> T:
    """Make a config of what a parser found.

    Raises:
        ValueError: If a section is no mapping, or settings contradict.
    """
    for f in fields(kind):  # type: ignore[arg-type]
        section = is_dataclass(f.default_factory)
        if section and not isinstance(found[f.name], Namespace):
            raise ValueError(
                f"`{f.name}` is {found[f.name]!r}, expected a section of keys"
            )
    made = parser.instantiate(found)
    names = [f.name for f in fields(kind)]  # type: ignore[arg-type]
    return kind(**{name: _plain(made[name]) for name in names})


def _plain(value: Any) -> Any:
    """The same of Python's own numbers: restricted ones are a parser's."""
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if is_dataclass(value):
        for f in fields(value):
            setattr(value, f.name, _plain(getattr(value, f.name)))
    for kind in (int, float):
        if isinstance(value, kind) and not isinstance(value, bool):
            return kind(value)
    return value


def load_preset(preset: str, folder: Path = PRESETS) -> dict[str, Any]:
    """Read a preset, with what it builds on.

    A preset's key ``base`` names another one, whose keys it changes.

    Args:
        preset: A preset's name, or the path of a YAML file.
        folder: Where presets are.

    Raises:
        FileNotFoundError: If there is no such preset or file.
        ValueError: If it does not hold keys, or builds on itself.
    """
    values: dict[str, Any] = {}
    seen: list[Path] = []
    while True:
        path = preset_path(preset, folder)
        own = yaml.safe_load(path.read_text(encoding="utf-8"))
        if not isinstance(own, dict):
            raise ValueError(f"{path} holds {own!r}, expected keys and values")
        if path in seen:
            raise ValueError(f"{path} builds on itself by its key `base`")
        seen.append(path)
        values = merge(own, values)
        preset = values.pop("base", "")
        if not preset:
            return values


def merge(values: Mapping[str, Any], changes: Mapping[str, Any]) -> Any:
    """Change some of nested keys; lists are replaced."""
    out = dict(values)
    for key, value in changes.items():
        nested = isinstance(value, Mapping) and isinstance(
            out.get(key), Mapping
        )
        out[key] = merge(out[key], value) if nested else value
    return out


def to_yaml(config: CompareConfig) -> str:
    """Write a config down, without folders of this machine and unused keys."""
    values = asdict(config) | {"data": config.data.used()}
    for key in ("runs", "data_root", "plan"):
        del values[key]
    return yaml.safe_dump(values, sort_keys=False)


def preset_path(preset: str, folder: Path = PRESETS) -> Path:
    """Find a preset by its name, or a YAML file by its path.

    Raises:
        FileNotFoundError: If there is no such preset or file.
    """
    named = folder / f"{preset}.yaml"
    if named.is_file():
        return named
    if Path(preset).is_file():
        return Path(preset)
    names = preset_names(folder)
    raise FileNotFoundError(
        f"no preset {preset!r}: expected one of {', '.join(names)}, or the "
        f"path of a YAML file{nearest(preset, names)}"
    )


def preset_names(folder: Path = PRESETS) -> list[str]:
    """The names of the presets of a folder."""
    return sorted(path.stem for path in folder.glob("*.yaml"))


def check_folder_name(name: str) -> None:
    """Check that results stay inside their folder.

    Raises:
        ValueError: If ``name`` is no plain name.
    """
    if name in ("", "..") or Path(name).name != name:
        raise ValueError(
            f"`name` is {name!r}, expected the plain name of a folder"
        )
