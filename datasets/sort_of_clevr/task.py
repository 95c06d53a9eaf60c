"""Sort-of-CLEVR as a task: six coloured objects on white."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor
from torch_geometric.data import Batch

from datasets.draw import LIGHT, draw_pairs, panels
from datasets.pictures import name_cells, read_picture
from datasets.sort_of_clevr.augment import Augmentation
from datasets.sort_of_clevr.generate import (
    GENERATOR_VERSION,
    generate,
    make_chunk,
)
from datasets.sort_of_clevr.scenes import IMAGE_SIZE, NUM_OBJECTS, OBJECT_SIZE
from datasets.sort_of_clevr.vocabulary import (
    ANSWERS,
    ATTRIBUTES,
    CATEGORIES,
    COLORS,
    QUESTION_TYPES,
    SHAPES,
)
from datasets.sort_of_clevr.words import parse_question, question_words
from datasets.store import Schema, StoreWriter
from datasets.task import SPLITS, Data, Source, Task
from rn_graph.pairs import PairSelection

_SIZES = [(IMAGE_SIZE, IMAGE_SIZE)]

SCHEMA = Schema(
    task="sort_of_clevr",
    objects=("images", "states"),
    question="vector",
    answers=ANSWERS,
    question_types=QUESTION_TYPES,
    families=tuple(f"{c}_{t}" for c in COLORS for t in QUESTION_TYPES),
    attributes=tuple(ATTRIBUTES.items()),
    support=True,
)


@dataclass
class SortOfClevrData(Data):
    """Sort-of-CLEVR's pictures, with 20 questions about each.

    Args:
        objects: What the objects are: `images`, the cells of a CNN's map of
            the picture; `states`, colour, shape and place of the six; or
            `maps` that a trained CNN gave, in `stores`.
    """

    train: int = 9800
    val: int = 1000
    test: int = 1000
    objects: Literal["images", "states", "maps"] = "images"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.objects == "maps" and self.stores is None:
            raise ValueError(
                "`data.objects` is maps without `data.stores`: expected stores "
                "that `python -m experiments features` wrote"
            )


@dataclass(frozen=True)
class Picture:
    """A picture, with what is known of its objects.

    Attributes:
        image: Bytes, ``[75, 75, 3]``.
        codes: Colour and shape of each object ``[6, 2]``; ``None`` if unknown.
        pos: Their places, ``[6, 2]``.
    """

    image: np.ndarray
    codes: np.ndarray | None = None
    pos: np.ndarray | None = None


class SortOfClevr(Task):
    """Relational and other questions (Santoro et al. 2017, section 3.3)."""

    name = "sort_of_clevr"
    title = "Sort-of-CLEVR"
    version = GENERATOR_VERSION
    settings = SortOfClevrData
    schema = SCHEMA
    headline = tuple(CATEGORIES)
    categories = CATEGORIES | {kind: (kind,) for kind in QUESTION_TYPES}
    example = "what is the shape of the object closest to the red object?"

    def make(self, settings: SortOfClevrData, folder: Path) -> None:
        """Draw the pictures, and write them into stores."""
        for split in SPLITS:
            path = folder / f"{split}.h5"
            if path.exists():
                continue
            count = getattr(settings, split)
            with StoreWriter(
                path,
                SCHEMA,
                split=split,
                source="Sort-of-CLEVR as rn_graph makes it",
                info={
                    "version": self.version,
                    "seed": settings.seed,
                    "scenes": count,
                },
            ) as writer:
                # Starting processes takes longer than making a few.
                workers = 1 if count < 5000 else None
                for chunk in generate(count, settings.seed, split, workers):
                    writer.add_scenes(
                        writer.num_scenes + np.arange(chunk.num_scenes),
                        num_objects=np.full(chunk.num_scenes, NUM_OBJECTS),
                        x=chunk.codes,
                        pos=chunk.pos,
                        image=chunk.image,
                    )
                    writer.add_questions(
                        chunk.scene,
                        chunk.answer,
                        chunk.question_type,
                        chunk.family,
                        vector=chunk.vector,
                        num_support=chunk.num_support,
                        support=chunk.support,
                    )

    def seen(self, settings: SortOfClevrData) -> str:
        """Say what is given of a scene."""
        if settings.objects == "images":
            return "a scene's picture of 75×75 pixels"
        if settings.objects == "maps":
            return "what a trained CNN makes of a scene's picture"
        return "colour, shape and place of a scene's objects, not its picture"

    def node_features(
        self, settings: SortOfClevrData
    ) -> Callable[[Tensor, Tensor], Tensor]:
        """Colour and shape, one-hot, and the place."""
        return _node_features

    def group(self, family: int) -> str:
        """The type that a family is of: it asks so about one colour."""
        return QUESTION_TYPES[family % len(QUESTION_TYPES)]

    def augmentation(
        self, settings: SortOfClevrData
    ) -> Callable[[Batch], Batch]:
        """Other colours, and the eight symmetries of a square."""
        if settings.objects == "maps":
            return super().augmentation(settings)
        return Augmentation()

    def find_scene(self, source: Source, settings: Any) -> Picture:
        """A picture's file, or a picture that is made."""
        if source.objects not in (0, NUM_OBJECTS):
            raise ValueError(
                f"`objects` is {source.objects}, expected {NUM_OBJECTS}: "
                f"every picture of {self.title} has so many"
            )
        if source.image is not None and source.scene is None:
            return Picture(read_picture(source.image, _SIZES))
        if source.scene is None:
            made = make_chunk(source.seed, "test", source.index, 1)
            return Picture(made.image[0], made.codes, made.pos)
        if source.image is not None or source.index:
            raise ValueError(
                "`image` or `index` is given with `scene`, expected it alone: "
                "it is the file of a picture"
            )
        return Picture(read_picture(source.scene, _SIZES))

    def batch(
        self, scene: Picture, question: str, settings: SortOfClevrData
    ) -> Batch:
        """The picture, or its objects, and the question's bits."""
        bits = torch.from_numpy(parse_question(question)).float().view(1, -1)
        one = torch.zeros(1, dtype=torch.long)
        if settings.objects == "images":
            image = torch.from_numpy(scene.image.copy()).permute(2, 0, 1)
            return Batch(
                image=image[None] / 255, vector=bits, question_batch=one
            )
        if settings.objects == "maps":
            raise ValueError(
                "the model is given what another one's CNN made of pictures: "
                "expected a run on images or states"
            )
        if scene.codes is None or scene.pos is None:
            raise ValueError(
                "the model is given objects, not pictures: expected a scene "
                "that is made, without `scene`"
            )
        pos = torch.from_numpy(scene.pos)
        x = _node_features(torch.from_numpy(scene.codes), pos)
        row = torch.zeros(len(x), dtype=torch.long)
        return Batch(x=x, pos=pos, batch=row, vector=bits, question_batch=one)

    def words(self, batch: Batch, question: int) -> str:
        """The sentence of a question's bits."""
        return question_words(batch.vector[question].byte().numpy())

    def objects(
        self, scene: Picture, settings: SortOfClevrData, pos: Tensor | None
    ) -> list[str]:
        """Colour and shape; of cells their place, and what stands there."""
        if scene.codes is None or scene.pos is None:
            return []
        names = [f"{COLORS[c]} {SHAPES[s]}" for c, s in scene.codes]
        if settings.objects == "states" or pos is None:
            return names
        places = (scene.pos + 1) / 2
        return name_cells(names, places, round(len(pos) ** 0.5))

    def draw(
        self,
        scene: Picture,
        settings: SortOfClevrData,
        chosen: Mapping[str, PairSelection],
        pos: Tensor | None,
        title: str | None = None,
    ) -> Figure:
        """Draw pairs over the picture: of objects, or of cells."""
        assert pos is not None
        places = (pos.numpy() + 1) / 2
        radius = OBJECT_SIZE / 2
        if settings.objects != "states":
            # Coordinates run from the first cell's middle to the last one's.
            side = round(len(pos) ** 0.5)
            places = (places * (side - 1) + 0.5) / side
            radius = 0.12 * IMAGE_SIZE / side
        paint = partial(_paint, scene.image, IMAGE_SIZE * places, radius)
        return panels(
            chosen, [(4.25, paint)], len(places), (), title, color=LIGHT
        )


def _paint(
    image: np.ndarray,
    places: np.ndarray,
    radius: float,
    axes: Axes,
    pairs: PairSelection,
) -> None:
    axes.imshow(image, extent=(0, IMAGE_SIZE, IMAGE_SIZE, 0))
    radii = np.full(len(places), radius)
    draw_pairs(axes, places, radii, pairs, LIGHT, "black")
    axes.set(xticks=[], yticks=[])


def _node_features(codes: Tensor, pos: Tensor) -> Tensor:
    codes = codes.long()
    parts = [
        torch.eye(len(values), device=codes.device)[codes[:, i]]
        for i, values in enumerate(ATTRIBUTES.values())
    ]
    return torch.cat([*parts, pos], dim=1)


TASK = SortOfClevr()
