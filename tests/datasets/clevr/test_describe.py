import os
import shutil
from pathlib import Path

import pytest

from datasets.clevr.__main__ import main
from datasets.clevr.describe import describe
from datasets.clevr.generate import generate
from datasets.clevr.importer import import_folder
from datasets.clevr.layout import image_filename
from tests.datasets.clevr.make_folder import (
    SAMPLE,
    ask_color,
    write_folder,
    write_split,
)
from tests.datasets.make_store import write_random


def cell(page: Path, row: str, column: str, title: str = "") -> str:
    """A cell of the first table that has this row, column and title."""
    head: list[str] = []
    for line in page.read_text().splitlines():
        cells = [c.strip() for c in line.strip("|").split("|")]
        if not line.startswith("|"):
            head = []
        elif not head:
            head = cells
        elif cells[0] == row and column in head and title in head[0]:
            return cells[head.index(column)]
    raise AssertionError(f"no cell {row}, {column}")


def test_a_page_of_a_folder(tmp_path: Path) -> None:
    scenes, questions = write_folder(tmp_path, num_scenes=30)
    import_folder(tmp_path, progress=False)
    page = describe(tmp_path, tmp_path / "out" / "page.md")
    assert sorted(os.listdir(page.parent)) == [
        "page-questions.png",
        "page-scenes.png",
        "page.md",
    ]
    objects = [o for scene in scenes for o in scene["objects"]]
    large = 100 * sum(o["size"] == "large" for o in objects) / len(objects)
    assert cell(page, "large", "this, %") == f"{large:.2f}"
    assert cell(page, "large", "this − released") == f"{large - 46.7:+.2f}"
    assert cell(page, "count", "this, %") == "100.00"
    zeros = sum(q["answer"] == "0" for q in questions)
    assert cell(page, "0", "count", "answer") == f"{zeros}"
    assert "(page-scenes.png)" in page.read_text()
    for name in ("page-scenes.png", "page-questions.png"):
        assert (page.parent / name).read_bytes().startswith(b"\x89PNG")


def test_a_layout_folder_is_imported_for_once(tmp_path: Path) -> None:
    write_folder(tmp_path / "a", num_scenes=10)
    before = sorted(os.listdir(tmp_path / "a"))
    describe(tmp_path / "a", tmp_path / "page.md")
    assert sorted(os.listdir(tmp_path / "a")) == before


def test_the_guess_is_tried_on_val(tmp_path: Path) -> None:
    """On train "0" is the answer to all; on val to a quarter."""
    for split, color in (("train", "none"), ("val", "red")):
        scenes, _ = write_folder(tmp_path, split=split, num_scenes=4)
        for i, scene in enumerate(scenes):
            scene["objects"] = scenes[0]["objects"][:0]
            scene["relationships"] = {key: [] for key in scene["relationships"]}
            assert scene["image_filename"] == image_filename(
                split, scene["image_index"]
            )
            scenes[i] = scene
        questions = [ask_color(s, "red", i) for i, s in enumerate(scenes)]
        for i, question in enumerate(questions):
            if color == "red" and i:
                question["answer"] = "1"
        write_split(tmp_path, split, scenes, questions)
    page = describe(tmp_path, tmp_path / "page.md")
    row = "most frequent answer of the type, %"
    assert cell(page, row, "this") == "25.00"
    assert "tried on val" in page.read_text()
    page = describe(tmp_path, tmp_path / "page.md", split="val")
    assert cell(page, row, "this") == "75.00"


def test_a_generated_folder_is_read_back(tmp_path: Path) -> None:
    generate(tmp_path, scenes={"train": 20}, workers=1, progress=False)
    text = describe(tmp_path, tmp_path / "page.md").read_text()
    line = next(t for t in text.splitlines() if "read back" in t)
    assert "the first 200 questions: 0 do not give their own program" in line
    assert " 0 give several programs" in line


def test_a_reference_is_a_column(tmp_path: Path) -> None:
    for name, seed in (("a.h5", 1), ("b.h5", 2)):
        write_random(tmp_path / name, seed, num_questions=1500)
    page = describe(tmp_path / "a.h5", tmp_path / "p.md", tmp_path / "b.h5")
    text = page.read_text()
    assert text.count("this and reference: p = ") == 10
    assert cell(page, "yes", "reference, %")
    # Too few questions to say anything about their shares.
    write_random(tmp_path / "c.h5", 2, num_questions=50)
    page = describe(tmp_path / "a.h5", tmp_path / "p.md", tmp_path / "c.h5")
    assert page.read_text().count("this and reference: p = ") == 5
    assert cell(page, "words a question, mean", "reference") == ""


@pytest.mark.skipif(not SAMPLE.is_dir(), reason=f"{SAMPLE} is not there")
def test_the_real_sample(tmp_path: Path) -> None:
    page = describe(SAMPLE, tmp_path / "page.md", SAMPLE)
    assert cell(page, "objects a scene, mean", "this") == "6.46"
    assert abs(float(cell(page, "large", "this − released"))) < 0.5
    assert page.read_text().count("p = 1.000") == 5


def test_missing_sources(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no store at"):
        describe(tmp_path / "none.h5", tmp_path / "page.md")
    write_folder(tmp_path / "a")
    with pytest.raises(FileNotFoundError, match="a has no split 'val'"):
        describe(tmp_path / "a", tmp_path / "page.md", split="val")
    (tmp_path / "b").mkdir()
    with pytest.raises(FileNotFoundError, match="b has no split 'train'"):
        describe(tmp_path / "a", tmp_path / "page.md", tmp_path / "b")
    assert not (tmp_path / "page.md").exists()


def test_the_command(tmp_path: Path) -> None:
    write_folder(tmp_path)
    page = tmp_path / "page.md"
    main(["describe", str(tmp_path), "--out", str(page)])
    assert page.is_file()
    shutil.rmtree(tmp_path / "scenes")
    with pytest.raises(SystemExit, match="has no split"):
        main(["describe", str(tmp_path), "--out", str(page)])
