"""A page that sets a CLEVR set beside what is known of the released one."""

import os
import tempfile
from collections.abc import Mapping
from itertools import islice
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure

from datasets.clevr.importer import import_folder
from datasets.clevr.jsonlist import read_info
from datasets.clevr.layout import (
    iter_questions,
    questions_path,
    scenes_path,
)
from datasets.clevr.statistics import (
    RELEASED_FIGURES,
    RELEASED_SHARES,
    Tables,
    count_questions,
    count_scenes,
    figures,
    most_frequent_answers,
    same_source,
)
from datasets.clevr.templates import read_back
from datasets.store import Store, open_store

#: A reference of fewer questions says nothing about shares of questions.
_FEWEST_QUESTIONS = 1000
#: Questions that are parsed back.
_READ_BACK = 20_000


def find_store(source: str | os.PathLike[str], split: str) -> Store | None:
    """Open the store of a split.

    Args:
        source: A store file; a folder of store files; or a folder in the
            official layout, which is then imported for this once.
        split: The split, unless ``source`` is a file.

    Returns:
        The store, or ``None`` if the folder has no such split.

    Raises:
        FileNotFoundError: If there is no ``source``.
        ValueError: If what is there cannot be read.
    """
    source = Path(source)
    if not source.is_dir():
        return open_store(source)
    if (source / f"{split}.h5").is_file():
        return open_store(source / f"{split}.h5")
    if scenes_path(source, split).is_file():
        with tempfile.TemporaryDirectory() as folder:
            import_folder(source, folder, [split], run_programs=False)
            return open_store(Path(folder) / f"{split}.h5")
    return None


def describe(
    source: str | os.PathLike[str],
    out: str | os.PathLike[str],
    reference: str | os.PathLike[str] | None = None,
    split: str = "train",
) -> Path:
    """Write a page of statistics with plots.

    Args:
        source: What to describe: a store file or a folder. Of a folder with a
            val split too, the most frequent answers of the types are found on
            ``split`` and tried on val.
        out: The Markdown file to make; its plots go beside it.
        reference: A set to compare with, such as a released folder.
        split: The split of ``source`` and ``reference``.

    Returns:
        The page's path.

    Raises:
        FileNotFoundError: If a source or its split is not there.
        ValueError: If what is there cannot be read.
    """
    stores = {"this": find_store(source, split)}
    if reference is not None:
        stores["reference"] = find_store(reference, split)
    for name, store in stores.items():
        if store is None:
            path = source if name == "this" else reference
            raise FileNotFoundError(f"{path} has no split {split!r}")
    held_out = find_store(source, "val") if os.path.isdir(source) else None
    return _write_page(
        Path(out),
        {name: store for name, store in stores.items() if store is not None},
        held_out if split != "val" else None,
        _readback(Path(source), split),
    )


def _readback(source: Path, split: str) -> list[str]:
    """Lines on how the first questions of a generated folder parse."""
    path = questions_path(source, split)
    if not path.is_file() or "generator" not in read_info(path):
        return []
    found = read_back(islice(iter_questions(path), _READ_BACK))
    return [
        f"- read back by the templates, the first {found.total:,} questions: "
        f"{found.unread} do not give their own program, "
        f"{found.several_programs} give several programs, "
        f"{found.several_families} one program by several families"
    ]


def _write_page(
    out: Path,
    stores: Mapping[str, Store],
    held_out: Store | None,
    readback: list[str],
) -> Path:
    this = stores["this"]
    scenes = {name: count_scenes(store) for name, store in stores.items()}
    questions = {
        name: count_questions(store)
        for name, store in stores.items()
        if name == "this" or store.num_questions >= _FEWEST_QUESTIONS
    }
    single = {name: figures(store) for name, store in stores.items()}
    blind = "most frequent answer of the type, %"
    if held_out is not None and held_out.num_questions:
        single["this"][blind] = figures(held_out, this)[blind]
    for name in set(stores) - set(questions):
        single[name] = {
            k: v for k, v in single[name].items() if k in _SCENE_FIGURES
        }
    out.parent.mkdir(parents=True, exist_ok=True)
    plots = [
        out.with_name(f"{out.stem}-{n}.png") for n in ("scenes", "questions")
    ]
    _plot(scenes, plots[0])
    _plot(questions, plots[1])
    lines = [
        f"# {this.source}, {this.split}",
        "",
        *(
            f"- {name}: {store.num_scenes:,} scenes, "
            f"{store.num_questions:,} questions ({store.source}, "
            f"{store.split})"
            for name, store in stores.items()
        ),
        "- released: what is known of CLEVR v1.0 (figures of the paper and of "
        "the released validation split; shares of types and answers from "
        "5,000 questions of the public generator, rounded)",
        "- p: χ² test of this set and the reference coming from one source",
        f"- {blind}: "
        + (
            "found on this split, tried on val"
            if held_out is not None
            else "found and tried on the same questions"
        ),
        *readback,
        "",
        *_figure_table(single),
        "",
        f"![scenes]({plots[0].name})",
        "",
        f"![questions]({plots[1].name})",
        "",
    ]
    for counted in (scenes, questions):
        for title in counted["this"]:
            tables = {name: tables[title] for name, tables in counted.items()}
            lines += _share_table(title, tables)
    lines += ["## most frequent answer", "", "| type | answer | share, % |"]
    lines += ["| --- | --- | ---: |"]
    for kind, (answer, share) in most_frequent_answers(this).items():
        lines.append(f"| {kind} | {answer} | {share:.1f} |")
    part = out.with_name(f".{out.name}.part")
    try:
        part.write_text("\n".join(lines) + "\n", encoding="utf-8")
        os.replace(part, out)
    finally:
        part.unlink(missing_ok=True)
    return out


_SCENE_FIGURES = ("objects a scene, mean", "pairs a scene (N²), mean")


def _figure_table(single: Mapping[str, Mapping[str, float]]) -> list[str]:
    columns = {**single, "released": RELEASED_FIGURES}
    lines = [
        f"| | {' | '.join(columns)} |",
        f"| --- |{' ---: |' * len(columns)}",
    ]
    for key in single["this"]:
        cells = [
            f"{values[key]:.2f}" if key in values else ""
            for values in columns.values()
        ]
        lines.append(f"| {key} | {' | '.join(cells)} |")
    return lines


def _share_table(
    title: str, tables: Mapping[str, Mapping[str, int]]
) -> list[str]:
    """One table of shares in percent, a column a set and the difference."""
    released = RELEASED_SHARES.get(title, {})
    head = [title, "count", *(f"{name}, %" for name in tables)]
    if released:
        head += ["released, %", "this − released"]
    lines = [f"## {title}", ""]
    if "reference" in tables:
        p = same_source(tables["this"], tables["reference"])
        lines += [f"this and reference: p = {p:.3f}", ""]
    lines += [
        f"| {' | '.join(head)} |",
        f"| --- |{' ---: |' * (len(head) - 1)}",
    ]
    labels = sorted({k for t in tables.values() for k in t}, key=_natural)
    if title not in ("objects a scene", "words a question", "family"):
        labels = list(tables["this"])
    shares = {name: _percent(table) for name, table in tables.items()}
    for label in labels:
        row = [label, f"{tables['this'].get(label, 0):,}"]
        row += [f"{share.get(label, 0.0):.2f}" for share in shares.values()]
        if label in released:
            known = released[label]
            difference = shares["this"].get(label, 0.0) - known
            row += [f"{known:.1f}", f"{difference:+.2f}"]
        elif released:
            row += ["", ""]
        lines.append(f"| {' | '.join(row)} |")
    return [*lines, ""]


def _natural(label: str) -> tuple[int, str]:
    return (int(label), "") if label.isdigit() else (0, label)


def _percent(table: Mapping[str, int]) -> dict[str, float]:
    total = max(sum(table.values()), 1)
    return {label: 100 * count / total for label, count in table.items()}


def _plot(counted: Mapping[str, Tables], path: Path) -> None:
    """Draw every table as bars, a colour a set, with the release as dots."""
    with matplotlib.rc_context({"font.size": 8}):
        titles = list(counted["this"])
        figure = Figure((10, 2.2 * len(titles)), layout="constrained")
        axes = figure.subplots(len(titles))
        for title, axis in zip(titles, axes, strict=True):
            labels = sorted(
                {k for tables in counted.values() for k in tables[title]},
                key=_natural,
            )
            if not labels or not labels[0].isdigit() or title == "answer":
                labels = list(counted["this"][title])
            width = 0.8 / len(counted)
            for i, (name, tables) in enumerate(counted.items()):
                share = _percent(tables[title])
                shift = (i - (len(counted) - 1) / 2) * width
                place = [j + shift for j in range(len(labels))]
                height = [share.get(label, 0.0) for label in labels]
                axis.bar(place, height, width, label=name)
            known = RELEASED_SHARES.get(title, {})
            dots = [(j, known[k]) for j, k in enumerate(labels) if k in known]
            if dots:
                axis.plot(*zip(*dots, strict=True), "k.", label="released")
            crowded = len(labels) * max(map(len, labels), default=0) > 110
            axis.set_xticks(range(len(labels)), labels, rotation=90 * crowded)
            axis.set(title=title, ylabel="%")
            axis.legend(loc="upper left", bbox_to_anchor=(1, 1))
        figure.savefig(path, dpi=110)
