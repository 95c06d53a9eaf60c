"""From a batch to answers: objects, questions, and any model of them."""

import inspect
from typing import Any

from torch import Tensor, nn
from torch_geometric.nn.inits import reset

from rn_graph.checks import check_index
from rn_graph.encoders.fields import field
from rn_graph.encoders.objects import Nodes


class SceneQA(nn.Module):
    r"""Objects and questions of a batch, given to a model that answers.

    .. math::
        \mathrm{answer} = \mathrm{model}\big(\mathrm{objects}(B),
        \mathrm{encoder}(B)\big)

    A model never knows whether its objects were pixels, words or states. They
    are made once a scene, however many questions there are about it.

    .. code-block:: python

        objects = Cells(ConvNet(3), in_channels=3)
        encoder = VectorQuestion(11)
        model = RelationNetwork(objects.out_channels, 10, encoder.out_channels)
        scores = SceneQA(objects, encoder, model)(batch)

    Args:
        objects: Maps a batch to objects, ``forward(batch) -> Nodes``, as
            those of :mod:`rn_graph.encoders`.
        encoder: Maps fields of the batch to questions ``[Q, C]``: those that
            its attribute ``fields`` names, or else ``tokens`` and ``length``.
            ``None``: there are no questions, each scene is answered alike
            whoever asks.
        model: Maps objects and questions to answers, called as all of
            :mod:`rn_graph.models` are.

    Raises:
        TypeError: If one of them is no module.
    """

    def __init__(
        self,
        objects: nn.Module,
        encoder: nn.Module | None,
        model: nn.Module,
    ) -> None:
        super().__init__()
        parts = {"objects": objects, "encoder": encoder, "model": model}
        for name, part in parts.items():
            optional = name == "encoder" and part is None
            if not optional and not isinstance(part, nn.Module):
                raise TypeError(
                    f"`{name}` is {part!r}, expected a torch.nn.Module"
                    f"{' or None' if name == 'encoder' else ''}"
                )
        self.objects = objects
        self.encoder = encoder
        self.model = model

    def reset_parameters(self) -> None:
        """Draw all parameters anew."""
        for module in self.children():
            reset(module)

    def encode(self, batch: Any) -> tuple[Nodes, Tensor | None]:
        """Make a batch's objects and questions, as the model is given them.

        Args:
            batch: As of :meth:`forward`.

        Returns:
            The objects of all scenes, and questions ``[Q, C]``, or ``None``
            without an encoder.

        Raises:
            TypeError: If a field is of the wrong type.
            ValueError: If one is missing, or does not fit.
        """
        nodes: Nodes = self.objects(batch)
        if self.encoder is None:
            return nodes, None
        names = getattr(self.encoder, "fields", ("tokens", "length"))
        expected = f"what `encoder` reads, {', '.join(names)}"
        question = self.encoder(*(field(batch, n, expected) for n in names))
        return nodes, question

    def forward(self, batch: Any) -> Tensor:
        """Answer the questions of a batch.

        Args:
            batch: Anything with the fields that ``objects`` and ``encoder``
                read, and, where there are any, ``question_batch [Q]``, the
                scene of each question (else one question a scene), and given
                edges, ``edge_index [2, E]`` and ``edge_attr [E, D]``, for a
                model that takes them, or for ``objects`` that read them
                (with a true ``reads_edges``).

        Returns:
            Scores of the answers, ``[Q, out_channels]``; one row a scene
            where there are neither questions nor ``question_batch``.

        Raises:
            TypeError: If a field is of the wrong type.
            ValueError: If one is missing, does not fit, or is one of given
                edges that the model would ignore.
        """
        edges = self.edges(batch)
        nodes, question = self.encode(batch)
        scene = getattr(batch, "question_batch", None)
        if question is None:
            scores: Tensor = self.model(
                nodes.x, None, nodes.batch, None, nodes.pos, **edges
            )
            if scene is None:
                return scores
            # A model that answers in steps gives [steps, scenes, answers].
            check_index("batch.question_batch", scene, upper=scores.size(-2))
            return scores.index_select(-2, scene)
        scores = self.model(
            nodes.x, question, nodes.batch, scene, nodes.pos, **edges
        )
        return scores

    def edges(self, batch: Any) -> dict[str, Tensor]:
        """Given edges of a batch, by the name of the model's argument."""
        edges = {
            name: value
            for name in ("edge_index", "edge_attr")
            if (value := getattr(batch, name, None)) is not None
        }
        if not edges or getattr(self.objects, "reads_edges", False):
            return {}
        takes = inspect.signature(self.model.forward).parameters
        for name in edges:
            if name not in takes:
                raise ValueError(
                    f"`batch.{name}` is given, but {type(self.model).__name__} "
                    f"takes no edges: expected None, or a model whose "
                    f"`forward` has `{name}`"
                )
        return edges
