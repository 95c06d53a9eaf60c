"""CLEVR as a task: questions about objects on a floor, or their picture."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any, Literal

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor
from torch_geometric.data import Batch

from datasets.clevr.augment import Augmentation
from datasets.clevr.camera import IMAGE_SIZE
from datasets.clevr.draw import draw
from datasets.clevr.families import load_families, select_families
from datasets.clevr.features import PICTURE_SCHEMA, FeatureForm, NodeFeatures
from datasets.clevr.generate import GENERATOR_VERSION, generate
from datasets.clevr.images import STORED_SIZE, picture_name, resample
from datasets.clevr.importer import import_folder
from datasets.clevr.layout import iter_scenes
from datasets.clevr.picture_augment import PictureAugmentation
from datasets.clevr.play import FILES, facts
from datasets.clevr.scenes import generate_scene
from datasets.clevr.vocabulary import (
    ATTRIBUTES,
    CATEGORIES,
    encode_tokens,
    tokenize,
)
from datasets.draw import LIGHT, draw_pairs, panels
from datasets.pictures import name_cells, read_picture
from datasets.task import SPLITS, Data, Page, Source, Task, in_range
from rn_graph.pairs import PairSelection


@dataclass
class ClevrData(Data):
    """CLEVR's scenes and questions, generated or imported.

    Args:
        questions_per_scene: Questions about each generated scene.
        families: Question families to ask, by their groups' names or global
            indices (0 to 89); empty means all 90.
        min_objects: Fewest objects of a generated scene.
        max_objects: Most of them; above 10 the floor grows.
        features: How an object's attributes are coded.
        objects: What the objects are: `states`, each with its attributes and
            place; `images`, the cells of a CNN's map of the rendered picture;
            or `maps` that a trained CNN gave, in `stores`.
    """

    questions_per_scene: int = 10
    families: list[int | str] = field(default_factory=list)
    min_objects: int = 3
    max_objects: int = 10
    features: FeatureForm = "onehot"
    objects: Literal["", "states", "images", "maps"] = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        in_range("data.min_objects", self.min_objects, 1, 100)
        in_range("data.max_objects", self.max_objects, self.min_objects, 100)

    def identity(self) -> dict[str, Any]:
        """The settings that decide what is made: with pictures or without."""
        values = super().identity()
        if self.objects == "images":
            values["pictures"] = [STORED_SIZE, *_picture_version()]
        return values


@dataclass(frozen=True)
class ClevrScene:
    """A scene, a picture, or both.

    Attributes:
        data: A scene of the released form; ``None``: nothing is known but the
            picture.
        image: The picture, ``[H, W, 3 or 4]``; ``None``: there is none.
    """

    data: Mapping[str, Any] | None
    image: Any = None


class Clevr(Task):
    """Compositional questions about shapes (Johnson et al. 2017)."""

    name = "clevr"
    title = "CLEVR"
    version = GENERATOR_VERSION
    settings = ClevrData
    schema = PICTURE_SCHEMA
    categories = CATEGORIES
    example = "What color is the large cube?"
    limits = """\
- Generated questions follow the release's rules and statistics, but are not the
  released ones, and neither are figures on them.
"""

    def make(self, settings: ClevrData, folder: Path) -> None:
        """Generate scenes and questions, and import them into stores."""
        generate(
            folder,
            scenes={s: getattr(settings, s) for s in SPLITS},
            questions_per_scene=settings.questions_per_scene,
            families=settings.families or None,
            min_objects=settings.min_objects,
            max_objects=settings.max_objects,
            seed=settings.seed,
            # Starting processes takes longer than making a few scenes.
            workers=1 if settings.train < 500 else None,
        )
        if settings.objects != "images":
            import_folder(folder, run_programs=False)
            return
        from datasets.clevr.render import render_stores

        for split in SPLITS:
            if not (folder / f"{split}.h5").exists():
                render_stores(folder, splits=[split], run_programs=False)

    def describe(self, settings: ClevrData) -> str:
        """Say what is generated."""
        scenes = ", ".join(f"{getattr(settings, s):,} {s}" for s in SPLITS)
        asked = ", ".join(map(str, settings.families)) or "all"
        rendered = ""
        if settings.objects == "images":
            rendered = f", rendered, {STORED_SIZE}×{STORED_SIZE}"
        return (
            f"generated scenes of {settings.min_objects} to "
            f"{settings.max_objects} objects ({scenes}), seed "
            f"{settings.seed}{rendered}; families of questions: {asked}"
        )

    def seen(self, settings: ClevrData) -> str:
        """Say what is given of a scene."""
        if settings.objects in ("", "states"):
            return (
                "a scene's objects with colour, shape, size, material and "
                "place, not its picture"
            )
        if settings.objects == "images":
            return f"a scene's picture of {STORED_SIZE}×{STORED_SIZE} pixels"
        return super().seen(settings)

    def node_features(
        self, settings: ClevrData
    ) -> Callable[[Tensor, Tensor], Tensor]:
        """An object's attributes in the form ``features``, and its place."""
        return NodeFeatures(settings.features)

    def select_families(self, wanted: Sequence[int | str]) -> list[int]:
        """Numbers of families, by group or number."""
        return [family.index for family in select_families(wanted)]

    def group(self, family: int) -> str:
        """The template file that a family is of."""
        return load_families()[family].group

    def augmentation(self, settings: ClevrData) -> Callable[[Batch], Batch]:
        """Other colours, materials and shapes, and the mirror.

        Pictures are moved, turned and mirrored.
        """
        if settings.objects == "images":
            return PictureAugmentation()
        if settings.objects not in ("", "states"):
            return super().augmentation(settings)
        return Augmentation(settings.features)

    def find_scene(self, source: Source, settings: Any) -> ClevrScene:
        """A scene of a file, one that is generated, or a picture's file.

        A model of pictures is given the picture of the scene's file, or else
        one that is rendered.
        """
        if source.scene is None and source.image is not None:
            if settings.objects != "images":
                raise ValueError(
                    f"`image` is {source.image!r} without `scene`, but the "
                    f"model is given {settings.objects or 'states'}, not "
                    f"pictures: expected the run of a model of pictures, or "
                    f"`scene`, the file of the scene that it shows"
                )
            return ClevrScene(None, read_picture(source.image, _SIZES))
        if source.scene is None:
            number = source.objects or 6
            scene = generate_scene(
                Random(source.seed), min_objects=number, max_objects=number
            )
        else:
            scene = read_scene(source.scene, source.index)
        if settings.objects != "images":
            return ClevrScene(scene, find_image(source.image, scene))
        if source.image is not None:
            path = find_path(source.image, scene)
            return ClevrScene(scene, read_picture(path, _SIZES))
        from datasets.clevr.pictures import render_scene

        return ClevrScene(scene, render_scene(scene))

    def batch(
        self, scene: ClevrScene, question: str, settings: ClevrData
    ) -> Batch:
        """Objects with features and places, or cells, and the words."""
        words = tokenize(question)
        if not words:
            raise ValueError("`question` has no words, expected a question")
        asked = {
            "tokens": torch.tensor([encode_tokens(words)]),
            "length": torch.tensor([len(words)]),
            "question_batch": torch.zeros(1, dtype=torch.long),
        }
        if settings.objects == "maps":
            raise ValueError(
                "the model is given what another one's CNN made of pictures: "
                "expected a run on states or images"
            )
        if settings.objects == "images":
            image = torch.from_numpy(resample(scene.image)).permute(2, 0, 1)
            return Batch(image=image[None] / 255, **asked)
        assert scene.data is not None
        objects = scene.data["objects"]
        codes = [
            [v.index(o[a]) for a, v in ATTRIBUTES.items()] for o in objects
        ]
        pos = torch.tensor([o["3d_coords"] for o in objects]).view(-1, 3)
        x = self.node_features(settings)(torch.tensor(codes).view(-1, 4), pos)
        row = torch.zeros(len(x), dtype=torch.long)
        return Batch(x=x, pos=pos, batch=row, **asked)

    def objects(
        self, scene: ClevrScene, settings: ClevrData, pos: Tensor | None
    ) -> list[str]:
        """Size, colour, material and shape of each object.

        Of cells, their place, and which object's middle is there.
        """
        known = [] if scene.data is None else scene.data["objects"]
        keys = ("size", "color", "material", "shape")
        names = [" ".join(o[k] for k in keys) for o in known]
        if settings.objects != "images" or pos is None:
            return names
        places = [
            np.array(item["pixel_coords"][:2]) / IMAGE_SIZE for item in known
        ]
        return name_cells(names, places, round(len(pos) ** 0.5))

    def draw(
        self,
        scene: ClevrScene,
        settings: ClevrData,
        chosen: Mapping[str, PairSelection],
        pos: Tensor | None,
        title: str | None = None,
    ) -> Figure:
        """Draw the scene from above, and pairs over its picture.

        Of cells, the picture alone.
        """
        if settings.objects != "images":
            assert scene.data is not None
            return draw(scene.data, chosen, scene.image, title)
        assert pos is not None
        # Coordinates run from the first cell's middle to the last one's.
        side = round(len(pos) ** 0.5)
        share = ((pos.numpy() + 1) / 2 * (side - 1) + 0.5) / side
        paint = partial(_paint, scene.image, share * IMAGE_SIZE, side)
        return panels(chosen, [(2.75, paint)], len(pos), (), title, color=LIGHT)

    def page(self, settings: ClevrData) -> Page:
        """A floor with objects that are dragged, and any question."""
        if settings.objects not in ("", "states"):
            return super().page(settings)
        return Page(FILES, facts(settings.features))


#: Of pictures that can be asked about: the release's, and a store's.
_SIZES = (IMAGE_SIZE, (STORED_SIZE, STORED_SIZE))


def _picture_version() -> tuple[int, ...]:
    from datasets.clevr.pictures import PICTURE_VERSION

    return (PICTURE_VERSION,)


def _paint(
    image: np.ndarray,
    places: np.ndarray,
    side: int,
    axes: Axes,
    pairs: PairSelection,
) -> None:
    width, height = IMAGE_SIZE
    axes.imshow(image, extent=(0, width, height, 0), interpolation="lanczos")
    radii = np.full(len(places), 0.12 * height / side)
    draw_pairs(axes, places, radii, pairs, LIGHT, "black")
    axes.set(xlim=(0, width), ylim=(height, 0), xticks=[], yticks=[])


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


def find_path(folder: str, scene: Mapping[str, Any]) -> Path:
    """Find the file of a scene's picture.

    Raises:
        FileNotFoundError: If the folder does not hold it.
        ValueError: If the scene's file name leads out of the folder.
    """
    path = Path(folder) / picture_name(scene)
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} is missing: `image` is {folder!r}, expected the folder "
            f"that holds it"
        )
    return path


def find_image(folder: str | None, scene: Mapping[str, Any]) -> Any:
    """Read a scene's picture; ``None`` where there is no folder of them.

    Raises:
        FileNotFoundError: If the folder does not hold it.
        ValueError: If the scene's file name leads out of the folder, or the
            file is no picture.
    """
    if folder is None:
        return None
    path = find_path(folder, scene)
    return read_picture(path)


TASK = Clevr()
