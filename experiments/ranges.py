"""Numbers within bounds, as options have them and files must."""

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    NonNegativeFloat: TypeAlias = float
    NonNegativeInt: TypeAlias = int
    PositiveFloat: TypeAlias = float
    PositiveInt: TypeAlias = int
    Share: TypeAlias = float
    UnitFloat: TypeAlias = float
    Width: TypeAlias = int
    Size: TypeAlias = int
    Count: TypeAlias = int
else:
    from jsonargparse.typing import (  # noqa: F401
        NonNegativeFloat,
        NonNegativeInt,
        PositiveFloat,
        PositiveInt,
        restricted_number_type,
    )

    UnitFloat = restricted_number_type(
        "UnitFloat", float, [(">=", 0), ("<", 1)]
    )
    Share = restricted_number_type("Share", float, [(">", 0), ("<=", 1)])
    # What is more is a slip of the keys, and would end for want of memory.
    Width = restricted_number_type("Width", int, [(">", 0), ("<=", 16_384)])
    Size = restricted_number_type("Size", int, [(">=", 0), ("<=", 65_536)])
    Count = restricted_number_type(
        "Count", int, [(">", 0), ("<=", 100_000_000)]
    )
