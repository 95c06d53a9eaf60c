"""Who is timed: one class a contender, all behind one interface."""

from experiments.measure.pair_sum.contenders.base import Contender
from experiments.measure.pair_sum.contenders.external import GraphNets, Jraph
from experiments.measure.pair_sum.contenders.gnn_layers import GNN_LAYERS
from experiments.measure.pair_sum.contenders.ours import (
    Attended,
    Nearest,
    RNConvAll,
    RNConvKeeping,
    RNConvLate,
    RNConvSymmetric,
)
from experiments.measure.pair_sum.contenders.torch_peers import (
    Compiled,
    DenseSplit,
    EdgeConvRN,
    Padded,
    Plain,
)

_ALL: list[type[Contender]] = [
    RNConvAll,
    RNConvKeeping,
    RNConvLate,
    RNConvSymmetric,
    Nearest,
    Attended,
    Plain,
    Compiled,
    Padded,
    DenseSplit,
    EdgeConvRN,
    Jraph,
    GraphNets,
    *GNN_LAYERS,
]
#: By name, in the order of the table. To add one, add it above.
CONTENDERS = {contender.name: contender for contender in _ALL}
#: Those that compute the same function as RNConv over all pairs.
PEERS = tuple(n for n, c in CONTENDERS.items() if c.kind == "peer")


def find_contenders(names: list[str]) -> list[type[Contender]]:
    """Contenders by name; ``["all"]``: all of them.

    Raises:
        ValueError: For an unknown name.
    """
    if names == ["all"]:
        return list(CONTENDERS.values())
    for name in names:
        if name not in CONTENDERS:
            raise ValueError(
                f"`contenders` holds {name!r}, expected all or some of "
                f"{', '.join(CONTENDERS)}"
            )
    return [CONTENDERS[name] for name in CONTENDERS if name in names]
