"""Build the page: static files, trained weights, and what says what they are.

A folder is built that any static host serves as it is::

    index.html, …    the task's page
    network/         the networks, in JavaScript
    weights/         one file a model
    page.json        what the page has to know of task and models
"""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from torch import nn
from torch_geometric.nn import EdgeConv

from datasets.files import write
from datasets.task import Page
from experiments.run.runs import EXPORTED, Run, load_model, read_figures
from rn_graph import GNN, DeepSets, RelationNetwork, SceneQA
from rn_graph.encoders import QuestionEncoder, States
from rn_graph.pairs import AttentionPairs

NETWORK = Path(__file__).with_name("network")
#: The file that says that a folder holds a page.
ABOUT = "page.json"


def build(runs: Sequence[Path], out: Path) -> None:
    """Build the page.

    Args:
        runs: Folders of trained runs with exported weights, of one task and
            of objects in one form.
        out: The folder, made whole or not at all; a page that was built
            before is replaced.

    Raises:
        FileNotFoundError: If a folder is not a trained run's.
        FileExistsError: If ``out`` holds something else.
        ValueError: For runs that do not go together, or a model that cannot
            be run in a browser.
    """
    if out.exists() and not out.is_dir():
        raise FileExistsError(f"`out` is {out}, a file, expected a folder")
    if out.is_dir() and any(out.iterdir()) and not (out / ABOUT).is_file():
        raise FileExistsError(
            f"`out` is {out}, which holds other files: expected a new folder, "
            f"or a page that was built before"
        )
    page, models = describe(runs)
    out.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=f".{out.name}.", dir=out.parent) as folder:
        made = Path(folder) / "page"
        shutil.copytree(page.files, made)
        shutil.copytree(NETWORK, made / "network")
        (made / "weights").mkdir()
        for run, model in zip(runs, models, strict=True):
            shutil.copyfile(run / EXPORTED, made / model["weights"])
        about = {"task": page.facts, "models": models}
        text = json.dumps(about, ensure_ascii=False, separators=(",", ":"))
        write(made / ABOUT, text)
        if out.exists():
            # Out of the way first: a folder cannot take a full one's place.
            out.rename(Path(folder) / "before")
        made.rename(out)


def describe(runs: Sequence[Path]) -> tuple[Page, list[dict[str, Any]]]:
    """What a page of these runs is, and what it says of each model.

    Raises:
        FileNotFoundError | ValueError: As of :func:`build`.
    """
    if not runs:
        raise ValueError("`runs` is empty, expected folders of trained runs")
    first = Run.read(runs[0])
    page = first.task.page(first.data)
    models: list[dict[str, Any]] = []
    for folder in runs:
        planned, model = load_model(folder)
        if planned.task is not first.task:
            raise ValueError(
                f"{folder} is a run of {planned.task.title}, and {runs[0]} one "
                f"of {first.task.title}: expected runs of one task"
            )
        if planned.task.page(planned.data).facts != page.facts:
            raise ValueError(
                f"{folder} was given scenes in another form than {runs[0]}: "
                f"expected runs with the same settings of `data`"
            )
        if not (folder / EXPORTED).is_file():
            raise FileNotFoundError(
                f"{folder / EXPORTED} is missing: expected a run that "
                f"`python -m experiments export` has written"
            )
        models.append(_of_run(folder, planned, model, len(models)))
    return page, models


def _of_run(
    folder: Path, planned: Run, model: SceneQA, number: int
) -> dict[str, Any]:
    test = folder / "test.json"
    return {
        "name": planned.label,
        "weights": f"weights/{number}-{planned.model}.safetensors",
        "parameters": sum(p.numel() for p in model.parameters()),
        # Of those that a run has.
        "accuracy": read_figures(test)["accuracy"] if test.is_file() else {},
        **_of_model(model, folder),
    }


def _of_model(model: SceneQA, folder: Path) -> dict[str, Any]:
    """How the page runs a model: what ``network/model.js`` goes by.

    Raises:
        ValueError: If it cannot.
    """
    kind = _kind(model.model)
    reads = isinstance(model.objects, States) and (
        isinstance(model.encoder, QuestionEncoder) and model.encoder.heads > 0
    )
    if kind is None or not reads or len(model.model.readout.lins) != 3:  # type: ignore[arg-type, union-attr]
        raise ValueError(
            f"{folder} holds a model that the page cannot run: expected a "
            f"Relation Network on all or on distilled pairs, EdgeConv or Deep "
            f"Sets, of states, whose questions are words read by several heads "
            f"and whose readout has two hidden layers"
        )
    return kind


def _kind(model: nn.Module) -> dict[str, Any] | None:
    """A network by its kind and options; ``None``: one that is not known."""
    if isinstance(model, RelationNetwork):
        return _relation_network(model)
    if (
        isinstance(model, GNN)
        and model.pairs is None
        and model.edge_channels is None
        and all(
            isinstance(conv, EdgeConv) and conv.aggr == "max"
            for conv in model.convs
        )
    ):
        return {"kind": "edge_conv", "share": None}
    if isinstance(model, DeepSets):
        return {"kind": "deep_sets", "share": None}
    return None


def _relation_network(model: RelationNetwork) -> dict[str, Any] | None:
    pairs, conv = model.pairs, model.conv
    g = conv.g
    usual = (
        model.question_in_readout
        and model.edge_channels is None
        and conv.aggr == "sum"
        and conv.self_pairs
        and g.question_layer == 0
        and not (g.symmetric or g.plain_last or len(g.norms))
    )
    if not usual:
        return None
    if pairs is None:
        return {"kind": "relation_network", "share": None}
    if (
        isinstance(pairs, AttentionPairs)
        and pairs.heads == 1
        and pairs.question_channels is not None
        and pairs.budget.share is not None
        and pairs.self_pairs
        and not (pairs.gate or pairs.symmetric)
    ):
        return {"kind": "relation_network", "share": pairs.budget.share}
    return None
