import sys
import webbrowser
from types import SimpleNamespace

import pytest

from experiments.report.screen import open_picture


@pytest.mark.parametrize(
    ("terminal", "screen", "system", "opens"),
    [
        (True, "DISPLAY", "linux", True),
        (True, "WAYLAND_DISPLAY", "linux", True),
        (True, "", "linux", False),
        (False, "DISPLAY", "linux", False),
        (True, "", "darwin", True),
        (False, "", "darwin", False),
    ],
)
def test_pictures_open_where_somebody_looks_on(
    terminal, screen, system, opens, tmp_path, monkeypatch
):
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    if screen:
        monkeypatch.setenv(screen, ":0")
    opened = []
    monkeypatch.setattr(webbrowser, "open", lambda url: not opened.append(url))
    monkeypatch.setattr(sys, "platform", system)
    stdout = SimpleNamespace(isatty=lambda: terminal)
    with monkeypatch.context() as m:
        m.setattr(sys, "stdout", stdout)
        assert open_picture(tmp_path / "a b.png") == opens
    assert opened == [(tmp_path / "a b.png").as_uri()] * opens
