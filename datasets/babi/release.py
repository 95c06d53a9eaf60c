"""The files of bAbI's release: in a folder, or in a tar as it comes."""

import gzip
import lzma
import re
import tarfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

from datasets.babi.vocabulary import TASKS

_NAME = re.compile(r"qa(\d{1,2})_[a-z0-9-]+_(train|test)(-\w+)?\.txt")
#: Bytes of a file at most; the largest of the release has 6 MB.
_MOST = 1 << 26
#: Editions in English of 1,000 and of 10,000 training questions a task.
EDITIONS = ("en", "en-10k")


@dataclass(frozen=True)
class TaskFile:
    """A task's stories of one split.

    Attributes:
        task: The task, from 0.
        split: ``"train"`` or ``"test"``.
        name: Where it stands, for errors.
        data: What it holds.
    """

    task: int
    split: str
    name: str
    data: bytes


def find_files(source: Path, edition: str) -> Iterator[TaskFile]:
    """Find and read the files of an edition, by task and split.

    Args:
        source: The release: a folder that holds files, or ``EDITION/`` or
            ``tasks_1-20_v1-2/EDITION/`` with them; or a tar of such a one.
        edition: One of :data:`EDITIONS`.

    Raises:
        FileNotFoundError: If there is no such folder or file.
        ValueError: If it holds no files of the edition, or two of the same
            task and split; of a tar if it is damaged, or has an entry that
            leads out of it or is a link.
    """
    if source.is_dir():
        found = _in_folder(source)
    elif source.is_file():
        found = _in_tar(source, edition)
    else:
        raise FileNotFoundError(
            f"{source} does not exist, expected the folder or the tar of the "
            f"release"
        )
    folders = {path.parent for path in found}
    # Folders named after an edition say which; else the files lie flat.
    named = {folder for folder in folders if folder.name in EDITIONS}
    if named:
        folders = {folder for folder in named if folder.name == edition}
    if len(folders) != 1:
        there = ", ".join(sorted(map(str, named or folders))) or "none"
        raise ValueError(
            f"{source} has files as qa1_single-supporting-fact_train.txt in "
            f"these folders: {there}; expected one with those of {edition}"
        )
    [folder] = folders
    files: dict[tuple[int, str], TaskFile] = {}
    for path, read in sorted(found.items(), key=lambda item: str(item[0])):
        match = _NAME.fullmatch(path.name)
        # A name that goes on after the split, as in _train-1k.txt, is of
        # something else.
        if path.parent != folder or match is None or match[3]:
            continue
        task = int(match[1]) - 1
        if not 0 <= task < len(TASKS):
            raise ValueError(
                f"{source}: {path} is of task {task + 1}, expected 1 to "
                f"{len(TASKS)}"
            )
        key = task, match[2]
        if key in files:
            raise ValueError(
                f"{source} has two files of task {task + 1}'s {match[2]} "
                f"split, {files[key].name} and {path}: expected one"
            )
        files[key] = TaskFile(task, match[2], f"{source}/{path}", read())
    if not files:
        raise ValueError(
            f"{source}/{folder} has no file of a whole split, expected such "
            f"as qa1_single-supporting-fact_train.txt"
        )
    for _, file in sorted(files.items()):
        yield file


_Found = dict[PurePosixPath, Callable[[], bytes]]


def _in_folder(source: Path) -> _Found:
    found: _Found = {}
    for path in source.rglob("qa*.txt"):
        if _NAME.fullmatch(path.name) and path.is_file():
            name = PurePosixPath(path.relative_to(source).as_posix())
            found[name] = path.read_bytes
    return found


def _in_tar(source: Path, edition: str) -> _Found:
    """Read what a tar has of an edition; nothing is unpacked."""
    found: _Found = {}
    try:
        with tarfile.open(source) as tar:
            for member in tar:
                name = PurePosixPath(member.name)
                if name.is_absolute() or ".." in name.parts:
                    raise ValueError(
                        f"{source} has an entry {member.name!r} that leads out "
                        f"of it, expected none: nothing was read"
                    )
                if member.issym() or member.islnk():
                    raise ValueError(
                        f"{source} has an entry {member.name!r} that is a "
                        f"link, expected files: nothing was read"
                    )
                own = name.parent.name
                if (
                    not member.isfile()
                    or not _NAME.fullmatch(name.name)
                    or (own in EDITIONS and own != edition)
                ):
                    continue
                if member.size > _MOST:
                    raise ValueError(
                        f"{source}: {name} has {member.size:,} bytes, expected "
                        f"at most {_MOST:,}"
                    )
                file = tar.extractfile(member)
                assert file is not None
                found[name] = partial(bytes, file.read())
    except (
        tarfile.TarError,
        EOFError,
        zlib.error,
        gzip.BadGzipFile,
        lzma.LZMAError,
    ) as error:
        raise ValueError(
            f"{source} is no whole tar ({error}), expected the release's, or "
            f"its folder"
        ) from None
    return found
