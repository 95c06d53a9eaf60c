"""How rendered scenes look: lamps, materials, and the way to eight bits."""

from typing import NamedTuple

import numpy as np

from datasets.clevr.raycast import Color, Look


class Lamp(NamedTuple):
    """A square lamp that faces the scene's middle.

    Attributes:
        place: Its middle, before jitter.
        half: Half of its edge.
        light: Power times colour.
    """

    place: Color
    half: float
    light: Color


#: The three lamps: key, back and fill.
LAMPS = (
    Lamp((6.44671, -2.90517, 4.25840), 0.25, (7.0, 6.55, 5.7)),
    Lamp((-1.16890, 2.64641, 5.81620), 0.5, (3.15, 3.15, 3.15)),
    Lamp((-4.67112, -4.01366, 3.01122), 0.25, (1.35, 1.45, 1.77)),
)
LAMP_JITTER = 1.0
#: Released cubes and cylinders have round edges, and outlines a little within
#: those of their size (cubes by some 4 %). More than this would move outlines
#: by over a pixel from where visible pixels are counted.
DRAWN_SIZE = {"cube": 0.98, "sphere": 1.0, "cylinder": 0.99}
LOOK = Look()


def _curve() -> np.ndarray:
    light = np.linspace(0, 1, 1 << 16)
    curve = np.where(
        light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055
    )
    return (curve * 255 + 0.5).astype(np.uint8)


_CURVE = _curve()


def to_bytes(light: np.ndarray) -> np.ndarray:
    """Light [H, W, 3] as bytes, by the curve of sRGB."""
    scaled = np.clip(light, 0, 1) * (len(_CURVE) - 1)
    return _CURVE[(scaled + 0.5).astype(np.uint16)]
