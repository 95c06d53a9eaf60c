"""The notebooks are stored without outputs, and run.

Two take a minute of one core and are marked `nightly`. The site's build runs
all of them, too.
"""

import json

import matplotlib.pyplot as plt
import pytest

from tests.docs.blocks import ROOT, blocks, run

FOLDER = ROOT / "docs" / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))


@pytest.mark.parametrize("page", NOTEBOOKS, ids=lambda path: path.stem)
def test_nothing_is_stored_but_what_was_written(page):
    text = page.read_text(encoding="utf-8")
    notebook = json.loads(text)
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"
    cells = [c for c in notebook["cells"] if c["cell_type"] == "code"]
    assert len(cells) >= 5
    for cell in cells:
        assert cell["outputs"] == []
        assert cell["execution_count"] is None
    assert any("assert " in code for _, code in blocks(page))
    # As Jupyter writes it, so that saving it there changes nothing.
    again = json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"
    assert text == again


def test_all_are_on_the_page_of_notebooks():
    listed = (FOLDER / "index.md").read_text(encoding="utf-8")
    assert {path.stem for path in NOTEBOOKS} == {"cnn", "pairs", "rnconv"}
    for path in NOTEBOOKS:
        assert f"]({path.name})" in listed
        assert f"\n{path.stem}\n" in listed


@pytest.mark.parametrize(
    "name",
    [
        "cnn",
        pytest.param("pairs", marks=pytest.mark.nightly),
        pytest.param("rnconv", marks=pytest.mark.nightly),
    ],
)
def test_it_runs(name, monkeypatch):
    """Its assertions hold, and it draws."""
    monkeypatch.setattr(plt, "show", lambda: None)
    plt.switch_backend("agg")
    monkeypatch.chdir(FOLDER)
    plt.close("all")
    run(FOLDER / f"{name}.ipynb")
    assert len(plt.get_fignums()) >= 2
    plt.close("all")
