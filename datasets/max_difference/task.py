"""Max value difference: the largest value of a scene less the smallest.

From `Xu et al. (2020) <https://arxiv.org/abs/1905.13211>`_: a statistic of
single objects, for which a sum over them suffices. Beside tasks about the
same treasures that need pairs, it tells what the pairs are good for.
"""

from typing import ClassVar

import numpy as np

from datasets.made import Made, one_each
from datasets.store import Schema
from datasets.treasures import (
    MOST,
    TreasureData,
    TreasureTask,
    as_scenes,
    draw_treasures,
)


class MaxDifference(TreasureTask):
    """The difference ``max_i v_i - min_i v_i`` of the treasures' values."""

    name = "max_difference"
    title = "Max value difference"
    source = "differences of values as rn_graph draws them"
    example = "what is the largest value minus the smallest?"
    schema = Schema(
        task="max_difference",
        objects=("states",),
        question="none",
        answers=tuple(str(i) for i in range(MOST + 1)),
        question_types=("value difference",),
        families=("value difference",),
        support=True,
    )
    categories: ClassVar = {"value difference": ("value difference",)}

    def sample(
        self, settings: TreasureData, rng: np.random.Generator, count: int
    ) -> Made:
        """Draw scenes; of equal values, the first treasure decides."""
        scenes = draw_treasures(rng, count, settings.num_objects)
        ends = np.stack([scenes.value.argmin(1), scenes.value.argmax(1)], 1)
        least, most = np.take_along_axis(scenes.value, ends, axis=1).T
        decides = np.zeros(scenes.value.shape, bool)
        np.put_along_axis(decides, ends, True, axis=1)
        return Made(as_scenes(scenes), one_each(most - least, decides))


TASK = MaxDifference()
