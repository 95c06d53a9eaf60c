"""Questions about how far nodes are apart, as vectors and in words.

>>> vector = parse_question("Is there a red node exactly 2 edges from node 7?")
>>> question_words(vector)
'is there a red node exactly 2 edges from node 7?'
"""

import re

import numpy as np

from datasets.neighborhood.graphs import pick, product, reach

COLORS = ("red", "green", "blue", "orange", "purple", "gray")
ANSWERS = ("yes", "no")
#: Distances that are asked about, in edges.
DISTANCES = (1, 2, 4)
#: Nodes of a graph: in a smaller one, too few are alike to ask about.
LEAST_NODES, MOST_NODES = 16, 1024

_FORM = re.compile(
    r"is there an? (\w+) node exactly (\d+) edges?(?: away)? from "
    r"(?:node )?(\d+)\??"
)


def draw_questions(
    rng: np.random.Generator, edges: np.ndarray, color: np.ndarray, twos: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Draw questions in twos: the first is answered by yes, the second by no.

    The two look for nodes of the same colour, at the same distance K, from two
    nodes that do not have it themselves. These two nodes have as many nodes at
    distance K, as many nearer ones, and as many nearer ones of that colour.
    Given these numbers, and how often the colour is there, yes is as likely for
    the one as for the other if colours are by chance: what is nearer than K
    tells nothing. The twos of a distance look for different colours.

    Args:
        rng: Source of chance.
        edges: [S, N, N] Whether there is an edge.
        color: [S, N] Index into :data:`COLORS`.
        twos: How many for each distance, T.

    Returns:
        The nodes asked about [S, 3, T, 2]; the colours looked for
        [S, 3, T]; the nodes that have them and are so far away
        [S, 3, T, 2, N] (bool), none where the answer is no; and which scenes
        have so many questions [S]: those of the others mean nothing.
    """
    scenes = np.arange(len(edges))[:, None]
    has = color[:, None] == np.arange(len(COLORS))[:, None]  # [S, C, N]
    good = np.ones(len(edges), bool)
    reached, radix = reach(edges), edges.shape[1] + 1
    parts: list[tuple[np.ndarray, ...]] = []
    for distance in DISTANCES:
        nearer = reached[distance - 1]
        at = reached[distance] & ~nearer
        hit = product(has, at) > 0
        # Three counts in one number; none is above N.
        around = at.sum(2) * radix + nearer.sum(2)
        around = around[:, None] * radix + product(has, nearer).astype(int)
        yes, no = hit & ~has, ~hit & ~has
        other = (around[..., None] == around[:, :, None]) & no[:, :, None]
        fits = yes & other.any(3)
        some = fits.any(2)
        good &= some.sum(1) >= twos
        wanted = np.argsort(~some + rng.random(some.shape), axis=1)[:, :twos]
        first = pick(rng, fits)[scenes, wanted]
        second = pick(rng, other[scenes, wanted, first])
        node = np.stack([first, second], axis=2)
        found = at[scenes[:, :, None], node]
        parts.append((node, wanted, found & has[scenes, wanted][:, :, None]))
    nodes, colors, founds = zip(*parts, strict=True)
    return np.stack(nodes, 1), np.stack(colors, 1), np.stack(founds, 1), good


def question_vector(
    node: np.ndarray | int,
    color: np.ndarray | int,
    distance: np.ndarray | int,
    num_nodes: int,
) -> np.ndarray:
    """[*, 9 + N] Distance, colour and node, each one-hot (uint8).

    Args:
        node: [*] Names of nodes.
        color: [*] Indices into :data:`COLORS`.
        distance: [*] Indices into :data:`DISTANCES`.
        num_nodes: Nodes of a graph, N.
    """
    ones = (
        np.eye(len(DISTANCES), dtype=np.uint8)[distance],
        np.eye(len(COLORS), dtype=np.uint8)[color],
        np.eye(num_nodes, dtype=np.uint8)[node],
    )
    return np.concatenate(ones, axis=-1)


def question_words(vector: np.ndarray) -> str:
    """Say a question [9 + N] in words."""
    last = len(DISTANCES) + len(COLORS)
    distance = DISTANCES[int(vector[: len(DISTANCES)].argmax())]
    color = COLORS[int(vector[len(DISTANCES) : last].argmax())]
    a = "an" if color[0] in "aeiou" else "a"
    edges = "edge" if distance == 1 else "edges"
    return (
        f"is there {a} {color} node exactly {distance} {edges} from node "
        f"{int(vector[last:].argmax())}?"
    )


def parse_question(words: str, num_nodes: int = MOST_NODES) -> np.ndarray:
    """Read a question in words: its vector [9 + N].

    Args:
        words: The question.
        num_nodes: Nodes of the graph, N. (default: as many as there can be)

    Raises:
        ValueError: If it is none.
    """
    text = " ".join(words.lower().split()).replace("grey", "gray")
    if found := _FORM.fullmatch(text):
        color, distance, node = found[1], int(found[2]), int(found[3])
        if color in COLORS and distance in DISTANCES and node < num_nodes:
            return question_vector(
                node, COLORS.index(color), DISTANCES.index(distance), num_nodes
            )
    example = question_words(
        question_vector(min(7, num_nodes - 1), 0, 1, num_nodes)
    )
    raise ValueError(
        f"`question` is {words!r}, expected one as {example!r}, with a colour "
        f"of {', '.join(COLORS)}, {', '.join(map(str, DISTANCES))} edges, and "
        f"a node of 0 to {num_nodes - 1}"
    )
