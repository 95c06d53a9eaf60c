"""Released pictures: which may be looked at, and questions about the others.

The same questions about a released picture and about its scene as rendered
tell how what was learned on rendered pictures carries over.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import orjson

from datasets.clevr.ask import ask
from datasets.clevr.camera import IMAGE_SIZE
from datasets.clevr.images import (
    STORED_SIZE,
    PictureFiles,
    images_folder,
    picture_path,
)
from datasets.clevr.importer import SPLITS, ImportSummary, import_folder
from datasets.clevr.jsonlist import JSONListWriter
from datasets.clevr.layout import iter_scenes, scenes_path
from datasets.clevr.render import render_stores
from datasets.pictures import read_picture

#: The look was made after so many pictures, the first of the training split.
NUM_LOOK = 35
#: Which of the released pictures: those, the others, or all.
Which = Literal["look", "report", "all"]


def released_pictures(
    folder: str | Path, only: Which = "report"
) -> list[tuple[dict[str, Any], Path]]:
    """The scenes of a folder whose picture is there, with its path.

    Args:
        folder: A folder in the official layout.
        only: ``"look"``: the first 35 pictures of the training split;
            ``"report"``: the others; ``"all"``.

    Raises:
        FileNotFoundError: If there are none.
    """
    wanted = []
    for split in SPLITS:
        path = scenes_path(folder, split)
        if not path.is_file():
            continue
        there = []
        for scene in iter_scenes(path):
            picture = picture_path(folder, split, scene)
            if picture.is_file():
                there.append((scene, picture))
        look = NUM_LOOK if split == "train" else 0
        if only != "report":
            wanted += there[:look]
        if only != "look":
            wanted += there[look:]
    if not wanted:
        raise FileNotFoundError(
            f"{folder} has no pictures for this, expected scenes/ and images/ "
            f"in CLEVR v1.0's layout, and more than {NUM_LOOK} for `report`"
        )
    return wanted


def ask_twins(
    folder: str | Path,
    out: str | Path,
    only: Which = "report",
    questions_per_scene: int = 10,
    seed: int = 0,
    families: Sequence[str | int] | None = None,
    side: int = STORED_SIZE,
) -> dict[str, ImportSummary]:
    """Ask about released pictures, and about the same scenes as rendered.

    Args:
        folder: The released folder, or a part of it.
        out: Folder to make: in the official layout, of one split ``test``,
            with stores in ``real/`` and ``rendered/``.
        only: As for :func:`released_pictures`.
        questions_per_scene: Questions asked about each scene.
        seed: Seed of the questions, and of where lamps are.
        families: Groups' names or indices of families. Default: all 90.
        side: Pixels of a side of the pictures in the stores.

    Returns:
        ``"real"`` and ``"rendered"`` → what their store holds.

    Raises:
        FileNotFoundError: If there are no pictures.
        FileExistsError: If ``out`` has questions already.
        ValueError: If a file is malformed.
    """
    out = Path(out)
    pictures = released_pictures(folder, only)
    for _, path in pictures:
        # One that is damaged is told of before anything is made.
        read_picture(path, [IMAGE_SIZE])
    with TemporaryDirectory() as temporary:
        _write_scenes(scenes_path(temporary, "test"), pictures)
        ask(temporary, out, ["test"], questions_per_scene, seed, families)
    images = images_folder(out, "test")
    images.mkdir(parents=True, exist_ok=True)
    for _, path in pictures:
        shutil.copyfile(path, images / path.name)
    files = PictureFiles(out, side)
    real = import_folder(out, out / "real", pictures=files)
    rendered = render_stores(out, out / "rendered", side=side, seed=seed)
    return {"real": real[0], "rendered": rendered[0]}


def _write_scenes(
    path: Path, pictures: list[tuple[dict[str, Any], Path]]
) -> None:
    """Write scenes of several splits as those of one, counted anew."""
    info = {"split": "test", "version": "1.0"}
    with JSONListWriter(path, "scenes", info) as file:
        for index, (scene, _) in enumerate(pictures):
            file.write(
                orjson.dumps({**scene, "split": "test", "image_index": index})
            )
