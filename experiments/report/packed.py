"""What a comparison's runs found, in one file, so that others can join them.

A published folder has its figures as tables, and few files. Its ``runs.zip``
holds what each run's folder had but weights and checkpoints, and the
comparison goes on from there: with another model, rate or seed.
"""

import re
import zlib
from pathlib import Path
from zipfile import ZIP_DEFLATED, BadZipFile, ZipFile, ZipInfo

from datasets.files import whole, write
from experiments.report.export import FIGURES
from experiments.run.runs import run_folders

PACKED = "runs.zip"
_LOGS = "logs/part-*/metrics.csv"
_MEMBER = re.compile(
    r"[\w.-]+/seed-\d+/((run|val|test|cost)\.json|logs/part-\d+/metrics\.csv)"
)
#: Bytes of a file's text at most: a log has a line each fifty steps.
_MOST = 64 * 2**20


def pack(folder: Path, out: Path) -> None:
    """Put the runs of a folder into one file, the same for the same runs.

    Args:
        folder: The results folder.
        out: Where to write ``runs.zip``.
    """
    with (
        whole(out / PACKED) as partial,
        ZipFile(partial, "w", ZIP_DEFLATED) as archive,
    ):
        for run in run_folders(folder):
            files = [run / name for name in FIGURES if (run / name).exists()]
            for path in [*files, *sorted(run.glob(_LOGS))]:
                name = path.relative_to(folder).as_posix()
                member = ZipInfo(name)  # without a date
                member.compress_type = ZIP_DEFLATED
                archive.writestr(member, path.read_bytes())


def unpack(folder: Path) -> bool:
    """Make the runs' folders again, but for what is there, in the file's place.

    Args:
        folder: A results folder.

    Returns:
        Whether it has a ``runs.zip``.

    Raises:
        ValueError: If that is damaged, or holds anything else.
    """
    path = folder / PACKED
    if not path.exists():
        return False
    try:
        with ZipFile(path) as archive:
            members = archive.infolist()
            for member in members:
                _check(path, member)
            found = {m.filename: archive.read(m).decode() for m in members}
    except (
        BadZipFile,
        zlib.error,
        OSError,
        EOFError,
        UnicodeDecodeError,
    ) as error:
        raise ValueError(
            f"{path} cannot be read ({error}): expected what "
            f"`report --publish` wrote"
        ) from None
    for name, text in found.items():
        if not (folder / name).exists():
            write(folder / name, text)
    # A run whose folder is deleted after this is meant to be gone.
    path.unlink()
    return True


def _check(path: Path, member: ZipInfo) -> None:
    name, size = member.filename, member.file_size
    if not _MEMBER.fullmatch(name):
        raise ValueError(f"{path} holds {name!r}, expected files of runs alone")
    if size > _MOST:
        raise ValueError(
            f"{path} holds {name} of {size:,} bytes, expected {_MOST:,} at most"
        )
