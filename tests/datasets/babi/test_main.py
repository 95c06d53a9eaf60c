import pytest

from datasets.babi.__main__ import main
from datasets.babi.stories import decode, read_stories
from tests.datasets.babi.release import NAMES, write_release

#: Some questions more sentences decide than others.
ODD = """\
1 Mary got the milk.
2 Mary went to the office.
3 Where is the milk?\toffice\t1 2
4 Where is Mary?\toffice\t2
"""


def run(*words):
    main([str(word) for word in words])


def test_import_and_describe(tmp_path, capsys):
    own = write_release(tmp_path, edition="en")
    out = tmp_path / "out"
    options = ("--edition", "en", "--tasks", "[1,3]", "--made", "[3]")
    run("import", own, "--out", out, *options)
    text = capsys.readouterr().out
    assert " 990 " in text
    assert text.count("made, not released: task [3]") == 2
    run("describe", out, "--out", tmp_path / "page.md")
    page = (tmp_path / "page.md").read_text()
    assert "| 3 three supporting facts (made) |" in page
    [row] = [r for r in page.splitlines() if r.startswith("| 1 single")]
    cells = [cell.strip() for cell in row.split("|")[2:-1]]
    # 18 stories, of 2, 4, … 10 sentences before a question.
    assert cells[:4] == ["18", "90", "6.0", "10"]
    assert cells[8] == "1.0"
    assert int(cells[10]) <= 5


def test_made_stories_and_their_check(tmp_path, capsys):
    run("make", tmp_path, "--task", 3, "--train", 100, "--test", 10)
    path = tmp_path / "qa3_made_train.txt"
    stories = list(read_stories(decode(path.read_bytes(), "m"), "m"))
    assert len(stories) == 20
    capsys.readouterr()
    run("check", path, "--stories", 60)
    text = capsys.readouterr().out
    assert "20 released stories" in text
    # They are of one kind: chance alone takes a figure out of its interval.
    outside = int(text.split("; ")[1].split(" of ")[0])
    assert outside <= 4
    # Stories of another kind are told apart.
    run("make", tmp_path, "--task", 1, "--train", 100, "--test", 10)
    capsys.readouterr()
    run("check", tmp_path / "qa1_made_train.txt", "--stories", 60)
    text = capsys.readouterr().out
    assert int(text.split("; ")[1].split(" of ")[0]) > 10


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("import", "{0}/nope"), "nope does not exist"),
        (("make", "{0}", "--task", "2"), "`task` is 2, expected"),
        (("make", "{0}", "--task", "2", "--train", "0"), "`task` is 2"),
        (("make", "{0}", "--train", "7"), "`train` is 7, expected a multiple"),
        (("make", "{0}", "--train", "-5"), "`train` is -5, expected a mult"),
        (("make", "{0}", "--test", "0"), "`test` is 0, expected a multiple"),
        (("import", "{0}", "--tasks", "[1]", "--made", "[3]"), "`made` names"),
        (("check", "{0}/nope.txt"), "nope.txt does not exist"),
        (("check", "{0}"), "is a folder: expected a file"),
        (("check", "{0}/odd", "--stories", "9"), "that 1 and that 2 sentences"),
        (("check", "{0}/file", "--stories", "1"), "`stories` is 1, expected"),
        (("describe", "{0}"), "train.h5"),
    ],
)
def test_what_is_wrong_comes_as_one_sentence(tmp_path, words, message):
    own = write_release(tmp_path)
    (tmp_path / "file").write_text((own / f"{NAMES[3]}_test.txt").read_text())
    (tmp_path / "odd").write_text(ODD)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(SystemExit) as stop:
        run(*(word.format(tmp_path) for word in words))
    assert sorted(tmp_path.iterdir()) == before
    assert str(stop.value).startswith("error: ")
    assert message in str(stop.value)


def test_check_refuses_another_task(tmp_path):
    text = "1 Wolves are afraid of mice.\n2 What is a wolf afraid of?\tmouse\t1"
    (tmp_path / "file").write_text(text)
    with pytest.raises(SystemExit, match="expected stories of task 3"):
        run("check", tmp_path / "file")
