"""Tables of the small benchmarks: printed, and put into a document."""

from collections.abc import Sequence
from pathlib import Path

from tabulate import tabulate

from experiments.report.tables import insert


def show(
    rows: Sequence[Sequence[str]], heads: Sequence[str], readme: str, name: str
) -> None:
    """Print a table, and put it between its markers in a Markdown file.

    Args:
        rows: The cells.
        heads: What stands above them.
        readme: The file; empty: none.
        name: What its markers say, as in ``<!-- results:NAME -->``.
    """
    table = tabulate(rows, heads, "pipe", disable_numparse=True)
    print(table)
    if readme:
        insert(Path(readme), name, table)
