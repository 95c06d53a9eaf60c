"""A run's folder: one model, one seed, everything needed to make it again.

``run.json`` holds settings, commit, versions and machine; ``val.json`` marks
a finished training; ``test.json`` holds the test figures.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import nn

from datasets.files import read_json, write_json
from datasets.messages import nearest
from datasets.task import Task, find_task
from experiments.config import (
    CompareConfig,
    ModelConfig,
    TrainConfig,
    read,
)
from experiments.ranges import NonNegativeInt, Share, Width
from experiments.run.models import MODELS, Inputs, Plan, label
from experiments.run.provenance import provenance
from rn_graph import SceneQA

#: Weights of a run without the rest of its checkpoint.
EXPORTED = "model.safetensors"
#: Finished results, with the weights of some runs.
RESULTS = Path(__file__).parents[2] / "results"


@dataclass
class _Chosen:
    """What a run was made with, beside its sections of settings."""

    task: str
    model: str
    hidden_channels: Width
    seed: NonNegativeInt
    version: int = 1
    depth: Width | None = None
    share: Share | None = None
    degrees: list[NonNegativeInt] | None = None


class Run:
    """One model trained with one seed.

    Args:
        folder: The run's folder.
        settings: All that decides its outcome: ``task``, ``version`` (of the
            task), ``model``, ``depth``, ``share``, ``degrees``,
            ``hidden_channels``, ``seed``, and the sections ``inputs``,
            ``data``, ``sizes`` and ``train``.
        found: What the data hold, as :meth:`Splits.provenance` says it.
    """

    def __init__(
        self,
        folder: Path,
        settings: dict[str, Any],
        found: dict[str, Any] | None = None,
    ) -> None:
        self.folder = folder
        self.found = found or {}
        sections = ("inputs", "data", "sizes", "train")
        chosen = read(
            _Chosen, {k: v for k, v in settings.items() if k not in sections}
        )
        self.settings = settings | asdict(chosen)
        self.task: Task = find_task(chosen.task)
        self.model = chosen.model
        self.depth = chosen.depth
        self.share = chosen.share
        self.seed = chosen.seed
        self.inputs = read(Inputs, settings["inputs"])
        self.data = read(self.task.settings, settings["data"])
        self.sizes = read(ModelConfig, settings["sizes"])
        self.train = read(TrainConfig, settings["train"])

    @classmethod
    def plan(
        cls,
        config: CompareConfig,
        model: str,
        seed: int,
        plan: Plan,
        rate: float | None = None,
        found: dict[str, Any] | None = None,
    ) -> "Run":
        """Make a run of a comparison.

        Args:
            config: The comparison.
            model: Name of the model.
            seed: The run's seed.
            plan: What the model is built from.
            rate: Its learning rate; ``None``: that of ``config.train``, which
                the folder's name does not say.
            found: What the data hold.
        """
        train = config.train
        folder = model
        if plan.share is not None:
            folder += f"-share-{plan.share:g}"
        if plan.depth is not None:
            folder += f"-depth-{plan.depth}"
        if rate is not None and rate != train.learning_rate:
            folder += f"-rate-{rate}"
            train = replace(train, learning_rate=rate)
        settings = {
            "task": config.task,
            "version": find_task(config.task).version,
            "model": model,
            "depth": plan.depth,
            "share": plan.share,
            "degrees": plan.degrees,
            "hidden_channels": plan.hidden_channels,
            "inputs": asdict(plan.inputs),
            "seed": seed,
            "data": config.data.used(),
            "sizes": asdict(config.model),
            "train": asdict(train),
        }
        return cls(config.folder / folder / f"seed-{seed}", settings, found)

    @classmethod
    def read(cls, folder: Path) -> "Run":
        """Read a run back from its folder.

        Raises:
            FileNotFoundError: If the folder is not a run's.
            ValueError: If it does not say what the run was made with.
        """
        path = folder / "run.json"
        if not path.is_file():
            raise FileNotFoundError(f"{path} is missing: {_instead(folder)}")
        about = read_json(path)
        try:
            run = cls(folder, about["settings"], about.get("data"))
            known = run.model in MODELS
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise ValueError(
                f"{path} lacks a run's settings ({type(error).__name__}: "
                f"{error})"
            ) from None
        if not known:
            raise ValueError(
                f"{path} names the model {run.model!r}, expected one of "
                f"{', '.join(MODELS)}"
            )
        return run

    def begin(self) -> None:
        """Write the run down, or check that it is the one begun before.

        Raises:
            ValueError: If the folder holds a run with other settings.
        """
        path = self.folder / "run.json"
        if not path.exists():
            about = {"settings": self.settings, "data": self.found}
            write_json(path, {**about, **provenance()})
            return
        begun = Run.read(self.folder)
        begun.check_same(self)
        for split, now in self.found.items():
            before = begun.found.get(split, now)["content"]
            # Not known of runs from before it was written down.
            if before is not None and before != now["content"]:
                raise ValueError(
                    f"{self.folder} was begun with other {split} data (of "
                    f"content {before[:12]}, now "
                    f"{now['content'][:12]}): give the comparison another "
                    f"`--name`, or delete that folder"
                )

    def check_same(
        self, wanted: "Run", sections: Sequence[str] | None = None
    ) -> None:
        """Check that a run was made with the settings that are asked for.

        Args:
            wanted: A run with these settings.
            sections: The settings to look at; ``None``: all.

        Raises:
            ValueError: If it was made with others.
        """
        made = self.flat()
        for key, value in wanted.flat(sections).items():
            # Not where this one is trained.
            if key == "train.accelerator":
                continue
            if made.get(key) != value:
                raise ValueError(
                    f"{self.folder} was made with `{key}` = {made.get(key)}, "
                    f"and is now asked for with {value}: give the "
                    f"comparison another `--name`, or delete that folder"
                )

    def flat(self, sections: Sequence[str] | None = None) -> dict[str, Any]:
        """All settings by their dotted keys; newer ones have their default.

        Args:
            sections: The settings to give; ``None``: all.
        """
        settings = self.settings | {
            "inputs": asdict(self.inputs),
            "data": self.data.used(),
            "sizes": asdict(self.sizes),
            "train": asdict(self.train),
        }
        return flatten({key: settings[key] for key in sections or settings})

    def build(self) -> nn.Module:
        """Make the model, with fresh weights."""
        build = MODELS[self.model].build
        if build is None:
            raise ValueError(f"{self.model!r} is not a trained model")
        settings = self.settings
        return build(
            Plan(
                self.sizes,
                self.inputs,
                settings["hidden_channels"],
                self.depth,
                self.share,
                settings["degrees"],
            )
        )

    def load(self) -> nn.Module:
        """Make the model, with the weights that were best on validation.

        Raises:
            FileNotFoundError: If there is no checkpoint.
            ValueError: If it is damaged, or the model is not a trained one.
        """
        model = self.build()
        load_weights(model, self.checkpoint)
        return model.eval()

    @property
    def label(self) -> str:
        """What tables and plots call the model."""
        return label(self.model, self.share, self.depth)

    @property
    def checkpoint(self) -> Path:
        """The weights that were best on validation.

        Those of the training itself, or else those that were exported.
        """
        trained = self.folder / "checkpoints" / "best.ckpt"
        exported = self.folder / EXPORTED
        return (
            exported if exported.exists() and not trained.exists() else trained
        )


def run_folders(folder: Path) -> list[Path]:
    """The folders of the runs in a results folder."""
    return sorted(path.parent for path in folder.glob("*/seed-*/run.json"))


def published() -> list[Path]:
    """The folders of the runs whose weights come with the repository."""
    return [p.parent for p in sorted(RESULTS.glob(f"*/*/seed-*/{EXPORTED}"))]


def from_here(path: Path) -> Path:
    """A path as it is typed in the folder where the program runs."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def _instead(folder: Path) -> str:
    """What to name instead of a folder that is no run's."""
    inside = [*folder.glob("*/run.json"), *folder.glob("*/seed-*/run.json")]
    if inside:
        return f"expected one of the runs in there, as {min(inside).parent}"
    known = [str(from_here(path)) for path in published()]
    example = nearest(str(folder), known) or f", as {(known or ['…'])[0]}"
    return f"expected the folder of a trained run{example}"


def load_model(folder: Path) -> tuple[Run, SceneQA]:
    """Load a run's trained model.

    Raises:
        FileNotFoundError: If the folder is not a trained run's.
        ValueError: If its model reads no questions.
    """
    planned = Run.read(folder)
    model = planned.load()
    if not isinstance(model, SceneQA):
        raise ValueError(
            f"{folder} is a run of {planned.model!r}, expected a model that "
            f"reads questions"
        )
    return planned, model


def read_figures(path: Path) -> dict[str, Any]:
    """Read the figures of a run on a split.

    Args:
        path: Its ``test.json`` or ``val.json``.

    Raises:
        FileNotFoundError: If it is absent.
        ValueError: If it holds something else.
    """
    found = read_json(path)
    accuracy = found.get("accuracy") if isinstance(found, dict) else None
    if (
        not isinstance(accuracy, dict)
        or "all" not in accuracy
        or not all(isinstance(v, int | float) for v in accuracy.values())
    ):
        raise ValueError(
            f"{path} holds no figures of a run, expected a JSON object whose "
            f"`accuracy` has numbers, one of them `all`"
        )
    return dict(found)


def load_weights(model: nn.Module, checkpoint: Path) -> None:
    """Load a run's checkpoint into a freshly made model.

    Raises:
        FileNotFoundError: If there is no such checkpoint.
        ValueError: If it is damaged, or another model's.
    """
    if not checkpoint.is_file():
        raise FileNotFoundError(
            f"no checkpoint {checkpoint}: has the run been trained?"
        )
    try:
        if checkpoint.suffix == ".safetensors":
            weights = load_file(checkpoint)
        else:
            state = torch.load(
                checkpoint, map_location="cpu", weights_only=True
            )
            prefix = "model."
            weights = {
                k.removeprefix(prefix): v
                for k, v in state["state_dict"].items()
            }
    # torch raises whatever the damage leads to.
    except Exception as error:
        raise ValueError(
            f"{checkpoint} is damaged, or no checkpoint of a run: "
            f"{type(error).__name__}"
        ) from error
    try:
        model.load_state_dict(weights)
    except RuntimeError as error:
        raise ValueError(
            f"{checkpoint} holds the weights of another model than the run's "
            f"settings describe: {str(error).splitlines()[1].strip()}"
        ) from error


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested values by dotted keys, as in ``machine.cpu``."""
    out: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, dict):
            out.update(flatten(value, f"{prefix}{key}."))
        else:
            out[prefix + key] = value
    return out
