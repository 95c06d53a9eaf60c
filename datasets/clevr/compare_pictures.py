"""A page that sets rendered pictures beside the real ones, in figures."""

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import numpy as np
from PIL import Image
from scipy.ndimage import binary_erosion
from tabulate import tabulate
from tqdm import tqdm

from datasets.clevr.camera import IMAGE_SIZE
from datasets.clevr.look import to_bytes
from datasets.clevr.pictures import cast_scene, render_scene
from datasets.clevr.probe import CROP, SCENES, rows_of
from datasets.clevr.released import Which, released_pictures
from datasets.clevr.scenes import generate_scene
from datasets.files import whole, write
from datasets.pictures import read_picture

_BINS = 32
_REACH = 6
_SHOWN = (320, 213)


class Pair(NamedTuple):
    """A scene, its real picture, and the rendered one."""

    scene: Mapping[str, Any]
    real: np.ndarray
    ours: np.ndarray
    ids: np.ndarray


def find_pairs(folder: str | Path, only: Which = "report") -> list[Pair]:
    """Render every scene of a folder that has a real picture.

    Args:
        folder: A folder in the official layout.
        only: As for :func:`~datasets.clevr.released.released_pictures`.

    Raises:
        FileNotFoundError: If there are none.
    """
    pairs = []
    for scene, picture in tqdm(released_pictures(folder, only), unit="picture"):
        # The lamps of the real ones are not known.
        cast = cast_scene(scene, IMAGE_SIZE, None)
        ours = to_bytes(cast.light)
        pairs.append(
            Pair(scene, read_picture(picture, [IMAGE_SIZE]), ours, cast.ids)
        )
    return pairs


def colors_of(pairs: list[Pair]) -> list[list[Any]]:
    """Rows of colour and material: number, mean colours, their distance."""
    sums: dict[tuple[str, str], list[np.ndarray]] = defaultdict(list)
    for pair in pairs:
        for k, item in enumerate(pair.scene["objects"]):
            inside = binary_erosion(pair.ids == k, iterations=2)
            if inside.sum() >= 50:
                means = [p[inside].mean(0) for p in (pair.real, pair.ours)]
                key = (item["color"], item["material"])
                sums[key].append(np.stack(means))
    rows = []
    for key, found in sorted(sums.items()):
        apart = np.array(found)
        real, ours = apart.mean(0)
        each = np.linalg.norm(apart[:, 0] - apart[:, 1], axis=1).mean()
        together = np.linalg.norm(real - ours)
        rows.append([*key, len(found), *map(_rgb, (real, ours))])
        rows[-1] += [f"{together:.0f}", f"{each:.0f}"]
    return rows


def floor_of(pairs: list[Pair]) -> list[list[Any]]:
    """Rows of the floor, from the top of the picture to its bottom."""
    rows = []
    thirds = np.array_split(np.arange(IMAGE_SIZE[1]), 3)
    for name, third in zip(("top", "middle", "bottom"), thirds, strict=True):
        means = []
        for pair in pairs:
            free = binary_erosion(pair.ids == -1, iterations=4)[third]
            if free.any():
                both = (pair.real[third][free], pair.ours[third][free])
                means.append([p.mean(0) for p in both])
        apart = np.array(means)
        real, ours = apart.mean(0)
        each = np.linalg.norm(apart[:, 0] - apart[:, 1], axis=1).mean()
        rows.append([f"floor, {name}", "", len(means), _rgb(real), _rgb(ours)])
        rows[-1] += [f"{np.linalg.norm(real - ours):.0f}", f"{each:.0f}"]
    return rows


def _rgb(color: np.ndarray) -> str:
    return ", ".join(f"{c:.0f}" for c in color)


def outlines_of(pairs: list[Pair]) -> list[list[Any]]:
    """Rows of shapes: where real outlines are, from the rendered ones.

    At each pixel of an outline against the floor, to the left and the right of
    an object, the real outline is the steepest change within six pixels.
    """
    found: dict[str, list[float]] = defaultdict(list)
    for pair in pairs:
        gray = pair.real.astype(float)
        # A change lies between two pixels: entry c is between c and c + 1.
        steep = np.abs(np.diff(gray, axis=1)).sum(2)
        row, col = np.nonzero(np.diff(pair.ids, axis=1))
        for r, c in zip(row, col, strict=True):
            left, right = int(pair.ids[r, c]), int(pair.ids[r, c + 1])
            if min(left, right) != -1 or not _REACH <= c < 479 - _REACH:
                continue
            near = steep[r, c - _REACH : c + _REACH + 1]
            if near.max() > 60:
                out = 1 if right == -1 else -1
                shape = pair.scene["objects"][max(left, right)]["shape"]
                found[shape].append(out * (int(near.argmax()) - _REACH))
    rows = []
    for shape, offs in sorted(found.items()):
        off = np.array(offs)
        rows.append(
            [
                shape,
                f"{len(off):,}",
                f"{off.mean():+.2f}",
                f"{np.abs(off).mean():.2f}",
                f"{100 * (np.abs(off) <= 1).mean():.0f}",
            ]
        )
    return rows


def histograms_of(pairs: list[Pair]) -> list[list[Any]]:
    """Rows of channels: share of the pixels that lie in another bin."""
    rows = []
    real = np.concatenate([p.real.reshape(-1, 3) for p in pairs])
    ours = np.concatenate([p.ours.reshape(-1, 3) for p in pairs])
    chroma = [p.max(1) - p.min(1) for p in (real, ours)]
    columns = [
        (name, real[:, i], ours[:, i])
        for i, name in enumerate(("red", "green", "blue"))
    ]
    for name, a, b in (*columns, ("largest minus smallest", *chroma)):
        edges = np.linspace(0, 256, _BINS + 1)
        p, q = (np.histogram(v, edges)[0] / len(v) for v in (a, b))
        apart = 50 * np.abs(p - q).sum()
        rows.append(
            [name, f"{a.mean():.1f}", f"{b.mean():.1f}", f"{apart:.1f}"]
        )
    return rows


def write_page(
    folder: str | Path,
    out: str | Path,
    side_by_side: str | Path | None = None,
    only: Which = "report",
    probe: str | Path | None = None,
) -> Path:
    """Write the page; see ``python -m datasets.clevr pictures --help``.

    Args:
        folder: A folder in the official layout.
        out: The Markdown page; its picture goes beside it.
        side_by_side: Folder for real pictures beside rendered ones.
        only: As for :func:`find_pairs`.
        probe: Folder for the pictures that a probe learns from; ``None``: no
            probe is trained.

    Raises:
        FileNotFoundError: If there are no real pictures.
    """
    pairs = find_pairs(folder, only)
    out = Path(out)
    sheet = out.with_suffix(".png")
    rng = Random("pictures")
    scenes = [generate_scene(rng, i) for i in range(6)]
    shown = [render_scene(scene, _SHOWN) for scene in scenes]
    _save(np.vstack([np.hstack(shown[:3]), np.hstack(shown[3:])]), sheet)
    if side_by_side is not None:
        for pair in pairs:
            both = np.hstack([pair.real, pair.ours])
            _save(both, Path(side_by_side) / pair.scene["image_filename"])
    heads = ["colour", "material", "number", "real", "ours", "apart", "each"]
    counts = {
        "look": f"the {len(pairs)} pictures of CLEVR v1.0 (CC BY 4.0) after "
        "which the look was made",
        "report": f"{len(pairs)} pictures of CLEVR v1.0 (CC BY 4.0), none of "
        "them among those after which the look was made",
        "all": f"all {len(pairs)} pictures of CLEVR v1.0 (CC BY 4.0) there",
    }
    parts = [
        "# Rendered pictures beside real ones",
        f"![Six generated scenes, rendered]({sheet.name})",
        "Written by `python -m datasets.clevr pictures FOLDER"
        f"{' --probe FOLDER' * (probe is not None)}`. All figures "
        f"are of {counts[only]}. They are not shown here; `--side_by_side "
        "FOLDER` draws each beside its scene as rendered. The lamps are then "
        "where they are on average: where they were is not known, so that "
        "single pictures differ more than their means.",
        "## Colours",
        "Mean RGB of 255 of the objects of a colour and material, two pixels "
        "off their outlines, and of the floor in each third of the picture; "
        "how far the means are apart, and the mean of how far each object is "
        "(Euclidean distance; the range is 442).",
        tabulate(
            [*colors_of(pairs), *floor_of(pairs)],
            heads,
            tablefmt="pipe",
            disable_numparse=True,
            colalign=("left", "left", *["right"] * 5),
        ),
        "## Outlines",
        "Where the real outline is: the steepest change of colour within six "
        "pixels of the rendered outline, left and right of an object that "
        "stands before the floor; pixels of 480×320, positive outwards.",
        tabulate(
            outlines_of(pairs),
            ["shape", "pixels", "mean", "mean distance", "within 1, %"],
            tablefmt="pipe",
            disable_numparse=True,
            colalign=("left", *["right"] * 4),
        ),
        "## Histograms",
        "Mean of all pixels, and the share of them that would have to go to "
        f"another of {_BINS} bins (half the sum of the differences).",
        tabulate(
            histograms_of(pairs),
            ["channel", "real", "ours", "apart, %"],
            tablefmt="pipe",
            disable_numparse=True,
            colalign=("left", *["right"] * 3),
        ),
    ]
    if probe is not None:
        parts += [
            "## What a network learns of ours, seen in the real ones",
            f"A small CNN learns from {SCENES['train']:,} rendered pictures "
            "alone. It is told where an object's centre is, sees "
            f"{CROP}×{CROP} pixels around it of the picture as stores hold it "
            "(128×128), and names its attributes; of how many objects each is "
            "named rightly.",
            tabulate(
                rows_of(probe, ((pair.scene, pair.real) for pair in pairs)),
                ["", f"{SCENES['val']:,} fresh rendered pictures", "real"],
                tablefmt="pipe",
                disable_numparse=True,
                colalign=("left", "right", "right"),
            ),
        ]
    parts.append(_DIFFERENCES)
    write(out, "\n\n".join(parts) + "\n")
    return out


def _save(picture: np.ndarray, path: Path) -> None:
    with whole(path) as partial:
        Image.fromarray(picture).save(partial, optimize=True)


_DIFFERENCES = """\
## Where they differ

- **Edges.** Real cubes and cylinders have round edges. Here the surface only
  leans as if it were round: light on an edge is right, the outline has sharp
  corners. Cubes are drawn 2 % and cylinders 1 % smaller than their size; real
  cubes are smaller still (about 4 %), but then their outlines would lie more
  than a pixel from the geometry by which a scene's visible pixels are counted.
- **Metal.** Mirror images are sharp here; real metal blurs them a little. A
  mirror shows floor, objects and lamps; the second mirror that a ray meets
  scatters light like rubber.
- **Light.** Lamps, with soft shadows, are cast; light that has bounced off
  floor and objects is estimated from how close they are, and takes no colour
  from them.
- **Noise.** None is added. The real pictures have a little, most of which goes
  where they are brought to 128×128.
"""
