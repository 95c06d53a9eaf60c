"""What a comparison is made of, as dataclasses; presets are YAML files."""

import math
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import (
    Any,
    Literal,
    TypeVar,
    get_args,
    get_origin,
    get_type_hints,
)

import yaml

from datasets.clevr.families import select_families
from experiments.run.models import MODELS

PRESETS = Path(__file__).parent / "presets"

T = TypeVar("T")


@dataclass
class DataConfig:
    """The scenes and questions, the same for every model.

    Args:
        train: Generated training scenes.
        val: Generated validation scenes: the best weights are picked on them.
        test: Generated test scenes: looked at once, after training.
        questions_per_scene: Questions about each generated scene.
        families: Question families to ask, by their groups' names or global
            indices (0 to 89); empty means all 90.
        min_objects: Fewest objects of a generated scene.
        max_objects: Most of them; above 10 the floor grows.
        seed: Seed of the generator.
        features: How an object's attributes are coded.
        stores: Folder with `train.h5`, `val.h5` and `test.h5`; nothing is
            generated then and the settings above, but `features`, are not
            used.
        hold_out: The last so many training scenes of `stores` are for
            validation, and its `val.h5` is the test split: so is the released
            CLEVR used, whose own test split has no answers. 0: as they are.
    """

    train: int = 7000
    val: int = 500
    test: int = 1500
    questions_per_scene: int = 10
    families: list[int | str] = field(default_factory=list)
    min_objects: int = 3
    max_objects: int = 10
    seed: int = 0
    features: Literal["onehot", "rgb", "ordinal"] = "onehot"
    stores: str | None = None
    hold_out: int = 0

    def __post_init__(self) -> None:
        _at_least("data.hold_out", self.hold_out, 0)
        if self.hold_out and self.stores is None:
            raise ValueError(
                f"`data.hold_out` is {self.hold_out}, expected 0 without "
                f"`data.stores`: generated data has all three splits"
            )
        for split in ("train", "val", "test"):
            _at_least(f"data.{split}", getattr(self, split), 1)
        _at_least("data.min_objects", self.min_objects, 1)
        _at_least("data.max_objects", self.max_objects, self.min_objects)


@dataclass
class ModelConfig:
    """Sizes that the models share.

    Args:
        embedding_channels: Width of a word's embedding.
        question_channels: Width of a question, as its encoder gives it.
        question_heads: Heads that read the words' states, in both directions;
            0: the last state of one LSTM, as in the paper.
        hidden_channels: Width of the reference model's relation function g;
            the other models get the width that gives them as many parameters.
        num_layers: Layers of g.
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
        depths: Depths to try for each GNN. With more than one, the first
            seed trains every depth within the same steps, and the one best
            on validation is trained with the other seeds too.
        shares: Budgets of the models that select pairs, as shares of a
            scene's N² pairs: each of them is trained once for every budget.
    """

    embedding_channels: int = 32
    question_channels: int = 64
    question_heads: int = 0
    hidden_channels: int = 64
    num_layers: int = 4
    question_layer: int = 0
    object_layers: int = 0
    object_sum: bool = False
    aggr: Literal["sum", "mean"] = "sum"
    norm: str = ""
    readout_channels: list[int] = field(default_factory=lambda: [128])
    dropout: float = 0.0
    depths: list[int] = field(default_factory=lambda: [2])
    shares: list[float] = field(default_factory=lambda: [0.35])

    def __post_init__(self) -> None:
        for key in (
            "embedding_channels",
            "question_channels",
            "hidden_channels",
            "num_layers",
        ):
            _at_least(f"model.{key}", getattr(self, key), 1)
        _at_least("model.object_layers", self.object_layers, 0)
        _at_least("model.question_heads", self.question_heads, 0)
        if self.question_heads and self.question_channels % 2:
            raise ValueError(
                f"`model.question_channels` is {self.question_channels}, "
                f"expected an even number with `model.question_heads`"
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
        for width in self.readout_channels:
            _at_least("model.readout_channels", width, 1)
        if not 0 <= self.dropout < 1:
            raise ValueError(
                f"`model.dropout` is {self.dropout}, expected 0 ≤ dropout < 1"
            )
        if not self.depths or min(self.depths) < 1:
            raise ValueError(
                f"`model.depths` is {self.depths}, expected one or more "
                f"depths of at least 1"
            )
        if not self.shares or not all(0 < share <= 1 for share in self.shares):
            raise ValueError(
                f"`model.shares` is {self.shares}, expected one or more "
                f"shares with 0 < share ≤ 1"
            )
        _once("model.depths", self.depths)
        _once("model.shares", self.shares)


@dataclass
class Stage:
    """A part of a training in which only some questions are asked.

    Args:
        steps: Its steps.
        families: Question families to ask, by their groups' names or global
            indices (0 to 89).
    """

    steps: int
    families: list[int | str]

    def __post_init__(self) -> None:
        _at_least("train.curriculum.steps", self.steps, 1)
        select_families(self.families)  # raises where one is unknown


@dataclass
class TrainConfig:
    """How every model is trained: warm-up, clipping, equal steps.

    Args:
        steps: Optimiser steps, the same for every model.
        batch_size: Questions a step.
        whole_scenes: Draw scenes with all their questions, instead of
            questions; their number is such that there are about `batch_size`
            questions.
        curriculum: Stages, before all questions are asked: it is learned much
            faster if the simplest come first.
        augment: Rename the colours, materials and shapes of each training
            scene anew every time, and mirror it, questions and answers alike:
            less is then learned by heart. Needs a CLEVR store; voids CoGenT.
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

    steps: int = 2000
    batch_size: int = 512
    whole_scenes: bool = False
    curriculum: list[Stage] = field(default_factory=list)
    augment: bool = False
    optimizer: Literal["adamw", "muon"] = "adamw"
    learning_rate: float = 1e-3
    warmup_steps: int = 100
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    weight_decay: float = 1e-4
    clip: float = 5.0
    init: str = ""
    shrink_steps: int = 0
    val_every: int = 200
    accelerator: str = "cpu"
    precision: str = "32-true"

    def __post_init__(self) -> None:
        for key in ("steps", "batch_size", "val_every"):
            _at_least(f"train.{key}", getattr(self, key), 1)
        for key in ("warmup_steps", "weight_decay", "clip", "shrink_steps"):
            _at_least(f"train.{key}", getattr(self, key), 0)
        if not 0 < self.learning_rate < math.inf:
            raise ValueError(
                f"`train.learning_rate` is {self.learning_rate}, expected a "
                f"finite rate > 0"
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
    """Train models side by side on CLEVR scenes and tabulate what comes out.

    Args:
        name: Name of the results folder inside `runs`.
        models: Names of the models, in a list or separated by commas.
        reference: The model whose parameters the others must match.
        learning_rates: Learning rates to try for each trained model, as
            depths are: the first seed trains every one, at every depth, and
            the one best on validation stands; `train.learning_rate` is among
            them. Empty: it alone.
        seeds: How many seeds each model is trained with (0, 1, 2, …).
        cost_steps: Training steps over which time and memory are measured.
        cost_rounds: How often that is done, the models one after another; the
            fastest median of each counts.
        jobs: Trainings side by side, in a process each. Small models train
            faster so than with many threads; cost is measured one by one.
        threads: CPU threads of a training; 0 shares out all cores.
        data: The scenes and questions.
        model: Sizes that the models share.
        train: How every model is trained.
        runs: Folder of all results.
        data_root: Folder where generated data is kept and found again.
    """

    name: str = "compare"
    models: str | list[str] = field(
        default_factory=lambda: [
            name for name, spec in MODELS.items() if not spec.distilled
        ]
    )
    reference: str = "rn"
    learning_rates: list[float] = field(default_factory=list)
    seeds: int = 3
    cost_steps: int = 20
    cost_rounds: int = 1
    jobs: int = 1
    threads: int = 0
    data: DataConfig = field(default_factory=DataConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    runs: str = "runs"
    data_root: str = "data"

    def __post_init__(self) -> None:
        if isinstance(self.models, str):
            self.models = [name.strip() for name in self.models.split(",")]
        for name in [*self.models, self.reference]:
            if name not in MODELS:
                raise ValueError(
                    f"unknown model {name!r}: expected some of "
                    f"{', '.join(MODELS)}"
                )
            if MODELS[name].distilled and not self.train.shrink_steps:
                raise ValueError(
                    f"`train.shrink_steps` is 0, expected the steps in which "
                    f"{name} learns its pairs"
                )
        if not self.models:
            raise ValueError("`models` is empty, expected at least one model")
        _once("models", self.models)
        rates, own = self.learning_rates, self.train.learning_rate
        if not all(0 < rate < math.inf for rate in rates):
            raise ValueError(
                f"`learning_rates` is {rates}, expected finite rates > 0"
            )
        if rates and own not in rates:
            raise ValueError(
                f"`learning_rates` is {rates}, expected `train.learning_rate` "
                f"({own:g}) among them"
            )
        _once("learning_rates", rates)
        _at_least("seeds", self.seeds, 1)
        _at_least("cost_steps", self.cost_steps, 1)
        _at_least("cost_rounds", self.cost_rounds, 1)
        _at_least("jobs", self.jobs, 1)
        _at_least("threads", self.threads, 0)
        check_folder_name(self.name)

    @property
    def folder(self) -> Path:
        """The results folder."""
        return Path(self.runs) / self.name


def from_dict(kind: type[T], values: dict[str, Any]) -> T:
    """Build a config dataclass from nested dictionaries.

    Args:
        kind: One of the dataclasses of this file.
        values: Its fields; those left out keep their default.

    Raises:
        ValueError: For a key that the dataclass does not have, or a value
            that is none of the field's.
    """
    hints = get_type_hints(kind)
    known = [f.name for f in fields(kind)]  # type: ignore[arg-type]
    unknown = [key for key in values if key not in known]
    if unknown:
        raise ValueError(
            f"unknown key {unknown[0]!r} in the configuration: expected some "
            f"of {', '.join(known)}"
        )
    return kind(
        **{key: _read(key, hints[key], value) for key, value in values.items()}
    )


def _read(key: str, hint: Any, value: Any) -> Any:
    choices = get_args(hint) if get_origin(hint) is Literal else ()
    if hint is bool:
        choices = (False, True)
    if choices and (
        value not in choices or type(value) is not type(choices[0])
    ):
        raise ValueError(
            f"`{key}` is {value!r}, expected one of "
            f"{', '.join(map(str, choices))}"
        )
    if is_dataclass(hint) and isinstance(value, dict):
        return from_dict(hint, value)  # type: ignore[arg-type]
    if get_origin(hint) is list and isinstance(value, list):
        return [_read(key, get_args(hint)[0], item) for item in value]
    return value


def to_yaml(config: CompareConfig) -> str:
    """Write a config down, without the folders of this machine."""
    values = asdict(config)
    del values["runs"], values["data_root"]
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
    names = sorted(path.stem for path in folder.glob("*.yaml"))
    raise FileNotFoundError(
        f"no preset {preset!r}: expected one of {', '.join(names)}, or the "
        f"path of a YAML file"
    )


def check_folder_name(name: str) -> None:
    """Check that results stay inside their folder.

    Raises:
        ValueError: If ``name`` is no plain name.
    """
    if name in ("", "..") or Path(name).name != name:
        raise ValueError(
            f"`name` is {name!r}, expected the plain name of a folder"
        )


def _once(key: str, values: list[Any]) -> None:
    for value in values:
        if values.count(value) > 1:
            raise ValueError(f"`{key}` is {values}, expected {value!r} once")


def _at_least(key: str, value: float, least: float) -> None:
    if value < least:
        raise ValueError(f"`{key}` is {value}, expected at least {least}")
