"""CLEVR as a task: questions about objects on a floor."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

import matplotlib.pyplot as plt
import torch
from matplotlib.figure import Figure
from torch import Tensor
from torch_geometric.data import Batch

from datasets.clevr.augment import Augmentation
from datasets.clevr.draw import draw
from datasets.clevr.families import load_families, select_families
from datasets.clevr.features import SCHEMA, FeatureForm, NodeFeatures
from datasets.clevr.generate import GENERATOR_VERSION, generate
from datasets.clevr.importer import import_folder
from datasets.clevr.layout import iter_scenes
from datasets.clevr.play import FILES, facts
from datasets.clevr.scenes import generate_scene
from datasets.clevr.vocabulary import (
    ATTRIBUTES,
    CATEGORIES,
    encode_tokens,
    tokenize,
)
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
    """

    questions_per_scene: int = 10
    families: list[int | str] = field(default_factory=list)
    min_objects: int = 3
    max_objects: int = 10
    features: FeatureForm = "onehot"

    def __post_init__(self) -> None:
        super().__post_init__()
        in_range("data.min_objects", self.min_objects, 1, 100)
        in_range("data.max_objects", self.max_objects, self.min_objects, 100)


@dataclass(frozen=True)
class ClevrScene:
    """A scene of the released form, with its picture where there is one."""

    data: Mapping[str, Any]
    image: Any = None


class Clevr(Task):
    """Compositional questions about shapes (Johnson et al. 2017)."""

    name = "clevr"
    title = "CLEVR"
    version = GENERATOR_VERSION
    settings = ClevrData
    schema = SCHEMA
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
        import_folder(folder, run_programs=False)

    def describe(self, settings: ClevrData) -> str:
        """Say what is generated."""
        scenes = ", ".join(f"{getattr(settings, s):,} {s}" for s in SPLITS)
        asked = ", ".join(map(str, settings.families)) or "all"
        return (
            f"generated scenes of {settings.min_objects} to "
            f"{settings.max_objects} objects ({scenes}), seed "
            f"{settings.seed}; families of questions: {asked}"
        )

    def seen(self, settings: ClevrData) -> str:
        """Say what is given of a scene."""
        if settings.objects in ("", "states"):
            return (
                "a scene's objects with colour, shape, size, material and "
                "place, not its picture"
            )
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
        """Other colours, materials and shapes, and the mirror."""
        if settings.objects not in ("", "states"):
            return super().augmentation(settings)
        return Augmentation(settings.features)

    def find_scene(self, source: Source, settings: Any) -> ClevrScene:
        """A scene of a file in CLEVR's layout, or one that is generated."""
        if source.scene is None:
            number = source.objects or 6
            scene = generate_scene(
                Random(source.seed), min_objects=number, max_objects=number
            )
        else:
            scene = read_scene(source.scene, source.index)
        return ClevrScene(scene, find_image(source.image, scene))

    def batch(
        self, scene: ClevrScene, question: str, settings: ClevrData
    ) -> Batch:
        """Objects with features and places, and the question's words."""
        words = tokenize(question)
        if not words:
            raise ValueError("`question` has no words, expected a question")
        objects = scene.data["objects"]
        codes = [
            [v.index(o[a]) for a, v in ATTRIBUTES.items()] for o in objects
        ]
        pos = torch.tensor([o["3d_coords"] for o in objects]).view(-1, 3)
        x = self.node_features(settings)(torch.tensor(codes).view(-1, 4), pos)
        return Batch(
            x=x,
            pos=pos,
            batch=torch.zeros(len(x), dtype=torch.long),
            tokens=torch.tensor([encode_tokens(words)]),
            length=torch.tensor([len(words)]),
            question_batch=torch.zeros(1, dtype=torch.long),
        )

    def objects(
        self, scene: ClevrScene, settings: ClevrData, pos: Tensor | None
    ) -> list[str]:
        """Size, colour, material and shape of each object."""
        keys = ("size", "color", "material", "shape")
        return [" ".join(o[k] for k in keys) for o in scene.data["objects"]]

    def draw(
        self,
        scene: ClevrScene,
        settings: ClevrData,
        chosen: Mapping[str, PairSelection],
        pos: Tensor | None,
        title: str | None = None,
    ) -> Figure:
        """Draw the scene from above, and pairs over its picture."""
        return draw(scene.data, chosen, scene.image, title)

    def page(self, settings: ClevrData) -> Page:
        """A floor with objects that are dragged, and any question."""
        if settings.objects not in ("", "states"):
            return super().page(settings)
        return Page(FILES, facts(settings.features))


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


def find_image(folder: str | None, scene: Mapping[str, Any]) -> Any:
    """Read a scene's picture; ``None`` where there is no folder of them.

    Raises:
        FileNotFoundError: If the folder does not hold it.
        ValueError: If the scene's file name leads out of the folder, or the
            file is no picture.
    """
    if folder is None:
        return None
    name = scene["image_filename"]
    if Path(name).name != name:
        raise ValueError(
            f"`image_filename` is {name!r}, expected the plain name of a file"
        )
    path = Path(folder) / name
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} is missing: `image` is {folder!r}, expected the folder "
            f"that holds it"
        )
    try:
        return plt.imread(path)
    except (SyntaxError, ValueError) as error:  # what Pillow raises
        raise ValueError(f"{path} is no picture: {error}") from None


TASK = Clevr()
