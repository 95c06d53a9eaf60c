"""Random Sort-of-CLEVR scenes: six objects of six colours, without ties.

A pixel is 1 wide. Its edges lie at whole numbers: the picture spans 0 to 75
along x (to the right) and y (downward), and its middle is at 37.5. An object
is 10 wide and has its centre at a whole number, so that it covers whole pixels
and the centroid of its pixels is its centre, exactly.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from datasets.sort_of_clevr.vocabulary import COLORS

IMAGE_SIZE = 75
OBJECT_SIZE = 10
NUM_OBJECTS = len(COLORS)
#: The splits, in the order of the numbers that seed them.
SPLITS = ("train", "val", "test")

MIDDLE = IMAGE_SIZE / 2
#: No question is decided by this many pixels or fewer.
MARGIN = 1
#: Where a centre may lie along an axis: the object is wholly in the picture
#: and its centre farther than the margin from the middle.
PLACES = np.array(
    [
        place
        for place in range(OBJECT_SIZE // 2, IMAGE_SIZE - OBJECT_SIZE // 2 + 1)
        if abs(place - MIDDLE) > MARGIN
    ]
)
_TRIES = 64
_PAIRS = np.triu_indices(NUM_OBJECTS, 1)
# Object i → the columns of its five pairs in _PAIRS.
_PAIRS_OF = np.array(
    [
        [k for k, pair in enumerate(zip(*_PAIRS, strict=True)) if i in pair]
        for i in range(NUM_OBJECTS)
    ]
)


@dataclass(frozen=True)
class Scenes:
    """Scenes of six objects; object k of each has colour k.

    Attributes:
        center: [S, 6, 2] Each object's centre (x, y) in pixels (int64).
        shape: [S, 6] Index into ``SHAPES`` (uint8).
    """

    center: np.ndarray
    shape: np.ndarray

    def __len__(self) -> int:
        """How many scenes there are."""
        return len(self.center)


def center_to_pos(center: np.ndarray) -> np.ndarray:
    """Pixels → [-1, 1] (float32): the picture's left or top edge is −1."""
    return (center / MIDDLE - 1).astype(np.float32)


def pos_to_center(pos: np.ndarray) -> np.ndarray:
    """Undo :func:`center_to_pos`: the whole pixels that it came from."""
    return np.rint((np.asarray(pos, float) + 1) * MIDDLE).astype(np.int64)


def make_streams(
    seed: int, split: str, first: int, count: int
) -> list[np.random.PCG64]:
    """Give each scene of a range its own source of chance.

    Args:
        seed: The seed of the whole set, below 2³².
        split: One of ``SPLITS``.
        first: The first scene's number within its split.
        count: How many scenes.

    Returns:
        One bit generator a scene. Only their raw output is used, which NumPy
        keeps the same in every version.
    """
    number = SPLITS.index(split)
    return [
        np.random.PCG64(np.random.SeedSequence([seed, number, index]))
        for index in range(first, first + count)
    ]


def random_words(streams: Sequence[np.random.PCG64], *shape: int) -> np.ndarray:
    """[S, *shape] Random 64-bit words, each row from its own stream."""
    size = int(np.prod(shape))
    out = np.empty((len(streams), size), np.uint64)
    for row, stream in zip(out, streams, strict=True):
        row[:] = stream.random_raw(size)
    return out.reshape(-1, *shape)


def sample_scenes(streams: Sequence[np.random.PCG64]) -> Scenes:
    """Draw scenes, each from its own stream.

    Shapes are fair coins. The six centres are uniform over all layouts in
    which

    - every object lies wholly in the picture;
    - no two touch: the squares around any two are at least a pixel apart along
      an axis, whatever their shapes are;
    - every centre is more than a pixel from the picture's middle, along both
      axes;
    - for every object, the second closest other one is farther than the
      closest by more than a pixel, and the furthest farther than the second
      furthest, between centres.

    A layout that breaks a rule is drawn anew as a whole. No rule looks at
    shapes or colours, so that these tell nothing about places.

    Args:
        streams: One a scene, as :func:`make_streams` gives them.
    """
    bits = random_words(streams, 1) >> np.arange(NUM_OBJECTS, dtype=np.uint64)
    shape = (bits & np.uint64(1)).astype(np.uint8)
    center = np.empty((len(streams), NUM_OBJECTS, 2), np.int64)
    left = np.arange(len(streams))
    while len(left):
        # In rounds of as many tries for every scene that has found no layout:
        # what a scene gets depends on its own stream alone.
        still = [streams[i] for i in left.tolist()]
        words = random_words(still, _TRIES, NUM_OBJECTS)
        tries = np.stack([_places(words >> np.uint64(32)), _places(words)], -1)
        good = allowed_layouts(tries.reshape(-1, NUM_OBJECTS, 2))
        good = good.reshape(-1, _TRIES)
        found = good.any(1)
        center[left[found]] = tries[found, good[found].argmax(1)]
        left = left[~found]
    return Scenes(center, shape)


def _places(words: np.ndarray) -> np.ndarray:
    """Uniform places from the low 32 bits; exactly so, as they are 64."""
    low = words & np.uint64(0xFFFFFFFF)
    return PLACES[(low * np.uint64(len(PLACES)) >> np.uint64(32)).astype(int)]


def allowed_layouts(center: np.ndarray) -> np.ndarray:
    """[T] Which layouts have objects apart and no near tie of distances.

    Args:
        center: [T, 6, 2] Centres in whole pixels.
    """
    delta = center[:, _PAIRS[0]] - center[:, _PAIRS[1]]
    apart = (np.abs(delta) > OBJECT_SIZE).any(2).all(1)
    out = np.zeros(len(center), bool)
    squared = np.square(delta[apart]).sum(2)  # [T', 15]
    ranked = np.sort(squared[:, _PAIRS_OF], axis=2)
    out[apart] = (
        _farther(ranked[:, :, 0], ranked[:, :, 1])
        & _farther(ranked[:, :, -2], ranked[:, :, -1])
    ).all(1)
    return out


def _farther(near: np.ndarray, far: np.ndarray) -> np.ndarray:
    """Whether √far − √near > MARGIN, in whole numbers: no rounding decides."""
    rest = far - near - MARGIN**2
    return (rest > 0) & (rest**2 > 4 * MARGIN**2 * near)
