"""The three splits of a comparison, generated on first use."""

import hashlib
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from datasets.clevr.families import select_families
from datasets.clevr.generate import GENERATOR_VERSION, generate
from datasets.clevr.importer import import_folder
from datasets.dataset import MEMORY_LIMIT, QuestionDataset
from datasets.loader import QuestionLoader
from experiments.config import DataConfig
from experiments.run import processes

SPLITS = ("train", "val", "test")


class Splits:
    """Training, validation and test data.

    Args:
        config: Which data.
        root: Folder where generated data is kept and found again.
        device: Where the models are trained. Data lie there too, and batches
            are assembled there, unless they are so many that they are
            streamed from the store.

    Raises:
        FileNotFoundError: If ``config.stores`` lacks a split's store.
    """

    def __init__(
        self, config: DataConfig, root: str, device: str = "cpu"
    ) -> None:
        if config.stores is None:
            folder = Path(root) / folder_name(config)
            there = all((folder / f"{s}.h5").exists() for s in SPLITS)
            if not there and processes.is_first():
                _generate(config, folder)
            processes.wait()
        else:
            folder = Path(config.stores)
        self.folder = folder
        self.features = config.features
        self.hold_out = config.hold_out
        self.device = device
        self._open: dict[str, QuestionDataset] = {}

    def dataset(self, split: str) -> QuestionDataset:
        """The questions of a split.

        Raises:
            ValueError: For another split, or one without answers.
            FileNotFoundError: If there is no store of it.
        """
        if split not in SPLITS:
            raise ValueError(f"`split` is {split!r}, expected one of {SPLITS}")
        if split not in self._open:
            # The file that a split is in.
            name = split
            if self.hold_out:
                name = "val" if split == "test" else "train"
            path = self.folder / f"{name}.h5"
            large = path.exists() and path.stat().st_size > MEMORY_LIMIT
            data = QuestionDataset(
                path,
                features=self.features,
                device="cpu" if large else self.device,
            )
            if self.hold_out and name == "train":
                data = self._part(data, split)
            answers = data.labels("answer")
            known = int((answers >= 0).sum())
            if not known or known < len(answers):
                raise ValueError(
                    f"{path} has {known:,} questions with known answers of "
                    f"{len(answers):,}, expected all: accuracy cannot be told"
                )
            self._open[split] = data
        return self._open[split]

    def _part(self, data: QuestionDataset, split: str) -> QuestionDataset:
        """The questions about the scenes that are held out, or the others."""
        count = data.store.num_scenes
        if self.hold_out >= count:
            raise ValueError(
                f"`data.hold_out` is {self.hold_out}, expected less than the "
                f"{count} scenes of {data.store.path}"
            )
        first = count - self.hold_out
        return data.select(
            scenes=range(first, count) if split == "val" else first
        )

    def loader(
        self,
        split: str,
        batch_size: int,
        seed: int = 0,
        shuffle: bool = False,
        whole_scenes: bool = False,
        families: list[int | str] | None = None,
    ) -> QuestionLoader:
        """Batches of a split.

        Args:
            split: ``"train"``, ``"val"`` or ``"test"``.
            batch_size: Questions a batch.
            seed: Seed of the order.
            shuffle: Whether to shuffle, and leave out a last partial batch.
                Of several processes each then gets its part of every batch;
                otherwise each gets the whole split.
            whole_scenes: Shuffle scenes with all their questions, instead of
                questions.
            families: Groups or indices of the families to ask; ``None``: all.

        Raises:
            ValueError: If no batch can be filled, or shared out evenly.
        """
        data = self.dataset(split)
        if families is not None:
            wanted = [family.index for family in select_families(families)]
            data = data.select(questions=np.isin(data.labels("family"), wanted))
        if shuffle and len(data) < batch_size:
            raise ValueError(
                f"`train.batch_size` is {batch_size}, but there are only "
                f"{len(data)} training questions"
                f"{'' if families is None else f' of {families}'}"
            )
        if not shuffle:
            return QuestionLoader(
                data, batch_size, rank=0, world_size=1, device=self.device
            )
        parts = processes.count()
        if batch_size % parts:
            raise ValueError(
                f"`train.batch_size` is {batch_size}, expected a multiple of "
                f"the {parts} processes"
            )
        size = batch_size // parts
        if whole_scenes:
            scenes = len(np.unique(data.scene))
            size = max(1, round(size * scenes / len(data)))
        return QuestionLoader(
            data,
            size,
            shuffle=True,
            by_scene=whole_scenes,
            seed=seed,
            drop_last=True,
            device=self.device,
        )

    def types_and_answers(self, split: str) -> tuple[Tensor, Tensor]:
        """Question types [Q] and answers [Q] of a whole split."""
        data = self.dataset(split)
        return (
            torch.from_numpy(data.labels("type")).long(),
            torch.from_numpy(data.labels("answer")).long(),
        )

    @property
    def in_channels(self) -> int:
        """Width of an object."""
        return self.dataset("train").num_features


# The splits opened last, by what they were opened with.
_last: dict[tuple[str, str, str], Splits] = {}


def open_splits(config: DataConfig, root: str, accelerator: str) -> Splits:
    """The data of a configuration; those opened last stay open.

    Args:
        config: Which data.
        root: Folder where generated data is kept and found again.
        accelerator: Lightning's name of where the models are trained.

    Raises:
        FileNotFoundError: If ``config.stores`` lacks a split's store.
    """
    key = (repr(config), root, accelerator)
    if key not in _last:
        _last.clear()
        _last[key] = Splits(config, root, processes.device(accelerator))
    return _last[key]


def folder_name(config: DataConfig) -> str:
    """Name the folder of generated data after its settings."""
    settings = asdict(config) | {"version": GENERATOR_VERSION}
    for key in ("features", "stores", "hold_out"):
        del settings[key]
    if settings["min_objects"] == 3:  # folders from before it could be chosen
        del settings["min_objects"]
    text = json.dumps(settings, sort_keys=True)
    key = hashlib.sha256(text.encode()).hexdigest()[:8]
    return f"clevr-{config.train}-{config.val}-{config.test}-{key}"


def _generate(config: DataConfig, folder: Path) -> None:
    print(f"Generating CLEVR scenes and questions in {folder} (once) ...")
    generate(
        folder,
        scenes={s: getattr(config, s) for s in SPLITS},
        questions_per_scene=config.questions_per_scene,
        families=config.families or None,
        min_objects=config.min_objects,
        max_objects=config.max_objects,
        seed=config.seed,
        # Starting processes takes longer than making a few scenes.
        workers=1 if config.train < 500 else None,
    )
    import_folder(folder, run_programs=False)
