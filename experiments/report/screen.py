"""Show a picture where somebody looks on."""

import os
import sys
import webbrowser
from pathlib import Path


def open_picture(path: Path) -> bool:
    """Open a picture with what the system shows pictures with.

    Args:
        path: The picture.

    Returns:
        Whether it was opened: it is not where there is no screen, or where
        the output goes to a file or another program.
    """
    if not sys.stdout.isatty():
        return False
    # Without either, a browser of the terminal would take its place.
    screens = ("DISPLAY", "WAYLAND_DISPLAY")
    if sys.platform == "linux" and not any(map(os.environ.get, screens)):
        return False
    return webbrowser.open(path.resolve().as_uri())
