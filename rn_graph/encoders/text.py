"""Objects that are the sentences of a story, or the words of a text."""

from typing import Any

import torch
from torch import Tensor, nn
from torch_geometric.nn.inits import reset

from rn_graph.checks import check_channels, check_index, checks_enabled
from rn_graph.encoders.fields import field
from rn_graph.encoders.objects import Nodes, sequence_to_nodes
from rn_graph.encoders.places import OneHotPlaces
from rn_graph.encoders.question import QuestionEncoder


class Sentences(nn.Module):
    r"""Every sentence of a story is an object, tagged with its place.

    .. math::
        \mathbf{o}_t = \Big[\mathrm{LSTM}(\text{words of sentence } t) ;
        \tfrac{2t}{L - 1} - 1 ; \mathbf{p}_t\Big]

    where :math:`\mathbf{p}_t`, if any, is :class:`OneHotPlaces`. A sentence
    that a batch holds several times is read once.

    Source: `Santoro et al. (2017) <https://arxiv.org/abs/1706.01427>`_,
    section 4, "dealing with natural language": an LSTM of its own reads each
    sentence, and tags tell its relative position.

    Args:
        vocab_size: Number of words, padding included.
        embedding_channels: Width of a word. (default: ``32``)
        channels: Width of a sentence. (default: ``32``)
        pad: Index of the padding word. (default: ``0``)
        heads: As of :class:`QuestionEncoder`. (default: ``0``)
        num_places: Width of the one-hot index; the longest story must fit.
            (default: ``0``, none)

    Attributes:
        out_channels: Width of an object, ``channels + 1 + num_places``.

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
        num_places: int = 0,
    ) -> None:
        super().__init__()
        check_channels("channels", channels)
        self.places = OneHotPlaces(num_places)
        self.out_channels = channels + 1 + num_places
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
            ``x [N, out_channels]``; ``pos [N, 1]``, the sentence's index.

        Raises:
            TypeError: If one of them is not an integer tensor.
            ValueError: If one is missing or does not fit, as of
                :class:`QuestionEncoder`, whose ``tokens`` and ``length`` they
                are; or for a story that is too long for ``num_places``.
        """
        words = field(batch, "words", "indices of words [N, T]")
        length = field(batch, "num_words", "words of each sentence [N]")
        story = getattr(batch, "batch", None)
        if story is None:
            story = length.new_zeros(len(words), dtype=torch.long)
        sentence = self._encode(words, length)
        nodes = sequence_to_nodes(sentence, story)
        assert nodes.pos is not None
        index = nodes.pos[:, 0].long()
        place = self.places(index, nodes.batch, nodes.x.dtype)
        return nodes._replace(x=torch.cat([nodes.x, place], dim=1))

    def _encode(self, words: Tensor, length: Tensor) -> Tensor:
        """Encode the sentences, each different one once."""
        known = words.dim() == 2 and length.shape == words.shape[:1]
        if not known or len(words) < 2 or torch.compiler.is_compiling():
            return self.encoder(words, length)
        size = self.encoder.vocab_size
        inside = torch.arange(words.size(1), device=words.device)
        own = words[inside < length.unsqueeze(1)]
        if checks_enabled(words) and len(own):
            low, high = own.aminmax()
            if int(low) < 0 or int(high) >= size:
                return self.encoder(words, length)  # which says what is wrong
        row, first = distinct_rows(words, length, size)
        return self.encoder(words[first], length[first])[row]


class SentenceWords(nn.Module):
    r"""Every word of a story is an object, with its place and its sentence's.

    .. math::
        \mathbf{o}_{ut} = \Big[\mathbf{E}_{w_{ut}} ; \tfrac{2t}{L_u - 1} - 1
        ; \tfrac{2u}{S - 1} - 1 ; \mathbf{p}_u\Big]

    of word t of :math:`L_u` in sentence u of S, where :math:`\mathbf{p}_u`, if
    any, is :class:`OneHotPlaces` of the sentence.

    Args:
        vocab_size: Number of words, padding included.
        channels: Width of a word. (default: ``32``)
        pad: Index of the padding word. (default: ``0``)
        num_places: Width of a sentence's one-hot index; the longest story
            must fit. (default: ``0``, none)

    Attributes:
        out_channels: Width of an object, ``channels + 2 + num_places``.

    Raises:
        TypeError: If a size is no integer.
        ValueError: As :class:`Words`.
    """

    def __init__(
        self,
        vocab_size: int,
        channels: int = 32,
        pad: int = 0,
        num_places: int = 0,
    ) -> None:
        super().__init__()
        self.words = Words(vocab_size, channels, pad)
        self.places = OneHotPlaces(num_places)
        self.out_channels = channels + 2 + num_places

    def reset_parameters(self) -> None:
        """Draw all parameters anew."""
        reset(self.words)

    def forward(self, batch: Any) -> Nodes:
        """Make objects of the words of a batch.

        Args:
            batch: As of :class:`Sentences`.

        Returns:
            ``x [N, out_channels]``, the words of all sentences in order;
            ``pos [N, 2]``, the index of the sentence and of the word in it.

        Raises:
            TypeError: If a field is not an integer tensor.
            ValueError: As :class:`Words` and :class:`Sentences`.
        """
        nodes = self.words(batch)
        story = getattr(batch, "batch", None)
        count = len(batch.words)
        if story is None:
            story = nodes.batch.new_zeros(count)
        told = sequence_to_nodes(nodes.x.new_zeros(count, 0), story)
        assert nodes.pos is not None
        assert told.pos is not None
        sentence = nodes.batch
        index, own = told.pos[sentence], told.batch[sentence]
        place = self.places(index[:, 0].long(), own, nodes.x.dtype)
        return Nodes(
            torch.cat([nodes.x, told.x[sentence], place], dim=1),
            own,
            torch.cat([index, nodes.pos], dim=1),
        )


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


def distinct_rows(
    words: Tensor, length: Tensor, size: int
) -> tuple[Tensor, Tensor]:
    """Which rows of padded texts are the same.

    A row's words are digits to the base ``size``; where the number would not
    fit 63 bits, it is first replaced by its rank.

    Args:
        words: Indices below ``size``, ``[N, T]``; what stands after a text's
            end does not count.
        length: Words of each text, ``[N]``.
        size: Number of words.

    Returns:
        Of each row its number among the different ones, ``[N]``, and of each
        of these a row that it is, ``[D]``.
    """
    steps = torch.arange(words.size(1), device=words.device)
    words = words.long() * (steps < length.unsqueeze(1))
    row, bound = length.long(), words.size(1) + 1
    for column in words.unbind(1):
        if bound > 2**62 // size:
            row = row.unique(return_inverse=True)[1]
            bound = len(row)
        row, bound = row * size + column, bound * size
    different, row = row.unique(return_inverse=True)
    first = row.new_empty(len(different))
    first[row] = torch.arange(len(row), device=row.device)
    return row, first
