"""Links of the pages lead somewhere, and the README's Python runs."""

import re
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
PAGES += sorted(ROOT.glob("docs/**/*.md"))


@pytest.mark.parametrize(
    "page", PAGES, ids=lambda path: str(path.relative_to(ROOT))
)
def test_links_lead_somewhere(page):
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", text):
        assert (page.parent / target).exists(), target


@pytest.mark.parametrize(
    "page", PAGES, ids=lambda path: str(path.relative_to(ROOT))
)
def test_tables_were_put_in(page):
    text = page.read_text(encoding="utf-8")
    for name in re.findall(r"<!-- results:(.*?) -->", text):
        start, end = f"<!-- results:{name} -->", f"<!-- /results:{name} -->"
        assert text.split(start)[1].split(end)[0].count("|") > 10, name


def test_the_readme_runs():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```$", text, re.M | re.S)
    assert blocks
    space = {}
    for block in blocks:
        exec(block, space)
    shapes = re.findall(r"^(.+\.shape) +# (\[.*?\])", "\n".join(blocks), re.M)
    assert len(shapes) >= 2
    for shape, expression in shapes:
        found = list(eval(shape, space))
        assert str(found) == expression, shape
    assert isinstance(space["model"], torch.nn.Module)
