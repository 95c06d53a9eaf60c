"""Write a run's weights down without the rest, with a model card.

``python -m experiments export RUN_FOLDER --out FOLDER``
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from safetensors.torch import save
from tabulate import tabulate
from torch import nn

from datasets.files import read_json, whole, write
from datasets.task import Task
from experiments.cli import parse
from experiments.run.models import MODELS
from experiments.run.runs import EXPORTED, Run, load_model, read_figures

PROG = "python -m experiments export"
HELP = """Write a trained run's best weights as safetensors, with a model card
made of the run's own settings and figures. The folder can then be given to
experiments.run.ask and experiments.run.evaluate as a run."""
#: What is read with a run's weights; and all that goes along of its folder.
READ_WITH_WEIGHTS = ("run.json", "test.json")
FIGURES = (*READ_WITH_WEIGHTS, "val.json", "cost.json")
#: Of the families of a group.
_OF_FAMILIES = {"mean": "mean", "min": "worst family", "max": "best family"}


@dataclass
class ExportConfig:
    """Write a run's weights as safetensors, with a model card.

    Args:
        run: Folder of a trained run, as in `runs/quick/rn/seed-0`, with its
            test figures.
        out: Folder to write to, made if it is not there.
    """

    run: str
    out: str


def accuracy(test: dict[str, Any]) -> str:
    """Test accuracy overall and by category, in Markdown."""
    found = test["accuracy"]
    row = [f"{100 * value:.2f}" for value in found.values()]
    return tabulate([row], list(found), "github", disable_numparse=True)


def families(task: Task, test: dict[str, Any]) -> str:
    """Test accuracy by group of families: mean, worst and best family."""
    values = pd.Series(test.get("families", {}), dtype=float) * 100
    groups = values.groupby(lambda i: task.group(int(i)), sort=False)
    rows = [
        [name, len(found), *(f"{found.agg(f):.1f}" for f in _OF_FAMILIES)]
        for name, found in groups
    ]
    header = ["group", "families", *_OF_FAMILIES.values()]
    return tabulate(rows, header, "github", disable_numparse=True)


def data(planned: Run) -> str:
    """What a run was trained, validated and tested on, in words."""
    if planned.data.stores is None:
        return planned.task.describe(planned.data)
    parts = []
    for split, found in planned.found.items():
        source = found["source"]
        # Not known of runs from before it was written down.
        if found["content"]:
            source += f", content `{found['content'][:12]}`"
        parts.append(
            f"{found['questions']:,} {split} questions about "
            f"{found['scenes']:,} scenes ({source})"
        )
    name = f"the stores of `{planned.data.stores}`"
    return f"{name}: {', '.join(parts)}" if parts else name


def hardware(machine: dict[str, Any]) -> str:
    """What a run was trained on, in words."""
    gpu = f"one {machine['gpu']}, " if "gpu" in machine else ""
    threads = machine["threads"]
    return f"{gpu}{threads} thread{'s'[: threads != 1]} of {machine['cpu']}"


def card(planned: Run, model: nn.Module, out: Path) -> str:
    """The model card of a run, in Markdown."""
    about = read_json(planned.folder / "run.json")
    test = read_figures(planned.folder / "test.json")
    name = planned.label
    parameters = sum(p.numel() for p in model.parameters())
    task = planned.task
    seen = "the question alone, to tell how much can be guessed"
    if MODELS[planned.model].matched:
        seen = task.seen(planned.data)
    recipe = yaml.safe_dump(
        {key: planned.settings[key] for key in ("sizes", "train")},
        sort_keys=False,
    )
    return f"""# {name}

It was trained to answer the questions of {task.title}. It is given {seen}.

## Use

```
python -m experiments ask "{task.example}" --run {out}
python -m experiments evaluate {out}
```

## Figures

Test accuracy in percent, in all and by category:

{accuracy(test)}

By group of question families:

{families(task, test)}

## Data and recipe

- Data: {data(planned)}.
- Model: {name}, {parameters:,} parameters, seed {planned.seed}; the weights are
  those best on validation.
- Made at commit {about["commit"]} on
  {hardware(about["machine"])}.

```yaml
{recipe}```

## Limits

- It has seen scenes and families of questions as under "Data" alone.
- It knows the words and questions of {task.title} only. An unknown word is
  refused; a question that asks for the impossible is answered all the same.
{task.limits}- Its probabilities were not calibrated.
"""


def export(
    planned: Run, model: nn.Module, out: Path, figures: Sequence[str] = FIGURES
) -> None:
    """Write weights, settings, figures and the card into a folder."""
    text = card(planned, model, out)
    out.mkdir(parents=True, exist_ok=True)
    for name in figures:
        there = planned.folder / name
        # What a model costs is measured with one seed alone.
        if out.resolve() != planned.folder.resolve() and there.exists():
            shutil.copyfile(there, out / name)
    with whole(out / EXPORTED) as partial:
        partial.write_bytes(save(model.state_dict()))
    write(out / "README.md", text)


def main(argv: list[str]) -> None:
    """Export."""
    config = parse(ExportConfig, argv, PROG, HELP, "run")
    planned, model = load_model(Path(config.run))
    out = Path(config.out)
    export(planned, model, out)
    size = (out / EXPORTED).stat().st_size / 1e6
    print(f"{out / EXPORTED}: {size:.1f} MB, and {out / 'README.md'}")
