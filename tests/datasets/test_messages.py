import re
import subprocess
import sys
from pathlib import Path

import pytest

from datasets.messages import nearest, told_what_is_missing

ROOT = Path(__file__).parents[2]


def test_the_nearest_word_is_asked_for():
    assert nearest("comapre", ["show", "compare"]) == (
        "; did you mean 'compare'?"
    )
    assert nearest("xyz", ["show", "compare"]) == ""
    assert nearest("xyz", []) == ""


@pytest.mark.parametrize(
    "argv", ["experiments", "experiments compare first", "datasets.clevr"]
)
def test_a_missing_package_ends_a_program_with_one_line(argv):
    # -S: without site-packages, as where nothing was installed.
    done = subprocess.run(
        [sys.executable, "-S", "-m", *argv.split()],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert re.fullmatch(
        r"error: the package '\w+' is missing: .*pip install "
        r"'\.\[experiments\]'.*\n",
        done.stderr,
    )


def test_an_error_of_our_own_is_not_hidden():
    with (
        pytest.raises(ModuleNotFoundError, match=r"datasets\.nothing"),
        told_what_is_missing(),
    ):
        import datasets.nothing  # noqa: F401


def test_an_old_python_is_named(monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 10, 13))
    with (
        pytest.raises(SystemExit, match=r"expected 3\.11 or newer"),
        told_what_is_missing(),
    ):
        pytest.fail("went on")
