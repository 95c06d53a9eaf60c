"""One entry for every command: ``python -m experiments COMMAND``."""

from __future__ import annotations

import sys
from importlib import import_module

from datasets.messages import nearest, told_what_is_missing

#: Command → where its ``main`` is, and what it does.
COMMANDS = {
    "compare": ("run.compare", "train models side by side, and tabulate"),
    "evaluate": ("run.evaluate", "make a run's test figures again"),
    "show": ("run.show", "let trained models answer fresh questions"),
    "ask": ("run.ask", "ask a trained model a question"),
    "play": ("play.command", "a page: change a scene, ask, see what decides"),
    "features": ("run.features", "write a trained CNN's maps into stores"),
    "report": ("report.tables", "make a comparison's tables and plots again"),
    "export": ("report.export", "write down a run's weights and model card"),
    "draw_pairs": ("report.draw_pairs", "draw the pairs that are selected"),
    "ablations": ("studies.ablations", "train models under many recipes"),
    "map": ("studies.map", "which models answer which tasks"),
    "growth": ("studies.growth", "how models fall as objects grow"),
    "pair_recall": ("studies.pair_recall", "which deciding pairs are kept"),
    "support_recall": ("studies.support_recall", "which objects decided"),
    "scaling": ("studies.scaling", "time and memory as objects grow"),
    "cost": ("measure.cost", "FLOPs, time and memory of a run's model"),
    "pair_sum": ("measure.pair_sum.command", "RNConv's sum and its peers"),
    "steps": ("measure.steps", "what each step towards that sum gives"),
    "breakdown": ("measure.breakdown", "where a training step's time goes"),
    "loader": ("measure.loader", "how fast batches are put together"),
}

RUN = "results/full/rn/seed-0"
#: What one wants → the commands for it, in the order of use, and what one
#: would first type after each.
EXAMPLES = {
    "Look at what is there (seconds; trained models lie in results/)": {
        "show": "results/full",
        "ask": f'"What color is the large cube?" --run {RUN}',
        "play": "",
        "draw_pairs": "--share 0.2 --out pairs.png",
    },
    "Train and compare (minutes to hours; results go to runs/)": {
        "compare": "first --plan",
        "report": "runs/first",
        "evaluate": "runs/first/rn/seed-0",
        "export": "runs/first/rn/seed-0 --out runs/mine",
        "features": "PICTURE_RUN --out data/maps",
    },
    "Study (hours; what docs/results.md is made of)": {
        "map": "map/small",
        "growth": "growth/small",
        "ablations": "recipe",
        "pair_recall": "",
        "support_recall": "STORY_RUN",
        "scaling": "",
    },
    "Measure (minutes; what docs/performance.md is made of)": {
        "cost": RUN,
        "pair_sum": "",
        "steps": "",
        "breakdown": "",
        "loader": "quick",
    },
}
END = """After $ stands an example, to be typed after `python -m experiments`.
Begin with `show` and `ask`; then `compare first` trains four models in about
five minutes. python -m experiments COMMAND --help tells more of each."""


def usage() -> str:
    """List the commands, in the order of use, with an example of each."""
    lines = ["usage: python -m experiments COMMAND [OPTIONS]", ""]
    for title, examples in EXAMPLES.items():
        lines.append(title)
        for name, options in examples.items():
            lines.append(f"  {name:15}{COMMANDS[name][1]}")
            lines.append(f"{'':6}$ {name} {options}".rstrip())
        lines.append("")
    return "\n".join([*lines, END])


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
        module = import_module(f"experiments.{COMMANDS[name][0]}")
    module.main(options)


if __name__ == "__main__":
    with told_what_is_missing():
        from experiments import cli
    cli.run(main, sys.argv[1:])
