"""From stories to the stores that training reads.

A scene of a store is a story up to a question: the sentences that stand before
it. What is asked after the same sentence is asked about the same scene, and
``scenes/index`` numbers the stories, so that they can be put together again
(:func:`stories_of`).
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from datasets.babi.release import find_files
from datasets.babi.stories import Question, Story, decode, read_stories
from datasets.babi.vocabulary import ANSWERS, TASKS, TOKENS
from datasets.babi.world import make_stories
from datasets.store import Schema, Store, StoreWriter
from datasets.task import SPLITS

SCHEMA = Schema(
    task="babi",
    objects=("sentences",),
    question="words",
    answers=ANSWERS,
    question_types=TASKS,
    families=TASKS,
    tokens=TOKENS,
    support=True,
)
SOURCE = "bAbI tasks v1.2"
#: One question in so many is held out of training, in whole stories.
HELD_OUT = 10


@dataclass(frozen=True)
class Summary:
    """What an import wrote of a split.

    Attributes:
        split: Its name.
        path: The store.
        questions: Questions of each task, by its number from 1.
        stories: Its stories.
        made: Numbers of the tasks whose stories are made, not released.
        seconds: Time taken to write it.
    """

    split: str
    path: Path
    questions: dict[int, int]
    stories: int
    made: list[int]
    seconds: float


def hold_out(stories: Sequence[Story]) -> tuple[list[Story], list[Story]]:
    """Split training stories into those to train on, and for validation.

    Validation has the last stories of the file, whole ones, as many as it
    takes for a tenth of the questions: 1,000 of 10,000.

    Raises:
        ValueError: If nothing would be left to train on.
    """
    wanted = sum(len(story.questions) for story in stories) / HELD_OUT
    first = len(stories)
    while wanted > 0 and first:
        first -= 1
        wanted -= len(stories[first].questions)
    if not first:
        raise ValueError(
            f"{len(stories)} training stories, expected more: those of a tenth "
            f"of the questions are for validation"
        )
    return list(stories[:first]), list(stories[first:])


def import_release(
    source: str | Path,
    out: str | Path,
    edition: str = "en-10k",
    tasks: Sequence[int] = (),
    made: Sequence[int] = (),
    seed: int = 0,
    progress: bool = True,
) -> list[Summary]:
    """Read the release into ``train.h5``, ``val.h5`` and ``test.h5``.

    Args:
        source: Its folder or tar, as :func:`find_files` takes it.
        out: Folder to make.
        edition: ``"en"``, 1,000 training questions a task, or ``"en-10k"``.
        tasks: Numbers of the tasks to read. Default: all 20.
        made: Numbers of tasks that are trained and validated on stories that
            are made (:mod:`datasets.babi.world`), as many as are released;
            their test stories are the released ones.
        seed: Seed of these.
        progress: Whether to show a progress bar.

    Raises:
        FileNotFoundError: If there is no release.
        ValueError: For a line that is none of a story, or a task of which a
            split is missing. Nothing is written then.
    """
    wanted = check_tasks(tasks) or list(range(1, len(TASKS) + 1))
    unread = [task for task in check_tasks(made, "made") if task not in wanted]
    if unread:
        raise ValueError(
            f"`made` names task {', '.join(map(str, unread))}, which `tasks` "
            f"does not: expected tasks that are read, whose test stories are "
            f"the released ones"
        )
    read: dict[str, dict[int, list[Story]]] = {"train": {}, "test": {}}
    files = [
        file
        for file in find_files(Path(source), edition)
        if file.task + 1 in wanted
        and not (file.split == "train" and file.task + 1 in made)
    ]
    for file in tqdm(files, "reading", unit="file", disable=not progress):
        lines = decode(file.data, file.name)
        read[file.split][file.task] = list(read_stories(lines, file.name))
    count = 10_000 if edition == "en-10k" else 1000
    for task in made:
        read["train"][task - 1] = make_stories(task, count, seed, "train")
    for split, there in read.items():
        missing = [task for task in wanted if task - 1 not in there]
        if missing:
            raise ValueError(
                f"{source} lacks the {split} file of task "
                f"{', '.join(map(str, missing))}, expected it; `tasks` says "
                f"which are read, `made` which are trained on made stories"
            )
    info: dict[str, Any] = {"edition": edition, "tasks": wanted}
    info |= {"made": sorted(made)} | ({"seed": seed} if made else {})
    return write_stores(split_up(read), out, f"{SOURCE}, {edition}", info)


def make_stores(
    out: str | Path,
    tasks: Sequence[int],
    sizes: Mapping[str, int],
    seed: int,
    info: Mapping[str, Any],
) -> list[Summary]:
    """Write stores of made stories alone.

    Args:
        out: Folder to make.
        tasks: Numbers of the tasks.
        sizes: Split → questions of each task.
        seed: Seed of all random choices.
        info: What the stores say of themselves.
    """
    stories = {
        split: {
            task - 1: make_stories(task, sizes[split], seed, split)
            for task in sorted(tasks)
        }
        for split in SPLITS
    }
    told = {**info, "tasks": sorted(tasks), "made": sorted(tasks)}
    return write_stores(stories, out, "", told)


def check_tasks(tasks: Sequence[int], name: str = "tasks") -> list[int]:
    """Numbers of tasks, in their order.

    Raises:
        ValueError: For one that there is not.
    """
    for task in tasks:
        if not 1 <= task <= len(TASKS):
            raise ValueError(
                f"`{name}` names task {task}, expected 1 to {len(TASKS)}"
            )
    return sorted(set(tasks))


def split_up(
    read: Mapping[str, Mapping[int, Sequence[Story]]],
) -> dict[str, dict[int, list[Story]]]:
    """Hold validation stories out of those for training."""
    out: dict[str, dict[int, list[Story]]] = {s: {} for s in SPLITS}
    for task, stories in sorted(read["train"].items()):
        out["train"][task], out["val"][task] = hold_out(stories)
    out["test"] = {t: list(stories) for t, stories in read["test"].items()}
    return out


def write_stores(
    stories: Mapping[str, Mapping[int, Sequence[Story]]],
    out: str | Path,
    source: str,
    info: Mapping[str, Any],
) -> list[Summary]:
    """Write the stores of all splits.

    Args:
        stories: Split → task, from 0 → its stories.
        out: Folder to make.
        source: Where they come from, in words.
        info: What the stores say of themselves; ``made`` names the tasks
            whose training stories are made.
    """
    Path(out).mkdir(parents=True, exist_ok=True)
    summaries = []
    for split, by_task in stories.items():
        start = time.perf_counter()
        path = Path(out) / f"{split}.h5"
        # Released test stories stand beside made ones for training.
        made = [] if source and split == "test" else list(info["made"])
        told = [source] if source else []
        if made:
            numbers = ", ".join(map(str, made))
            told.append(
                f"stories of task {numbers} made by rn_graph, not released"
            )
        with StoreWriter(
            path,
            SCHEMA,
            split=split,
            source="; ".join(told),
            info={**info, "made": made},
        ) as writer:
            number = 0
            for task, own in by_task.items():
                add_stories(writer, task, own, number)
                number += len(own)
        counts = {
            task + 1: sum(len(story.questions) for story in own)
            for task, own in by_task.items()
        }
        seconds = time.perf_counter() - start
        summaries.append(Summary(split, path, counts, number, made, seconds))
    return summaries


def add_stories(
    writer: StoreWriter, task: int, stories: Iterable[Story], first: int = 0
) -> None:
    """Add stories of a task to a store.

    Args:
        writer: The store's.
        task: The task, from 0.
        stories: The stories.
        first: Number of the first of them.
    """
    index, num_objects, num_words = [], [], []
    words: list[int] = []
    scene, asked = [], []
    for number, story in enumerate(stories, first):
        after = -1
        for question in story.questions:
            if question.after != after:
                after = question.after
                seen = story.sentences[:after]
                index.append(number)
                num_objects.append(after)
                num_words += [len(sentence) for sentence in seen]
                for sentence in seen:
                    words += sentence
            scene.append(writer.num_scenes + len(index) - 1)
            asked.append(question)
    if not asked:
        return
    writer.add_scenes(
        index, num_objects=num_objects, num_words=num_words, words=words
    )
    kind = np.full(len(asked), task)
    writer.add_questions(
        scene,
        [question.answer for question in asked],
        kind,
        kind,
        tokens=[token for question in asked for token in question.tokens],
        length=[len(question.tokens) for question in asked],
        num_support=[len(question.support) for question in asked],
        # Typed, as there may be none at all.
        support=np.array([i for q in asked for i in q.support], np.int64),
    )


def stories_of(store: Store) -> dict[int, list[Story]]:
    """The stories of a store, task → in their order: as they were read."""
    columns = store.columns
    ptr, word_ptr = columns["scenes/ptr"], columns["scenes/word_ptr"]
    words = columns["scenes/words"]
    support_ptr = columns["questions/support_ptr"]
    out: dict[int, list[Story]] = {}
    last = None
    for q, scene in enumerate(columns["questions/scene"]):
        story_number = int(columns["scenes/index"][scene])
        own = out.setdefault(int(columns["questions/type"][q]), [])
        if story_number != last:
            own.append(Story())
            last = story_number
        story = own[-1]
        start = int(ptr[scene])
        count = int(ptr[scene + 1]) - start
        for node in range(start + len(story.sentences), start + count):
            rows = slice(int(word_ptr[node]), int(word_ptr[node + 1]))
            story.sentences.append(words[rows].tolist())
        length = int(columns["questions/length"][q])
        rows = slice(int(support_ptr[q]), int(support_ptr[q + 1]))
        story.questions.append(
            Question(
                columns["questions/tokens"][q, :length].tolist(),
                int(columns["questions/answer"][q]),
                columns["questions/support"][rows].tolist(),
                count,
            )
        )
    return out
