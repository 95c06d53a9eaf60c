"""Draw a scene and the pairs that each selection keeps.

``python -m experiments draw_pairs --scene FILE --index 0 --out pairs.png``
"""

import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

import matplotlib.pyplot as plt
import torch
from matplotlib.figure import Figure
from torch import Tensor

from datasets.clevr.draw import from_above, legend, over_image
from datasets.clevr.features import (
    FeatureForm,
    attribute_tables,
    node_features,
)
from datasets.clevr.layout import iter_scenes
from datasets.clevr.scenes import generate_scene
from datasets.clevr.vocabulary import ATTRIBUTES, encode_tokens, tokenize
from experiments.cli import parse
from experiments.report.plots import write_figure
from experiments.run.runs import Run, load_model
from rn_graph import RelationNetwork
from rn_graph.explain import OverEdges
from rn_graph.pairs import (
    AllPairs,
    AttentionPairs,
    KNNPairs,
    PairSelection,
    PairSelector,
    RadiusPairs,
    RandomPairs,
)

PROG = "python -m experiments draw_pairs"
SELECTIONS = ("all", "nearest", "radius", "random", "attention")


@dataclass
class DrawConfig:
    """Draw a scene, seen from above and as a picture, with chosen pairs.

    Args:
        scene: A file of scenes, as in
            `CLEVR_v1.0/scenes/CLEVR_val_scenes.json`; without, a scene is
            generated.
        index: Which scene of the file, from 0.
        image: Folder of the scenes' pictures, as in
            `CLEVR_v1.0/images/val`; with it, pairs are also drawn over the
            picture.
        out: Where the picture is written, PNG, PDF or SVG by its ending.
        selections: Which to draw, in a list or separated by commas: some of
            all, nearest, radius, random, attention.
        k: Pairs that each object receives; all of them for `all`.
        share: Instead of k: share of all pairs that is kept, in (0, 1].
        r: Largest distance of the pairs of `radius`.
        run: Folder of a run with learned pairs, as in
            `runs/quick/rn_attention/seed-0`, whose choice `attention` shows;
            without, it shows an untrained one.
        question: The question that the run's choice depends on.
        objects: Objects of a generated scene.
        seed: Seed of the generated scene, of random pairs, and of untrained
            attention.
    """

    scene: str | None = None
    index: int = 0
    image: str | None = None
    out: str = "pairs.png"
    selections: str | list[str] = field(
        default_factory=lambda: ["all", "nearest", "random", "attention"]
    )
    k: int = 2
    share: float | None = None
    r: float = 2.0
    run: str | None = None
    question: str | None = None
    objects: int = 7
    seed: int = 0

    def __post_init__(self) -> None:
        if isinstance(self.selections, str):
            self.selections = [s.strip() for s in self.selections.split(",")]
        for name in self.selections:
            if name not in SELECTIONS:
                raise ValueError(
                    f"unknown selection {name!r}: expected some of "
                    f"{', '.join(SELECTIONS)}"
                )
        if not self.selections:
            raise ValueError("`selections` is empty, expected at least one")
        if self.index < 0:
            raise ValueError(f"`index` is {self.index}, expected at least 0")
        if (self.run is None) != (self.question is None):
            raise ValueError(
                "expected `run` and `question` together: a trained choice "
                "depends on the question"
            )
        if self.image is not None and self.scene is None:
            raise ValueError(
                "`image` is given without `scene`: a generated scene has no "
                "picture"
            )

    @property
    def budget(self) -> dict[str, Any]:
        """The budget of every selection."""
        return {"k": self.k} if self.share is None else {"share": self.share}


def read_scene(path: str, index: int) -> dict[str, Any]:
    """Read one scene of a file.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it has no such scene, or is malformed.
    """
    scene = next(islice(iter_scenes(path), index, None), None)
    if scene is None:
        raise ValueError(f"`index` is {index}, but {path} has fewer scenes")
    return scene


def find_scene(
    path: str | None, index: int, objects: int, seed: int
) -> dict[str, Any]:
    """Read a scene of a file, or generate one where there is no file.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it has no such scene, or no scene has so many objects.
    """
    if path is not None:
        return read_scene(path, index)
    return generate_scene(
        Random(seed), min_objects=objects, max_objects=objects
    )


def find_image(folder: str | None, scene: Mapping[str, Any]) -> Any:
    """Read a scene's picture; ``None`` where there is no folder of them.

    Raises:
        FileNotFoundError: If the folder does not hold it.
    """
    if folder is None:
        return None
    path = Path(folder) / scene["image_filename"]
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} is missing: `image` is {folder!r}, expected the folder "
            f"that holds it"
        )
    try:
        return plt.imread(path)
    except (SyntaxError, ValueError) as error:  # what Pillow raises
        raise ValueError(f"{path} is no picture: {error}") from None


def objects_of(
    scene: Mapping[str, Any], form: FeatureForm = "onehot"
) -> tuple[Tensor, Tensor]:
    """Features and positions of a scene's objects, ``[N, F]``, ``[N, 3]``."""
    objects = scene["objects"]
    codes = [[v.index(o[a]) for a, v in ATTRIBUTES.items()] for o in objects]
    pos = torch.tensor([o["3d_coords"] for o in objects]).view(-1, 3)
    table = attribute_tables(form)
    return node_features(torch.tensor(codes).view(-1, 4), pos, table), pos


def words_of(question: str) -> tuple[Tensor, Tensor]:
    """A question's words ``[1, T]`` and their number ``[1]``.

    Raises:
        ValueError: For a word outside of CLEVR's, or no words.
    """
    words = tokenize(question)
    if not words:
        raise ValueError("`question` has no words, expected a question")
    return torch.tensor([encode_tokens(words)]), torch.tensor([len(words)])


def choose_pairs(
    scene: Mapping[str, Any], config: DrawConfig
) -> dict[str, PairSelection]:
    """Run each selection on a scene: title → pairs."""
    x, pos = objects_of(scene)
    torch.manual_seed(config.seed)
    made: dict[str, tuple[str, PairSelector]] = {
        "all": ("all pairs", AllPairs()),
        "nearest": (
            "nearest",
            KNNPairs(**config.budget, self_pairs=False),
        ),
        "radius": (
            f"within {config.r:g}",
            RadiusPairs(config.r, self_pairs=False),
        ),
        "random": (
            "random",
            RandomPairs(**config.budget, seed=config.seed, self_pairs=False),
        ),
        "attention": (
            "attention, untrained",
            AttentionPairs(x.size(1), **config.budget, self_pairs=False),
        ),
    }
    chosen = {}
    for name in config.selections:
        if name == "attention" and config.run is not None:
            assert config.question is not None
            pairs = learned_pairs(scene, Path(config.run), config.question)
            chosen[Run.read(Path(config.run)).label] = pairs
            continue
        title, selector = made[name]
        with torch.no_grad():
            chosen[title] = selector.eval()(x, pos=pos)
    return chosen


def learned_pairs(
    scene: Mapping[str, Any], folder: Path, question: str
) -> PairSelection:
    """The pairs that a trained run keeps for a question.

    Raises:
        FileNotFoundError: If the folder is not a trained run's.
        ValueError: If its model has no learned pairs, or for a word outside
            of CLEVR's.
    """
    planned, model = load_model(folder)
    network = model.model
    if not isinstance(network, RelationNetwork) or not isinstance(
        network.pairs, AttentionPairs
    ):
        raise ValueError(
            f"{folder} is a run of {planned.model!r}, expected a model whose "
            f"pairs are learned"
        )
    x, pos = objects_of(scene, planned.data.features)
    with torch.no_grad():
        encoded = model.encoder(*words_of(question))
        return OverEdges(network).select(x, encoded, pos=pos)


def draw(
    scene: Mapping[str, Any],
    chosen: Mapping[str, PairSelection],
    image: Any = None,
    title: str | None = None,
) -> Figure:
    """Draw a scene once for each selection.

    Args:
        scene: A scene of the released form.
        chosen: Title → pairs.
        image: The scene's picture, ``[H, W, 3]``; ``None``: no second row.
        title: What stands above all.
    """
    count = len(chosen)
    if image is None:
        columns = math.ceil(math.sqrt(count))
        heights = [4.25] * math.ceil(count / columns)
    else:
        columns, heights = count, [4.25, 2.75]
    figure, grid = plt.subplots(
        len(heights),
        columns,
        figsize=(4 * columns, sum(heights) + (0.8 if title else 0.4)),
        height_ratios=heights,
        layout="constrained",
        squeeze=False,
    )
    objects = len(scene["objects"])
    cells = list(grid[0] if image is not None else grid.flat)
    for axes in cells[count:]:
        axes.axis("off")
    for i, (name, pairs) in enumerate(chosen.items()):
        from_above(cells[i], scene, pairs)
        cells[i].set_title(
            f"{name}  ·  {pairs.edge_index.size(1)} of {objects**2}",
            fontsize=12,
        )
        if image is not None:
            over_image(grid[1][i], scene, pairs, image)
    weighted = any(p.edge_weight is not None for p in chosen.values())
    figure.legend(
        handles=legend(weighted),
        loc="outside lower center",
        ncols=6 if columns > 1 else 2,
        columnspacing=1.3,
        handletextpad=0.5,
        frameon=False,
        fontsize=9.5,
    )
    if title:
        figure.suptitle(title, fontsize=13)
    return figure


def save(figure: Figure, path: Path, dpi: int = 110) -> None:
    """Write a figure whole or not at all; its ending says the format.

    Raises:
        ValueError: For an ending that matplotlib does not know.
    """
    kinds = figure.canvas.get_supported_filetypes()
    kind = path.suffix.lstrip(".").lower()
    if kind not in kinds:
        raise ValueError(
            f"`out` is {path.name!r}, expected a name that ends in one of "
            f"{', '.join(sorted(kinds))}"
        )
    write_figure(figure, path, dpi)


def main(argv: list[str]) -> None:
    """Read or generate the scene, choose pairs, draw."""
    config = parse(
        DrawConfig,
        argv,
        PROG,
        "Draw a scene from above, and over its picture where there is one, "
        "with the pairs that each selection keeps.",
    )
    scene = find_scene(config.scene, config.index, config.objects, config.seed)
    image = find_image(config.image, scene)
    chosen = choose_pairs(scene, config)
    save(draw(scene, chosen, image, config.question), Path(config.out))
    print(f"{config.out}: {len(scene['objects'])} objects", file=sys.stderr)
