"""The table, made of the CSV files alone."""

from pathlib import Path
from typing import Any

from tabulate import tabulate

from experiments.measure.pair_sum.charts import write_charts
from experiments.measure.pair_sum.contenders import CONTENDERS, PEERS
from experiments.measure.pair_sum.contenders.base import MODES, PRECISIONS
from experiments.measure.pair_sum.records import (
    MemoryRow,
    TimeRow,
    read_config,
    read_rows,
)
from experiments.measure.pair_sum.shapes import GROWTH, SHAPES
from experiments.measure.pair_sum.targets import FOUR, Results, find_targets
from experiments.report.tables import insert

CASES = [(mode, precision) for mode in MODES for precision in PRECISIONS]
_NONE = "–"


def write_report(folder: Path, readme: Path | None = None) -> None:
    """Write ``table.md`` and the charts of a results folder.

    Args:
        folder: The results folder.
        readme: Markdown file to put a short table into, between the lines
            ``<!-- results:pair_sum -->`` and ``<!-- /results:pair_sum -->``.

    Raises:
        FileNotFoundError: If it holds no results.
    """
    times = read_rows(folder / "times.csv", TimeRow)
    memory = read_rows(folder / "memory.csv", MemoryRow)
    if not times and not memory:
        raise FileNotFoundError(
            f"`folder` is {str(folder)!r}, which holds no times.csv and no "
            f"memory.csv: expected the folder of a run"
        )
    results = Results(times, memory)
    charts = write_charts(results, folder)
    sweep = [name for name in results.shapes if name in GROWTH]
    if len(sweep) < 2:
        sweep = []
    alone = [s for s in results.shapes if s not in sweep or s == "n1024"]
    parts = [
        "# The sum over pairs",
        _about(read_config(folder)["runs"]),
        _targets(results),
        *(_shape(results, name) for name in alone),
        *_sweep(results, sweep),
        *(f"![{path.stem}]({path.name})" for path in charts),
    ]
    (folder / "table.md").write_text("\n\n".join(filter(None, parts)) + "\n")
    if readme is not None:
        insert(readme, "pair_sum", summary(results))


def summary(results: Results) -> str:
    """A short table: RNConv and the fastest other, of each shape."""
    rows = []
    for shape in (s for s in ("questions", *FOUR) if s in results.shapes):
        row = [SHAPES[shape].title]
        for precision in PRECISIONS:
            case = (shape, "training", precision)
            best = results.best_peer(*case)
            row += [
                _time(results, *case, name)
                for name in ("rnconv", "rnconv_keep")
            ]
            if best is None:
                row += [_NONE, _NONE]
                continue
            other = _time(results, *case, best).removesuffix(" *")
            row += [
                f"{other}, {_label(best)}",
                f"{results.speedup(*case):.2f} ×",
            ]
        peaks = {
            name: results.peak(shape, "training", "fp32", name)
            for name in ("rnconv", *PEERS)
        }
        others = [p for k, p in peaks.items() if k != "rnconv" and p]
        for peak in (peaks["rnconv"], min(others, default=None)):
            row.append(_NONE if peak is None else number(peak / 1e6))
        rows.append(row)
    heads = ["training step"]
    for precision in PRECISIONS:
        heads += [
            f"{precision}: RNConv, ms",
            "all kept",
            "fastest other",
            "times as fast",
        ]
    heads += ["fp32: RNConv, MB", "least of the others, MB"]
    return tabulate(rows, heads, "pipe", disable_numparse=True)


def _about(runs: list[dict[str, Any]]) -> str:
    if not runs:
        return ""
    machine, versions = runs[-1]["machine"], runs[-1]["versions"]
    commits = sorted({str(run["commit"])[:10] for run in runs})
    peers = {k: v for run in runs for k, v in run.get("peers", {}).items()}
    packages = ", ".join(
        [*(f"{k} {v}" for k, v in versions.items()), *peers.values()]
    )
    where = machine.get("gpu") or machine["cpu"]
    return (
        f"{where}, threads: {machine['threads']}; {packages}; commit "
        f"{', '.join(commits)}. Milliseconds are medians of interleaved "
        f"rounds. In brackets: multiples of the floor, the time of the hidden "
        f"layers' matrix products alone, each computed once; a plain last "
        f"layer's is not among them, for the sum can come before it, though "
        f"others compute it for each pair. MB: peak memory of a training step "
        f"in fp32 beyond parameters and inputs. * the fastest implementation "
        f"of the same function by others. A layer of another kind, fewer "
        f"pairs, a late question or a symmetric g are other functions: no "
        f"multiple is given."
    )


def _targets(results: Results) -> str:
    words = {True: "yes", False: "no", None: "not measured"}
    rows = [
        [target.text, target.found or _NONE, words[target.reached]]
        for target in find_targets(results)
    ]
    table = tabulate(rows, ["target", "found", "reached"], "pipe")
    return f"## Targets\n\n{table}"


def _time(results: Results, *key: str) -> str:
    seconds = results.seconds(*key)
    if seconds is None:
        return _NONE
    text = number(1e3 * seconds)
    ratio = results.floor_ratio(*key)
    if ratio is not None:
        text += f" ({ratio:.2f})"
    if key[-1] == results.best_peer(*key[:-1]):
        text += " *"
    return text


def number(value: float) -> str:
    """Three significant digits, without an exponent."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _names(results: Results, shape: str) -> list[str]:
    """Contenders with a figure at a shape, in order."""
    keys = [k for k, r in results.times.items() if r.seconds is not None]
    keys += [k for k, r in results.memory.items() if r.peak_bytes is not None]
    found = {key[3] for key in keys if key[0] == shape}
    return [name for name in ("floor", *CONTENDERS) if name in found]


def _label(name: str) -> str:
    return "floor" if name == "floor" else CONTENDERS[name].label


def _shape(results: Results, shape: str) -> str:
    rows = []
    for name in _names(results, shape):
        peak = results.peak(shape, "training", "fp32", name)
        cells = [_time(results, shape, *case, name) for case in CASES]
        memory = _NONE if peak is None else number(peak / 1e6)
        rows.append([_label(name), *cells, memory])
    heads = [f"{mode} {precision}, ms" for mode, precision in CASES]
    table = tabulate(rows, ["", *heads, "MB"], "pipe", disable_numparse=True)
    title = SHAPES[shape].title
    return f"## {title}\n\n{table}\n\n{_left_out(results, [shape])}".strip()


def _left_out(results: Results, shapes: list[str]) -> str:
    rows: list[TimeRow | MemoryRow] = [
        *results.times.values(),
        *results.memory.values(),
    ]
    reasons: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        if row.shape in shapes and row.reason:
            place = f"{row.mode} {row.precision}"
            if isinstance(row, MemoryRow):
                place += " memory"
            if len(shapes) > 1:
                place = f"{row.shape} {place}"
            reasons.setdefault((row.contender, row.reason), []).append(place)
    lines = []
    for name in CONTENDERS:
        for (contender, reason), places in reasons.items():
            if contender == name:
                where = "" if len(places) > 3 else f" ({', '.join(places)})"
                lines.append(f"- {_label(name)}{where}: {reason}")
    if not lines:
        return ""
    text = "\n".join(lines)
    return f"<details><summary>Left out</summary>\n\n{text}\n\n</details>"


def _sweep(results: Results, shapes: list[str]) -> list[str]:
    if not shapes:
        return []
    names = [
        name
        for name in ("floor", *CONTENDERS)
        if any(name in _names(results, shape) for shape in shapes)
    ]
    parts = ["## One graph of N objects, g 4×256"]
    for case in CASES:
        rows = [
            [_label(name), *(_time(results, s, *case, name) for s in shapes)]
            for name in names
        ]
        parts.append(_sweep_table(f"{' '.join(case)}, ms", rows, shapes))
    peaks = {
        name: [results.peak(s, "training", "fp32", name) for s in shapes]
        for name in names
    }
    rows = [
        [_label(n), *(_NONE if p is None else number(p / 1e6) for p in found)]
        for n, found in peaks.items()
        if any(p is not None for p in found)
    ]
    if rows:
        parts.append(_sweep_table("training fp32, MB", rows, shapes))
    parts.append(_left_out(results, shapes))
    return parts


def _sweep_table(title: str, rows: list[list[str]], shapes: list[str]) -> str:
    heads = [title, *(f"N = {name[1:]}" for name in shapes)]
    rows = [row for row in rows if set(row[1:]) != {_NONE}]
    return tabulate(rows, heads, "pipe", disable_numparse=True)
