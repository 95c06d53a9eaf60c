"""From a folder in the official CLEVR v1.0 layout to store files."""

import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import h5py
import numpy as np
from tqdm import tqdm

from datasets.clevr.answers import check_answers
from datasets.clevr.features import MAP_SCHEMA, PICTURE_SCHEMA, SCHEMA
from datasets.clevr.jsonlist import read_info
from datasets.clevr.layout import (
    iter_questions,
    iter_scenes,
    questions_path,
    scenes_path,
)
from datasets.clevr.vocabulary import (
    ATTRIBUTES,
    QUESTION_TYPES,
    TOKENS,
    UNK,
    encode_answer,
    encode_tokens,
    tokenize,
)
from datasets.store import StoreWriter

SPLITS = ("train", "val", "test")
_CHUNK = 4096
_MAPS = 64
#: Split and scenes → their pictures, ``[S, H, W, 3]`` bytes.
Pictures = Callable[[str, Sequence[Mapping[str, Any]]], np.ndarray]
_CODES = {
    name: {value: i for i, value in enumerate(values)}
    for name, values in ATTRIBUTES.items()
}
_TYPES = {name: i for i, name in enumerate(QUESTION_TYPES)}
_UNK = TOKENS.index(UNK)


@dataclass
class ImportSummary:
    """What the import of one split did.

    Args:
        split: Its name.
        path: The store file; ``None`` where none could be made.
        skipped: Why, in words, where none could be made.
        num_scenes: Scenes written.
        num_questions: Questions written.
        unknown: Word outside the vocabulary → how often it came.
        seconds: Time taken.
        bytes: Size of the store file.
    """

    split: str
    path: Path | None = None
    skipped: str = ""
    num_scenes: int = 0
    num_questions: int = 0
    unknown: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0
    bytes: int = 0


def import_folder(
    folder: str | os.PathLike[str],
    out: str | os.PathLike[str] | None = None,
    splits: Sequence[str] | None = None,
    unknown: Literal["unk", "error"] = "unk",
    run_programs: bool = True,
    progress: bool = True,
    pictures: Pictures | None = None,
) -> list[ImportSummary]:
    """Make a store file ``{split}.h5`` of each split of a folder.

    Args:
        folder: A folder in the official layout, with ``scenes`` and
            ``questions``; the released one and a generated one alike.
        out: Where the store files go, made if need be. Default: ``folder``.
        splits: Which splits. Default: each of train, val and test that has a
            file. A split without scenes (the released test split) then makes
            no store, and its summary says so; asked for by name, it is an
            error. One without questions makes a store of scenes alone.
        unknown: What becomes of a word outside CLEVR's vocabulary: ``"unk"``
            counts it and stores ``<unk>``, ``"error"`` refuses it.
        run_programs: Run each question's program on its scene and refuse an
            answer that it does not give; takes about half of the time.
        progress: Show progress bars.
        pictures: What gives the pictures of some scenes, as
            :class:`~datasets.clevr.images.PictureFiles` does, which are then
            stored beside the states. Default: none are stored.

    Returns:
        A summary of each split.

    Raises:
        FileNotFoundError: If there is no such folder or split, or a scene
            has no picture.
        ValueError: If a file is malformed, questions and scenes do not
            belong together, a program gives another answer, or a picture is
            not as expected. No store file is left of that split.
    """
    if unknown not in ("unk", "error"):
        raise ValueError(f"`unknown` is {unknown!r}, expected 'unk' or 'error'")
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"`folder` is {folder}, which does not exist")
    found = [
        split
        for split in SPLITS
        if scenes_path(folder, split).is_file()
        or questions_path(folder, split).is_file()
    ]
    if splits is None and not found:
        raise FileNotFoundError(
            f"{folder} holds no CLEVR split: expected files such as "
            f"{scenes_path(folder, 'train')}"
        )
    out = folder if out is None else Path(out)
    out.mkdir(parents=True, exist_ok=True)
    summaries = []
    for split in found if splits is None else splits:
        if splits is None and not scenes_path(folder, split).is_file():
            reason = (
                f"{scenes_path(folder, split).name} is not there (the release "
                f"holds no test scenes), so there is nothing to ask about"
            )
            summaries.append(ImportSummary(split, skipped=reason))
            continue
        path = out / f"{split}.h5"
        summaries.append(
            _import_split(
                folder, split, path, unknown, run_programs, progress, pictures
            )
        )
    return summaries


def _import_split(
    folder: Path,
    split: str,
    path: Path,
    unknown: str,
    run_programs: bool,
    progress: bool,
    pictures: Pictures | None,
) -> ImportSummary:
    began = time.perf_counter()
    summary = ImportSummary(split, path)
    paths = {
        "scenes": scenes_path(folder, split),
        "questions": questions_path(folder, split),
    }
    info = {
        key: read_info(source)
        for key, source in paths.items()
        if key == "scenes" or source.is_file()
    }
    writer = StoreWriter(
        path,
        PICTURE_SCHEMA if pictures else SCHEMA,
        split=split,
        source=_source(info["scenes"]),
        info=info,
    )
    with writer:
        rows: dict[int, int] = {}
        known: dict[int, Mapping[str, Any]] = {}
        scenes = _bar(iter_scenes(paths["scenes"]), split, "scenes", progress)
        # Pictures take ten thousand times as much room as states.
        for chunk in _chunks(scenes, _MAPS if pictures else _CHUNK):
            seen = pictures(split, chunk) if pictures else None
            _add_scenes(writer, chunk, seen)
            for scene in chunk:
                index = scene["image_index"]
                rows[index] = len(rows)
                known[index] = {
                    key: scene[key] for key in ("image_filename", "split")
                }
        if "questions" in info:
            asked = iter_questions(paths["questions"], known)
            if run_programs:
                asked = check_answers(asked, paths["scenes"])
            questions = _bar(asked, split, "questions", progress)
            for chunk in _chunks(questions):
                _add_questions(writer, chunk, rows, unknown, summary.unknown)
    summary.num_scenes = writer.num_scenes
    summary.num_questions = writer.num_questions
    summary.bytes = path.stat().st_size
    summary.seconds = time.perf_counter() - began
    return summary


def import_features(
    features: str | os.PathLike[str],
    questions: str | os.PathLike[str],
    out: str | os.PathLike[str],
    unknown: Literal["unk", "error"] = "unk",
    progress: bool = True,
) -> ImportSummary:
    """Make a store of the feature maps of the images, and their questions.

    The maps are those of ``features.h5``, as the public programs for CLEVR
    make it of the layers of a ResNet: row i is of the image of
    ``image_index`` i. They are stored in half precision.

    Args:
        features: HDF5 file with a dataset ``features`` [S, C, H, W].
        questions: ``CLEVR_<split>_questions.json``.
        out: The store file to make.
        unknown: As for :func:`import_folder`.
        progress: Show progress bars.

    Returns:
        A summary.

    Raises:
        FileNotFoundError: If a file is not there.
        ValueError: If a file is malformed, a value is beyond half precision,
            or there are not as many images as the questions ask about. No
            store file is left.
    """
    if unknown not in ("unk", "error"):
        raise ValueError(f"`unknown` is {unknown!r}, expected 'unk' or 'error'")
    began = time.perf_counter()
    features, questions, out = Path(features), Path(questions), Path(out)
    info = read_info(questions)
    summary = ImportSummary(str(info.get("split", out.stem)), out)
    if not features.is_file():
        raise FileNotFoundError(f"{features} does not exist")
    try:
        file = h5py.File(features, "r")
    except OSError as error:
        raise ValueError(f"{features} is no HDF5 file: {error}") from error
    writer = StoreWriter(
        out,
        MAP_SCHEMA,
        split=summary.split,
        source=f"{_source(info)}, feature maps",
        info={"questions": info, "features": features.name},
    )
    with file, writer:
        maps = file.get("features")
        if (
            not isinstance(maps, h5py.Dataset)
            or maps.ndim != 4
            or maps.dtype.kind != "f"
        ):
            raise ValueError(
                f"{features} holds {maps!r} as 'features', expected a dataset "
                f"of floats [images, channels, height, width]"
            )
        last = -1
        asked = _bar(
            iter_questions(questions), summary.split, "questions", progress
        )
        for chunk in _chunks(asked):
            last = max(last, *(question["image_index"] for question in chunk))
            if last < len(maps):
                rows = range(len(maps))
                _add_questions(writer, chunk, rows, unknown, summary.unknown)
        if last + 1 != len(maps):
            raise ValueError(
                f"{features} has features of {len(maps)} images, but the last "
                f"one that {questions} asks about is of image_index {last}: "
                f"expected files of the same split, whole"
            )
        for start in tqdm(range(0, len(maps), _MAPS), disable=not progress):
            block = maps[start : start + _MAPS]
            with np.errstate(over="ignore"):
                half = block.astype(np.float16)
            wrong = ~np.isfinite(half)
            if wrong.any():
                raise ValueError(
                    f"{features}: the features of image "
                    f"{start + wrong.nonzero()[0][0]} hold {block[wrong][0]}, "
                    f"expected numbers of half precision, up to 65,504"
                )
            writer.add_scenes(range(start, start + len(half)), map=half)
    summary.num_scenes = writer.num_scenes
    summary.num_questions = writer.num_questions
    summary.bytes = out.stat().st_size
    summary.seconds = time.perf_counter() - began
    return summary


def _source(info: Mapping[str, Any]) -> str:
    """Say where a split comes from; the folder's name does not matter."""
    made = info.get("generator")
    if isinstance(made, Mapping):
        return f"generated by {made.get('name')}, seed {made.get('seed')}"
    return f"CLEVR layout, version {info.get('version')}"


def _bar(
    items: Iterable[dict[str, Any]], split: str, unit: str, progress: bool
) -> Iterator[dict[str, Any]]:
    return iter(
        tqdm(items, f"{split} {unit}", disable=not progress, unit=f" {unit}")
    )


def _chunks(
    items: Iterator[dict[str, Any]], size: int = _CHUNK
) -> Iterator[list[dict[str, Any]]]:
    return iter(lambda: list(islice(items, size)), [])


def _add_scenes(
    writer: StoreWriter,
    scenes: Sequence[dict[str, Any]],
    image: np.ndarray | None,
) -> None:
    objects = [item for scene in scenes for item in scene["objects"]]
    codes = [[_CODES[a][item[a]] for a in _CODES] for item in objects]
    pos = [item["3d_coords"] for item in objects]
    writer.add_scenes(
        [scene["image_index"] for scene in scenes],
        num_objects=[len(scene["objects"]) for scene in scenes],
        x=np.array(codes, np.uint8).reshape(-1, len(_CODES)),
        pos=np.array(pos, np.float32).reshape(-1, 3),
        image=image,
    )


def _add_questions(
    writer: StoreWriter,
    questions: Sequence[dict[str, Any]],
    rows: Mapping[int, int] | range,
    unknown: str,
    counts: Counter[str],
) -> None:
    words: list[int] = []
    columns: list[tuple[int, int, int, int, int]] = []
    for question in questions:
        tokens = tokenize(question["question"])
        if not tokens:
            raise ValueError(
                f"question {question['question_index']} of split "
                f"{question['split']!r} has no words"
            )
        try:
            indices = encode_tokens(tokens, unknown)
        except ValueError as error:
            raise ValueError(
                f"question {question['question_index']} "
                f"({question['question']!r}): {error}"
            ) from None
        if _UNK in indices:
            counts.update(
                token
                for token, index in zip(tokens, indices, strict=True)
                if index == _UNK
            )
        words += indices
        answer, family, kind = _labels(question)
        scene = rows[question["image_index"]]
        columns.append((scene, answer, kind, family, len(tokens)))
    *columns, length = np.array(columns).T
    writer.add_questions(*columns, tokens=words, length=length)


def _labels(question: Mapping[str, Any]) -> tuple[int, int, int]:
    """Answer, family and type; −1 each for a test question, which has none."""
    if "answer" not in question:
        return -1, -1, -1
    return (
        encode_answer(question["answer"]),
        question["question_family_index"],
        _TYPES[question["program"][-1]["function"]],
    )
