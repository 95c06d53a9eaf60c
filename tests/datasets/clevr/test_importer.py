import copy
import os
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datasets.clevr.__main__ import main
from datasets.clevr.features import MAP_SCHEMA
from datasets.clevr.importer import import_features, import_folder
from datasets.clevr.layout import questions_path
from datasets.clevr.vocabulary import (
    ANSWERS,
    ATTRIBUTES,
    QUESTION_TYPES,
    TOKENS,
    tokenize,
)
from datasets.store import Store, open_store
from tests.datasets.clevr.make_folder import (
    SAMPLE,
    write_folder,
    write_split,
)


def decode(store: Store) -> tuple[list[Any], list[Any]]:
    """What a store holds, in words."""
    c = store.columns
    scenes = []
    for low, high in zip(c["scenes/ptr"], c["scenes/ptr"][1:], strict=False):
        scenes.append(
            [
                (
                    {
                        name: values[code]
                        for code, (name, values) in zip(
                            row, ATTRIBUTES.items(), strict=True
                        )
                    },
                    pos.tolist(),
                )
                for row, pos in zip(
                    c["scenes/x"][low:high],
                    c["scenes/pos"][low:high],
                    strict=True,
                )
            ]
        )
    questions = []
    for i in range(store.num_questions):
        words = c["questions/tokens"][i][: c["questions/length"][i]]
        answer, family, kind = (
            int(c[f"questions/{key}"][i])
            for key in ("answer", "family", "type")
        )
        questions.append(
            (
                [TOKENS[word] for word in words],
                int(c["scenes/index"][c["questions/scene"][i]]),
                None if answer < 0 else ANSWERS[answer],
                None if family < 0 else family,
                None if kind < 0 else QUESTION_TYPES[kind],
            )
        )
    return scenes, questions


def expected(
    scenes: list[dict[str, Any]], questions: list[dict[str, Any]]
) -> tuple[list[Any], list[Any]]:
    """The same, by hand from the JSON."""
    objects = [
        [
            (
                {name: item[name] for name in ATTRIBUTES},
                np.float32(item["3d_coords"]).tolist(),
            )
            for item in scene["objects"]
        ]
        for scene in scenes
    ]
    asked = [
        (
            tokenize(q["question"]),
            q["image_index"],
            q.get("answer"),
            q.get("question_family_index"),
            q["program"][-1]["function"] if "program" in q else None,
        )
        for q in questions
    ]
    return objects, asked


def load(folder: Path, split: str = "train", **options: Any) -> Store:
    import_folder(folder, progress=False, **options)
    return open_store(folder / f"{split}.h5")


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), chunk=st.sampled_from([1, 4, 4096]))
def test_everything_arrives(
    tmp_path_factory: pytest.TempPathFactory, seed: int, chunk: int
) -> None:
    folder = tmp_path_factory.mktemp("clevr")
    scenes, questions = write_folder(folder, seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("datasets.clevr.importer._CHUNK", chunk)
        store = load(folder)
    assert decode(store) == expected(scenes, questions)
    numbers = store.columns["scenes/index"].tolist()
    assert numbers == [scene["image_index"] for scene in scenes]
    assert store.info["scenes"]["version"] == "1.0"
    assert store.info["questions"]["split"] == "train"


@pytest.mark.skipif(not SAMPLE.is_dir(), reason=f"{SAMPLE} is not there")
def test_the_real_sample(tmp_path: Path) -> None:
    from datasets.clevr.layout import (
        iter_questions,
        iter_scenes,
        questions_path,
        scenes_path,
    )

    train, val = import_folder(SAMPLE, tmp_path, progress=False)
    assert (train.num_scenes, train.num_questions) == (1000, 40)
    assert (val.num_scenes, val.num_questions) == (100, 0)
    assert not train.unknown
    assert train.bytes == os.path.getsize(tmp_path / "train.h5")
    scenes = list(iter_scenes(scenes_path(SAMPLE, "train")))
    questions = list(iter_questions(questions_path(SAMPLE, "train")))
    store = open_store(tmp_path / "train.h5", mapped=True)
    assert decode(store) == expected(scenes, questions)


def test_a_test_split_has_no_answers(tmp_path: Path) -> None:
    scenes, questions = write_folder(tmp_path, split="test")
    for question in questions:
        for key in ("answer", "program", "question_family_index"):
            del question[key]
    write_split(tmp_path, "test", scenes, questions)
    store = load(tmp_path, "test")
    assert decode(store) == expected(scenes, questions)
    assert set(store.columns["questions/answer"]) == {-1}


def test_a_split_without_scenes_is_reported(tmp_path: Path) -> None:
    write_folder(tmp_path)
    _, questions = write_folder(tmp_path / "other", split="test")
    write_split(tmp_path, "test", None, questions)
    train, test = import_folder(tmp_path, progress=False)
    assert train.path == tmp_path / "train.h5"
    assert test.path is None
    assert "CLEVR_test_scenes.json is not there" in test.skipped
    with pytest.raises(FileNotFoundError, match="CLEVR_test_scenes"):
        import_folder(tmp_path, splits=["test"], progress=False)


def test_unknown_words_are_counted(tmp_path: Path) -> None:
    scenes, questions = write_folder(tmp_path)
    questions[0]["question"] = "How many mauve things, mauve?"
    write_split(tmp_path, "train", scenes, questions)
    (summary,) = import_folder(tmp_path, progress=False)
    assert summary.unknown == {"mauve": 2, ",": 1}
    tokens = open_store(tmp_path / "train.h5").columns["questions/tokens"][0]
    assert (tokens == TOKENS.index("<unk>")).sum() == 3
    with pytest.raises(ValueError, match=r"question 0 .*unknown word 'mauve'"):
        import_folder(tmp_path, unknown="error", progress=False)


def change(path: str, value: Any) -> Any:
    """A change of one entry, as a function of (scenes, questions)."""

    def apply(scenes: list[Any], questions: list[Any]) -> None:
        target: Any = {"scenes": scenes, "questions": questions}
        *keys, last = path.split(".")
        for key in keys:
            target = target[int(key) if key.isdigit() else key]
        target[last] = value

    return apply


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (change("questions.0.answer", "mauve"), "answer 'mauve'"),
        (change("questions.0.answer", "10"), "its program gives '0'"),
        (change("questions.0.question", "  "), "has no words"),
        (change("questions.0.image_index", 10**6), "does not belong"),
        (change("questions.0.image_filename", "a.png"), "does not belong"),
        (
            change("questions.0.question_family_index", 90),
            "expected an integer",
        ),
        (change("questions.0.program", []), "question 0 of"),
        (change("scenes.0.image_index", -1), "image_index -1"),
        (change("scenes.0.objects", None), "objects None"),
        (lambda scenes, _: scenes.append(scenes[0]), "earlier scene"),
        (lambda scenes, _: scenes[1].pop("objects"), "no key 'objects'"),
        (lambda _, asked: asked[1].pop("answer"), "no key 'answer'"),
    ],
)
def test_bad_content(tmp_path: Path, damage: Any, message: str) -> None:
    scenes, questions = write_folder(tmp_path, seed=1)
    colors = [o["color"] for s in scenes for o in s["objects"]]
    assert questions[0]["answer"] == "0" or colors
    questions[0]["answer"] = "0"
    questions[0]["program"][1]["value_inputs"] = [
        next(c for c in ATTRIBUTES["color"] if c not in colors)
    ]
    damage(scenes, questions)
    write_split(tmp_path, "train", scenes, questions)
    with pytest.raises(ValueError, match=message):
        import_folder(tmp_path, progress=False)
    assert sorted(os.listdir(tmp_path)) == ["questions", "scenes"]


def test_programs_need_not_be_run(tmp_path: Path) -> None:
    scenes, questions = write_folder(tmp_path)
    questions[3]["answer"] = "10"
    write_split(tmp_path, "train", scenes, questions)
    with pytest.raises(ValueError, match=r"question 3 .*gives"):
        load(tmp_path)
    assert load(tmp_path, run_programs=False).num_questions == 18


@pytest.mark.parametrize("text", ["", "[]", '{"info": {}}', '{"scenes": [{'])
@pytest.mark.parametrize("key", ["scenes", "questions"])
def test_foreign_and_truncated_json(
    tmp_path: Path, key: str, text: str
) -> None:
    write_folder(tmp_path)
    path = tmp_path / key / f"CLEVR_train_{key}.json"
    path.write_text(text.replace("scenes", key))
    with pytest.raises(ValueError, match=str(path)):
        import_folder(tmp_path, progress=False)
    assert not (tmp_path / "train.h5").exists()


def test_missing_folders(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="which does not exist"):
        import_folder(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match="holds no CLEVR split"):
        import_folder(tmp_path)
    write_folder(tmp_path)
    with pytest.raises(FileNotFoundError, match="CLEVR_val_scenes"):
        import_folder(tmp_path, splits=["val"], progress=False)
    with pytest.raises(ValueError, match="`unknown` is 'skip', expected"):
        import_folder(tmp_path, unknown="skip")  # type: ignore[arg-type]


def test_a_failed_import_keeps_the_old_store(tmp_path: Path) -> None:
    scenes, questions = write_folder(tmp_path)
    load(tmp_path)
    before = (tmp_path / "train.h5").read_bytes()
    worse = copy.deepcopy(questions)
    worse[-1]["answer"] = "mauve"
    write_split(tmp_path, "train", scenes, worse)
    with pytest.raises(ValueError, match="mauve"):
        load(tmp_path)
    assert (tmp_path / "train.h5").read_bytes() == before


def test_the_same_folder_gives_the_same_bytes(tmp_path: Path) -> None:
    write_folder(tmp_path)
    load(tmp_path)
    before = (tmp_path / "train.h5").read_bytes()
    load(tmp_path)
    assert (tmp_path / "train.h5").read_bytes() == before


def write_features(folder: Path, change: Any = None) -> tuple[Path, np.ndarray]:
    """Features of all images up to the last that is asked about."""
    _, questions = write_folder(folder)
    count = max(q["image_index"] for q in questions) + 1
    maps = np.random.default_rng(0).normal(size=(count, 4, 3, 2)).astype("f4")
    path = folder / "features.h5"
    with h5py.File(path, "w") as file:
        file["features"] = maps if change is None else change(maps)
    return path, maps


@pytest.mark.parametrize("block", [1, 5, 64])
def test_features_of_images(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    monkeypatch.setattr("datasets.clevr.importer._MAPS", block)
    path, maps = write_features(tmp_path)
    out = tmp_path / "maps"
    options = ["--features", str(path), "--out", str(out)]
    main(["import", str(tmp_path), *options, "--splits", "[train]"])
    store = open_store(out / "train.h5")
    load(tmp_path)
    states = open_store(tmp_path / "train.h5")
    assert store.schema == MAP_SCHEMA
    np.testing.assert_array_equal(
        store.columns["scenes/map"], maps.astype(np.float16)
    )
    images = store.columns["scenes/index"][store.columns["questions/scene"]]
    expected = states.columns["scenes/index"][states.columns["questions/scene"]]
    np.testing.assert_array_equal(images, expected)
    for key in ("tokens", "length", "answer", "type", "family"):
        np.testing.assert_array_equal(
            store.columns[f"questions/{key}"],
            states.columns[f"questions/{key}"],
        )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda maps: maps[:-1], "images, but the last one"),
        (lambda maps: np.concatenate([maps, maps]), "images, but the last one"),
        (lambda maps: maps[:0], "of 0 images, but the last one"),
        (
            lambda maps: np.where(maps == maps[2, 3, 1, 0], np.nan, maps),
            "2 hold",
        ),
        (lambda maps: maps * 1e9, "of image 0 hold .* of half precision"),
        (lambda maps: maps[:, 0], "expected a dataset of floats"),
        (lambda maps: maps.astype("i4"), "expected a dataset of floats"),
    ],
)
def test_features_that_do_not_fit(
    tmp_path: Path, change: Any, message: str
) -> None:
    path, _ = write_features(tmp_path, change)
    asked = questions_path(tmp_path, "train")
    with pytest.raises(ValueError, match=message) as caught:
        import_features(path, asked, tmp_path / "out.h5", progress=False)
    assert str(path) in str(caught.value)
    assert not (tmp_path / "out.h5").exists()


def test_features_that_are_not_there(tmp_path: Path) -> None:
    path, _ = write_features(tmp_path)
    asked = questions_path(tmp_path, "train")
    out = tmp_path / "out.h5"
    with pytest.raises(FileNotFoundError, match=r"a\.h5 does not exist"):
        import_features(tmp_path / "a.h5", asked, out)
    with pytest.raises(FileNotFoundError, match="does not exist"):
        import_features(path, tmp_path / "a.json", out)
    with pytest.raises(ValueError, match=r"\.json is no HDF5 file"):
        import_features(asked, asked, out)
    with h5py.File(path, "w") as file:
        file["other"] = [1.0]
    with pytest.raises(ValueError, match="holds None as 'features', expected"):
        import_features(path, asked, out, progress=False)
    with pytest.raises(SystemExit, match="expected a folder and one split"):
        main(["import", str(tmp_path), "--features", str(path)])
