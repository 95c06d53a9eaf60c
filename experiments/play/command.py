"""A page to play with: a scene, questions, and what trained models answer.

``python -m experiments play``
"""

import sys
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from datasets.task import in_range
from experiments.cli import parse
from experiments.play.build import build
from experiments.play.serve import address_of, open_page, server_of

PROG = "python -m experiments play"
HELP = """Build a page on which trained models answer questions about a scene
that you change, serve it on this machine, and open it in a browser; Ctrl+C
ends it. The models run in the page: nothing is sent anywhere. With --out
FOLDER the page is built and not served: put that folder on any static host."""
ROOT = Path(__file__).parents[2]
#: The runs whose models differ where pairs decide.
RUNS = (
    "results/full/rn/seed-0",
    "results/pairs/rn_distilled-share-0.2/seed-0",
    "results/full/edge-depth-2/seed-0",
    "results/full/deep_sets/seed-0",
)


@dataclass
class PlayConfig:
    """Build a page to play with, and serve it.

    Args:
        runs: Folders of runs with exported weights, in a list or separated by
            commas; the page begins with the first. Empty: four of this
            repository's, RN on all pairs and on distilled ones, EdgeConv and
            Deep Sets.
        out: Folder to build the page in, which is then not served; empty: it
            is served from a folder that is removed at the end.
        port: Where it is served; 0: at any free port.
        no_browser: Whether to leave it to you to open the page.
    """

    runs: str | list[str] = field(default_factory=list)
    out: str = ""
    port: int = 0
    no_browser: bool = False

    def __post_init__(self) -> None:
        if isinstance(self.runs, str):
            self.runs = [s.strip() for s in self.runs.split(",") if s.strip()]
        in_range("port", self.port, 0, 2**16 - 1)

    @property
    def folders(self) -> list[Path]:
        """The runs' folders."""
        return [Path(run) for run in self.runs] or [ROOT / r for r in RUNS]


def main(argv: list[str]) -> None:
    """Build the page; serve it until it is stopped."""
    config = parse(PlayConfig, argv, PROG, HELP)
    if config.out:
        out = Path(config.out)
        build(config.folders, out)
        files = [path for path in out.rglob("*") if path.is_file()]
        size = sum(path.stat().st_size for path in files)
        print(
            f"{out}: {len(files)} files, {size / 1e6:.1f} MB. To look at it: "
            f"{sys.executable} -m http.server --bind 127.0.0.1 -d {out}"
        )
        return
    print("Building the page …", flush=True)
    with TemporaryDirectory(prefix="play.") as folder:
        out = Path(folder) / "page"
        build(config.folders, out)
        with server_of(out, config.port) as server:
            address = address_of(server)
            print(f"{address}  (Ctrl+C ends it)", flush=True)
            try:
                if not config.no_browser and not open_page(address):
                    print("No screen found: open it yourself.", flush=True)
                server.serve_forever()
            except KeyboardInterrupt:
                print()
