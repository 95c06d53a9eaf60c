"""Random connected graphs of few edges, and which nodes are how far apart."""

import numpy as np

#: The most edges of a node.
MOST_EDGES = 4


def draw_graphs(
    rng: np.random.Generator, count: int, num_nodes: int
) -> np.ndarray:
    """Draw undirected graphs that are connected, four edges a node at most.

    A random tree, each node joined to one of those before it, and then as many
    tries as there are four nodes to join two more; in the end the nodes are
    shuffled.

    Returns:
        Whether there is an edge, [S, N, N] (bool).
    """
    scenes = np.arange(count)
    edges = np.zeros((count, num_nodes, num_nodes), bool)
    degree = np.zeros((count, num_nodes), int)

    def join(a: np.ndarray, b: np.ndarray, where: np.ndarray) -> None:
        rows, a, b = scenes[where], a[where], b[where]
        edges[rows, a, b] = edges[rows, b, a] = True
        degree[rows, a] += 1
        degree[rows, b] += 1

    for node in range(1, num_nodes):
        free = degree[:, :node] < MOST_EDGES
        join(pick(rng, free), np.full(count, node), np.ones(count, bool))
    for _ in range(num_nodes // 4):
        a, b = rng.integers(0, num_nodes, (2, count))
        new = (a != b) & ~edges[scenes, a, b]
        free = np.maximum(degree[scenes, a], degree[scenes, b]) < MOST_EDGES
        join(a, b, new & free)
    order = rng.permuted(np.tile(np.arange(num_nodes), (count, 1)), axis=1)
    return edges[scenes[:, None, None], order[:, :, None], order[:, None, :]]


def reach(edges: np.ndarray) -> list[np.ndarray]:
    """Which nodes are within 0, 1, 2, 3 and 4 edges of each other.

    Args:
        edges: [S, N, N] Whether there is an edge.

    Returns:
        As many times [S, N, N] (bool): powers of the matrix.
    """
    itself = np.broadcast_to(np.eye(edges.shape[1], dtype=bool), edges.shape)
    one = edges | itself
    two = product(one, one) > 0
    return [itself, one, two, product(two, one) > 0, product(two, two) > 0]


def product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """[S, I, J] For how many k both a[i, k] and b[k, j] are true."""
    # Numbers are multiplied much faster than booleans.
    out: np.ndarray = a.astype(np.float32) @ b.astype(np.float32)
    return out


def pick(rng: np.random.Generator, allowed: np.ndarray) -> np.ndarray:
    """Choose one that is allowed, each as likely, along the last axis."""
    best: np.ndarray = (allowed + rng.random(allowed.shape)).argmax(-1)
    return best
