"""Write what a trained CNN makes of pictures into stores of feature maps.

``python -m experiments features RUN_FOLDER --out FOLDER``
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from datasets.store import StoreWriter
from datasets.task import SPLITS
from experiments.cli import parse
from experiments.run.data import Splits, open_splits
from experiments.run.runs import load_model
from rn_graph.encoders import Cells

PROG = "python -m experiments features"
HELP = """Write what the CNN of a trained run makes of its pictures into stores
of feature maps, in half precision, with the same questions. A comparison over
them (`--data.stores FOLDER --data.objects maps`) trains what stands behind the
CNN alone."""
#: Pictures at a time.
BLOCK = 256


@dataclass
class FeaturesConfig:
    """Write what a trained CNN makes of pictures into stores.

    Args:
        run: Folder of a trained run whose objects are cells of pictures.
        out: Folder of the stores, made if it is not there.
        data_root: Folder where data that were made are kept and found again.
    """

    run: str
    out: str
    data_root: str = "data"


@torch.inference_mode()
def write_maps(cnn: nn.Module, splits: Splits, split: str, path: Path) -> None:
    """Write a split's feature maps, and its questions, into a store.

    Args:
        cnn: Maps pictures ``[G, 3, H, W]`` to maps ``[G, C, h, w]``.
        splits: The data, pictures.
        split: Which part of them.
        path: The store to make.
    """
    store = splits.dataset(split).store
    columns = store.columns
    schema = replace(
        store.schema, objects=("maps",), attributes=(), support=False
    )
    source = f"feature maps of a CNN: {store.source}"
    info = {**store.info, "images": store.content}
    with StoreWriter(
        path, schema, split=split, source=source, info=info
    ) as writer:
        for first in tqdm(range(0, store.num_scenes, BLOCK), split):
            rows = slice(first, first + BLOCK)
            image = torch.from_numpy(columns["scenes/image"][rows])
            maps = cnn(image.permute(0, 3, 1, 2).float() / 255)
            writer.add_scenes(
                columns["scenes/index"][rows], map=maps.half().numpy()
            )
        writer.add_questions(
            *(
                columns[f"questions/{key}"]
                for key in ("scene", "answer", "type", "family")
            ),
            **_asked(columns),
        )


def _asked(columns: Any) -> dict[str, np.ndarray]:
    """The questions themselves, as a store takes them."""
    if "questions/vector" in columns:
        return {"vector": columns["questions/vector"]}
    if "questions/tokens" not in columns:
        return {}
    tokens, length = columns["questions/tokens"], columns["questions/length"]
    kept = np.arange(tokens.shape[1]) < length[:, None]
    return {"tokens": tokens[kept], "length": length}


def main(argv: list[str]) -> None:
    """Write the stores."""
    config = parse(FeaturesConfig, argv, PROG, HELP, "run")
    run, model = load_model(Path(config.run))
    objects = model.objects
    if not isinstance(objects, Cells) or run.inputs.objects != "images":
        raise ValueError(
            f"{config.run} is a run on {run.inputs.objects}, expected one "
            f"whose objects are cells of pictures"
        )
    assert objects.cnn is not None
    out = Path(config.out)
    out.mkdir(parents=True, exist_ok=True)
    splits = open_splits(run.task, run.data, config.data_root, "cpu")
    for split in SPLITS:
        write_maps(objects.cnn, splits, split, out / f"{split}.h5")
        print(out / f"{split}.h5")
