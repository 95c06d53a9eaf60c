"""Objects that are the sentences of a story, or the words of a text."""

from typing import Any

import torch
from torch import nn
from torch_geometric.nn.inits import reset

from rn_graph.checks import check_channels, check_index, checks_enabled
from rn_graph.encoders.fields import field
from rn_graph.encoders.objects import Nodes, sequence_to_nodes
from rn_graph.encoders.question import QuestionEncoder


class Sentences(nn.Module):
    r"""Every sentence of a story is an object, tagged with its place.

    .. math::
        \mathbf{o}_t = \Big[\mathrm{LSTM}(\text{words of sentence } t) ;
        \tfrac{2t}{L - 1} - 1\Big]

    Source: `Santoro et al. (2017) <https://arxiv.org/abs/1706.01427>`_,
    section 4, "dealing with natural language": an LSTM of its own reads each
    sentence, and tags tell its relative position.

    Args:
        vocab_size: Number of words, padding included.
        embedding_channels: Width of a word. (default: ``32``)
        channels: Width of a sentence. (default: ``32``)
        pad: Index of the padding word. (default: ``0``)
        heads: As of :class:`QuestionEncoder`. (default: ``0``)

    Attributes:
        out_channels: Width of an object, ``channels + 1``.

    Raises:
        TypeError: If a size is no integer.
        ValueError: As :class:`QuestionEncoder`.
    """

    def __init__(
        self,
        vocab_size: int,
        embedding_channels: int = 32,
        channels: int = 32,
        pad: int = 0,
        heads: int = 0,
    ) -> None:
        super().__init__()
        check_channels("channels", channels)
        self.out_channels = channels + 1
        self.encoder = QuestionEncoder(
            vocab_size, embedding_channels, channels, pad, heads
        )

    def reset_parameters(self) -> None:
        """Draw all parameters anew."""
        reset(self.encoder)

    def forward(self, batch: Any) -> Nodes:
        """Make objects of the sentences of a batch.

        Args:
            batch: Holds ``words [N, T]``, indices; ``num_words [N]``, 1 to T;
                ``batch [N]``, the story of each sentence, ascending, or
                ``None``: one story.

        Returns:
            ``x [N, channels + 1]``; ``pos [N, 1]``, the sentence's index.

        Raises:
            TypeError: If one of them is not an integer tensor.
            ValueError: If one is missing or does not fit, as of
                :class:`QuestionEncoder`, whose ``tokens`` and ``length`` they
                are.
        """
        words = field(batch, "words", "indices of words [N, T]")
        length = field(batch, "num_words", "words of each sentence [N]")
        story = getattr(batch, "batch", None)
        if story is None:
            story = length.new_zeros(len(words), dtype=torch.long)
        return sequence_to_nodes(self.encoder(words, length), story)


class Words(nn.Module):
    r"""Every word of a text is an object, tagged with its place.

    .. math::
        \mathbf{o}_t = \big[\mathbf{E}_{w_t} ; \tfrac{2t}{L - 1} - 1\big]

    Args:
        vocab_size: Number of words, padding included.
        channels: Width of a word. (default: ``32``)
        pad: Index of the padding word. (default: ``0``)

    Attributes:
        out_channels: Width of an object, ``channels + 1``.

    Raises:
        TypeError: If a size is no integer.
        ValueError: For sizes below 1, or a ``pad`` that is no word.
    """

    def __init__(
        self, vocab_size: int, channels: int = 32, pad: int = 0
    ) -> None:
        super().__init__()
        check_channels("vocab_size", vocab_size)
        check_channels("channels", channels)
        check_channels("pad", pad, least=0)
        if pad >= vocab_size:
            raise ValueError(
                f"`pad` is {pad}, expected a word of the {vocab_size}, from 0 "
                f"to {vocab_size - 1}"
            )
        self.vocab_size = vocab_size
        self.out_channels = channels + 1
        self.embedding = nn.Embedding(vocab_size, channels, pad)

    def reset_parameters(self) -> None:
        """Draw all parameters anew."""
        reset(self.embedding)

    def forward(self, batch: Any) -> Nodes:
        """Make objects of the words of a batch.

        Args:
            batch: Holds ``words [G, T]``, indices, and ``num_words [G]``, 0
                to T; what stands after a text's end is not read.

        Returns:
            ``x [N, channels + 1]``; ``pos [N, 1]``, the word's index.

        Raises:
            TypeError: If one of them is not an integer tensor.
            ValueError: If one is missing, shapes do not fit, a word is
                outside the vocabulary, or a length outside 0 to T.
        """
        words = field(batch, "words", "indices of words [G, T]")
        length = field(batch, "num_words", "words of each text [G]")
        if words.dim() != 2:
            raise ValueError(
                f"`batch.words` has shape {list(words.shape)}, expected [G, T]"
            )
        check_index("batch.num_words", length, length=len(words))
        width = words.size(1)
        if checks_enabled(length) and len(length) and int(length.max()) > width:
            raise ValueError(
                f"`batch.num_words` holds {int(length.max())}, expected at "
                f"most {width}, the width of `batch.words`"
            )
        place = torch.arange(width, device=words.device)
        kept = place < length.to(words.device).unsqueeze(1)
        own = words[kept]
        check_index("batch.words", own, upper=self.vocab_size)
        return sequence_to_nodes(self.embedding(own), kept.nonzero()[:, 0])
