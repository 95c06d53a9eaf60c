"""Files of the form ``{"info": {…}, "<key>": [object, …]}``, streamed.

CLEVR's question files hold a gigabyte of JSON in one list. They are read and
written here one object at a time, in memory that does not grow with the file.
"""

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

import orjson

_CHUNK = 1 << 20
# No value of a CLEVR file comes near this many characters: beyond it, what
# does not parse is malformed rather than cut by the end of the buffer.
_LONGEST_VALUE = 1 << 26


class _Scanner:
    """A window over a text file from which JSON values are taken in turn."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.file = path.open(encoding="utf-8")
        self.buffer = ""
        self.at = 0
        self.dropped = 0
        self.ended = False
        self.decode = json.JSONDecoder().raw_decode

    def fail(self, expected: str) -> ValueError:
        place = self.dropped + self.at
        if self.ended and not self.buffer[self.at :].strip():
            return ValueError(
                f"{self.path} is truncated: it ends at character {place}, "
                f"where {expected} was expected"
            )
        return ValueError(
            f"{self.path} is not valid JSON at character {place}: found "
            f"{self.buffer[self.at : self.at + 30]!r}, expected {expected}"
        )

    def more(self) -> bool:
        """Read on; False at the end of the file."""
        try:
            chunk = self.file.read(_CHUNK)
        except UnicodeDecodeError as error:
            raise ValueError(
                f"{self.path} is not UTF-8 text: {error}"
            ) from None
        if not chunk:
            self.ended = True
            return False
        self.dropped += self.at
        self.buffer = self.buffer[self.at :] + chunk
        self.at = 0
        return True

    def peek(self) -> str:
        """The next character that is not white space; ``""`` at the end."""
        while True:
            while self.at < len(self.buffer):
                char = self.buffer[self.at]
                if char not in " \t\r\n":
                    return char
                self.at += 1
            if not self.more():
                return ""

    def expect(self, char: str, expected: str) -> None:
        if self.peek() != char:
            raise self.fail(expected)
        self.at += 1

    def value(self, expected: str) -> Any:
        """Take the next JSON value."""
        if not self.peek():
            raise self.fail(expected)
        while True:
            try:
                value, end = self.decode(self.buffer, self.at)
            except json.JSONDecodeError as error:
                if len(self.buffer) - self.at > _LONGEST_VALUE:
                    self.at = error.pos
                    raise self.fail(expected) from None
                if self.more():
                    continue
                if error.pos < len(self.buffer):
                    # It may still be a string that never closes, but the
                    # end of the file is the likeliest cause of all.
                    raise ValueError(
                        f"{self.path} is truncated or not valid JSON: the "
                        f"value that begins at character "
                        f"{self.dropped + self.at} does not end ({error.msg} "
                        f"at character {self.dropped + error.pos})"
                    ) from None
                self.at = len(self.buffer)
                raise self.fail(expected) from None
            # A number at the very end of the buffer may go on.
            if end == len(self.buffer) and not self.ended and self.more():
                continue
            self.at = end
            return value


def iter_json_list(
    path: Path, key: str, info: dict[str, Any] | None = None
) -> Iterator[Any]:
    """Yield the items of one list of a JSON object, one at a time.

    Args:
        path: The file.
        key: The list's key at the top level.
        info: Where given, the file's ``info`` entry is copied into it; it is
            complete when the last item has been taken, or before the first
            where the file has it there.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is truncated, malformed, or lacks the list.
    """
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} does not exist: expected a CLEVR file with the key {key!r}"
        )
    scanner = _Scanner(path)
    with scanner.file:
        found = False
        scanner.expect("{", "'{'")
        while True:
            name = scanner.value(f"a key, such as {key!r}")
            scanner.expect(":", "':'")
            if name == key:
                found = True
                scanner.expect("[", f"the list of {key}")
                if scanner.peek() == "]":
                    scanner.at += 1
                else:
                    while True:
                        yield scanner.value(f"an item of {key!r}")
                        if scanner.peek() == "]":
                            scanner.at += 1
                            break
                        scanner.expect(",", "',' or ']'")
            else:
                value = scanner.value(f"the value of {name!r}")
                if name == "info" and info is not None:
                    if not isinstance(value, dict):
                        raise ValueError(
                            f"'info' in {path} is {value!r}, expected an object"
                        )
                    info.update(value)
            if scanner.peek() == "}":
                scanner.at += 1
                break
            scanner.expect(",", "',' or '}'")
        if scanner.peek():
            raise scanner.fail("the end of the file")
        if not found:
            raise ValueError(f"{path} has no key {key!r}, expected a list")


def read_info(path: Path) -> dict[str, Any]:
    """The ``info`` entry of a file, which is read only as far as needed.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is not such a file.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist")
    scanner = _Scanner(path)
    with scanner.file:
        scanner.expect("{", "'{'")
        while True:
            name = scanner.value("a key, such as 'info'")
            scanner.expect(":", "':'")
            value = scanner.value(f"the value of {name!r}")
            if name == "info" and isinstance(value, dict):
                return value
            if scanner.peek() != ",":
                raise ValueError(f"{path} has no 'info', expected an object")
            scanner.at += 1


class JSONListWriter:
    """Write a file of that form item by item, whole or not at all.

    The text goes to a temporary file beside ``path``, which takes its name
    when the ``with`` block ends without an error; otherwise it is removed. A
    temporary file left by a killed run is replaced by the next.

    Args:
        path: The file to make. What is there is replaced.
        key: The list's key.
        info: The file's ``info`` entry.

    Raises:
        OSError: If the file cannot be written, or another run is at it.
    """

    def __init__(self, path: Path, key: str, info: dict[str, Any]) -> None:
        self.path = path
        self.temporary = path.with_name(f".{path.name}.partial")
        path.parent.mkdir(parents=True, exist_ok=True)
        self.file: BinaryIO = self.temporary.open("ab")
        try:
            # Held until the file is closed, also by a kill.
            fcntl.flock(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self.file.close()
            raise OSError(
                f"another run is writing {self.path} at this moment: "
                f"expected to hold {self.temporary} alone"
            ) from None
        self.file.truncate(0)
        self.first = True
        self._put(b'{"info":%s,%s:[' % (orjson.dumps(info), orjson.dumps(key)))

    def _put(self, text: bytes) -> None:
        try:
            self.file.write(text)
        except OSError as error:
            raise self._failed(error) from error

    def _failed(self, error: OSError) -> OSError:
        return OSError(
            error.errno,
            f"could not write {self.path} ({error.strerror}); no part of it "
            "is left",
        )

    def write(self, items: bytes) -> None:
        """Append items, given as their JSON texts joined by ``,``."""
        if items:
            self._put(b"\n" if self.first else b",\n")
            self._put(items)
            self.first = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                self._put(b"\n]}\n")
                self.file.flush()
                os.fsync(self.file.fileno())
                os.replace(self.temporary, self.path)
                self.file.close()
                return
        except OSError as failure:
            self._abandon()
            raise self._failed(failure) from failure
        self._abandon()

    def _abandon(self) -> None:
        self.temporary.unlink(missing_ok=True)
        # What the buffer still holds need not reach a full disk.
        with contextlib.suppress(OSError):
            self.file.close()
