"""Command line: import bAbI, make stories, check and describe them.

python -m datasets.babi --help
"""

import sys
from pathlib import Path
from typing import Literal

from jsonargparse import CLI

from datasets.babi.importer import Summary, import_release
from datasets.babi.stories import write_story
from datasets.babi.world import make_stories
from datasets.files import write


def import_command(
    source: str,
    out: str = "data/babi",
    edition: Literal["en", "en-10k"] = "en-10k",
    tasks: list[int] | None = None,
    made: list[int] | None = None,
    seed: int = 0,
) -> None:
    """Make store files from bAbI's release (v1.2).

    Takes its tar (tasks_1-20_v1-2.tar.gz), the folder that it unpacks to, or
    the folder of an edition. The last tenth of each task's training
    questions, in whole stories, is for validation. For example:

        python -m datasets.babi import tasks_1-20_v1-2.tar.gz --out data/babi

    Args:
        source: The tar, or a folder with files named qaN_NAME_train.txt and
            qaN_NAME_test.txt.
        out: Where the files train.h5, val.h5 and test.h5 go.
        edition: 1,000 training questions a task (en), or 10,000 (en-10k).
        tasks: Numbers of the tasks to import, e.g. [1,6,15]. Default: all.
        made: Numbers of tasks to train on made stories, as of a task whose
            training file is not at hand: [3]. Their test stories are the
            released ones.
        seed: Seed of the stories that are made.
    """
    print_summaries(
        import_release(source, out, edition, tasks or (), made or (), seed)
    )


def make(
    out: str,
    task: int = 3,
    train: int = 10_000,
    test: int = 1000,
    seed: int = 0,
) -> None:
    """Make stories of a task by the rules of the released ones, as text.

    The files are in the release's form, and named so that they are not taken
    for released ones. For example:

        python -m datasets.babi make data/made --task 3

    Args:
        out: Folder for the files.
        task: Number of the task, 1 or 3.
        train: Training questions, a multiple of five.
        test: Test questions, likewise.
        seed: Seed of all random choices.
    """
    made = {
        split: make_stories(task, count, seed, split)
        for split, count in (("train", train), ("test", test))
    }
    for split, stories in made.items():
        text = "".join(write_story(story, task - 1) for story in stories)
        path = Path(out) / f"qa{task}_made_{split}.txt"
        write(path, text)
        print(f"{len(stories):,} stories: {path}")


def check(
    source: str,
    task: int = 3,
    stories: int = 1000,
    seed: int = 1,
    out: str | None = None,
) -> None:
    """Compare made stories of a task with released ones, figure by figure.

    Lengths of stories, kinds of sentences, answers, how far back the sentences
    that decide lie: of both, with the interval that as many made stories as
    are released would vary in. For example:

        python -m datasets.babi check qa3_three-supporting-facts_train.txt

    Args:
        source: A file of the release.
        task: Number of the task, 1 or 3.
        stories: Stories to make.
        seed: Seed of these.
        out: Markdown file to write the table into. Default: it is printed
            alone.
    """
    from datasets.babi.check import compare

    table = compare(Path(source), task, stories, seed)
    print(table)
    if out is not None:
        write(Path(out), table + "\n")


def describe(
    data: str,
    out: str = "babi.md",
    split: Literal["train", "val", "test"] = "train",
) -> None:
    """Write a page of statistics: by task what is told, asked and answered.

    For example:

        python -m datasets.babi describe data/babi --out data/babi/page.md

    Args:
        data: A folder of stores, as `import` makes it.
        out: The Markdown page to write.
        split: Split to describe.
    """
    from datasets.babi.statistics import page

    write(Path(out), page(Path(data) / f"{split}.h5"))
    print(f"written: {out}")


def print_summaries(summaries: list[Summary]) -> None:
    """Print what was written, a line for each split."""
    print(
        f"\n{'split':6} {'tasks':>5} {'stories':>8} {'questions':>9} "
        f"{'MB':>6} {'seconds':>7}  file"
    )
    for s in summaries:
        print(
            f"{s.split:6} {len(s.questions):5} {s.stories:8,} "
            f"{sum(s.questions.values()):9,} "
            f"{s.path.stat().st_size / 1e6:6.1f} {s.seconds:7.1f}  {s.path}"
        )
        if s.made:
            print(f"       made, not released: task {s.made}")


def main(args: list[str] | None = None) -> None:
    """Run the command line; errors a user can mend come as one sentence."""
    commands = {
        "import": import_command,
        "make": make,
        "check": check,
        "describe": describe,
    }
    try:
        CLI(commands, args=args, prog="python -m datasets.babi")
    except (OSError, ValueError) as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("interrupted: no unfinished file is left")


if __name__ == "__main__":
    main()
