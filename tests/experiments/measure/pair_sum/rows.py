"""Made-up results, for tests of what is made of them."""

import random

from experiments.measure.pair_sum.contenders import CONTENDERS
from experiments.measure.pair_sum.contenders.base import MODES, PRECISIONS
from experiments.measure.pair_sum.records import MemoryRow, TimeRow
from experiments.measure.pair_sum.shapes import SHAPES


def make_rows(shapes, contenders=None, seed=0):
    """Times of 1 ns a pair and contender's place, its multiples random."""
    draw = random.Random(seed)
    times, memory = [], []
    names = list(CONTENDERS) if contenders is None else contenders
    for shape in shapes:
        pairs = SHAPES[shape].pairs
        for mode in MODES:
            for precision in PRECISIONS:
                key = (1, shape, mode, precision)
                floor = 1e-6 * pairs * (3 if mode == "training" else 1)
                floor *= 0.4 if precision == "bf16" else 1
                times.append(
                    TimeRow(*key, "floor", 3, floor, floor, floor, floor)
                )
                for place, name in enumerate(names):
                    kind = CONTENDERS[name]
                    if kind.fits(SHAPES[shape]):
                        reason = kind.fits(SHAPES[shape])
                        times.append(TimeRow(*key, name, reason=reason))
                        continue
                    took = floor * (1.1 + 0.2 * place + draw.random())
                    own = floor if kind.kind in ("ours", "peer") else None
                    times.append(TimeRow(*key, name, 3, took, took, took, own))
        for place, name in enumerate(names):
            if CONTENDERS[name].fits(SHAPES[shape]):
                continue
            peak = 50_000_000 if place == 0 else 4_000 * pairs * place
            key = (1, shape, "training", "fp32", name)
            memory.append(MemoryRow(*key, peak_bytes=peak))
    return times, memory
