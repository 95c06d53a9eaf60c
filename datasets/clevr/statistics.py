"""What a CLEVR store holds, counted; and what is known of the release."""

from collections.abc import Mapping, Sequence

import numpy as np

from datasets.clevr.vocabulary import (
    ANSWERS,
    CATEGORIES,
    COLORS,
    MATERIALS,
    QUESTION_TYPES,
    SHAPES,
    SIZES,
)
from datasets.store import Store

#: Table → label → count.
Tables = dict[str, dict[str, int]]

#: Of the released set, in percent: categories of the validation split, and
#: types and answers of a run of 5,000 questions of the public generator.
RELEASED_SHARES: dict[str, dict[str, float]] = {
    "category": {
        "count": 23.6,
        "exist": 13.5,
        "compare numbers": 9.0,
        "query attribute": 35.8,
        "compare attribute": 18.1,
    },
    "question type": {
        "count": 23.6,
        "exist": 13.5,
        "equal_integer": 2.3,
        "less_than": 3.4,
        "greater_than": 3.4,
        **{t: 8.96 for t in QUESTION_TYPES if t.startswith("query_")},
        **dict.fromkeys(CATEGORIES["compare attribute"], 4.5),
    },
    "answer": {
        "0": 6.8,
        "1": 8.0,
        "2": 4.5,
        "3": 2.4,
        "4": 1.2,
        "5": 0.5,
        "yes": 19.7,
        "no": 20.7,
        **dict.fromkeys(COLORS, 1.1),
        **dict.fromkeys(SHAPES, 3.0),
        **dict.fromkeys((*MATERIALS, *SIZES), 4.5),
    },
    "size": {"large": 46.7, "small": 53.3},
}

#: Of the released set. Paper: Johnson et al. 2017, CLEVR.
RELEASED_FIGURES: dict[str, float] = {
    "objects a scene, mean": 6.46,
    "pairs a scene (N²), mean": 47.2,
    "words a question, mean": 19.0,
    "words a question, fewest": 4,
    "words a question, most": 41,
    "most frequent answer of the type, %": 41.8,
}


def count_scenes(store: Store) -> Tables:
    """Count the objects of the scenes, and the values of each attribute."""
    columns = store.columns
    sizes, counts = np.unique(
        np.diff(columns["scenes/ptr"]), return_counts=True
    )
    tables: Tables = {
        "objects a scene": {
            str(n): int(c) for n, c in zip(sizes, counts, strict=True)
        }
    }
    for column, (name, values) in enumerate(store.schema.attributes):
        tables[name] = _tally(columns["scenes/x"][:, column], values)
    return tables


def count_questions(store: Store) -> Tables:
    """Count categories, types, families, answers and lengths of questions.

    Questions whose answer is unknown count in the lengths alone.
    """
    columns = store.columns
    types = _tally(columns["questions/type"], QUESTION_TYPES)
    known = columns["questions/family"]
    families = np.bincount(known[known >= 0], minlength=90)
    lengths, counts = np.unique(columns["questions/length"], return_counts=True)
    return {
        "category": {
            category: sum(types[t] for t in members)
            for category, members in CATEGORIES.items()
        },
        "question type": types,
        "answer": _tally(columns["questions/answer"], ANSWERS),
        "family": {str(i): int(c) for i, c in enumerate(families)},
        "words a question": {
            str(n): int(c) for n, c in zip(lengths, counts, strict=True)
        },
    }


def _tally(indices: np.ndarray, labels: Sequence[str]) -> dict[str, int]:
    counts = np.bincount(indices[indices >= 0], minlength=len(labels))
    return {label: int(c) for label, c in zip(labels, counts, strict=True)}


def figures(store: Store, fitted_on: Store | None = None) -> dict[str, float]:
    """Return single figures of a store, named as in ``RELEASED_FIGURES``.

    Args:
        store: The store.
        fitted_on: Where the most frequent answers of the types are found.
            Default: ``store`` itself.
    """
    out = {}
    size = np.diff(store.columns["scenes/ptr"])
    if len(size):
        out["objects a scene, mean"] = float(size.mean())
        out["pairs a scene (N²), mean"] = float((size**2).mean())
    length = store.columns["questions/length"]
    if len(length):
        out["words a question, mean"] = float(length.mean())
        out["words a question, fewest"] = float(length.min())
        out["words a question, most"] = float(length.max())
        tokens = store.columns["questions/tokens"]
        out["different questions, %"] = (
            100 * len(np.unique(tokens, axis=0)) / len(tokens)
        )
    modes = most_frequent_answers(fitted_on or store)
    types, answers = _known(store)
    if len(types) and modes:
        guess = np.full(len(QUESTION_TYPES), -1)
        for kind, (answer, _) in modes.items():
            guess[QUESTION_TYPES.index(kind)] = ANSWERS.index(answer)
        share = float((guess[types] == answers).mean())
        out["most frequent answer of the type, %"] = 100 * share
    return out


def most_frequent_answers(store: Store) -> dict[str, tuple[str, float]]:
    """Return each type's most frequent answer and its share in percent."""
    types, answers = _known(store)
    out = {}
    for index, kind in enumerate(QUESTION_TYPES):
        counts = np.bincount(answers[types == index], minlength=1)
        if counts.sum():
            share = 100 * float(counts.max() / counts.sum())
            out[kind] = (ANSWERS[int(counts.argmax())], share)
    return out


def _known(store: Store) -> tuple[np.ndarray, np.ndarray]:
    types = store.columns["questions/type"]
    answers = store.columns["questions/answer"]
    known = (types >= 0) & (answers >= 0)
    return types[known], answers[known]


def same_source(a: Mapping[str, int], b: Mapping[str, int]) -> float:
    """χ² test of whether two tallies come from one distribution: its p.

    Labels that neither has are left out; 1 where there is nothing to compare.
    """
    from scipy.stats import chi2_contingency

    labels = [k for k in {**a, **b} if a.get(k, 0) + b.get(k, 0)]
    table = np.array([[t.get(k, 0) for k in labels] for t in (a, b)])
    if len(labels) < 2 or not table.sum(1).all():
        return 1.0
    return float(chi2_contingency(table).pvalue)
