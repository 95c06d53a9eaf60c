"""One entry for every command: ``python -m experiments COMMAND``."""

import sys
from importlib import import_module

from experiments import cli

#: Command → where its ``main`` is, and what it does.
COMMANDS = {
    "compare": ("run.compare", "train models side by side, and tabulate"),
    "evaluate": ("run.evaluate", "make a run's test figures again"),
    "show": ("run.show", "let trained models answer fresh questions"),
    "ask": ("run.ask", "ask a trained model a question"),
    "features": ("run.features", "write a trained CNN's maps into stores"),
    "report": ("report.tables", "make a comparison's tables and plots again"),
    "export": ("report.export", "write down a run's weights and model card"),
    "draw_pairs": ("report.draw_pairs", "draw the pairs that are selected"),
    "ablations": ("studies.ablations", "train models under many recipes"),
    "map": ("studies.map", "which models answer which tasks"),
    "pair_recall": ("studies.pair_recall", "which deciding pairs are kept"),
    "support_recall": ("studies.support_recall", "which objects decided"),
    "scaling": ("studies.scaling", "time and memory as objects grow"),
    "cost": ("measure.cost", "FLOPs, time and memory of a run's model"),
    "pair_sum": ("measure.pair_sum.command", "RNConv's sum and its peers"),
    "steps": ("measure.steps", "what each step towards that sum gives"),
    "breakdown": ("measure.breakdown", "where a training step's time goes"),
    "loader": ("measure.loader", "how fast batches are put together"),
}


def usage() -> str:
    """List the commands."""
    lines = [f"  {name:14} {what}" for name, (_, what) in COMMANDS.items()]
    return "\n".join(
        [
            "usage: python -m experiments COMMAND [OPTIONS]\n",
            *lines,
            "\npython -m experiments COMMAND --help tells more of each.",
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
        )
    # Imported late: a command needs no more than its own libraries.
    import_module(f"experiments.{COMMANDS[name][0]}").main(options)


if __name__ == "__main__":
    cli.run(main, sys.argv[1:])
