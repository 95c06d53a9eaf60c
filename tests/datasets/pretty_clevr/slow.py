"""Questions answered object by object, jump by jump."""

import math

from datasets.pretty_clevr.questions import STARTS


def ones(row):
    return [i for i, value in enumerate(row) if value == 1]


def way_from(pos, first, jumps):
    way = [first]
    for _ in range(jumps):
        left = [i for i in range(len(pos)) if i not in way]
        way.append(min(left, key=lambda i: math.dist(pos[i], pos[way[-1]])))
    return way


def answer(x, pos, vector):
    """The answer in words, and the objects on the way."""
    [start], [jumps] = ones(vector[:16]), ones(vector[16:])
    [first] = [i for i, row in enumerate(x) if row[start] == 1]
    way = way_from(pos, first, jumps)
    color, marker = ones(x[way[-1]][:16])
    return STARTS[marker if start < 8 else color], way
