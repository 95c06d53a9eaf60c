"""Batches of questions, epoch after epoch, in an order that can be resumed."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
import torch.distributed
from torch.utils.data import DataLoader, Sampler
from torch_geometric.data import Batch

from datasets.dataset import QuestionDataset


class BatchSampler(Sampler[np.ndarray]):
    """Yields for each batch of an epoch the positions of its questions.

    The order is a function of ``seed`` and epoch alone. With several
    processes each takes every ``world_size``-th item of it; where they do not
    come out even, the first items are dealt again, as torch's
    ``DistributedSampler`` does (with ``drop_last``: left out).

    Args:
        scene: Scene of each question [Q].
        batch_size: Questions a batch, or scenes where ``by_scene``.
        shuffle: Draw a new order each epoch.
        seed: Seed of the order.
        drop_last: Leave out a last batch that is not full.
        by_scene: Make batches of whole scenes with all their questions.
        rank: Number of this process; ``world_size``: how many there are.
        scene_questions: With ``by_scene``, the most questions of a scene: of
            a scene that has more, others are drawn each epoch.

    Attributes:
        epoch: Epoch that the next pass belongs to.
        start: Batches that the next pass skips.
        position: Batches of this epoch given out so far.
    """

    def __init__(
        self,
        scene: np.ndarray,
        batch_size: int,
        shuffle: bool = False,
        seed: int = 0,
        drop_last: bool = False,
        by_scene: bool = False,
        rank: int = 0,
        world_size: int = 1,
        scene_questions: int | None = None,
    ) -> None:
        if batch_size < 1:
            raise ValueError(f"`batch_size` is {batch_size}, expected ≥ 1")
        if scene_questions is not None and (
            scene_questions < 1 or not by_scene
        ):
            raise ValueError(
                f"`scene_questions` is {scene_questions}, expected None or "
                f"≥ 1, along with `by_scene`"
            )
        if not 0 <= rank < world_size:
            raise ValueError(
                f"`rank` is {rank}, expected 0 to {world_size - 1} for a "
                f"`world_size` of {world_size}"
            )
        self.batch_size, self.shuffle, self.seed = batch_size, shuffle, seed
        self.drop_last, self.by_scene = drop_last, by_scene
        self.scene_questions = scene_questions
        self.rank, self.world_size = rank, world_size
        self.num_questions = len(scene)
        self._groups: list[np.ndarray] | None = None
        if by_scene:
            order = np.argsort(scene, kind="stable")
            cuts = np.diff(scene[order]).nonzero()[0] + 1
            self._groups = np.split(order, cuts) if len(order) else []
        self.epoch = self.start = self.position = 0

    @property
    def settings(self) -> dict[str, Any]:
        """All that the order depends on, besides the epoch."""
        keys = (
            "batch_size", "shuffle", "seed", "drop_last", "by_scene",
            "scene_questions", "world_size", "num_questions",
        )  # fmt: skip
        return {key: getattr(self, key) for key in keys}

    def set_epoch(self, epoch: int) -> None:
        """Begin another epoch, at its first batch."""
        if epoch != self.epoch:
            self.epoch = epoch
            self.start = self.position = 0

    def _num_items(self) -> int:
        """Items (questions or scenes) for each process."""
        groups = self._groups
        items = self.num_questions if groups is None else len(groups)
        if self.drop_last:
            return items // self.world_size
        return -(-items // self.world_size)

    def __len__(self) -> int:
        items = self._num_items()
        if self.drop_last:
            return items // self.batch_size
        return -(-items // self.batch_size)

    def __iter__(self) -> Iterator[np.ndarray]:
        # Not a generator: order and start are settled when the pass begins.
        groups = self._groups
        items = self.num_questions if groups is None else len(groups)
        order = np.arange(items)
        if self.shuffle:
            np.random.default_rng([self.seed, self.epoch]).shuffle(order)
        total = self._num_items() * self.world_size
        order = np.resize(order, total)[self.rank :: self.world_size]
        size = self.batch_size
        cuts = range(self.start * size, len(self) * size, size)
        parts = (order[low : low + size] for low in cuts)
        if groups is None:
            return parts
        most = self.scene_questions
        if most is not None:
            rng = np.random.default_rng([self.seed, self.epoch, 1])
            groups = [
                g if len(g) <= most else rng.choice(g, most, replace=False)
                for g in groups
            ]
        return (np.concatenate([groups[i] for i in part]) for part in parts)


class _TrainerEpochs:
    """Follows the epochs that a trainer counts, from where a state was loaded.

    Lightning counts an epoch that ``max_steps`` cut short as a whole one, so
    that after resuming its count may be ahead of the data's; the difference
    is settled when the first pass begins.
    """

    def __init__(self, sampler: BatchSampler) -> None:
        self.sampler = sampler
        self.count: int | None = None
        self.shift = 0
        self.loaded = False

    def set_epoch(self, epoch: int) -> None:
        self.count = epoch
        if not self.loaded:
            self.sampler.set_epoch(epoch + self.shift)

    def begin(self) -> None:
        if self.loaded and self.count is not None:
            self.shift = self.sampler.epoch - self.count
        self.loaded = False


class QuestionLoader:
    """Iterates over the batches of a dataset; fits Lightning's loaders.

    A complete pass moves on to the next epoch, whose order is another where
    ``shuffle`` is set. :meth:`state_dict` says how far a pass has come;
    with :meth:`load_state_dict` another run goes on behind that batch at no
    cost. Lightning calls these by itself.

    Args:
        dataset: Where the batches come from.
        batch_size: Questions a batch, or scenes where ``by_scene``.
        shuffle: Draw a new order each epoch.
        seed: Seed of the order, which depends on it and the epoch alone.
        drop_last: Leave out a last batch that is not full.
        by_scene: Make batches of whole scenes with all their questions.
        scene_questions: With ``by_scene``, the most questions of a scene: of
            a scene that has more, others are drawn each epoch.
        rank: Number of this process, given along with ``world_size``.
            Default: torch.distributed's, once it is initialised.
        world_size: Number of processes.
        device: Where batches are moved. Default: where the dataset lies.
        num_workers: Processes that assemble batches ahead. 0 (default) is
            fastest for a dataset in memory.
        pin_memory: Give batches in page-locked memory.

    Raises:
        ValueError: For an option out of range, or worker processes over a
            dataset on an accelerator.

    Example::

        dataset = QuestionDataset("data/train.h5", node_features=features)
        for batch in QuestionLoader(dataset, batch_size=640, shuffle=True):
            answers = model(batch.x, batch.batch, batch.tokens, ...)
    """

    def __init__(
        self,
        dataset: QuestionDataset,
        batch_size: int = 640,
        shuffle: bool = False,
        seed: int = 0,
        drop_last: bool = False,
        by_scene: bool = False,
        scene_questions: int | None = None,
        rank: int | None = None,
        world_size: int | None = None,
        device: str | torch.device | None = None,
        num_workers: int = 0,
        pin_memory: bool = False,
    ) -> None:
        if (rank is None) != (world_size is None):
            raise ValueError(
                f"`rank` is {rank} and `world_size` {world_size}: expected "
                f"both or neither"
            )
        if num_workers and dataset.device.type != "cpu":
            raise ValueError(
                f"`num_workers` is {num_workers}, but the dataset lies on "
                f"{dataset.device}: worker processes need one on the cpu"
            )
        self.dataset = dataset
        self.device = None if device is None else torch.device(device)
        self._follow_group = world_size is None
        self.batch_sampler = BatchSampler(
            dataset.scene,
            batch_size,
            shuffle=shuffle,
            seed=seed,
            drop_last=drop_last,
            by_scene=by_scene,
            scene_questions=scene_questions,
            rank=0 if rank is None else rank,
            world_size=1 if world_size is None else world_size,
        )
        # Lightning looks for set_epoch here.
        self.sampler = _TrainerEpochs(self.batch_sampler)
        self._loader = DataLoader(
            dataset,
            batch_size=None,
            sampler=self.batch_sampler,
            collate_fn=_identity,
            num_workers=num_workers,
            pin_memory=pin_memory,
            persistent_workers=num_workers > 0,
        )

    def __len__(self) -> int:
        """Return the number of batches of an epoch."""
        self._join()
        return len(self.batch_sampler)

    def _join(self) -> None:
        """Take the share of this process, which may have joined others."""
        group = torch.distributed
        if (
            self._follow_group
            and group.is_available()
            and group.is_initialized()
        ):
            self.batch_sampler.rank = group.get_rank()
            self.batch_sampler.world_size = group.get_world_size()

    def set_epoch(self, epoch: int) -> None:
        """Begin another epoch, at its first batch."""
        self.batch_sampler.set_epoch(epoch)

    def __iter__(self) -> Iterator[Batch]:
        self._join()
        sampler = self.batch_sampler
        self.sampler.begin()
        sampler.position = sampler.start
        batches = iter(self._loader)
        sampler.start = 0
        for batch in batches:
            sampler.position += 1
            if self.device is not None:
                batch = batch.to(self.device, non_blocking=True)
            yield batch
        sampler.set_epoch(sampler.epoch + 1)

    def state_dict(self) -> dict[str, Any]:
        """Return the epoch, the batches of it given out, and the settings."""
        epoch, batch = self.batch_sampler.epoch, self.batch_sampler.position
        if batch == len(self):
            epoch, batch = epoch + 1, 0
        return {"epoch": epoch, "batch": batch, **self.batch_sampler.settings}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Let the next pass go on where ``state`` was taken.

        Raises:
            ValueError: If it comes from a loader of other settings, whose
                order is another.
        """
        self._join()
        for key, value in self.batch_sampler.settings.items():
            if state.get(key) != value:
                raise ValueError(
                    f"the saved loader had `{key}` {state.get(key)!r}, this "
                    f"one has {value!r}: the order of batches would be another"
                )
        sampler = self.batch_sampler
        sampler.epoch = state["epoch"]
        sampler.start = sampler.position = state["batch"]
        self.sampler.loaded = True


def _identity(batch: Batch) -> Batch:
    return batch
