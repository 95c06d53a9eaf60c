"""The pair recall experiment, at a size of seconds."""

import pytest
import torch

from experiments.report.frames import read_csv
from experiments.studies.pair_recall import RecallConfig, lr_at, main, share_at
from experiments.studies.pair_selections import SELECTIONS

SMALL = [
    "--seeds",
    "1",
    "--steps",
    "3",
    "--batch_size",
    "4",
    "--test_scenes",
    "50",
    "--hidden_channels",
    "8",
]


@pytest.fixture(autouse=True)
def _keep_threads():
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def test_every_selection_runs_within_the_budget(tmp_path, capsys):
    names = f"[{','.join(SELECTIONS)}]"
    main([*SMALL, "--folder", str(tmp_path), "--selections", names])
    printed = capsys.readouterr().out
    runs = read_csv(tmp_path / "runs.csv")
    assert list(runs["selection"]) == list(SELECTIONS)
    assert set(runs["pairs"]) == {20}
    assert runs["recall"].between(0, 1).all()
    assert runs[["commit", "versions.torch", "machine.cpu"]].notna().all(None)
    curves = read_csv(tmp_path / "curves.csv")
    for name in SELECTIONS:
        assert list(curves["step"][curves["selection"] == name]) == [0, 1, 2]
        assert name in printed
    assert (tmp_path / "table.md").read_text() in printed


def test_finished_runs_are_kept_and_other_settings_refused(tmp_path):
    args = [*SMALL, "--folder", str(tmp_path), "--selections", "[random]"]
    main(args)
    path, curves = tmp_path / "runs.csv", tmp_path / "curves.csv"
    before = path.read_text(), curves.read_text()
    main(args)
    assert (path.read_text(), curves.read_text()) == before
    # Others join it, and one that was stopped is made again.
    common = [*SMALL[2:], "--folder", str(tmp_path), "--selections"]
    main([*common, "[attention, random]", "--seeds", "2"])
    runs = read_csv(path)
    assert list(zip(runs["selection"], runs["seed"], strict=True)) == [
        *(("attention", 0), ("attention", 1)),
        *(("random", 0), ("random", 1)),
    ]
    assert before[0].splitlines()[1] in path.read_text()
    whole = curves.read_text()
    runs.iloc[1:].to_csv(path, index=False)
    main([*common, "[attention]", "--seeds", "1"])
    assert curves.read_text() == whole
    assert len(read_csv(path)) == 4
    with pytest.raises(ValueError, match="holds other settings"):
        main([*args, "--lr", "0.1"])


def test_budget_shrinks_to_its_share():
    config = RecallConfig(share=0.05, start_share=0.2, shrink_steps=10)
    assert share_at(config, 0) == pytest.approx(0.2)
    assert share_at(config, 5) == pytest.approx(0.1)
    assert share_at(config, 10) == share_at(config, 99) == 0.05


def test_learning_rate_falls_in_the_second_half():
    config = RecallConfig(lr=0.1, steps=100)
    assert lr_at(config, 0) == lr_at(config, 50) == 0.1
    assert lr_at(config, 75) == pytest.approx(0.05)
    assert lr_at(config, 100) == pytest.approx(0)


def test_bad_config():
    with pytest.raises(ValueError, match="`selections` names 'best'"):
        RecallConfig(selections=["best"])
    with pytest.raises(ValueError, match="`steps` is 0, expected at least 1"):
        RecallConfig(steps=0)
