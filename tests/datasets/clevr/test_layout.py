import copy
import json
import os
import tracemalloc

import pytest

from datasets.clevr import jsonlist
from datasets.clevr.jsonlist import JSONListWriter, iter_json_list, read_info
from datasets.clevr.layout import (
    check_question,
    check_scene,
    iter_questions,
    iter_scenes,
    questions_path,
    read_questions,
    read_scenes,
    scenes_path,
)


def write(path, key, items, info=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    info = {"split": "train"} if info is None else info
    path.write_text(json.dumps({"info": info, key: items}))
    return path


def test_reads_the_real_files(sample):
    scenes = read_scenes(scenes_path(sample, "train"))
    assert [s["image_index"] for s in scenes] == list(range(1000))
    with open(scenes_path(sample, "train")) as file:
        assert scenes == json.load(file)["scenes"]
    path = questions_path(sample, "train")
    questions = read_questions(path, {s["image_index"]: s for s in scenes})
    assert questions == json.loads(path.read_text())["questions"]
    assert read_info(path)["split"] == "train"


def test_reads_what_it_wrote(tmp_path, scenes, questions):
    by_index = {s["image_index"]: s for s in scenes}
    path = write(tmp_path / "CLEVR_train_scenes.json", "scenes", scenes)
    assert read_scenes(path) == scenes
    path = write(
        tmp_path / "CLEVR_train_questions.json", "questions", questions
    )
    assert read_questions(path, by_index) == questions


@pytest.mark.parametrize("chunk", [1, 7, 64, 1000])
def test_any_cut_into_chunks_reads_the_same(tmp_path, monkeypatch, chunk):
    items = [{"a": [1, 2.5e-3, -7], "b": 'é]},{ \\" '}, 3, [], {}, "x", None]
    path = tmp_path / "list.json"
    for indent in (None, 2):
        for data in (
            {"info": {"n": 12345}, "items": items, "more": 12},
            {"more": "12", "items": items, "info": {"n": 12345}},
            {"items": [], "info": {}},
        ):
            path.write_text(json.dumps(data, indent=indent))
            monkeypatch.setattr(jsonlist, "_CHUNK", chunk)
            info = {}
            assert list(iter_json_list(path, "items", info)) == data["items"]
            assert info == data["info"]
            assert read_info(path) == data["info"]


def test_every_truncation_is_noticed(tmp_path):
    text = json.dumps({"info": {"n": 1}, "items": [{"a": "b"}, {"c": [1]}]})
    path = tmp_path / "list.json"
    for end in range(len(text)):
        path.write_text(text[:end])
        with pytest.raises(ValueError, match=r"list\.json .*"):
            list(iter_json_list(path, "items"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "truncated: it ends at character 0"),
        ("[]", r"not valid JSON at character 0: found '\[\]', expected '{'"),
        ('{"info": {}}', "no key 'items'"),
        ('{"items": {}}', "expected the list of items"),
        ('{"items": [1 2]}', "expected ',' or ']'"),
        ('{"items": [1,]}', "not valid JSON"),
        ('{"items": []} x', "expected the end of the file"),
        ('{"items": [], "info": 3}', "'info'.*expected an object"),
        ('{"items": [{"a": 1], "b": 2}]}', "not valid JSON"),
    ],
)
def test_malformed_files_are_refused(tmp_path, text, message):
    path = tmp_path / "list.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        list(iter_json_list(path, "items", {}))


def test_foreign_bytes_are_refused(tmp_path):
    path = tmp_path / "CLEVR_train_scenes.json"
    path.write_bytes(b"\x89HDF\r\n\x1a\n" * 100)
    with pytest.raises(ValueError, match="not UTF-8"):
        read_scenes(path)


def test_missing_files_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"CLEVR_val_scenes\.json"):
        read_scenes(scenes_path(tmp_path, "val"))
    with pytest.raises(FileNotFoundError, match=r"CLEVR_val_questions\.json"):
        read_questions(questions_path(tmp_path, "val"))


def test_memory_stays_bounded(tmp_path, questions):
    path = tmp_path / "CLEVR_train_questions.json"
    write(path, "questions", questions * 4)
    assert path.stat().st_size > 8e6
    next(iter_questions(path))
    tracemalloc.start()
    count = sum(1 for _ in iter_questions(path))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 4 * len(questions)
    assert peak < 6e6


def change(entry, *keys, to=None):
    """A copy in which the value under these keys is another, or is gone."""
    out = copy.deepcopy(entry)
    inner = out
    for key in keys[:-1]:
        inner = inner[key]
    if to is None:
        del inner[keys[-1]]
    else:
        inner[keys[-1]] = to
    return out


@pytest.mark.parametrize(
    ("keys", "value", "message"),
    [
        (("image_index",), None, "no key 'image_index'"),
        (("image_index",), -1, "image_index -1"),
        (("image_index",), "0", "image_index '0'"),
        (("image_filename",), 3, "image_filename 3, expected the name"),
        (("image_filename",), "", "image_filename '', expected the name"),
        (("objects",), {}, "objects {}, expected a list"),
        (("objects", 1, "color"), None, "object 1 .* no key 'color'"),
        (("objects", 1, "color"), "pink", "color 'pink'.*'gray'"),
        (("objects", 0, "3d_coords"), [1, 2], "3d_coords.*three numbers"),
        (("objects", 0, "pixel_coords"), [1, 2, "3"], "pixel_coords"),
        (("objects", 0, "3d_coords"), [1, 2, float("nan")], "nan"),
        (("objects", 0, "rotation"), "none", "rotation 'none'"),
        (("directions", "left"), None, "no key 'left'"),
        (("directions", "above"), [1], r"direction above \[1\]"),
        (("relationships", "front"), None, "no key 'front'"),
        (("relationships", "front"), [[]], "1 lists.*'front'"),
        (("relationships", "left", 0), [99], r"\[99\].*indices in 0\.\."),
        (("relationships", "left", 0), [-1], r"\[-1\]"),
    ],
)
def test_bad_scenes_are_refused(scenes, tmp_path, keys, value, message):
    bad = change(scenes[0], *keys, to=value)
    with pytest.raises(ValueError, match=message):
        check_scene(bad)
    path = write(tmp_path / "CLEVR_train_scenes.json", "scenes", [bad])
    with pytest.raises(ValueError, match=r"scene 0 of .*CLEVR_train_scenes"):
        list(iter_scenes(path))


def test_a_scene_is_an_object():
    with pytest.raises(ValueError, match="`scene` is 3, expected an object"):
        check_scene(3)


def test_a_scene_comes_once_and_in_its_split(scenes, tmp_path):
    path = tmp_path / "CLEVR_train_scenes.json"
    write(path, "scenes", [scenes[0], scenes[0]])
    with pytest.raises(ValueError, match=r"image_index 0.*expected each once"):
        read_scenes(path)
    again = change(scenes[0], "image_index", to=7)
    write(path, "scenes", [scenes[0], again])
    with pytest.raises(ValueError, match=r"image_filename .*each once"):
        read_scenes(path)
    write(path, "scenes", scenes[:1], {"split": "val"})
    with pytest.raises(ValueError, match="split 'train', expected 'val'"):
        read_scenes(path)
    path = write(tmp_path / "CLEVR_val_scenes.json", "scenes", scenes[:1], {})
    with pytest.raises(ValueError, match="split 'train', expected 'val'"):
        read_scenes(path)


@pytest.mark.parametrize(
    ("keys", "value", "message"),
    [
        (("question",), None, "no key 'question'"),
        (("question",), 3, "question 3, expected text"),
        (("image_index",), None, "no key 'image_index'"),
        (("image_index",), -3, "image_index -3"),
        (("question_index",), "a", "question_index 'a'"),
        (("answer",), None, "no key 'answer'"),
        (("answer",), "pink", "answer 'pink', expected one of the 28"),
        (("answer",), 3, "answer 3, expected one of the 28"),
        (("answer",), "11", "answer '11', expected one of the 28"),
        (("question_family_index",), None, "no key 'question_family_index'"),
        (("question_family_index",), 90, r"90, expected an integer in 0\.\.89"),
        (("program",), None, "no key 'program'"),
        (("program",), [], "non-empty list of nodes"),
        (("program", 0, "function"), "scan", "unknown function 'scan'"),
        (("program", 1, "inputs"), [1], "no cycle"),
    ],
)
def test_bad_questions_are_refused(questions, tmp_path, keys, value, message):
    bad = change(questions[0], *keys, to=value)
    with pytest.raises(ValueError, match=message):
        check_question(bad)
    path = tmp_path / "CLEVR_train_questions.json"
    write(path, "questions", [questions[1], bad])
    with pytest.raises(ValueError, match=r"question 1 of .*CLEVR_train_quest"):
        list(iter_questions(path))


def test_test_questions_need_no_answer(questions, tmp_path):
    keys = ("question_index", "image_index", "image_filename", "question")
    bare = {**{k: questions[0][k] for k in keys}, "split": "test"}
    check_question(bare)
    check_question({**bare, "split": "testA"})
    path = tmp_path / "CLEVR_test_questions.json"
    write(path, "questions", [bare], {"split": "test"})
    assert read_questions(path) == [bare]
    with pytest.raises(ValueError, match="no key 'program'"):
        check_question({**bare, "answer": "yes", "question_family_index": 3})
    with pytest.raises(ValueError, match="no key 'answer'"):
        check_question({**bare, "split": "val"})


def test_scenes_that_belong_to_other_questions_are_refused(
    questions, scenes, tmp_path
):
    path = tmp_path / "CLEVR_train_questions.json"
    write(path, "questions", questions[:1])
    index = questions[0]["image_index"]
    with pytest.raises(ValueError, match="none of the 0 scenes"):
        read_questions(path, {})
    for key, other in [("image_filename", "x.png"), ("split", "val")]:
        wrong = {**scenes[index], key: other}
        with pytest.raises(ValueError, match=f"{key}.*does not belong"):
            read_questions(path, {index: wrong})


def test_writer_leaves_all_or_nothing(tmp_path):
    path = tmp_path / "sub" / "list.json"
    with JSONListWriter(path, "items", {"n": 1}) as writer:
        writer.write(b"")
        writer.write(b"1,\n2")
        writer.write(b"3")
        assert not path.exists()
    assert json.loads(path.read_text()) == {
        "info": {"n": 1},
        "items": [1, 2, 3],
    }
    before = path.read_bytes()

    def interrupted():
        with JSONListWriter(path, "items", {}) as writer:
            writer.write(b"4")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == ["list.json"]


def test_writer_takes_the_place_of_a_killed_one(tmp_path):
    path = tmp_path / "list.json"
    leftover = tmp_path / ".list.json.partial"
    leftover.write_text("half of a longer file than the next one will be")
    with JSONListWriter(path, "items", {}) as writer:
        writer.write(b"1")
    assert json.loads(path.read_text()) == {"info": {}, "items": [1]}
    assert not leftover.exists()


def test_two_runs_do_not_write_one_file(tmp_path):
    path = tmp_path / "list.json"
    with JSONListWriter(path, "items", {}) as writer:
        with pytest.raises(OSError, match="another run is writing"):
            JSONListWriter(path, "items", {})
        writer.write(b"1")
    assert json.loads(path.read_text())["items"] == [1]


@pytest.mark.skipif(
    not os.path.exists("/dev/full"), reason="needs /dev/full to fill a disk"
)
def test_a_full_disk_is_reported(tmp_path):
    path = tmp_path / "list.json"
    writer = JSONListWriter(path, "items", {})
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, writer.file.fileno())
    os.close(full)
    with pytest.raises(OSError, match=r"list\.json \(No space left"), writer:
        writer.write(b"1" * 100)
    assert os.listdir(tmp_path) == []
