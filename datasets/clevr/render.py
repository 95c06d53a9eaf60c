"""Render the scenes of a folder: as PNG files, or into stores.

Each picture depends on its scene, the seed and nothing else, so that they come
out the same, byte by byte, whoever makes which. What is finished is kept: a
command that was broken off goes on where it stopped.
"""

import hashlib
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from tqdm import tqdm

from datasets.clevr.camera import IMAGE_SIZE
from datasets.clevr.images import (
    STORED_SIZE,
    check_side,
    images_folder,
    picture_path,
    resample,
)
from datasets.clevr.importer import SPLITS, ImportSummary, import_folder
from datasets.clevr.layout import iter_scenes, scenes_path
from datasets.clevr.pictures import PICTURE_VERSION, render_scene
from datasets.files import read_json, whole, write_json
from datasets.workers import in_order, num_workers

#: Scenes that a process renders at a time.
BLOCK = 50
_RECORD = "rendered.json"
Scene = Mapping[str, Any]


def render_pictures(
    folder: str | Path,
    out: str | Path | None = None,
    splits: Sequence[str] | None = None,
    size: tuple[int, int] = IMAGE_SIZE,
    seed: int = 0,
    workers: int | None = None,
    progress: bool = True,
) -> dict[str, int]:
    """Write a picture of each scene, ``images/<split>/CLEVR_…png``.

    Called again with the same scenes and settings, it makes the pictures that
    are missing.

    Args:
        folder: Folder with ``scenes/``, in the official layout.
        out: Where ``images/`` is made. Default: ``folder``.
        splits: Which splits. Default: all that have scenes.
        size: Pixels across and down.
        seed: Seed of the lamps' places.
        workers: How many processes to use; None: one a core.
        progress: Whether to show a progress bar.

    Returns:
        Split → how many pictures it has.

    Raises:
        FileNotFoundError: If there are no scenes.
        FileExistsError: If there are pictures that are not of this command,
            or of other settings or scenes.
        ValueError: For a bad scenes file, or a size out of range.
        OSError: If a file cannot be written; no part of it is left.
    """
    for name, side in zip(("width", "height"), size, strict=True):
        check_side(name, side)
    out = Path(folder if out is None else out)
    num_workers(workers)
    record = {"version": PICTURE_VERSION, "seed": seed, "size": list(size)}
    found = _find_splits(folder, splits)
    for split in found:
        scenes = {"scenes": _digest(scenes_path(folder, split))}
        _claim(images_folder(out, split), record | scenes)
    counts = {}
    for split in found:
        source = scenes_path(folder, split)

        def jobs(split: str = split, source: Path = source) -> Iterator[Any]:
            for block in _blocks(source):
                paths = [picture_path(out, split, scene) for scene in block]
                todo = [
                    (scene, path)
                    for scene, path in zip(block, paths, strict=True)
                    if not path.exists()
                ]
                yield todo, len(block), size, seed, str(source)

        counts[split] = _run(
            _write_block, jobs(), source, split, workers, progress
        )
    return counts


def render_stores(
    folder: str | Path,
    out: str | Path | None = None,
    splits: Sequence[str] | None = None,
    side: int = STORED_SIZE,
    seed: int = 0,
    workers: int | None = None,
    run_programs: bool = True,
    progress: bool = True,
) -> list[ImportSummary]:
    """Make stores of scenes, rendered pictures and questions.

    A picture is rendered at 480×320 and brought to its size there, as an
    import does with the released ones. Until a split's store is there, its
    pictures lie beside it in a hidden folder, from which a command that was
    broken off goes on.

    Args:
        folder: A folder in the official layout.
        out: Where the stores go. Default: ``folder``.
        splits: Which splits. Default: all that have scenes.
        side: Pixels of the pictures' sides.
        seed: Seed of the lamps' places.
        workers: How many processes to use; None: one a core.
        run_programs: As for :func:`~datasets.clevr.importer.import_folder`.
        progress: Whether to show progress bars.

    Returns:
        A summary of each split.

    Raises:
        FileNotFoundError: If there are no scenes.
        ValueError: For a malformed file, or a size out of range.
        OSError: If a file cannot be written; no part of it is left.
    """
    check_side("store", side)
    out = Path(folder if out is None else out)
    summaries = []
    for split in _find_splits(folder, splits):
        source = scenes_path(folder, split)
        parts = out / f".{split}.pictures"
        record = {
            "version": PICTURE_VERSION,
            "seed": seed,
            "side": side,
            "scenes": _digest(source),
        }
        if parts.exists() and _read_record(parts) != record:
            shutil.rmtree(parts)  # of other scenes, or another seed
        parts.mkdir(parents=True, exist_ok=True)
        write_json(parts / _RECORD, record)

        def jobs(source: Path = source, parts: Path = parts) -> Iterator[Any]:
            for number, block in enumerate(_blocks(source)):
                path = parts / f"{number:06d}.npy"
                todo = [] if path.exists() else block
                yield todo, len(block), path, side, seed, str(source)

        _run(_store_block, jobs(), source, split, workers, progress)
        summaries += import_folder(
            folder,
            out,
            [split],
            run_programs=run_programs,
            progress=progress,
            pictures=_Parts(parts),
        )
        shutil.rmtree(parts)
    return summaries


class _Parts:
    """The pictures that were rendered, one block after the other.

    Args:
        folder: Where they are.
    """

    def __init__(self, folder: Path) -> None:
        self.paths = iter(sorted(folder.glob("*.npy")))
        self.rest = np.empty((0, 1, 1, 3), np.uint8)

    def __call__(self, split: str, scenes: Sequence[Scene]) -> np.ndarray:
        """The next pictures, of these scenes."""
        while len(self.rest) < len(scenes):
            block = np.load(next(self.paths), allow_pickle=False)
            joined = [self.rest, block] if len(self.rest) else [block]
            self.rest = np.concatenate(joined)
        out, self.rest = self.rest[: len(scenes)], self.rest[len(scenes) :]
        return out


def _find_splits(folder: str | Path, splits: Sequence[str] | None) -> list[str]:
    if not Path(folder).is_dir():
        raise FileNotFoundError(f"`folder` is {folder}, which does not exist")
    there = [s for s in SPLITS if scenes_path(folder, s).is_file()]
    found = there if splits is None else list(splits)
    for split in found:
        if not scenes_path(folder, split).is_file():
            raise FileNotFoundError(
                f"{scenes_path(folder, split)} does not exist"
            )
    if not found:
        raise FileNotFoundError(
            f"{folder} has no scenes files, expected for example "
            f"{scenes_path(folder, 'train')}"
        )
    return found


def _blocks(path: Path) -> Iterator[list[dict[str, Any]]]:
    scenes = iter_scenes(path)
    return iter(lambda: list(islice(scenes, BLOCK)), [])


def _run(
    function: Any,
    jobs: Iterator[Any],
    source: Path,
    split: str,
    workers: int | None,
    progress: bool,
) -> int:
    """Work, and count the scenes."""
    total = sum(1 for _ in iter_scenes(source))
    # Starting processes takes longer than rendering a few.
    used = 1 if total <= BLOCK else num_workers(workers)
    done = in_order(function, jobs, used)
    bar: tqdm[Any]
    with (
        closing(done),
        tqdm(
            total=total, desc=split, unit="picture", disable=not progress
        ) as bar,
    ):
        for count in done:
            bar.update(count)
    return total


def _claim(folder: Path, record: Mapping[str, Any]) -> None:
    """Take a folder for pictures that are rendered so."""
    if not folder.exists() or not any(folder.iterdir()):
        write_json(folder / _RECORD, record)
        return
    found = _read_record(folder)
    if found != record:
        made = "was not rendered here" if found is None else f"says {found}"
        raise FileExistsError(
            f"{folder} holds pictures already, and {made}: expected "
            f"{dict(record)}. Choose another `out`, or remove the folder"
        )


def _digest(path: Path) -> str:
    """What tells a scenes file from others, wherever it lies."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read_record(folder: Path) -> Any:
    path = folder / _RECORD
    return read_json(path) if path.is_file() else None


def _where(scene: Scene, source: str) -> str:
    return f"scene {scene['image_index']} of {source}"


def _write_block(
    todo: Sequence[tuple[Scene, Path]],
    count: int,
    size: tuple[int, int],
    seed: int,
    source: str,
) -> int:
    for scene, path in todo:
        picture = render_scene(scene, size, seed, _where(scene, source))
        with whole(path) as partial:
            Image.fromarray(picture).save(partial, compress_level=3)
    return count


def _store_block(
    todo: Sequence[Scene],
    count: int,
    path: Path,
    side: int,
    seed: int,
    source: str,
) -> int:
    if todo:
        pictures = [
            resample(render_scene(s, IMAGE_SIZE, seed, _where(s, source)), side)
            for s in todo
        ]
        with whole(path) as partial, partial.open("wb") as file:
            np.save(file, np.stack(pictures), allow_pickle=False)
    return count
