"""A page of statistics: by task what is told, asked and answered."""

from collections import Counter
from pathlib import Path

import numpy as np
from tabulate import tabulate

from datasets.babi.importer import SCHEMA
from datasets.babi.vocabulary import ANSWERS, TASKS
from datasets.store import Store, open_store


def by_task(store: Store) -> dict[str, dict[str, float]]:
    """Figures of the stories of each task.

    Returns:
        Task → name → value. Sentences are counted before a question; *back*
        is how many of them the farthest one that decides an answer lies back.
    """
    columns = store.columns
    scene = columns["questions/scene"]
    sentences = np.diff(columns["scenes/ptr"])
    words = np.diff(columns["scenes/word_ptr"])
    support = np.diff(columns["questions/support_ptr"])
    # Questions without any stay at 0: reduceat would take the next one's.
    back = np.zeros(len(scene), np.int64)
    rows = np.repeat(np.arange(len(scene)), support)
    count = sentences[scene[rows]] - columns["questions/support"]
    np.maximum.at(back, rows, count)
    out = {}
    for number, task in enumerate(TASKS):
        own = columns["questions/type"] == number
        if not own.any():
            continue
        seen = np.unique(scene[own])
        ptr = columns["scenes/ptr"]
        told = np.concatenate([words[ptr[s] : ptr[s + 1]] for s in seen])
        answers = np.bincount(columns["questions/answer"][own])
        out[task] = {
            "stories": len(np.unique(columns["scenes/index"][seen])),
            "questions": int(own.sum()),
            "sentences, mean": float(sentences[scene[own]].mean()),
            "sentences, most": int(sentences[scene[own]].max()),
            "words a sentence": float(told.mean()),
            "words a question": float(columns["questions/length"][own].mean()),
            "answers": int((answers > 0).sum()),
            "most frequent, %": 100 * float(answers.max() / own.sum()),
            "that decide": float(support[own].mean()),
            "back, median": float(np.median(back[own])),
            "back, most": int(back[own].max()),
            "back > 20, %": 100 * float((back[own] > 20).mean()),
        }
    return out


def page(path: Path) -> str:
    """A page about a store, in Markdown.

    Args:
        path: The store.

    Raises:
        FileNotFoundError: If there is none.
        ValueError: If it holds something else.
    """
    store = open_store(path)
    if store.schema != SCHEMA:
        raise ValueError(
            f"{path} holds something else than bAbI's stories: "
            f"{store.schema.difference(SCHEMA)}"
        )
    found = by_task(store)
    made = {TASKS[number - 1] for number in store.info.get("made", ())}
    heads = ["task", *next(iter(found.values()))]
    rows = [
        [
            task + " (made)" * (task in made),
            *(
                f"{v:,}" if isinstance(v, int) else f"{v:.1f}"
                for v in f.values()
            ),
        ]
        for task, f in found.items()
    ]
    answers = Counter(store.columns["questions/answer"].tolist())
    total = answers.total()
    shares = [
        [ANSWERS[answer], f"{count:,}", f"{100 * count / total:.2f}"]
        for answer, count in answers.most_common()
    ]
    columns = tabulate(
        rows,
        heads,
        colalign=("left", *["right"] * (len(heads) - 1)),
        tablefmt="github",
        disable_numparse=True,
    )
    table = tabulate(
        shares,
        ["answer", "questions", "%"],
        colalign=("left", "right", "right"),
        tablefmt="github",
        disable_numparse=True,
    )
    return f"""# {store.source}, {store.split}

{len(found)} tasks, {store.num_questions:,} questions about
{store.num_scenes:,} beginnings of stories. Sentences are those before a
question. *That decide*: supporting sentences of a question; *back*: how many
sentences before the question the farthest of them stands, where 1 is the last.

{columns}

## answers

{table}
"""
