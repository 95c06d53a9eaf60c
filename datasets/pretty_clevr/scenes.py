"""Places of eight objects, and the ways on which one jumps through them."""

import numpy as np

NUM_OBJECTS = 8
#: Least squared distance between two objects of the unit square.
APART = 0.1
#: No jump is decided by less than this between two distances.
MARGIN = 0.005
# Places tried for an object, before a scene is given up.
_TRIES = 32


def draw_scenes(rng: np.random.Generator, count: int) -> np.ndarray:
    """Draw places [S, 8, 2] in the unit square, without near ties.

    A scene on which any jump of any way would be decided by less than
    :data:`MARGIN` is drawn again; of those whose objects are apart, 4 in 10
    are kept.
    """
    found: list[np.ndarray] = []
    while (missing := count - sum(map(len, found))) > 0:
        places = draw_apart(rng, 4 * missing)
        found.append(places[find_ways(places)[1] >= MARGIN])
    return np.concatenate(found)[:count]


def draw_apart(rng: np.random.Generator, tries: int) -> np.ndarray:
    """Draw places [S, 8, 2] of objects that are apart, S of so many tries.

    One object after the other is placed, uniformly among what those before
    leave free. Of eight places drawn at once, five layouts in 100,000 would
    do.
    """
    out = np.empty((tries, NUM_OBJECTS, 2))
    found = np.ones(tries, bool)
    for i in range(NUM_OBJECTS):
        new = rng.random((tries, _TRIES, 2))
        squared = np.square(new[:, :, None] - out[:, None, :i]).sum(-1)
        free = (squared >= APART).all(2)
        out[:, i] = new[np.arange(tries), free.argmax(1)]
        found &= free.any(1)
    return out[found]


def find_ways(places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Jump from every object to the nearest one that is not yet visited.

    Args:
        places: [S, 8, 2] Where the objects are.

    Returns:
        The objects of each way in order, by its first [S, 8, 8] (uint8), and
        the least difference between the nearest and the next nearest of any
        jump [S].
    """
    scenes = np.arange(len(places))[:, None]
    far = np.sqrt(np.square(places[:, :, None] - places[:, None]).sum(-1))
    ways = np.empty(far.shape, np.uint8)
    ways[:, :, 0] = np.arange(NUM_OBJECTS)
    visited = np.zeros(far.shape, bool)
    gap = np.full(len(places), np.inf)
    for jump in range(1, NUM_OBJECTS):
        here = ways[:, :, jump - 1]
        np.put_along_axis(visited, here[..., None].astype(int), True, 2)
        left = np.where(visited, np.inf, far[scenes, here])
        ways[:, :, jump] = left.argmin(2)
        if jump < NUM_OBJECTS - 1:  # the last jump has no choice
            near = np.partition(left, 1, axis=2)
            gap = np.minimum(gap, (near[:, :, 1] - near[:, :, 0]).min(1))
    return ways, gap
