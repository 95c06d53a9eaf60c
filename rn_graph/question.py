"""From the words of a question to one vector."""

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence
from torch_geometric.nn.inits import reset

from rn_graph.checks import check_index, checks_enabled


class QuestionEncoder(nn.Module):
    r"""Word embeddings and an LSTM, whose last state is the question.

    .. math::
        \mathbf{q} = \mathrm{LSTM}(\mathbf{E}_{t_1}, \ldots,
        \mathbf{E}_{t_L})_L

    Only a question's own words are read: neither padding nor the other
    questions of a batch can change the answer. Source: `Santoro et al. (2017)
    <https://arxiv.org/abs/1706.01427>`_, section 4.2.

    Args:
        vocab_size: Number of words, padding included.
        embedding_channels: Width of a word. (default: ``32``)
        out_channels: Width of a question, the LSTM's state. (default:
            ``128``)
        pad: Index of the padding word. (default: ``0``)

    Shapes:
        - **input:** words :math:`(Q, T)`, lengths :math:`(Q)`
        - **output:** questions :math:`(Q, C)`
    """

    def __init__(
        self,
        vocab_size: int,
        embedding_channels: int = 32,
        out_channels: int = 128,
        pad: int = 0,
    ) -> None:
        super().__init__()
        self.vocab_size = vocab_size
        self.out_channels = out_channels
        self.pad = pad
        self.embedding = nn.Embedding(vocab_size, embedding_channels, pad)
        self.lstm = nn.LSTM(embedding_channels, out_channels, batch_first=True)

    def reset_parameters(self) -> None:
        """Draw all parameters anew."""
        self.embedding.reset_parameters()
        self.lstm.reset_parameters()

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
        place = torch.arange(tokens.size(1), device=tokens.device)
        after = place >= length.to(tokens.device).unsqueeze(1)
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
        if _has_fused_lstm(words) and not torch.compiler.is_compiling():
            return self._in_parts(words, length)
        packed = pack_padded_sequence(
            words, length.cpu(), batch_first=True, enforce_sorted=False
        )
        state: Tensor = self.lstm(packed)[1][0]
        return state[-1]

    def _in_parts(self, words: Tensor, length: Tensor) -> Tensor:
        """Encode questions of like length together, unpacked.

        An LSTM's state at a question's last word does not depend on what
        comes after. On a CPU torch has a fused kernel for padded sequences
        but none for packed ones, which take 2 to 5 times as long.
        """
        order = torch.argsort(length)
        states = []
        for part in order.chunk(max(1, min(8, len(order) // 16))):
            last = length[part] - 1
            some = words[part, : int(last.max()) + 1]
            states.append(self.lstm(some)[0][torch.arange(len(part)), last])
        out = torch.cat(states)
        return torch.empty_like(out).index_copy(0, order, out)


def _has_fused_lstm(words: Tensor) -> bool:
    return words.device.type == "cpu" and bool(torch.backends.mkldnn.enabled)


class QuestionAnswering(nn.Module):
    """A question encoder before any model of :mod:`rn_graph.models`.

    Args:
        encoder: Maps words and lengths to questions ``[Q, C]``.
        model: Maps objects and questions to answers ``[Q, out_channels]``.
    """

    def __init__(self, encoder: nn.Module, model: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder
        self.model = model

    def reset_parameters(self) -> None:
        """Draw all parameters anew."""
        reset(self.encoder)
        reset(self.model)

    def forward(
        self,
        x: Tensor,
        tokens: Tensor,
        length: Tensor,
        batch: Tensor | None = None,
        question_batch: Tensor | None = None,
        pos: Tensor | None = None,
    ) -> Tensor:
        """Answer questions in words about objects.

        Args:
            x: Objects, ``[N, in_channels]``.
            tokens: Indices of words, ``[Q, T]``.
            length: Number of words of each question, ``[Q]``.
            batch: Scene of each object, ``[N]``, ascending; ``None``: one.
            question_batch: Scene of each question, ``[Q]``; ``None``: one
                question a scene.
            pos: Positions of the objects, ``[N, D]``, for models whose pairs
                depend on them.

        Returns:
            Scores of the answers, ``[Q, out_channels]``.
        """
        question = self.encoder(tokens, length)
        scores: Tensor = self.model(x, question, batch, question_batch, pos)
        return scores
