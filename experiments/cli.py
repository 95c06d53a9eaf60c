"""What the commands share: options from dataclasses, presets, errors."""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from errno import EDQUOT, ENOSPC
from typing import Any, TypeVar

from jsonargparse import CLI, ActionConfigFile, ArgumentParser

from experiments.config import (
    CompareConfig,
    instantiate,
    load_preset,
    of_task,
    preset_names,
)

T = TypeVar("T")

FULL = """What was finished is kept. Once there is room on the disk, the same
command goes on from there."""


def parse(
    kind: type[T],
    argv: list[str],
    prog: str,
    description: str,
    first: str = "",
) -> T:
    """Read a config dataclass from a preset and the options after it.

    Args:
        kind: The dataclass; its docstring becomes the help.
        argv: The command line; where it does not start with an option, its
            first word is a preset's name or a YAML file's path.
        prog: The command as it is typed.
        description: What ``--help`` says first.
        first: The key whose value the first word is, in a preset's place.

    Returns:
        The config. A bad command line ends the program with a message.
    """
    if first and argv and not argv[0].startswith("-"):
        argv = [f"--{first}", *argv]
    name, *rest = argv or ["-"]
    preset = {} if name.startswith("-") else load_preset(name)
    if preset:
        # As the first option, so that those after it win.
        argv = ["--config", json.dumps(preset), *rest]
    made: Any = kind
    if issubclass(kind, CompareConfig):
        task = _task(argv, preset)
        if task:
            made = of_task(made, task)
        elif not {"-h", "--help"} & set(argv):
            raise ValueError(
                f"a preset is missing: expected one of "
                f"{', '.join(preset_names())}, or the path of a YAML file, as "
                f"in {prog.removeprefix('python -m experiments ')} first"
            )
    parser = ArgumentParser(
        prog=prog,
        usage=f"{prog} {first.upper() or '[PRESET]'} [--KEY VALUE ...]",
        description=description,
    )
    parser.add_argument(
        "--config",
        action=ActionConfigFile,
        help="A YAML file of the keys below; PRESET stands for one of those "
        "in experiments/presets.",
    )
    parser.add_class_arguments(made)
    flags = [f.name for f in fields(kind) if f.type is bool]  # type: ignore[arg-type]
    argv = spelled(argv, flags)
    config: T = instantiate(parser, made, parser.parse_args(argv))
    return config


def _task(argv: list[str], preset: Mapping[str, Any]) -> str:
    """The task that a command line names, on which other options depend."""
    for i, word in enumerate(argv):
        key, _, value = word.partition("=")
        if key == "--task":
            return value or " ".join(argv[i + 1 : i + 2])
        if key == "--config" and not preset:
            path = value or " ".join(argv[i + 1 : i + 2])
            return str(load_preset(path).get("task", ""))
    return str(preset.get("task", ""))


def spelled(argv: list[str], flags: Sequence[str]) -> list[str]:
    """Spell --some-key as --some_key, and give bare flags their value.

    Args:
        argv: The command line.
        flags: Options that are yes or no; one without a value is meant.
    """
    found: list[str] = []
    for here, after in zip(argv, [*argv, "--"][1:], strict=True):
        if here.startswith("--"):
            name, *value = here[2:].split("=", 1)
            here = "=".join(["--" + name.replace("-", "_"), *value])
        found.append(here)
        if here[2:] in flags and after.startswith("--"):
            found.append("true")
    return found


def call(function: Callable[..., None], argv: list[str], prog: str) -> None:
    """Call a function with the options of a command line.

    Args:
        function: Its arguments are the options, its docstring the help.
        argv: The command line.
        prog: The command as it is typed.
    """
    CLI(function, args=argv, as_positional=False, prog=prog)


def run(main: Callable[[list[str]], None], argv: list[str]) -> None:
    """Run a command; a foreseen error ends it with one sentence."""
    try:
        main(argv)
    except (ValueError, TypeError, OSError, FloatingPointError) as e:
        full = isinstance(e, OSError) and e.errno in (ENOSPC, EDQUOT)
        sys.exit(f"error: {e}" + ("\n" + FULL if full else ""))
    except KeyboardInterrupt:
        sys.exit("stopped; the same command goes on from here")
