"""Objects that are the cells of a picture's feature map."""

from typing import Any

import torch
from torch import Tensor, nn
from torch_geometric.nn.inits import reset

from rn_graph.checks import check_channels
from rn_graph.encoders.fields import field
from rn_graph.encoders.objects import Nodes, map_to_nodes


class Cells(nn.Module):
    r"""Every cell of a feature map is an object, tagged with its place.

    .. math::
        \mathbf{o}_{rc} = \big[\mathrm{CNN}(\mathbf{I})_{\cdot rc} ; x_c ;
        y_r\big], \qquad x_c = \tfrac{2c}{W - 1} - 1, \qquad
        y_r = \tfrac{2r}{H - 1} - 1

    Source: `Santoro et al. (2017) <https://arxiv.org/abs/1706.01427>`_,
    section 4, "dealing with pixels".

    .. code-block:: python

        Cells(ConvNet(3), in_channels=3)  # pictures, by a CNN
        Cells(None, in_channels=1024)  # stored maps, as they are
        Cells(nn.Conv2d(1024, 64, 1), in_channels=1024)  # or narrower

    Args:
        cnn: Maps what the batch holds to feature maps ``[G, C, h, w]``, as
            :class:`ConvNet` or :class:`ResidualNet` do; ``None``: the batch
            holds feature maps.
        in_channels: Channels of what the batch holds.
        channels: Channels of the CNN's maps; ``None``: its ``out_channels``,
            or ``in_channels`` without a CNN. (default: ``None``)

    Attributes:
        out_channels: Width of an object, ``channels + 2``.

    Shapes:
        - **input:** images or maps :math:`(G, F, H, W)`
        - **output:** objects :math:`(G \cdot h \cdot w, C + 2)`

    Raises:
        TypeError: If a number of channels is no integer, or ``cnn`` no
            module.
        ValueError: If one is below 1, or nothing says the CNN's.
    """

    like: Tensor

    def __init__(
        self,
        cnn: nn.Module | None,
        in_channels: int,
        channels: int | None = None,
    ) -> None:
        super().__init__()
        if cnn is not None and not isinstance(cnn, nn.Module):
            raise TypeError(
                f"`cnn` is {cnn!r}, expected a torch.nn.Module or None"
            )
        check_channels("in_channels", in_channels)
        if channels is None:
            channels = getattr(cnn, "out_channels", None)
            if cnn is None:
                channels = in_channels
            elif channels is None:
                raise ValueError(
                    f"`channels` is None, and `cnn`, {type(cnn).__name__}, "
                    f"has no `out_channels`: expected one of the two"
                )
        check_channels("channels", channels)
        if cnn is None and channels != in_channels:
            raise ValueError(
                f"`channels` is {channels} without `cnn`, expected "
                f"{in_channels}, as `in_channels`"
            )
        self.in_channels = in_channels
        self.channels = channels
        self.out_channels = channels + 2
        self.cnn = cnn
        # Has the type that `.double()` and the like give a module.
        self.register_buffer("like", torch.empty(0), persistent=False)

    def reset_parameters(self) -> None:
        """Draw all parameters anew."""
        reset(self.cnn)

    def forward(self, batch: Any) -> Nodes:
        """Make objects of the pictures of a batch.

        Args:
            batch: Holds ``image [G, in_channels, H, W]``, from 0 to 1, or
                ``map``, feature maps of that shape: often stored in half
                precision, they are given the module's type.

        Raises:
            TypeError: If it is not a floating-point tensor.
            ValueError: If it is missing, there are both, or a shape does not
                fit.
        """
        x = self._picture(batch)
        out = x.to(self.like.dtype)
        if self.cnn is not None:
            out = self.cnn(out)
            if out.dim() != 4 or out.size(1) != self.channels:
                raise ValueError(
                    f"`cnn` maps {list(x.shape)} to {list(out.shape)}, "
                    f"expected [{len(x)}, {self.channels}, h, w]"
                )
        return map_to_nodes(out)

    def _picture(self, batch: Any) -> Tensor:
        names = ("image", "map")
        held = [n for n in names if getattr(batch, n, None) is not None]
        if len(held) == 2:
            raise ValueError(
                "`batch.image` and `batch.map` are both given, expected one"
            )
        name = held[0] if held else "image"
        shape = f"[G, {self.in_channels}, H, W]"
        expected = f"images from 0 to 1 {shape} (or feature maps, `batch.map`)"
        if name == "map":
            expected = f"feature maps {shape}"
        x = field(batch, name, expected)
        if not x.is_floating_point():
            raise TypeError(f"`batch.{name}` is {x.dtype}, expected {expected}")
        if x.dim() != 4 or x.size(1) != self.in_channels:
            raise ValueError(
                f"`batch.{name}` has shape {list(x.shape)}, expected {expected}"
            )
        return x

    def extra_repr(self) -> str:
        """Name the widths."""
        return f"{self.in_channels}, {self.out_channels}"
