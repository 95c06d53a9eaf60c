"""A probe: does what a network learns of rendered pictures hold on real ones?

A small CNN is told where an object's centre is, sees that part of the picture
as models do (128×128), and names the object's attributes. It learns from
rendered pictures alone.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm import tqdm

from datasets.clevr.camera import IMAGE_SIZE
from datasets.clevr.generate import generate
from datasets.clevr.images import (
    STORED_SIZE,
    picture_path,
    resample,
)
from datasets.clevr.layout import iter_scenes, scenes_path
from datasets.clevr.render import render_pictures
from datasets.clevr.vocabulary import ATTRIBUTES
from datasets.pictures import read_picture

#: Scenes that are rendered to learn from, and to be tested on.
SCENES = {"train": 3000, "val": 300}
#: Pixels of a crop's side: the largest object, and a little around it.
CROP = 40
_WIDTHS = [len(values) for values in ATTRIBUTES.values()]
_CHANNELS = [3, 32, 64, 96, 128]
_STRIDES = [1, 2, 2, 2]
_EPOCHS = 12
_BATCH = 128


class Crops(NamedTuple):
    """Objects as the probe sees them, and what they are.

    Attributes:
        pixels: Bytes, ``[N, 3, 40, 40]``.
        codes: Of each attribute its value's index, ``[N, 4]``.
    """

    pixels: Tensor
    codes: Tensor


def crops_of(
    pictures: Iterator[tuple[Mapping[str, Any], np.ndarray]],
) -> Crops:
    """Cut out the objects of pictures.

    Args:
        pictures: Scenes with their pictures, ``[320, 480, 3]`` bytes.
    """
    across, down = (STORED_SIZE / side for side in IMAGE_SIZE)
    half = CROP // 2
    pixels, codes = [], []
    for scene, picture in pictures:
        small = resample(picture)
        wide = np.pad(small, [(half, half), (half, half), (0, 0)], mode="edge")
        for item in scene["objects"]:
            x, y, _ = item["pixel_coords"]
            # The padding moves the centre to the crop's.
            left, top = (
                min(max(round(at), 0), STORED_SIZE)
                for at in (x * across, y * down)
            )
            pixels.append(wide[top : top + CROP, left : left + CROP])
            codes.append([ATTRIBUTES[a].index(item[a]) for a in ATTRIBUTES])
    return Crops(
        torch.from_numpy(np.stack(pixels)).permute(0, 3, 1, 2).contiguous(),
        torch.tensor(codes),
    )


def rendered_crops(folder: str | Path) -> dict[str, Crops]:
    """Objects of rendered pictures, which are made at the first call and kept.

    Args:
        folder: Where scenes and pictures are made, or found again.

    Returns:
        Split → its objects.
    """
    generate(folder, scenes=SCENES, questions_per_scene=1)
    render_pictures(folder)
    return {split: crops_of(_rendered(folder, split)) for split in SCENES}


def _rendered(
    folder: str | Path, split: str
) -> Iterator[tuple[Mapping[str, Any], np.ndarray]]:
    scenes = iter_scenes(scenes_path(folder, split))
    for scene in tqdm(scenes, f"reading {split}", SCENES[split]):
        path = picture_path(folder, split, scene)
        yield scene, read_picture(path, [IMAGE_SIZE])


class Probe(nn.Module):
    """Four convolutions, the last three of stride 2, and a layer on top."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for (a, b), stride in zip(pairwise(_CHANNELS), _STRIDES, strict=True):
            conv = nn.Conv2d(a, b, 3, stride, 1, bias=False)
            layers += [conv, nn.BatchNorm2d(b), nn.ReLU()]
        self.cnn = nn.Sequential(*layers, nn.Flatten(), nn.Dropout(0.5))
        side = CROP // math.prod(_STRIDES)
        self.head = nn.Linear(_CHANNELS[-1] * side**2, sum(_WIDTHS))

    def forward(self, pixels: Tensor) -> Sequence[Tensor]:
        """Scores of each attribute's values.

        Args:
            pixels: Bytes, ``[N, 3, 40, 40]``.
        """
        out: Tensor = self.head(self.cnn(pixels.float() / 127.5 - 1))
        return out.split(_WIDTHS, dim=1)


def train_probe(crops: Crops, seed: int = 0) -> Probe:
    """Train a probe.

    Crops are mirrored, moved by up to two pixels, and made lighter or darker
    by up to a tenth.

    Args:
        crops: What it learns from.
        seed: Seed of weights and order.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = Probe()
        optimizer = torch.optim.AdamW(model.parameters(), weight_decay=0.05)
        batches = -(-len(crops.codes) // _BATCH)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, 3e-3, _EPOCHS * batches
        )
        bar = tqdm(total=_EPOCHS * batches, desc="the probe", unit="step")
        for _ in range(_EPOCHS):
            for some in torch.randperm(len(crops.codes)).split(_BATCH):
                scores = model(_changed(crops.pixels[some]))
                codes = crops.codes[some].unbind(1)
                loss = torch.stack(
                    [
                        F.cross_entropy(s, c)
                        for s, c in zip(scores, codes, strict=True)
                    ]
                ).sum()
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()
                bar.update()
        bar.close()
    return model.eval()


def _changed(pixels: Tensor) -> Tensor:
    if torch.rand(()) < 0.5:
        pixels = pixels.flip(3)
    by = torch.randint(-2, 3, (2,)).tolist()
    light = torch.empty(len(pixels), 1, 1, 1).uniform_(0.9, 1.1)
    return pixels.roll(by, (2, 3)) * light


def named(model: Probe, crops: Crops) -> list[float]:
    """Share of the objects whose attribute is named, of each attribute."""
    right = []
    with torch.no_grad():
        parts = zip(
            crops.pixels.split(512), crops.codes.split(512), strict=True
        )
        for pixels, codes in parts:
            chosen = torch.stack([s.argmax(1) for s in model(pixels)], dim=1)
            right.append(chosen == codes)
    shares: list[float] = torch.cat(right).double().mean(0).tolist()
    return shares


def rows_of(
    folder: str | Path, real: Iterator[tuple[Mapping[str, Any], np.ndarray]]
) -> list[list[Any]]:
    """Rows of attributes: named on rendered and on real pictures, percent.

    Args:
        folder: Where rendered pictures are made, or found again.
        real: Scenes with their real pictures.
    """
    there = crops_of(real)
    ours = rendered_crops(folder)
    model = train_probe(ours["train"])
    shares = [named(model, crops) for crops in (ours["val"], there)]
    return [
        ["objects", f"{len(ours['val'].codes):,}", f"{len(there.codes):,}"],
        *(
            [attribute, f"{100 * a:.1f} %", f"{100 * b:.1f} %"]
            for attribute, a, b in zip(ATTRIBUTES, *shares, strict=True)
        ),
    ]
