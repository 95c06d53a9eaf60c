"""Convolutional networks from pictures to feature maps."""

from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch_geometric.nn.inits import reset

from rn_graph.checks import check_channels


class ConvNet(nn.Module):
    r"""The Relation Network's CNN: convolutions with strides.

    .. math::
        \mathbf{H}_l = \mathrm{BatchNorm}\big(\mathrm{ReLU}(\mathbf{W}_l *
        \mathbf{H}_{l-1} + \mathbf{b}_l)\big)

    With four layers of stride 2, 75 × 75 pixels become 5 × 5 cells, and 128 ×
    128 become 8 × 8. In evaluation each picture is read alone; in training
    batch norm takes its statistics over the batch.

    Source: `Santoro et al. (2017) <https://arxiv.org/abs/1706.01427>`_,
    appendices B and D: four layers of 24 kernels 3 × 3 for CLEVR, of 32, 64,
    128 and 256 for Sort-of-CLEVR, ReLU, batch norm. The order of these two is
    that of the `best-known public code
    <https://github.com/kimhc6028/relational-networks>`_.

    Args:
        in_channels: Channels of a picture. (default: ``3``)
        channels: Kernels of each layer. (default: ``(32, 64, 64, 64)``)
        kernel_size: Side of the kernels, odd; pictures are padded by half of
            it. (default: ``3``)
        stride: Stride of each layer. (default: ``2``)

    Attributes:
        out_channels: Channels of the feature map.

    Shapes:
        - **input:** pictures :math:`(G, F, H, W)`
        - **output:** feature maps :math:`(G, C, \lceil H / s^L \rceil, \lceil
          W / s^L \rceil)` for L layers of stride s

    Raises:
        TypeError: If a size is no integer.
        ValueError: For a size below 1, an even ``kernel_size``, or no layers.
    """

    def __init__(
        self,
        in_channels: int = 3,
        channels: Sequence[int] = (32, 64, 64, 64),
        kernel_size: int = 3,
        stride: int = 2,
    ) -> None:
        super().__init__()
        check_channels("in_channels", in_channels)
        check_channels("kernel_size", kernel_size)
        check_channels("stride", stride)
        for width in channels:
            check_channels("channels", width)
        if not channels:
            raise ValueError("`channels` is empty, expected at least one layer")
        if kernel_size % 2 == 0:
            raise ValueError(
                f"`kernel_size` is {kernel_size}, expected an odd number: a "
                f"cell is the middle of what it sees"
            )
        self.in_channels = in_channels
        self.out_channels = channels[-1]
        self.stride = stride
        widths = [in_channels, *channels]
        self.convs = nn.ModuleList(
            nn.Conv2d(i, o, kernel_size, stride, kernel_size // 2)
            for i, o in pairwise(widths)
        )
        self.norms = nn.ModuleList(nn.BatchNorm2d(o) for o in channels)

    def reset_parameters(self) -> None:
        """Draw all parameters anew."""
        for module in (*self.convs, *self.norms):
            reset(module)

    def forward(self, x: Tensor) -> Tensor:
        """Map pictures to feature maps.

        Args:
            x: Pictures, ``[G, in_channels, H, W]``.

        Raises:
            TypeError: If it is not a floating-point tensor.
            ValueError: For another shape, or pictures with fewer pixels a
                side than a cell stands for, :math:`s^L`.
        """
        _check_pictures(x, self.in_channels, self.stride ** len(self.convs))
        if x.device.type == "cpu":
            # A training step takes 0.6 to 0.8 of the time on a CPU.
            x = x.contiguous(memory_format=torch.channels_last)
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = norm(conv(x).relu())
        return x


class ResidualBlock(nn.Module):
    r"""Two convolutions beside the identity.

    .. math::
        \mathbf{H}' = \mathrm{ReLU}\big(\mathbf{H} + \mathrm{BN}(\mathbf{W}_2 *
        \mathrm{ReLU}(\mathrm{BN}(\mathbf{W}_1 * \mathbf{H})))\big)

    Source: `He et al. (2016) <https://arxiv.org/abs/1512.03385>`_, section
    3.2, with batch norm after each convolution, section 3.4.

    Args:
        channels: Channels of the feature map; it keeps its shape.
        kernel_size: Side of the kernels, odd. (default: ``3``)
    """

    def __init__(self, channels: int, kernel_size: int = 3) -> None:
        super().__init__()
        # Batch norm takes a bias out again.
        self.convs = nn.ModuleList(
            nn.Conv2d(
                channels,
                channels,
                kernel_size,
                padding=kernel_size // 2,
                bias=False,
            )
            for _ in range(2)
        )
        self.norms = nn.ModuleList(nn.BatchNorm2d(channels) for _ in range(2))

    def reset_parameters(self) -> None:
        """Draw all parameters anew."""
        for module in (*self.convs, *self.norms):
            reset(module)

    def forward(self, x: Tensor) -> Tensor:
        """Add to a feature map what two convolutions make of it.

        Args:
            x: ``[G, channels, H, W]``.
        """
        h = x
        for i, (conv, norm) in enumerate(
            zip(self.convs, self.norms, strict=True)
        ):
            h = norm(conv(h if i == 0 else h.relu()))
        return F.relu(x + h)


class ResidualNet(nn.Module):
    """A deeper CNN: :class:`ConvNet`, then residual blocks.

    The baseline "CNN with four residual blocks": as many cells as the
    Relation Network's CNN gives, each of which sees more of the picture.

    Args:
        in_channels: Channels of a picture. (default: ``3``)
        channels: Kernels of each layer before the blocks; the blocks have the
            last. (default: ``(32, 64, 64, 64)``)
        num_blocks: Number of blocks. (default: ``4``)
        kernel_size: Side of the kernels, odd. (default: ``3``)
        stride: Stride of each layer before the blocks. (default: ``2``)

    Attributes:
        out_channels: Channels of the feature map.

    Shapes:
        - as of :class:`ConvNet`

    Raises:
        TypeError: If a size is no integer.
        ValueError: As :class:`ConvNet`, or for ``num_blocks`` below 1.
    """

    def __init__(
        self,
        in_channels: int = 3,
        channels: Sequence[int] = (32, 64, 64, 64),
        num_blocks: int = 4,
        kernel_size: int = 3,
        stride: int = 2,
    ) -> None:
        super().__init__()
        check_channels("num_blocks", num_blocks)
        self.stem = ConvNet(in_channels, channels, kernel_size, stride)
        self.in_channels = in_channels
        self.out_channels = self.stem.out_channels
        self.blocks = nn.Sequential(
            *(
                ResidualBlock(self.out_channels, kernel_size)
                for _ in range(num_blocks)
            )
        )

    def reset_parameters(self) -> None:
        """Draw all parameters anew."""
        self.stem.reset_parameters()
        reset(self.blocks)

    def forward(self, x: Tensor) -> Tensor:
        """Map pictures to feature maps.

        Args:
            x: Pictures, ``[G, in_channels, H, W]``.

        Raises:
            TypeError: If it is not a floating-point tensor.
            ValueError: For another shape, or pictures that are too small.
        """
        out: Tensor = self.blocks(self.stem(x))
        return out


def _check_pictures(x: Tensor, channels: int, least: int) -> None:
    expected = f"pictures [G, {channels}, H, W]"
    if not isinstance(x, Tensor) or not x.is_floating_point():
        kind = x.dtype if isinstance(x, Tensor) else type(x).__name__
        raise TypeError(f"`x` is {kind}, expected floating-point {expected}")
    if x.dim() != 4 or x.size(1) != channels:
        raise ValueError(f"`x` has shape {list(x.shape)}, expected {expected}")
    height, width = x.shape[2:]
    if min(height, width) < least:
        raise ValueError(
            f"`x` holds pictures of {height} × {width} pixels, expected at "
            f"least {least} × {least}, what one cell of the feature map stands "
            f"for"
        )
