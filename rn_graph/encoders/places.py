"""Where in a sequence an element stands, as features of its own."""

import torch
from torch import Tensor, nn

from rn_graph.batching import graph_spans
from rn_graph.checks import check_channels, checks_enabled


class OneHotPlaces(nn.Module):
    r"""The index of each element of a sequence, one-hot, from a random start.

    .. math::
        \mathbf{p}_t = \mathbf{e}_{t + s}, \qquad s \sim \mathcal{U}\{0,
        \ldots, P - L\}

    In training each sequence of L elements begins anywhere within the P
    places, so that each place is learned, whatever the length; otherwise
    :math:`s = 0`. Source: `Palm et al. (2018)
    <https://arxiv.org/abs/1711.08028>`_, section 3.1, of the sentences of a
    story.

    Args:
        num_places: P; 0: no features.

    Raises:
        TypeError: If it is no integer.
        ValueError: If it is negative; in a call, for a sequence longer than
            P.
    """

    def __init__(self, num_places: int) -> None:
        super().__init__()
        check_channels("num_places", num_places, least=0)
        self.num_places = num_places

    def forward(
        self, index: Tensor, batch: Tensor, dtype: torch.dtype
    ) -> Tensor:
        """Features of each element, ``[N, num_places]``.

        Args:
            index: Its index in its sequence, ``[N]``.
            batch: Its sequence, ``[N]``, ascending.
            dtype: Type of the features.
        """
        if not self.num_places or not len(index):
            return torch.zeros(
                len(index), self.num_places, dtype=dtype, device=index.device
            )
        if checks_enabled(index) and int(index.max()) >= self.num_places:
            raise ValueError(
                f"a sequence has {int(index.max()) + 1} elements, expected at "
                f"most {self.num_places}, `num_places`"
            )
        if self.training:
            graphs, own = torch.unique_consecutive(batch, return_inverse=True)
            start, size = graph_spans(batch, graphs)
            length = index[start + size - 1] + 1
            drawn = torch.rand(len(graphs), device=index.device)
            free = self.num_places - length + 1
            index = index + (drawn * free).long()[own]
        return nn.functional.one_hot(index, self.num_places).to(dtype)

    def extra_repr(self) -> str:
        """Name the option."""
        return str(self.num_places)
