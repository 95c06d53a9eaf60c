"""How rendered scenes look: lamps, materials, and the way to eight bits."""

from typing import NamedTuple

import numpy as np

Color = tuple[float, float, float]


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


class Look(NamedTuple):
    """What surfaces do with light. Lengths are in half-sizes of an object."""

    #: Width of the softened edge of a cube, and of a cylinder's rim.
    cube_edge: float = 0.12
    cylinder_edge: float = 0.06
    #: Light from above and from below, where nothing stands.
    sky_light: Color = (0.158, 0.158, 0.158)
    floor_light: Color = (0.184, 0.184, 0.184)
    #: How much of that solids take from what is near them, and a solid from
    #: its own foot.
    crowding: float = 0.5
    contact: float = 0.5
    #: What is seen above the horizon, which only mirrors show.
    sky: Color = (0.04, 0.04, 0.04)
    #: Share of the light that the ground gives back.
    ground: Color = (0.82, 0.82, 0.82)
    #: Strength and width (radians) of the gloss on rubber.
    rubber_shine: float = 0.0
    rubber_width: float = 0.4
    #: Of lamps on metal: size of the spot, width, share and strength of the
    #: glow around it.
    metal_spot: float = 0.08
    metal_width: float = 0.35
    metal_glow: float = 0.3
    metal_shine: float = 0.9
    #: Share of light that metal scatters.
    metal_rough: float = 0.1


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


def to_bytes(light: np.ndarray) -> np.ndarray:
    """Light [H, W, 3] as bytes, by the curve of sRGB."""
    light = np.clip(light, 0, 1)
    low = light <= 0.0031308
    curve = 1.055 * np.power(light, 1 / 2.4, where=~low, out=light.copy())
    return (np.where(low, 12.92 * light, curve - 0.055) * 255 + 0.5).astype(
        np.uint8
    )
