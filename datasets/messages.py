"""What a newcomer is told: packages that are missing, words mistyped.

It imports the standard library alone, and old Pythons can read it, so that it
can say so of the rest.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from typing import Any

_OWN = ("datasets", "experiments", "rn_graph")


@contextmanager
def told_what_is_missing() -> Iterator[None]:
    """Imports in here end the program with one line if they fail."""
    if sys.version_info < (3, 11):  # noqa: UP036
        sys.exit(
            f"error: this is Python {sys.version.split()[0]}, expected 3.11 "
            f"or newer: `make run` makes a .venv with it, then `source "
            f".venv/bin/activate`"
        )
    try:
        yield
    except ModuleNotFoundError as e:
        name = (e.name or "").partition(".")[0]
        if not name or name in _OWN:
            raise
        sys.exit(
            f"error: the package {name!r} is missing: `source "
            f".venv/bin/activate` if `make run` has made one, or `pip install "
            f"'.[experiments]'` in the folder of the repository"
        )


def short(value: Any, most: int = 60) -> str:
    """What came, as an error shows it.

    Args:
        value: Anything.
        most: Characters of it that are shown; what is longer is cut.
    """
    text = repr(value)
    return text if len(text) <= most else f"{text[: most - 3]}..."


def nearest(word: str, known: Iterable[str]) -> str:
    """What was probably meant, as the end of an error's sentence.

    Args:
        word: What was typed.
        known: What could have been.

    Returns:
        A question, or nothing if no known word is near.
    """
    found = get_close_matches(str(word), list(known), n=1)
    return f"; did you mean {found[0]!r}?" if found else ""
