import hashlib
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from datasets.sort_of_clevr.generate import (
    CHUNK,
    Chunk,
    generate,
    join_chunks,
    make_chunk,
)
from datasets.sort_of_clevr.scenes import SPLITS
from tests.datasets.sort_of_clevr.seen import (
    check_chunk,
    distances,
    fresh,
    look,
)

ROOT = Path(__file__).resolve().parents[3]
NAMES = [field.name for field in fields(Chunk)]
SEEDS = st.integers(0, 2**32 - 1)


def assert_same(one, other):
    for name in NAMES:
        a, b = getattr(one, name), getattr(other, name)
        assert a.dtype == b.dtype, name
        np.testing.assert_array_equal(a, b, name)


def first_scenes(chunk, count):
    """The chunk's first scenes with their questions."""
    asked = 20 * count
    ends = {
        **dict.fromkeys(NAMES, asked),
        "image": count,
        "codes": 6 * count,
        "pos": 6 * count,
        "support": int(chunk.num_support[:asked].sum()),
    }
    return Chunk(**{name: getattr(chunk, name)[: ends[name]] for name in NAMES})


@given(SEEDS, st.sampled_from(SPLITS), st.integers(0, 10**6))
@fresh(4)
def test_the_pictures_give_the_same_answers(seed, split, first):
    check_chunk(make_chunk(seed, split, first, 100))


@given(SEEDS)
@fresh(3)
def test_the_pictures_show_no_near_ties(seed):
    for image in make_chunk(seed, "train", 0, 100).image:
        seen = look(image)
        for color, it in seen.items():
            ranked = [distance for distance, _ in distances(seen, color)]
            assert ranked[1] - ranked[0] > 1
            assert ranked[-1] - ranked[-2] > 1
            assert abs(it.x - 37.5) > 1
            assert abs(it.y - 37.5) > 1


def test_types_and_sizes():
    chunks = list(generate(CHUNK + 30, seed=5, workers=1, progress=False))
    assert [c.num_scenes for c in chunks] == [CHUNK, 30]
    assert [c.num_questions for c in chunks] == [20 * CHUNK, 600]
    whole = join_chunks(chunks)
    check_chunk(whole)
    for name in NAMES:
        expected = {"pos": np.float32, "scene": np.int64}.get(name, np.uint8)
        assert getattr(whole, name).dtype == expected, name


def test_any_number_of_workers_gives_the_same_bytes():
    count = 2 * CHUNK + 20
    one, two = (
        list(generate(count, seed=7, split="test", workers=w, progress=False))
        for w in (1, 2)
    )
    for a, b in zip(one, two, strict=True):
        assert_same(a, b)


@given(SEEDS, st.integers(1, 40), st.integers(CHUNK + 1, CHUNK + 20))
@fresh(3)
def test_a_longer_set_begins_with_a_shorter_one(seed, few, many):
    short, long = (
        join_chunks(generate(n, seed, workers=1, progress=False))
        for n in (few, many)
    )
    assert_same(short, first_scenes(long, few))


def test_seeds_and_splits_give_other_sets():
    images = {
        make_chunk(seed, split, 0, 5).image.tobytes()
        for seed in (0, 1, 2**32 - 1)
        for split in SPLITS
    }
    assert len(images) == 9


def test_a_seed_gives_the_same_bytes_for_ever():
    # Where this fails on purpose, raise GENERATOR_VERSION.
    chunk = make_chunk(0, "train", 0, 20)
    digest = hashlib.sha256()
    for name in NAMES:
        array = getattr(chunk, name)
        digest.update(array.astype(array.dtype.newbyteorder("<")).tobytes())
    assert digest.hexdigest() == (
        "227b862c1258e5df68ae2712d0c23b45ae6f052db82da3c3847bb32d85954e90"
    )


def test_the_bar_shows_scenes(capsys):
    list(generate(30, split="val", workers=1))
    shown = capsys.readouterr().err
    assert "val" in shown
    assert "30/30" in shown
    list(generate(30, split="val", workers=1, progress=False))
    assert capsys.readouterr().err == ""


def test_scenes_are_made_as_they_are_asked_for():
    chunks = generate(10**9, workers=1, progress=False)
    assert next(chunks).num_scenes == CHUNK
    chunks.close()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"num_scenes": 0}, "`num_scenes` is 0, expected a whole number from"),
        ({"num_scenes": 2.5}, "`num_scenes` is 2.5, expected a whole number"),
        ({"num_scenes": True}, "`num_scenes` is True, expected"),
        ({"num_scenes": 2**32}, "`num_scenes` is 4294967296, expected"),
        ({"seed": -1}, "`seed` is -1, expected a whole number from 0 to 4294"),
        ({"seed": 2**32}, "`seed` is 4294967296, expected"),
        ({"seed": "a"}, "`seed` is 'a', expected a whole number"),
        ({"seed": None}, "`seed` is None, expected a whole number"),
        ({"split": "tset"}, "`split` is 'tset', expected one of .'train'"),
        ({"split": 0}, "`split` is 0, expected one of"),
        ({"workers": 0}, "`workers` is 0, expected ≥ 1"),
        ({"workers": 1.5}, "`workers` is 1.5, expected a whole number"),
    ],
)
def test_bad_arguments_are_refused_at_once(options, said):
    with pytest.raises(ValueError, match=said):
        generate(**{"num_scenes": 10, "progress": False, **options})


def test_numpy_integers_are_integers():
    made = generate(np.int64(3), np.uint8(4), workers=1, progress=False)
    assert_same(join_chunks(made), make_chunk(4, "train", 0, 3))


def test_nothing_cannot_be_joined():
    with pytest.raises(ValueError, match="`chunks` is empty"):
        join_chunks([])
