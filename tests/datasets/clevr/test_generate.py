import json
import os
import signal
import subprocess
import sys
import time

import pytest

from datasets.clevr.generate import Settings, generate, generate_block
from datasets.clevr.jsonlist import read_info
from datasets.clevr.layout import (
    questions_path,
    read_questions,
    read_scenes,
    scenes_path,
)

SCENES = {"train": 260, "val": 20}


def files(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made")
    generate(folder, scenes=SCENES, seed=3, workers=1, progress=False)
    return folder


def test_any_number_of_workers_gives_the_same_bytes(made, tmp_path):
    generate(tmp_path, scenes=SCENES, seed=3, workers=2, progress=False)
    assert files(tmp_path) == files(made)
    assert set(files(made)) == {
        f"{kind}/CLEVR_{split}_{kind}.json"
        for kind in ("scenes", "questions")
        for split in SCENES
    }


def test_the_layout_is_the_official_one(made, sample):
    for split, count in SCENES.items():
        scenes = read_scenes(scenes_path(made, split))
        assert [s["image_index"] for s in scenes] == list(range(count))
        by_index = {s["image_index"]: s for s in scenes}
        questions = read_questions(questions_path(made, split), by_index)
        assert len(questions) == 10 * count
        assert [q["question_index"] for q in questions] == list(
            range(10 * count)
        )
    for path in (scenes_path, questions_path):
        ours = json.loads(path(made, "train").read_text())
        real = json.loads(path(sample, "train").read_text())
        assert ours.keys() == real.keys()
        assert real["info"].keys() <= ours["info"].keys()
        key = "scenes" if path is scenes_path else "questions"
        assert ours[key][0].keys() == real[key][0].keys()


def test_a_block_can_be_made_alone(made):
    scenes, questions = generate_block(Settings(seed=3), "train", 1, 10)
    assert scenes == read_scenes(scenes_path(made, "train"))[250:]
    expected = read_questions(questions_path(made, "train"))[2500:]
    for question in expected:
        question["question_index"] -= 2500
    assert questions == expected


def test_seeds_splits_and_options_matter(made, tmp_path):
    generate(
        tmp_path,
        scenes={"train": 30, "val": 30},
        seed=4,
        workers=1,
        families=["zero_hop"],
        questions_per_scene=4,
        min_objects=4,
        max_objects=5,
        condition="A",
        progress=False,
    )
    train, val = (
        read_scenes(scenes_path(tmp_path, s)) for s in ("train", "val")
    )
    assert {len(s["objects"]) for s in train} == {4, 5}
    assert train[0]["objects"] != val[0]["objects"]
    assert train != read_scenes(scenes_path(made, "train"))[:30]
    questions = read_questions(questions_path(tmp_path, "train"))
    assert {q["question_family_index"] for q in questions} <= set(range(84, 90))


def test_made_again_it_is_left_alone(tmp_path):
    options = {"scenes": {"train": 5, "val": 5}, "progress": False}
    generate(tmp_path, workers=1, **options)
    before = files(tmp_path)
    stamps = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*.json")}
    generate(tmp_path, workers=2, **options)
    assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*.json")} == stamps
    # What is missing is made anew, and comes out the same.
    questions_path(tmp_path, "val").unlink()
    generate(tmp_path, workers=1, **options)
    assert files(tmp_path) == before


def test_another_set_is_not_overwritten(tmp_path):
    generate(tmp_path, scenes={"train": 5}, workers=1, progress=False)
    before = files(tmp_path)
    with pytest.raises(FileExistsError, match="not made with these settings"):
        generate(
            tmp_path, scenes={"train": 5}, seed=1, workers=1, progress=False
        )
    assert files(tmp_path) == before


def test_a_killed_run_leaves_nothing_that_looks_finished(tmp_path):
    code = (
        "from datasets.clevr.generate import generate\n"
        "if __name__ == '__main__':\n"
        f"    generate({str(tmp_path)!r}, scenes={{'train': 100000}}, "
        "workers=1, progress=False)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code])
    partial = scenes_path(tmp_path, "train").with_name(
        ".CLEVR_train_scenes.json.partial"
    )
    deadline = time.monotonic() + 60
    while not (partial.exists() and partial.stat().st_size > 1000):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not [p for p in files(tmp_path) if p.endswith(".json")]
    # The next run takes its place, and leaves nothing of it.
    generate(tmp_path, scenes={"train": 5}, workers=1, progress=False)
    assert len(files(tmp_path)) == 2
    assert len(read_scenes(scenes_path(tmp_path, "train"))) == 5


def test_an_interrupted_run_cleans_up(tmp_path, monkeypatch):
    from datasets.clevr import generate as module

    original = module._block_as_json

    def interrupted(settings, split, block, count):
        if block == 1:
            raise KeyboardInterrupt
        return original(settings, split, block, count)

    monkeypatch.setattr(module, "_block_as_json", interrupted)
    with pytest.raises(KeyboardInterrupt):
        generate(tmp_path, scenes={"train": 260}, workers=1, progress=False)
    assert files(tmp_path) == {}


def test_settings_are_recorded(made):
    info = read_info(questions_path(made, "val"))
    assert info["split"] == "val"
    assert info["generator"]["seed"] == 3
    assert info["generator"]["scenes"] == 20


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scenes": {"train": 0}}, "0 scenes for 'train'"),
        ({"scenes": {"../x": 1}}, "the split '../x'"),
        ({"workers": 0}, "`workers` is 0"),
        ({"families": ["five_hop"]}, "`families` has 'five_hop'"),
        ({"questions_per_scene": 91}, "`questions_per_scene` is 91"),
        ({"max_objects": 1000}, "`max_objects` 1000"),
        ({"condition": "Z"}, "`condition` is 'Z'"),
    ],
)
def test_bad_options_are_refused(tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        generate(
            tmp_path, **{"scenes": {"train": 1}, "progress": False, **options}
        )
    assert os.listdir(tmp_path) == []
