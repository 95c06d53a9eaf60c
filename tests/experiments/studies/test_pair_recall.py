"""The pair recall experiment, at a size of seconds."""

import json

import pytest
import torch

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
    for name in SELECTIONS:
        result = json.loads(
            (tmp_path / "runs" / f"{name}-seed-0.json").read_text()
        )
        assert result["pairs"] == 20
        assert 0 <= result["recall"] <= 1
        assert len(result["course"]) == 3
        assert name in printed
    assert len((tmp_path / "metrics.csv").read_text().splitlines()) == 1 + len(
        SELECTIONS
    )
    assert (tmp_path / "table.md").read_text() in printed


def test_finished_runs_are_kept_and_other_settings_refused(tmp_path):
    args = [*SMALL, "--folder", str(tmp_path), "--selections", "[random]"]
    main(args)
    path = tmp_path / "runs" / "random-seed-0.json"
    before = path.stat().st_mtime_ns
    main(args)
    assert path.stat().st_mtime_ns == before
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
