"""A column of a table that grows on disk instead of in memory."""

import hashlib
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

    Attributes:
        rows: Rows so far.
        digest: SHA-256 of their bytes.
    """

    def __init__(self, folder: Path, dtype: str, row: tuple[int, ...]):
        self.file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115
        self.dtype, self.row, self.rows = np.dtype(dtype), row, 0
        self.digest = hashlib.sha256()

    def cast(self, values: ArrayLike, name: str) -> np.ndarray:
        """Return the rows ``values`` in the column's type.

        Raises:
            ValueError: If they are of another shape, or are no numbers that
                the type holds: integers must not change, floats be finite.
        """
        array = np.asarray(values)
        if array.shape[1:] != self.row or array.ndim != len(self.row) + 1:
            raise ValueError(
                f"`{name}` has shape {array.shape}, expected "
                f"{['*', *self.row]}".replace("'", "")
            )
        if array.dtype.kind not in "buif":
            raise ValueError(
                f"`{name}` is of type {array.dtype}, expected numbers"
            )
        with np.errstate(all="ignore"):  # what comes of it is looked at
            cast = np.ascontiguousarray(array, self.dtype)
        whole = self.dtype.kind != "f"
        if not (
            np.array_equal(cast, array) if whole else np.isfinite(cast).all()
        ):
            raise ValueError(
                f"`{name}` holds values that do not fit {self.dtype}: "
                f"from {array.min()} to {array.max()}"
            )
        return cast

    def append(self, rows: np.ndarray) -> None:
        """Append rows that :meth:`cast` gave."""
        data = rows.tobytes()
        self.digest.update(data)
        self.file.write(data)
        self.rows += len(rows)

    def read(self) -> np.ndarray:
        """Return the column, mapped from the file."""
        self.file.flush()
        shape = (self.rows, *self.row)
        if 0 in shape:
            return np.empty(shape, self.dtype)
        return np.memmap(self.file, self.dtype, "r", shape=shape)
