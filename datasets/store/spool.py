"""A column of a table that grows on disk instead of in memory."""

import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike


class Spool:
    """A column in a nameless file, which dies with the process.

    Args:
        folder: Where the file lies.
        dtype: Type of the entries.
        row: Shape of a row.
    """

    def __init__(self, folder: Path, dtype: np.dtype, row: tuple[int, ...]):
        self.file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115
        self.dtype, self.row, self.rows = dtype, row, 0

    def cast(self, values: ArrayLike, name: str) -> np.ndarray:
        """Return the rows ``values`` in the column's type.

        Raises:
            ValueError: If they are of another shape, or integers change.
        """
        array = np.asarray(values)
        if array.shape[1:] != self.row:
            raise ValueError(
                f"`{name}` has shape {array.shape}, expected "
                f"[*, {', '.join(map(str, self.row))}] as before"
            )
        cast = array.astype(self.dtype)
        if self.dtype.kind != "f" and not np.array_equal(cast, array):
            raise ValueError(
                f"`{name}` holds values that do not fit {self.dtype}: "
                f"from {array.min()} to {array.max()}"
            )
        return cast

    def append(self, rows: np.ndarray) -> None:
        """Append rows that :meth:`cast` gave."""
        self.file.write(rows.tobytes())
        self.rows += len(rows)

    def read(self) -> np.ndarray:
        """Return the column, mapped from the file."""
        self.file.flush()
        shape = (self.rows, *self.row)
        if 0 in shape:
            return np.empty(shape, self.dtype)
        return np.memmap(self.file, self.dtype, "r", shape=shape)
