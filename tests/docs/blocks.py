"""The Python of a page or a notebook, with the lines that it stands in."""

import json
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(page: Path, language: str = "python") -> list[tuple[int, str]]:
    """Each block, or cell, and the line of the page before it."""
    text = page.read_text(encoding="utf-8")
    if page.suffix == ".ipynb":
        cells = json.loads(text)["cells"]
        return [
            (0, "".join(cell["source"]))
            for cell in cells
            if cell["cell_type"] == "code"
        ]
    return [
        (text.count("\n", 0, match.start(2)), match[2])
        for match in _BLOCK.finditer(text)
        if match[1] == language
    ]


def run(page: Path) -> dict[str, Any]:
    """Run the blocks of a page, in order, in one namespace.

    Errors name the page and its line.
    """
    space: dict[str, Any] = {"__name__": page.stem}
    for line, code in blocks(page):
        exec(compile("\n" * line + code, str(page), "exec"), space)
    return space
