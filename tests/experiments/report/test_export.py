import json
import shutil

import pytest
from safetensors.torch import load_file

from datasets.files import read_json, write_json
from experiments.report import export
from experiments.report.export import EXPORTED
from experiments.run import ask, evaluate
from experiments.run.ask import load_model


def test_an_exported_run_answers_as_the_run_does(
    smoke, roots, tmp_path, capsys
):
    run, out = smoke / "rn/seed-0", tmp_path / "out"
    export.main([str(run), "--out", str(out)])
    assert sorted(path.name for path in out.iterdir()) == sorted(
        [
            *("README.md", "run.json", "val.json", "test.json", "cost.json"),
            EXPORTED,
        ]
    )
    question = "What color is the large cube?"
    capsys.readouterr()
    texts = []
    for folder in run, out:
        ask.main([question, "--run", str(folder)])
        texts.append(capsys.readouterr().out)
    assert texts[0] == texts[1]
    root = ["--data_root", str(roots[1]), "--families", "true"]
    evaluate.main([str(out), *root])
    text = capsys.readouterr().out
    assert "equal to the stored figures" in text
    assert "NOT" not in text
    assert "zero_hop" in text


def test_the_card_holds_the_run_s_own_figures(smoke, tmp_path):
    run, out = smoke / "rn_attention-share-0.35/seed-1", tmp_path / "out"
    export.main([str(run), "--out", str(out)])
    text = (out / "README.md").read_text()
    test = json.loads((run / "test.json").read_text())
    assert f"{100 * test['accuracy']['all']:.2f}" in text
    assert "RN, learned pairs (35 %)" in text
    assert "seed 1" in text
    assert "40 train, 10 val, 10 test" in text
    assert "of 3 to 10 objects" in text
    assert "questions: zero_hop, one_hop" in text
    means = {
        row.split("|")[1].strip(): float(row.split("|")[3])
        for row in text.splitlines()
        if row.startswith("| ") and row.count("|") == 6 and "_hop" in row
    }
    assert set(means) == {"zero_hop", "one_hop"}
    one_hop = [100 * v for k, v in test["families"].items() if int(k) < 84]
    mean = sum(one_hop) / len(one_hop)
    assert means["one_hop"] == pytest.approx(mean, abs=0.051)


def test_a_card_says_which_stores_also_of_unknown_content(smoke, tmp_path):
    folder, out = tmp_path / "run", tmp_path / "out"
    shutil.copytree(smoke / "rn/seed-0", folder)
    about = read_json(folder / "run.json")
    about["settings"]["data"] = {"stores": "data/some", "features": "onehot"}
    content = about["data"]["val"]["content"]
    about["data"]["train"] |= {"content": None, "source": "somewhere"}
    write_json(folder / "run.json", about)
    export.main([str(folder), "--out", str(out)])
    text = (out / "README.md").read_text()
    assert "the stores of `data/some`: 200 train questions" in text
    assert "about 40 scenes (somewhere), 50 val questions" in text
    assert f"content `{content[:12]}`" in text


def test_the_weights_are_the_trained_ones(smoke, tmp_path):
    export.main([str(smoke / "rn/seed-0"), "--out", str(tmp_path)])
    state = load_model(smoke / "rn/seed-0")[1].state_dict()
    found = load_file(tmp_path / EXPORTED)
    assert set(found) == set(state)
    for key, value in found.items():
        assert value.equal(state[key])


def test_what_is_not_trained_is_not_exported(smoke, tmp_path):
    with pytest.raises(ValueError, match="'most_frequent' is not a trained"):
        export.main(
            [str(smoke / "most_frequent/seed-0"), "--out", str(tmp_path / "a")]
        )
    with pytest.raises(FileNotFoundError, match=r"run\.json is missing"):
        export.main([str(tmp_path), "--out", str(tmp_path / "a")])
    assert not (tmp_path / "a").exists()


def test_damaged_weights_are_named(smoke, tmp_path):
    export.main([str(smoke / "rn/seed-0"), "--out", str(tmp_path)])
    (tmp_path / EXPORTED).write_bytes(b"nothing")
    with pytest.raises(ValueError, match=r"model\.safetensors is damaged"):
        load_model(tmp_path)
