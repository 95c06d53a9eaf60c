"""One entry for every command: ``python -m experiments COMMAND``."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import NamedTuple

from datasets.messages import nearest, told_what_is_missing


class Command(NamedTuple):
    """A command.

    Args:
        module: Where its ``main`` is.
        what: What it does.
        example: Its options, as one would first try it.
    """

    module: str
    what: str
    example: str = ""


RUN = "results/full/rn/seed-0"
#: What one wants → the commands for it, in the order in which they are used.
GROUPS = {
    "Look at what is there (seconds; trained models lie in results/)": {
        "show": Command(
            "run.show",
            "let trained models answer fresh questions",
            "results/full",
        ),
        "ask": Command(
            "run.ask",
            "ask a trained model a question of your own",
            f'"What color is the large cube?" --run {RUN}',
        ),
        "draw_pairs": Command(
            "report.draw_pairs",
            "draw the pairs that are selected",
            "--share 0.2 --out pairs.png",
        ),
    },
    "Train and compare (minutes to hours; results go to runs/)": {
        "compare": Command(
            "run.compare",
            "train models side by side, and tabulate",
            "first --plan",
        ),
        "report": Command(
            "report.tables",
            "make a comparison's tables and plots again",
            "runs/first",
        ),
        "evaluate": Command(
            "run.evaluate",
            "make a run's test figures again",
            "runs/first/rn/seed-0",
        ),
        "export": Command(
            "report.export",
            "write down a run's weights and model card",
            "runs/first/rn/seed-0 --out runs/mine",
        ),
        "features": Command(
            "run.features",
            "write a trained CNN's maps into stores",
            "PICTURE_RUN --out data/maps",
        ),
    },
    "Study (hours; each is a table of docs/results.md)": {
        "map": Command(
            "studies.map", "which models answer which tasks", "map/small"
        ),
        "ablations": Command(
            "studies.ablations", "train models under many recipes", "recipe"
        ),
        "pair_recall": Command(
            "studies.pair_recall", "which deciding pairs are kept"
        ),
        "scaling": Command(
            "studies.scaling", "time and memory as objects grow"
        ),
    },
    "Measure (minutes; see docs/performance.md)": {
        "cost": Command(
            "measure.cost",
            "FLOPs, time and memory of a run's model",
            RUN,
        ),
        "pair_sum": Command(
            "measure.pair_sum.command", "RNConv's sum and its peers"
        ),
        "steps": Command(
            "measure.steps", "what each step towards that sum gives"
        ),
        "breakdown": Command(
            "measure.breakdown",
            "where a training step's time goes",
        ),
        "loader": Command(
            "measure.loader", "how fast batches are put together", "quick"
        ),
    },
}
COMMANDS = {k: v for group in GROUPS.values() for k, v in group.items()}


def usage() -> str:
    """List the commands, in the order of use, with an example of each."""
    lines = ["usage: python -m experiments COMMAND [OPTIONS]"]
    for title, commands in GROUPS.items():
        lines += ["", title]
        for name, command in commands.items():
            lines.append(f"  {name:12} {command.what}")
            lines.append(f"{'':15}$ {name} {command.example}".rstrip())
    return "\n".join(
        [
            *lines,
            "\nAfter $ stands an example, to be typed after `python -m "
            "experiments`. Begin with\n`show` and `ask`; then `compare first` "
            "trains four models in about five minutes.\nCOMMAND --help tells "
            "more of each.",
        ]
    )


def main(argv: list[str]) -> None:
    """Run the command that the first word names.

    Raises:
        ValueError: If there is no such command.
    """
    if not argv or argv[0] in ("-h", "--help"):
        print(usage())
        return
    name, *options = argv
    if name not in COMMANDS:
        raise ValueError(
            f"unknown command {name!r}: expected one of {', '.join(COMMANDS)}"
            f"{nearest(name, COMMANDS)}"
        )
    # Imported late: a command needs no more than its own libraries.
    with told_what_is_missing():
        module = import_module(f"experiments.{COMMANDS[name].module}")
    module.main(options)


if __name__ == "__main__":
    with told_what_is_missing():
        from experiments import cli
    cli.run(main, sys.argv[1:])
