"""Questions: from words, or a vector that says it all, to one vector."""

import math

import torch
from torch import Tensor, nn
from torch_geometric.nn.inits import reset

from rn_graph.checks import (
    check_channels,
    check_features,
    check_index,
    checks_enabled,
)
from rn_graph.dtypes import accumulation_dtype


class QuestionEncoder(nn.Module):
    r"""From words to a question: embeddings, an LSTM, and how it is read.

    With ``heads=0``, as in the paper, the last state is the question:

    .. math::
        \mathbf{q} = \mathrm{LSTM}(\mathbf{E}_{t_1}, \ldots,
        \mathbf{E}_{t_L})_L

    With K heads, a second LSTM reads the words backwards, and each head has
    its own weights of the words, so that "the red cube" and "left of the
    sphere" need not share one state:

    .. math::
        \mathbf{h}_t = [\overrightarrow{\mathrm{LSTM}}_t ;
        \overleftarrow{\mathrm{LSTM}}_t], \qquad
        a_{kt} = \mathrm{softmax}_t(\mathbf{w}_k \cdot \mathbf{h}_t + b_k),
        \qquad
        \mathbf{q} = \mathbf{W} \big[ \sum_t a_{1t} \mathbf{h}_t ; \ldots ;
        \sum_t a_{Kt} \mathbf{h}_t \big] + \mathbf{b}

    Only a question's own words are read: neither padding nor the other
    questions of a batch can change the answer. Source: `Santoro et al. (2017)
    <https://arxiv.org/abs/1706.01427>`_, section 4.2; heads as in `Lin et al.
    (2017) <https://arxiv.org/abs/1703.03130>`_, section 2.1, with one layer.

    Args:
        vocab_size: Number of words, padding included.
        embedding_channels: Width of a word. (default: ``32``)
        out_channels: Width of a question. (default: ``128``)
        pad: Index of the padding word. (default: ``0``)
        heads: Number of heads; 0: the last state of one LSTM. Each direction
            has half of ``out_channels``, which must then be even. (default:
            ``0``)

    Shapes:
        - **input:** words :math:`(Q, T)`, lengths :math:`(Q)`
        - **output:** questions :math:`(Q, C)`

    Raises:
        TypeError: If a size is no integer.
        ValueError: For sizes below 1, negative ``heads``, heads with odd
            ``out_channels``, or a ``pad`` that is no word.
    """

    #: What :class:`~rn_graph.SceneQA` hands it of a batch.
    fields = ("tokens", "length")

    def __init__(
        self,
        vocab_size: int,
        embedding_channels: int = 32,
        out_channels: int = 128,
        pad: int = 0,
        heads: int = 0,
    ) -> None:
        super().__init__()
        check_channels("vocab_size", vocab_size)
        check_channels("embedding_channels", embedding_channels)
        check_channels("out_channels", out_channels)
        check_channels("heads", heads, least=0)
        check_channels("pad", pad, least=0)
        if pad >= vocab_size:
            raise ValueError(
                f"`pad` is {pad}, expected a word of the {vocab_size}, from 0 "
                f"to {vocab_size - 1}"
            )
        if heads and out_channels % 2:
            raise ValueError(
                f"`out_channels` is {out_channels}, expected an even number: "
                f"with `heads` each of two LSTMs has half of it"
            )
        self.vocab_size = vocab_size
        self.out_channels = out_channels
        self.pad = pad
        self.heads = heads
        self.embedding = nn.Embedding(vocab_size, embedding_channels, pad)
        width = out_channels // 2 if heads else out_channels
        self.lstm = nn.LSTM(embedding_channels, width, batch_first=True)
        if heads:
            self.lstm_back = nn.LSTM(
                embedding_channels, width, batch_first=True
            )
            self.score = nn.Linear(out_channels, heads)
            self.join = nn.Linear(heads * out_channels, out_channels)

    def reset_parameters(self) -> None:
        """Draw all parameters anew."""
        for module in self.children():
            reset(module)

    def forward(self, tokens: Tensor, length: Tensor) -> Tensor:
        """Encode questions.

        Args:
            tokens: Indices of words, ``[Q, T]``; what stands after a
                question's end is not read.
            length: Number of words of each question, ``[Q]``, 1 to T.

        Raises:
            TypeError: If either is not an integer tensor.
            ValueError: For shapes that do not fit, a word outside the
                vocabulary, or a length outside 1 to T.
        """
        if not isinstance(tokens, Tensor):
            kind = type(tokens).__name__
            raise TypeError(f"`tokens` is {kind}, expected an int64 tensor")
        if tokens.dim() != 2:
            shape = list(tokens.shape)
            raise ValueError(f"`tokens` has shape {shape}, expected [Q, T]")
        check_index("length", length, length=tokens.size(0))
        length = length.to(tokens.device)
        place = torch.arange(tokens.size(1), device=tokens.device)
        after = place >= length.unsqueeze(1)
        tokens = tokens.masked_fill(after, self.pad)
        check_index("tokens", tokens.reshape(-1), upper=self.vocab_size)
        if tokens.size(0) == 0:
            return self.embedding.weight.new_zeros(0, self.out_channels)
        if checks_enabled() and not (
            int(length.min()) >= 1 and int(length.max()) <= tokens.size(1)
        ):
            raise ValueError(
                f"`length` holds values from {int(length.min())} to "
                f"{int(length.max())}, expected 1 to {tokens.size(1)}, the "
                f"width of `tokens`"
            )
        words = self.embedding(tokens)
        if torch.compiler.is_compiling():
            return self._encode(words, length)
        parts = _parts(length)
        encoded = []
        for part in parts:
            own = length[part]
            encoded.append(self._encode(words[part, : int(own.max())], own))
        out = torch.cat(encoded)
        return torch.empty_like(out).index_copy(0, torch.cat(parts), out)

    def _encode(self, words: Tensor, length: Tensor) -> Tensor:
        """Encode padded words; a state does not depend on what comes after.

        For packed sequences torch has no fused kernel on a CPU: they take 2
        to 5 times as long.
        """
        states = self.lstm(words)[0]
        if not self.heads:
            row = torch.arange(len(length), device=length.device)
            return states[row, length - 1]
        place = torch.arange(words.size(1), device=words.device)
        after = place >= length.unsqueeze(1)
        # Each question's own words in reverse; padding stays behind.
        mirror = torch.where(after, place, length.unsqueeze(1) - 1 - place)
        mirror = mirror.unsqueeze(2)
        back = self.lstm_back(torch.take_along_dim(words, mirror, 1))[0]
        states = torch.cat(
            [states, torch.take_along_dim(back, mirror, 1)], dim=-1
        )
        score = self.score(states)
        score = score.to(accumulation_dtype(score.dtype))
        score = score.masked_fill(after.unsqueeze(2), -torch.inf).softmax(1)
        read = score.to(states.dtype).transpose(1, 2) @ states
        question: Tensor = self.join(read.flatten(1))
        return question


def _parts(length: Tensor) -> list[Tensor]:
    """Cut questions into parts of like length, so that less padding is read.

    A GPU reads all at once. A CPU reads padding word by word; without its
    fused kernel, no padding is read at all.
    """
    order = torch.argsort(length)
    if length.device.type != "cpu":
        return [order]
    if torch.backends.mkldnn.enabled:
        return list(order.chunk(max(1, min(8, len(order) // 16))))
    sizes = length.unique(return_counts=True)[1]
    return list(order.split(sizes.tolist()))


class VectorQuestion(nn.Module):
    r"""A question that is a vector already, as in Sort-of-CLEVR.

    .. math::
        \mathbf{q} = s\, \mathbf{v}

    Source: `Santoro et al. (2017) <https://arxiv.org/abs/1706.01427>`_,
    section 3.3, where 11 bits go to g as they are, :math:`s = 1`. Beside
    objects of many channels so few bits hardly move a layer, and which object
    is meant is then learned late: a larger scale makes them count.

    Args:
        in_channels: Width of a vector.
        scale: What vectors are multiplied by. (default: ``1.0``)

    Attributes:
        out_channels: Width of a question, the vector's.

    Shapes:
        - **input:** vectors :math:`(Q, F)`
        - **output:** questions :math:`(Q, F)`

    Raises:
        TypeError: If the width is no integer.
        ValueError: For a width below 1, or a scale that is not above 0.
    """

    #: What :class:`~rn_graph.SceneQA` hands it of a batch.
    fields = ("vector",)

    def __init__(self, in_channels: int, scale: float = 1.0) -> None:
        super().__init__()
        check_channels("in_channels", in_channels)
        if not 0 < scale < math.inf:
            raise ValueError(f"`scale` is {scale}, expected a number > 0")
        self.in_channels = in_channels
        self.out_channels = in_channels
        self.scale = scale

    def forward(self, vector: Tensor) -> Tensor:
        """Encode questions.

        Args:
            vector: ``[Q, in_channels]``.

        Raises:
            TypeError: If it is not a floating-point tensor.
            ValueError: For another shape, or NaN.
        """
        check_features("vector", vector, self.in_channels, rows="Q")
        return vector if self.scale == 1 else self.scale * vector
