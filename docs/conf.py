"""How Sphinx builds the documentation: ``make docs``.

The sources are the repository's own pages, in their places, so that every
link and picture is the same on the site as where the repository is read. Pages
ask for nothing from outside: the theme brings its fonts, and formulas are
written as MathML, which browsers draw by themselves.
"""

import datetime
import importlib
import os
import sys
from pathlib import Path
from typing import Any

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx
from sphinx.util import logging

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
# Notebooks run with the checkout that the pages are of.
os.environ["PYTHONPATH"] = os.pathsep.join(
    filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])
)

import rn_graph  # noqa: E402

project = "rn_graph"
author = "the rn_graph authors"
copyright = f"{datetime.date.today().year}, {author}"
version = release = rn_graph.__version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
]
root_doc = "docs/index"
include_patterns = [
    "docs/**",
    "results/**.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
]
nitpicky = True
# Names of other libraries are not looked up: that asks their sites.
nitpick_ignore = [
    ("py:class", "optional"),
    # Made by functions of the reference, never by name.
    ("py:class", "rn_graph.batching.Complete"),
    ("py:class", "rn_graph.pairs.budget.Budget"),
]
nitpick_ignore_regex = [
    (
        r"py:.*",
        r"(torch|torch_geometric|numpy|networkx|yacs|collections|typing)"
        r"(\..*)?",
    ),
    (
        r"py:class",
        r"Tensor|Adj|OptPairTensor|PairTensor|Size|Data|nx\.Graph|ProcessGroup",
    ),
    # Base classes that are no names of the library's.
    (r"py:class", r"rn_graph\..*\._\w+"),
]

highlight_language = "none"
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 4
nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 3600  # of a cell, on a busy machine
nb_merge_streams = True
# Progress and libraries' warnings, which name the machine's folders.
nb_output_stderr = "remove"

autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_default_options = {"show-inheritance": True}
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_custom_sections = ["Shapes"]
napoleon_use_ivar = True
napoleon_use_rtype = False
add_module_names = False

html_theme = "pydata_sphinx_theme"
html_title = "rn_graph"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_math_renderer = "mathml"
# "Show source" hands out a notebook as a notebook.
html_sourcelink_suffix = ""
html_theme_options = {
    "header_links_before_dropdown": 5,
    "navbar_end": ["theme-switcher"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "show_prev_next": True,
}
# Pages that have none below them need no menu of those.
html_sidebars = {page: [] for page in ("docs/*", "C*", "results/**")}
templates_path: list[str] = []

log = logging.getLogger(__name__)


def mathml(self: Any, node: nodes.math | nodes.math_block) -> None:
    """Write a formula as MathML.

    Raises:
        nodes.SkipNode: Always: nothing else is written.
    """
    block = isinstance(node, nodes.math_block)
    written = convert(node.astext(), display="block" if block else "inline")
    if "\\" in written:
        log.warning("not known in a formula: %s", written, location=node)
    if block:
        written = f'<div class="math">{written}</div>\n'
    self.body.append(written)
    raise nodes.SkipNode


def documented(app: Sphinx) -> dict[int, tuple[str, str]]:
    """Identity of each documented object → its page and name there."""
    found = {}
    for name, entry in app.env.domains.python_domain.objects.items():
        value = find(name)
        if value is not None and not entry.aliased:
            found[id(value)] = (entry.docname, entry.node_id)
    return found


def find(name: str) -> Any:
    """What a dotted name of the library stands for, or ``None``."""
    parts = name.split(".")
    for cut in range(len(parts), 0, -1):
        try:
            value: Any = importlib.import_module(".".join(parts[:cut]))
        except ImportError:
            continue
        for part in parts[cut:]:
            value = getattr(value, part, None)
        return value
    return None


def link_other_names(
    app: Sphinx, env: Any, node: Any, content: nodes.Node
) -> nodes.Node | None:
    """Link a class by any name that it can be imported by.

    ``rn_graph.RelationNetwork`` is documented as one of ``rn_graph.models``.
    """
    if node.get("refdomain") != "py":
        return None
    names = [node["reftarget"].lstrip("~.")]
    if node.get("py:module"):
        names.append(f"{node['py:module']}.{names[0]}")
    for name in names:
        if not name.startswith("rn_graph"):
            continue
        place = documented(app).get(id(find(name)))
        if place:
            return nodes.reference(
                "",
                "",
                content,
                internal=True,
                refuri=app.builder.get_relative_uri(node["refdoc"], place[0])
                + f"#{place[1]}",
            )
    return None


def skip_fields(
    app: Sphinx, kind: str, name: str, value: Any, skip: bool, options: Any
) -> bool | None:
    """Leave out a named tuple's fields, which its docstring describes."""
    return True if type(value).__name__ == "_tuplegetter" else None


def no_menu(app: Sphinx, name: str, source: list[str]) -> None:
    """Tables and model cards are linked, and in no table of contents."""
    if name.startswith("results/"):
        source[0] = f"---\norphan: true\n---\n\n{source[0]}"


def redirect(app: Sphinx, error: Exception | None) -> None:
    """Let the site's folder itself lead to the first page."""
    if error is None and app.builder.format == "html":
        (Path(app.outdir) / "index.html").write_text(
            '<!doctype html><meta charset="utf-8"><title>rn_graph</title>'
            f'<meta http-equiv="refresh" content="0; url={root_doc}.html">'
            f'<a href="{root_doc}.html">rn_graph</a>\n',
            encoding="utf-8",
        )


def setup(app: Sphinx) -> None:
    """Add what Sphinx lacks."""
    app.add_html_math_renderer("mathml", (mathml, None), (mathml, None))
    app.connect("missing-reference", link_other_names)
    app.connect("autodoc-skip-member", skip_fields)
    app.connect("source-read", no_menu)
    app.connect("build-finished", redirect)
