"""Scenes and answers worked out from pictures alone, object by object."""

import math
from collections import namedtuple

import numpy as np
from hypothesis import Phase, settings

from datasets.sort_of_clevr.vocabulary import (
    ANSWERS,
    COLOR_VALUES,
    COLORS,
    QUESTION_TYPES,
)

Seen = namedtuple("Seen", "shape x y mask")


def fresh(num_seeds):
    """Settings of a test over seeds: none is simpler, so none is sought."""
    return settings(
        max_examples=num_seeds,
        deadline=None,
        phases=(Phase.explicit, Phase.reuse, Phase.generate),
    )


def look(image):
    """Colour → what its pixels show."""
    out = {}
    for color, value in zip(COLORS, COLOR_VALUES, strict=True):
        mask = (image == value).all(-1)
        rows, columns = np.nonzero(mask)
        height = rows.max() - rows.min() + 1
        width = columns.max() - columns.min() + 1
        filled = mask.sum() / (height * width)
        assert filled == 1 or 0.7 < filled < 0.85  # π/4 is 0.785
        out[color] = Seen(
            "square" if filled == 1 else "circle",
            columns.mean() + 0.5,
            rows.mean() + 0.5,
            mask,
        )
    return out


def distances(seen, asked):
    """(distance, colour) of all others, the closest first."""
    return sorted(
        (math.hypot(o.x - seen[asked].x, o.y - seen[asked].y), color)
        for color, o in seen.items()
        if color != asked
    )


def read_bits(vector):
    """(colour, kind, subtype), as positions of ones."""
    color, kind, subtype = (
        [i for i, bit in enumerate(part) if bit]
        for part in (vector[:6], vector[6:8], vector[8:])
    )
    assert len(color) == len(kind) == len(subtype) == 1
    return COLORS[color[0]], kind[0], subtype[0]


def answer(seen, vector):
    """The answer in words, and the colours that decide it."""
    asked, kind, subtype = read_bits(vector)
    it = seen[asked]
    ranked = distances(seen, asked)
    if kind == 0:
        return (
            it.shape,
            "yes" if it.x < 37.5 else "no",
            "yes" if it.y < 37.5 else "no",
        )[subtype], [asked]
    if subtype == 2:
        alike = [c for c, o in seen.items() if o.shape == it.shape]
        others = [c for c in alike if c != asked]
        return str(len(alike)), [asked, *sorted(others, key=COLORS.index)]
    other = ranked[0 if subtype == 0 else -1][1]
    return seen[other].shape, [asked, other]


def check_chunk(chunk):
    """Compare all of a chunk with what its pictures show."""
    first = int(chunk.scene[0])
    num_scenes = len(chunk.image)
    assert chunk.image.shape == (num_scenes, 75, 75, 3)
    assert chunk.codes.shape == chunk.pos.shape == (6 * num_scenes, 2)
    all_seen = [look(image) for image in chunk.image]
    for s, seen in enumerate(all_seen):
        for k, color in enumerate(COLORS):
            code, pos = chunk.codes[6 * s + k], chunk.pos[6 * s + k]
            assert COLORS[code[0]] == color
            assert ("square", "circle")[code[1]] == seen[color].shape
            expected = (seen[color].x / 37.5 - 1, seen[color].y / 37.5 - 1)
            np.testing.assert_allclose(pos, expected, atol=1e-6)
    support = iter(chunk.support.tolist())
    for q, vector in enumerate(chunk.vector.tolist()):
        seen = all_seen[chunk.scene[q] - first]
        expected, colors = answer(seen, vector)
        assert ANSWERS[chunk.answer[q]] == expected
        found = [next(support) for _ in range(chunk.num_support[q])]
        assert [COLORS[i] for i in found] == colors
        color, kind, subtype = read_bits(vector)
        assert chunk.question_type[q] == 3 * kind + subtype
        assert chunk.family[q] == (
            len(QUESTION_TYPES) * COLORS.index(color) + 3 * kind + subtype
        )
    assert next(support, None) is None
    assert (chunk.scene == first + np.repeat(np.arange(num_scenes), 20)).all()
