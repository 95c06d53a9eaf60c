"""Made stories beside released ones: are they of one kind?"""

import random
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from tabulate import tabulate

from datasets.babi.stories import Story, decode, read_stories, sentence
from datasets.babi.vocabulary import ANSWERS, PEOPLE, TOKENS
from datasets.babi.world import DROP, GET, GO, make_story

#: Draws of as many made stories as there are released ones.
_DRAWS = 200
#: Share of the draws that the interval holds.
_INTERVAL = 0.99


def figures(stories: Sequence[Story]) -> dict[str, float]:
    """Figures of some stories of task 1 or 3, by what they say."""
    out: dict[str, float] = {}
    lengths = [len(story.sentences) for story in stories]
    out["sentences a story, mean"] = float(np.mean(lengths))
    out["sentences a story, standard deviation"] = float(np.std(lengths))
    told = Counter(
        _kind(tokens) for story in stories for tokens in story.sentences
    )
    _shares(out, "sentences", told)
    who = Counter(s[0] for story in stories for s in story.sentences)
    _shares(out, "people", Counter({TOKENS[k]: v for k, v in who.items()}))
    rest = [tokens for story in stories for tokens in story.sentences]
    there = [TOKENS[s[-1]] == "there" for s in rest if _kind(s) != "go"]
    if there:
        out['ends in "there", % of gets and drops'] = 100 * float(
            np.mean(there)
        )
    asked = [question for story in stories for question in story.questions]
    _shares(out, "answers", Counter(ANSWERS[q.answer] for q in asked))
    gaps = Counter(
        min(b.after - a, 12)
        for story in stories
        for a, b in zip(
            [0, *(q.after for q in story.questions)],
            story.questions,
            strict=False,
        )
    )
    _shares(
        out,
        "sentences since the last question",
        Counter({f"{g}{'+' * (g == 12)}": n for g, n in sorted(gaps.items())}),
    )
    for i in range(len(asked[0].support)):
        back = [question.after - question.support[i] for question in asked]
        name = f"supporting sentence {i + 1}, sentences back"
        out[f"{name}, mean"] = float(np.mean(back))
        out[f"{name}, median"] = float(np.median(back))
    far = [max(q.after - i for i in q.support) > 20 for q in asked]
    out["needs more than the last 20 sentences, %"] = 100 * float(np.mean(far))
    return out


def compare(source: Path, task: int, stories: int, seed: int) -> str:
    """A table of figures of released and of made stories, in Markdown.

    Beside the made ones stands the interval in which 99 % of samples of as
    many made stories as are released lie: a released figure is outside of one
    in a hundred by chance.

    Args:
        source: A file of the release.
        task: Number of the task, from 1.
        stories: Stories to make.
        seed: Seed of these.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it holds no stories of the task.
    """
    if not source.is_file():
        raise FileNotFoundError(
            f"{source} does not exist, or is a folder: expected a file"
        )
    lines = decode(source.read_bytes(), str(source))
    released = list(read_stories(lines, str(source)))
    wrong = [s for story in released for s in story.sentences if not _kind(s)]
    if wrong:
        raise ValueError(
            f"{source} has the sentence {sentence(wrong[0])!r}, expected "
            f"stories of task {task}: people who go, get and drop"
        )
    counts = {len(q.support) for story in released for q in story.questions}
    if len(counts) > 1 or 0 in counts:
        raise ValueError(
            f"{source} has questions that {min(counts)} and that {max(counts)} "
            f"sentences decide, expected as many of each, and one at least"
        )
    if stories < len(released):
        raise ValueError(
            f"`stories` is {stories}, expected at least {len(released)}, as "
            f"many as are released"
        )
    made = [
        make_story(task, random.Random(f"check/{seed}/{number}"))
        for number in range(stories)
    ]
    mine, theirs = figures(made), figures(released)
    rng = np.random.default_rng(seed)
    samples = [
        figures([made[i] for i in rng.integers(0, stories, len(released))])
        for _ in range(_DRAWS)
    ]
    rows, outside = [], 0
    for name in mine | theirs:
        values = [sample.get(name, 0.0) for sample in samples]
        edge = (1 - _INTERVAL) / 2
        low, high = np.quantile(values, [edge, 1 - edge])
        real = theirs.get(name, 0.0)
        out = not low <= real <= high
        outside += out
        rows.append(
            [
                name,
                f"{real:.2f}",
                f"{mine.get(name, 0.0):.2f}",
                f"{low:.2f} to {high:.2f}",
                "outside" if out else "",
            ]
        )
    table = tabulate(
        rows,
        ["figure", "released", "made", "99 % of samples", ""],
        "github",
        colalign=("left", "right", "right", "right", "left"),
        disable_numparse=True,
    )
    return (
        f"{table}\n\n{len(released):,} released stories ({source.name}), "
        f"{stories:,} made; {outside} of {len(rows)} figures outside."
    )


def _kind(tokens: Sequence[int]) -> str:
    """What a sentence tells: go, get or drop; empty: something else."""
    return _kind_of(tuple(tokens))


# Few sentences are told, each of them often.
@lru_cache(1 << 14)
def _kind_of(tokens: tuple[int, ...]) -> str:
    words = [TOKENS[token] for token in tokens]
    if words[0] not in PEOPLE:
        return ""
    for kind, verbs in (("go", GO), ("get", GET), ("drop", DROP)):
        # The longer first: "went back", "went".
        for verb in sorted(verbs, key=len, reverse=True):
            own = verb.split()
            if words[1 : 1 + len(own)] == own:
                return kind
    return ""


def _shares(out: dict[str, float], what: str, counts: Counter[str]) -> None:
    total = counts.total()
    for name in sorted(counts):
        out[f"{what}: {name}, %"] = 100 * counts[name] / total
