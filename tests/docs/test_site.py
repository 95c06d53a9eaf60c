"""The site is built without a warning, is whole, and asks for nothing.

Marked `nightly`: it runs the notebooks. Skipped, saying so, without the extra
`docs`. With SITE set to the folder of a site, that one is looked at.
"""

import importlib
import os
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest

from tests.docs.blocks import ROOT

pytestmark = pytest.mark.nightly

#: Modules whose every public name is in the reference.
MODULES = (
    "rn_graph",
    "rn_graph.encoders",
    "rn_graph.models",
    "rn_graph.pairs",
)
#: Names of modules without a list of them.
NAMES = (
    "rn_graph.basic.RN",
    "rn_graph.dense.DenseRNConv",
    "rn_graph.dense.dense_to_nodes",
    "rn_graph.distributed.ShardedRNConv",
    "rn_graph.explain.OverEdges",
    "rn_graph.explain.pair_contributions",
    "rn_graph.graphgym.RNConvLayer",
    "rn_graph.graphs.from_networkx",
    "rn_graph.graphs.to_networkx",
    "rn_graph.ops.pair_sum",
    "rn_graph.testing.assert_permutation_invariant",
)


class Page(HTMLParser):
    """What a page links to, what it loads, and where it can be linked to."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.anchors: set[str] = set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.anchors.add(given.get("id") or "")
        if tag == "a":
            self.links.append(given.get("href") or "")
        elif tag == "link" and given.get("rel") not in ("next", "prev"):
            self.loads.append(given.get("href") or "")
        elif given.get("src"):
            self.loads.append(given["src"])


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    if "SITE" in os.environ:
        return Path(os.environ["SITE"])
    for module in ("sphinx", "myst_nb", "pydata_sphinx_theme"):
        pytest.importorskip(module, reason="needs the extra `docs`")
    out = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "sphinx", "-E", "-q", "-W"),
            *("--keep-going", "-c", "docs", ".", str(out)),
        ],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return out


@pytest.fixture(scope="module")
def pages(site):
    found = {
        path: Page(path)
        for path in site.rglob("*.html")
        # The theme's own template is among its static files.
        if "_static" not in path.parts
    }
    assert len(found) > 30
    return found


def test_links_lead_somewhere(pages):
    """Of the listings of source code, pages alone, not places within them.

    Sphinx links each member of a class from there, whether or not the
    reference shows it.
    """
    wrong = []
    for path, page in pages.items():
        for link in page.links:
            if link.startswith(("http:", "https:", "mailto:")):
                continue
            target, _, anchor = unquote(link).partition("#")
            to = (path.parent / target).resolve() if target else path
            if not to.exists() or (
                anchor
                and to in pages
                and "_modules" not in path.parts + to.parts
                and anchor not in pages[to].anchors
            ):
                wrong.append(f"{path}: {link}")
    assert not wrong, "\n".join(wrong)


def test_nothing_is_loaded_from_outside(pages):
    for path, page in pages.items():
        for name in page.loads:
            assert not name.startswith(("http:", "https:", "//")), (path, name)
            file = unquote(name).partition("?")[0].partition("#")[0]
            if not name.startswith("data:"):
                assert (path.parent / file).exists(), (path, name)


def test_every_public_name_is_in_the_reference(pages):
    anchors = {
        anchor
        for path, page in pages.items()
        if "api" in path.parts
        for anchor in page.anchors
    }
    for module in MODULES:
        for name in importlib.import_module(module).__all__:
            value = getattr(importlib.import_module(module), name)
            places = {f"{other}.{name}" for other in MODULES}
            assert places & anchors, (module, value)
    assert set(NAMES) <= anchors


def test_notebooks_were_run(site, pages):
    for name in ("rnconv", "cnn", "pairs"):
        path = site / "docs" / "notebooks" / f"{name}.html"
        assert sum("/_images/" in src for src in pages[path].loads) >= 2


def test_formulas_are_mathml(site):
    text = (site / "docs" / "api" / "layer.html").read_text(encoding="utf-8")
    assert text.count("<math") > 3
    assert "mathjax" not in text.lower()


def test_no_page_names_this_machine(site):
    for path in site.rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        assert str(ROOT) not in text, path
        assert "site-packages" not in text, path
