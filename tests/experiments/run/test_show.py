import pytest

from experiments.__main__ import main
from experiments.run import show as module
from experiments.run.show import ShowConfig, show


def test_models_answer_fresh_questions_side_by_side(pictures, tmp_path):
    out = tmp_path / "show.png"
    text = show(
        ShowConfig(str(pictures), scenes=4, questions=6, seed=7, out=str(out))
    )
    assert "4 scenes of Sort-of-CLEVR (seed 7)" in text
    for label in ("RN, all pairs", "MLP of all objects joined"):
        assert label in text
    assert "how many objects" in text.replace("\n", " ")
    words = " ".join(text.split())
    assert "answered most right (" in words
    assert "fewest (" in words
    assert out.stat().st_size > 1000
    same = ShowConfig(str(pictures), scenes=4, questions=6, seed=7)
    assert show(same) == text.rpartition("\n\n")[0]  # but for the drawing
    other = ShowConfig(str(pictures), scenes=4, questions=6, seed=8)
    assert show(other) != show(same)


def test_a_task_in_words_without_pictures(smoke, capsys):
    main(["show", str(smoke), "--scenes", "3", "--questions", "2"])
    said = capsys.readouterr().out
    assert "Fresh questions about 3 scenes" in said
    assert "Question only" in said


def test_a_drawing_is_opened_on_demand(pictures, tmp_path, monkeypatch):
    opened = []
    monkeypatch.setattr(module, "open_picture", lambda p: not opened.append(p))
    for wanted in (False, True):
        out = tmp_path / f"{wanted}.png"
        config = ShowConfig(str(pictures), 2, 1, 7, str(out), wanted)
        said = f"Drawn{', and opened' * wanted}: {out}"
        assert show(config).endswith(said)
    assert opened == [tmp_path / "True.png"]


def test_a_folder_without_runs_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="holds no trained run"):
        show(ShowConfig(str(tmp_path)))
