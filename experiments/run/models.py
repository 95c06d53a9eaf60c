"""The models that can be compared. To add one, add an entry to ``MODELS``."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from datasets.messages import nearest
from experiments.ranges import Size, Width
from rn_graph import GNN, DeepSets, QuestionOnly, RelationNetwork, SceneQA
from rn_graph.encoders import (
    Cells,
    ConvNet,
    Nodes,
    QuestionEncoder,
    ResidualNet,
    Sentences,
    SentenceWords,
    States,
    VectorQuestion,
    WithNeighbors,
)
from rn_graph.models import (
    FiLM,
    JoinedMLP,
    RecurrentRelationNetwork,
    SequenceLSTM,
    Set2Set,
    StackedAttention,
)
from rn_graph.pairs import AttentionPairs, KNNPairs, RandomPairs

if TYPE_CHECKING:
    from experiments.config import ModelConfig


@dataclass(frozen=True)
class Inputs:
    """What models are given and asked, as the data say.

    Args:
        objects: Kind of the objects: `states`, `images`, `maps`, `sentences`.
        channels: Width of an object's features; of pictures and maps, their
            channels; of sentences, the number of words.
        answers: Number of answers.
        most: Objects of the largest scene; 0 where a CNN's cells are objects.
        size: Height and width of pictures and maps.
        words: Number of words that questions are made of; 0: none.
        vector: Width of questions that are vectors; 0: they are none.
        edges: Width of the features of given edges; 0: edges without;
            ``None``: there are none.
    """

    objects: str
    channels: Size
    answers: Width
    most: Size = 0
    size: tuple[Width, Width] | None = None
    words: Size = 0
    vector: Size = 0
    edges: Size | None = None

    def __post_init__(self) -> None:
        if self.size is not None:  # JSON has lists
            object.__setattr__(self, "size", tuple(self.size))


@dataclass(frozen=True)
class Plan:
    """What a model is built from.

    Args:
        sizes: Sizes that all models share.
        inputs: What it is given and asked.
        hidden_channels: Hidden width.
        depth: Layers, where that is tuned.
        share: Share of the pairs to keep, where pairs are selected.
        degrees: Nodes of the training graphs by their number of edges, where
            a layer scales by it.
    """

    sizes: ModelConfig
    inputs: Inputs
    hidden_channels: int
    depth: int | None = None
    share: float | None = None
    degrees: list[int] | None = None

    @property
    def question_channels(self) -> int | None:
        """Width of a question; ``None`` without questions."""
        if self.inputs.words:
            return self.sizes.question_channels
        return self.inputs.vector or None


Build = Callable[[Plan], nn.Module]


@dataclass(frozen=True)
class ModelSpec:
    """A model of the comparison.

    Args:
        label: Its name in tables and plots.
        build: Makes it; ``None`` for the model that is counted, not trained.
        matched: Whether it must have as many parameters as the reference.
        tuned: Whether its depth is one of ``depths``.
        distilled: Whether it learns its pairs from itself on all of them,
            while `train.shrink_steps` last.
        selects: Whether it sums over a share of the pairs: it is then trained
            once for each of ``shares``.
        degrees: Whether it needs the degrees of the training graphs.
        cells: Whether its objects must be cells, of pictures or of maps: it
            is only trained where it is asked for.
        multiple_of: Its hidden width is a multiple of this.
    """

    label: str
    build: Build | None
    matched: bool = True
    tuned: bool = False
    selects: bool = False
    distilled: bool = False
    degrees: bool = False
    cells: bool = False
    multiple_of: int = 1


def objects_of(plan: Plan) -> nn.Module:
    """What makes a scene's objects, the same before every model.

    Args:
        plan: Sizes, and the kind of the objects.
    """
    sizes, inputs = plan.sizes, plan.inputs
    if inputs.objects == "images":
        shape = inputs.channels, sizes.cnn_channels
        blocks = sizes.cnn_blocks
        cnn = ResidualNet(*shape, blocks) if blocks else ConvNet(*shape)
        return Cells(cnn, inputs.channels)
    if inputs.objects == "maps":
        # What an object says of itself, of no more channels than a cell has.
        cell = nn.Conv2d(inputs.channels, sizes.cnn_channels[-1], 1)
        return Cells(cell, inputs.channels)
    if inputs.objects == "sentences":
        words, places = inputs.channels, sizes.sentence_places
        if 0 < places < inputs.most:
            raise ValueError(
                f"`model.sentence_places` is {places}, expected 0 or at least "
                f"{inputs.most}, the sentences of the longest story that are "
                f"read"
            )
        embedding = sizes.embedding_channels
        if sizes.text_objects == "words":
            return SentenceWords(words, embedding, num_places=places)
        return Sentences(
            words,
            embedding,
            sizes.sentence_channels,
            heads=sizes.question_heads,
            num_places=places,
        )
    return States(inputs.channels)


def _check_objects(plan: Plan, what: str, *kinds: str) -> None:
    """Check that a model's objects are of a kind that it can be given.

    Raises:
        ValueError: If they are not; it names the model as ``what``.
    """
    kind = plan.inputs.objects
    if kind not in kinds:
        raise ValueError(
            f"`models` has one with {what}, expected none: the objects are "
            f"{kind}, not {' or '.join(kinds)}"
        )


def _told_of_edges(plan: Plan, objects: nn.Module) -> nn.Module:
    """Objects for a model that takes no edges: they know their neighbours."""
    edges = plan.inputs.edges
    return objects if edges is None else WithNeighbors(objects, edges)


def _channels(
    plan: Plan,
    before: Callable[[Plan, nn.Module], nn.Module] = lambda _, objects: objects,
) -> int:
    with torch.device("meta"):  # asked for their width alone
        objects = before(plan, objects_of(plan))
    width: int = objects.out_channels  # type: ignore[assignment]
    return width


def _common(plan: Plan) -> dict[str, Any]:
    return {
        "out_channels": plan.inputs.answers,
        "question_channels": plan.question_channels,
        "readout_channels": plan.sizes.readout_channels,
        "readout_dropout": plan.sizes.dropout,
    }


def _answering(
    plan: Plan, model: nn.Module, objects: nn.Module | None = None
) -> nn.Module:
    """Objects and questions before a model."""
    sizes, inputs = plan.sizes, plan.inputs
    encoder: nn.Module | None = None
    if inputs.words:
        encoder = QuestionEncoder(
            inputs.words,
            sizes.embedding_channels,
            sizes.question_channels,
            heads=sizes.question_heads,
        )
    elif inputs.vector:
        encoder = VectorQuestion(inputs.vector, sizes.question_scale)
    return SceneQA(objects or objects_of(plan), encoder, model)


def _relation_network(
    pairs: Callable[[Plan], nn.Module] | None, **options: Any
) -> Build:
    def build(plan: Plan) -> nn.Module:
        model = RelationNetwork(
            _channels(plan),
            hidden_channels=plan.hidden_channels,
            num_layers=plan.sizes.num_layers,
            question_layer=plan.sizes.question_layer,
            object_layers=plan.sizes.object_layers,
            object_sum=plan.sizes.object_sum,
            aggr=plan.sizes.aggr,
            norm=plan.sizes.norm or None,
            pairs=None if pairs is None else pairs(plan),
            # The paper's f is not given the question; every model's is here.
            question_in_readout=True,
            edge_channels=plan.inputs.edges,
            **options,
            **_common(plan),
        )
        return _answering(plan, model)

    return build


def _symmetric(plan: Plan) -> nn.Module:
    """RN whose g weighs both objects alike.

    Its first layer sees their sum, of raw objects no difference: a layer of
    each object comes before.
    """
    layers = max(1, plan.sizes.object_layers)
    plan = replace(plan, sizes=replace(plan.sizes, object_layers=layers))
    return _relation_network(None, symmetric=True)(plan)


def _paper_sized(plan: Plan) -> nn.Module:
    """RN as wide and as deep as in Santoro et al., section 4."""
    sizes = replace(plan.sizes, num_layers=4, readout_channels=[256, 256])
    plan = replace(plan, sizes=sizes, hidden_channels=256)
    return _relation_network(None)(plan)


def _recurrent(plan: Plan) -> nn.Module:
    model = RecurrentRelationNetwork(
        _channels(plan),
        hidden_channels=plan.hidden_channels,
        num_layers=plan.sizes.num_layers,
        num_steps=plan.sizes.num_steps,
        question_in_readout=True,
        edge_channels=plan.inputs.edges,
        **_common(plan),
    )
    return _answering(plan, model)


def _attention_pairs(plan: Plan, **options: Any) -> nn.Module:
    seen = plan.hidden_channels if plan.sizes.object_layers else 0
    return AttentionPairs(
        _channels(plan) + seen,
        plan.question_channels,
        share=plan.share,
        # Cheap beside g, also where g is small.
        hidden_channels=min(64, plan.sizes.hidden_channels),
        **options,
    )


def _distilled_pairs(plan: Plan) -> nn.Module:
    # g may need a pair in one direction alone.
    return _attention_pairs(plan, gate=False, symmetric=False, noise=0.0)


def near_pairs(plan: Plan) -> nn.Module:
    """The nearest pairs of two objects, for RN as for the GNNs.

    An object's pair with itself is the nearest of all, and would take a small
    budget whole.
    """
    return KNNPairs(share=plan.share, self_pairs=False)


def _gnn(conv: str, near: bool) -> Build:
    def build(plan: Plan) -> nn.Module:
        degrees = plan.degrees
        model = GNN(
            conv,
            _channels(plan),
            hidden_channels=plan.hidden_channels,
            num_layers=plan.depth or 1,
            object_layers=plan.sizes.object_layers,
            pairs=near_pairs(plan) if near else None,
            edge_channels=plan.inputs.edges,
            deg=None
            if degrees is None
            else torch.tensor(degrees, device="cpu"),
            **_common(plan),
        )
        return _answering(plan, model)

    return build


def _set_model(kind: type[DeepSets] | type[Set2Set]) -> Build:
    def build(plan: Plan) -> nn.Module:
        model = kind(
            _channels(plan, _told_of_edges),
            hidden_channels=plan.hidden_channels,
            num_layers=plan.sizes.num_layers,
            **_common(plan),
        )
        return _answering(plan, model, _told_of_edges(plan, objects_of(plan)))

    return build


def _sequence(plan: Plan) -> nn.Module:
    model = SequenceLSTM(
        _channels(plan, _told_of_edges),
        hidden_channels=plan.hidden_channels,
        **_common(plan),
    )
    return _answering(plan, model, _told_of_edges(plan, objects_of(plan)))


def _joined(plan: Plan) -> nn.Module:
    if plan.sizes.text_objects == "words":
        raise ValueError(
            "`models` has an MLP of all objects joined, expected none: "
            "`model.text_objects` is words, of which stories have too many"
        )
    model = JoinedMLP(
        _channels(plan, _told_of_edges),
        num_objects=num_objects(plan),
        hidden_channels=plan.hidden_channels,
        num_layers=plan.sizes.num_layers,
        **_common(plan),
    )
    return _answering(plan, model, _told_of_edges(plan, objects_of(plan)))


def _residual_joined(plan: Plan) -> nn.Module:
    """MLP behind a CNN with residual blocks: four, where none are given."""
    _check_objects(plan, "a residual CNN", "images")
    blocks = plan.sizes.cnn_blocks or 4
    return _joined(replace(plan, sizes=replace(plan.sizes, cnn_blocks=blocks)))


def _stacked_attention(plan: Plan) -> nn.Module:
    model = StackedAttention(
        _channels(plan, _told_of_edges),
        hidden_channels=plan.hidden_channels,
        question_in_readout=True,
        **_common(plan),
    )
    return _answering(plan, model, _told_of_edges(plan, objects_of(plan)))


def _film(plan: Plan) -> nn.Module:
    _check_objects(plan, "convolutions over cells", "images", "maps")
    model = FiLM(
        _channels(plan),
        hidden_channels=plan.hidden_channels,
        question_in_readout=True,
        **_common(plan),
    )
    return _answering(plan, model)


def num_objects(plan: Plan) -> int:
    """Objects of the largest scene: cells of a picture, or states."""
    size = plan.inputs.size
    if size is None:
        return plan.inputs.most
    if plan.inputs.objects == "images":
        for _ in plan.sizes.cnn_channels:
            size = (size[0] + 1) // 2, (size[1] + 1) // 2
    return size[0] * size[1]


class Unseen(nn.Module):
    """Nothing of the scenes, for a model that only reads the questions."""

    reads_edges = True  # and forgets them

    def forward(self, batch: Any) -> Nodes:
        """As many objects as questions, without features."""
        scene: torch.Tensor = batch.question_batch
        count = len(scene)
        rows = torch.arange(count, device=scene.device)
        return Nodes(torch.zeros(count, 0, device=scene.device), rows)


def _question_only(plan: Plan) -> nn.Module:
    if plan.question_channels is None:
        raise ValueError(
            "`models` has one that only reads the question, expected none: "
            "the task has no questions"
        )
    return _answering(plan, QuestionOnly(**_common(plan)), Unseen())


#: Layers → label; those with heads need widths that these divide.
_GNNS = {
    "gcn": "GCN",
    "sage": "GraphSAGE",
    "gin": "GIN",
    "gatv2": "GATv2",
    "edge": "EdgeConv",
    "transformer": "TransformerConv",
    "pna": "PNA",
    "rnconv": "RNConv",
}


def _gnn_specs(near: bool) -> dict[str, ModelSpec]:
    return {
        f"{conv}_knn" if near else conv: ModelSpec(
            f"{label}, nearest pairs" if near else label,
            _gnn(conv, near),
            tuned=True,
            selects=near,
            degrees=conv == "pna",
            multiple_of=4 if conv in ("gatv2", "transformer") else 1,
        )
        for conv, label in _GNNS.items()
    }


#: Name on the command line → model, in the order of the table.
MODELS: dict[str, ModelSpec] = {
    "rn": ModelSpec("RN, all pairs", _relation_network(None)),
    "rn_knn": ModelSpec(
        "RN, nearest pairs",
        _relation_network(near_pairs),
        selects=True,
    ),
    "rn_random": ModelSpec(
        "RN, random pairs",
        _relation_network(lambda plan: RandomPairs(share=plan.share)),
        selects=True,
    ),
    "rn_attention": ModelSpec(
        "RN, learned pairs", _relation_network(_attention_pairs), selects=True
    ),
    "rn_distilled": ModelSpec(
        "RN, distilled pairs",
        _relation_network(_distilled_pairs),
        selects=True,
        distilled=True,
    ),
    "rn_symmetric": ModelSpec("RN, symmetric g", _symmetric),
    "rn_paper": ModelSpec("RN, the paper's size", _paper_sized, matched=False),
    "rn_recurrent": ModelSpec("Recurrent RN", _recurrent),
    **_gnn_specs(near=False),
    **_gnn_specs(near=True),
    "deep_sets": ModelSpec("Deep Sets", _set_model(DeepSets)),
    "set2set": ModelSpec("Set2Set", _set_model(Set2Set)),
    "sequence": ModelSpec("LSTM over the objects", _sequence),
    "stacked_attention": ModelSpec(
        "Stacked attention, 2 hops", _stacked_attention
    ),
    "mlp": ModelSpec("MLP of all objects joined", _joined),
    "residual_mlp": ModelSpec(
        "MLP of all cells joined, residual CNN",
        _residual_joined,
        # Its convolutions alone are more than the reference model is.
        matched=False,
        cells=True,
    ),
    "film": ModelSpec("FiLM, 4 residual blocks", _film, cells=True),
    "lstm": ModelSpec("Question only", _question_only, matched=False),
    "most_frequent": ModelSpec(
        "Most frequent answer of the type", None, matched=False
    ),
}


def check_models(names: Iterable[str], among: Iterable[str] = MODELS) -> None:
    """Check that models are some of those that there are.

    Raises:
        ValueError: If one is not.
    """
    known = list(among)
    for name in names:
        if name not in known:
            raise ValueError(
                f"unknown model {name!r}: expected some of {', '.join(known)}"
                f"{nearest(name, known)}"
            )


def label(name: str, share: float | None, depth: int | None) -> str:
    """What tables and plots call a model with its budget and depth."""
    text = MODELS[name].label
    if share is not None:
        text += f" ({100 * share:g} %)"
    if depth is not None:
        text += f", {layers(depth)}"
    return text


def layers(depth: int) -> str:
    """A number of layers, in words."""
    return f"{depth} {'layer' if depth == 1 else 'layers'}"
