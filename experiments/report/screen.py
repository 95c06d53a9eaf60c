"""Whether somebody looks on, and a picture for whom that is."""

import os
import sys
import webbrowser
from pathlib import Path


def has_screen() -> bool:
    """Whether a window could be seen."""
    if sys.platform in ("win32", "darwin"):
        return True
    # Without either, a browser of the terminal would take a window's place.
    screens = ("DISPLAY", "WAYLAND_DISPLAY")
    return any(map(os.environ.get, screens))


def open_picture(path: Path) -> bool:
    """Open a picture with what the system shows pictures with.

    Args:
        path: The picture.

    Returns:
        Whether it was opened: it is not where there is no screen, or where
        the output goes to a file or another program.
    """
    if not sys.stdout.isatty() or not has_screen():
        return False
    return webbrowser.open(path.resolve().as_uri())
