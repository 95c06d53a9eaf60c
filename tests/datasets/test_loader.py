from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from datasets.clevr.features import NodeFeatures
from datasets.dataset import QuestionDataset
from datasets.loader import BatchSampler, QuestionLoader
from tests.datasets.make_store import write_random
from tests.datasets.test_dataset import assert_same


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> QuestionDataset:
    path: Path = tmp_path_factory.mktemp("store") / "train.h5"
    write_random(path, 7)
    return QuestionDataset(path, node_features=NodeFeatures())


@settings(max_examples=100, deadline=None)
@given(
    scene=st.lists(st.integers(0, 9), max_size=40),
    size=st.integers(1, 12),
    shuffle=st.booleans(),
    drop_last=st.booleans(),
    by_scene=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
    epoch=st.integers(0, 5),
    world=st.integers(1, 4),
)
def test_every_question_is_dealt(
    scene: list[int],
    size: int,
    shuffle: bool,
    drop_last: bool,
    by_scene: bool,
    seed: int,
    epoch: int,
    world: int,
) -> None:
    dealt: Counter[int] = Counter()
    lengths = set()
    for rank in range(world):
        sampler = BatchSampler(
            np.array(scene, int), size, shuffle, seed, drop_last, by_scene,
            rank, world,
        )  # fmt: skip
        sampler.set_epoch(epoch)
        batches = list(sampler)
        assert len(batches) == len(sampler)
        lengths.add(len(batches))
        for i, batch in enumerate(batches):
            dealt.update(batch.tolist())
            items = len({scene[j] for j in batch}) if by_scene else len(batch)
            assert items <= size
            if drop_last or i + 1 < len(batches):
                assert len(batch) >= size or by_scene
    assert len(lengths) == 1
    if drop_last:
        assert set(dealt.values()) <= {1}
    else:
        assert set(dealt) == set(range(len(scene)))
    if not drop_last and world == 1:
        assert set(dealt.values()) <= {1}


def test_whole_scenes(dataset: QuestionDataset) -> None:
    scene = dataset.scene
    for batch in QuestionLoader(dataset, 5, shuffle=True, by_scene=True):
        assert batch.num_graphs <= 5
    sampler = BatchSampler(scene, 5, True, by_scene=True)
    for positions in sampler:
        asked = np.isin(scene, scene[positions]).nonzero()[0]
        assert sorted(positions) == asked.tolist()


def test_some_questions_of_each_scene(dataset: QuestionDataset) -> None:
    scene = dataset.scene
    sampler = BatchSampler(scene, 5, True, 2, by_scene=True, scene_questions=2)
    seen = set()
    for epoch in range(20):
        sampler.set_epoch(epoch)
        batches = list(sampler)
        chosen = np.concatenate(batches)
        assert len(set(chosen.tolist())) == len(chosen)
        found = np.bincount(scene[chosen])
        assert (found == np.bincount(scene).clip(max=2)).all()
        assert all(len(np.unique(scene[b])) <= 5 for b in batches)
        assert chosen.tolist() == np.concatenate(list(sampler)).tolist()
        seen.update(chosen.tolist())
    assert len(seen) == len(scene)


def test_some_questions_of_what_is_no_scene(dataset: QuestionDataset) -> None:
    for options in ({"scene_questions": 2}, {"scene_questions": 0}):
        with pytest.raises(ValueError, match="`scene_questions` is"):
            QuestionLoader(dataset, 5, **options)


def test_order_depends_on_seed_and_epoch_alone(
    dataset: QuestionDataset,
) -> None:
    def order(seed: int, epoch: int, shuffle: bool = True) -> list[int]:
        sampler = BatchSampler(dataset.scene, 7, shuffle, seed)
        sampler.set_epoch(epoch)
        return np.concatenate(list(sampler)).tolist()

    assert order(0, 3) == order(0, 3)
    assert order(0, 3) != order(0, 4)
    assert order(0, 3) != order(1, 3)
    assert order(0, 3, False) == list(range(60))


@pytest.mark.parametrize("workers", [0, 2])
def test_workers_give_the_same_batches(
    dataset: QuestionDataset, workers: int
) -> None:
    loader = QuestionLoader(
        dataset, 16, shuffle=True, seed=3, num_workers=workers
    )
    sampler = BatchSampler(dataset.scene, 16, True, 3)
    for epoch in range(2):
        sampler.set_epoch(epoch)
        batches = list(loader)
        assert len(batches) == len(loader) == 4
        for batch, rows in zip(batches, sampler, strict=True):
            assert_same(batch, dataset[rows])


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("stop", [0, 1, 3, 4])
@pytest.mark.parametrize("exhaust", [False, True])
def test_resumes_behind_the_last_batch(
    dataset: QuestionDataset, workers: int, stop: int, exhaust: bool
) -> None:
    def make() -> QuestionLoader:
        return QuestionLoader(
            dataset, 16, shuffle=True, seed=5, num_workers=workers
        )

    straight = make()
    expected = [b for _ in range(3) for b in straight]
    first, seen = make(), []
    seen += list(first)
    passing = iter(first)
    seen += [next(passing) for _ in range(stop)]
    if exhaust and stop == 4:
        assert next(passing, None) is None
    second = make()
    second.load_state_dict(first.state_dict())
    while len(seen) < 12:
        seen += list(second)
    assert len(seen) == 12
    for batch, other in zip(seen, expected, strict=True):
        assert_same(batch, other)


def test_a_broken_off_pass_starts_anew(dataset: QuestionDataset) -> None:
    loader = QuestionLoader(dataset, 16, shuffle=True)
    first = next(iter(loader))
    assert_same(next(iter(loader)), first)
    assert len(list(loader)) == 4


def test_set_epoch_forgets_the_place(dataset: QuestionDataset) -> None:
    loader = QuestionLoader(dataset, 16, shuffle=True)
    loader.load_state_dict(loader.state_dict() | {"batch": 2})
    loader.set_epoch(0)
    assert loader.state_dict()["batch"] == 2
    loader.set_epoch(1)
    assert loader.state_dict()["batch"] == 0
    assert len(list(loader)) == 4


def test_state_of_another_order_is_refused(dataset: QuestionDataset) -> None:
    state = QuestionLoader(dataset, 16, shuffle=True, seed=1).state_dict()
    other = QuestionLoader(dataset, 16, shuffle=True, seed=2)
    with pytest.raises(ValueError, match="`seed` 1, this one has 2"):
        other.load_state_dict(state)
    fewer = QuestionLoader(dataset.select(questions=50), 16, True, 1)
    with pytest.raises(ValueError, match="`num_questions` 60, this one has 50"):
        fewer.load_state_dict(state)


def test_wrong_options(dataset: QuestionDataset) -> None:
    with pytest.raises(ValueError, match="`batch_size` is 0, expected ≥ 1"):
        QuestionLoader(dataset, 0)
    with pytest.raises(ValueError, match="`rank` is 2, expected 0 to 1"):
        QuestionLoader(dataset, 4, rank=2, world_size=2)
    with pytest.raises(ValueError, match="`rank` is 1 and `world_size` None"):
        QuestionLoader(dataset, 4, rank=1)
    resident = QuestionDataset(
        dataset.store.path, node_features=NodeFeatures(), device="meta"
    )
    with pytest.raises(ValueError, match="`num_workers` is 1, but the dataset"):
        QuestionLoader(resident, 4, num_workers=1)


def test_joins_a_group_made_after_it(
    dataset: QuestionDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    loader = QuestionLoader(dataset, 8)
    assert len(loader) == 8
    group = torch.distributed
    monkeypatch.setattr(group, "is_initialized", lambda: True)
    monkeypatch.setattr(group, "get_rank", lambda: 1)
    monkeypatch.setattr(group, "get_world_size", lambda: 3)
    assert len(loader) == 3
    assert_same(next(iter(loader)), dataset[range(1, 25, 3)])
    assert loader.state_dict()["world_size"] == 3
    assert len(QuestionLoader(dataset, 8, rank=0, world_size=1)) == 8


def test_batches_move_to_a_device(dataset: QuestionDataset) -> None:
    for batch in QuestionLoader(dataset, 16, device="meta"):
        assert batch.x.is_meta


def test_a_dataset_of_no_question(dataset: QuestionDataset) -> None:
    for by_scene in (False, True):
        loader = QuestionLoader(
            dataset.select(questions=0), 16, by_scene=by_scene
        )
        assert len(loader) == 0
        assert list(loader) == []


def test_lightning_sees_every_pass_once(
    dataset: QuestionDataset, tmp_path: Path
) -> None:
    """Resumed from wherever, the batches are those of a run in one piece."""
    lightning = pytest.importorskip("lightning")
    saved = list(range(1, 10))

    class Module(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(()))
            self.seen: list[tuple[int, ...]] = []

        def training_step(self, batch: Any, index: int) -> torch.Tensor:
            self.seen.append(tuple(batch.tokens.sum(1).tolist()))
            return self.weight * batch.x.sum()

        def validation_step(self, batch: Any, index: int) -> None:
            pass

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.SGD(self.parameters(), lr=0.0)

    class Save(lightning.Callback):
        def __init__(self, when: str) -> None:
            def save(trainer: Any, *args: Any) -> None:
                if not trainer.sanity_checking:
                    name = f"{when}-{trainer.global_step}.ckpt"
                    trainer.save_checkpoint(tmp_path / name)

            setattr(self, when, save)

    def fit(steps: int, resume: Path | None = None, **options: Any) -> Any:
        module = Module()
        trainer = lightning.Trainer(
            max_steps=steps,
            accelerator="cpu",
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            **options,
        )
        loader = QuestionLoader(dataset, 16, shuffle=True, seed=5)
        val = QuestionLoader(dataset, 16)
        trainer.fit(module, loader, val, ckpt_path=resume)
        return module.seen

    expected = fit(11)
    for when in ("on_train_batch_end", "on_validation_end"):
        assert fit(9, callbacks=[Save(when)]) == expected[:9]
    for step in saved:
        name = tmp_path / f"on_train_batch_end-{step}.ckpt"
        assert fit(11, name) == expected[step:], step
    for step in (4, 8):
        name = tmp_path / f"on_validation_end-{step}.ckpt"
        assert fit(11, name) == expected[step:], step
    assert fit(6, callbacks=[Save("on_train_epoch_end")]) == expected[:6]
    for step in (4, 6):  # 6: cut short by max_steps
        name = tmp_path / f"on_train_epoch_end-{step}.ckpt"
        assert fit(11, name) == expected[step:], step
