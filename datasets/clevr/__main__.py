"""Command line: make, render, import, ask about and describe CLEVR data.

python -m datasets.clevr --help
"""

import sys
from pathlib import Path
from typing import Literal

from datasets.messages import told_what_is_missing

with told_what_is_missing():
    from jsonargparse import CLI

    from datasets.clevr.ask import ask as ask_folder
    from datasets.clevr.generate import generate as generate_folder
    from datasets.clevr.images import PictureFiles
    from datasets.clevr.importer import (
        ImportSummary,
        import_features,
        import_folder,
    )
    from datasets.clevr.layout import questions_path


def generate(
    out: str,
    train: int = 70_000,
    val: int = 15_000,
    test: int = 15_000,
    questions_per_scene: int = 10,
    seed: int = 0,
    workers: int | None = None,
    families: list[int | str] | None = None,
    min_objects: int = 3,
    max_objects: int = 10,
    condition: Literal["A", "B"] | None = None,
    store: bool = True,
) -> None:
    """Generate scenes and questions, as JSON and as store files.

    The JSON is in the layout of the CLEVR v1.0 release; the same seed gives
    the same bytes for any number of workers. A run that was broken off goes on
    with the splits that are missing. The defaults make a set of the
    release's size, in about five minutes on 2 cores. For a first look:

        python -m datasets.clevr generate data/small --train 1000 --val 200
        --test 0

    Args:
        out: Folder to make.
        train: Training scenes; 0 leaves the split out.
        val: Validation scenes.
        test: Test scenes.
        questions_per_scene: Questions asked about each scene.
        seed: Seed of all random choices.
        workers: Processes. Default: one a core.
        families: Question families to draw from: numbers from 0 to 89 or names
            of groups, e.g. [zero_hop,one_hop,72]. Default: all.
        min_objects: Fewest objects a scene.
        max_objects: Most objects a scene; above 10 the floor grows.
        condition: A or B: one of CoGenT's two restrictions on the colours of
            cubes and cylinders. Default: none.
        store: Also make the store files that training reads.
    """
    sizes = {"train": train, "val": val, "test": test}
    generate_folder(
        Path(out),
        scenes={split: size for split, size in sizes.items() if size},
        questions_per_scene=questions_per_scene,
        seed=seed,
        workers=workers,
        families=families,
        min_objects=min_objects,
        max_objects=max_objects,
        condition=condition,
    )
    if store:
        # The generator has run the programs already.
        print_summaries(import_folder(out, run_programs=False))


def import_command(
    folder: str,
    out: str | None = None,
    splits: list[Literal["train", "val", "test"]] | None = None,
    unknown: Literal["unk", "error"] = "unk",
    run_programs: bool = True,
    features: str | None = None,
    images: int = 0,
) -> None:
    """Make store files from a folder in CLEVR v1.0's layout.

    Takes the released folder (CLEVR_v1.0) and a generated one alike, and
    checks what it reads. For example:

        python -m datasets.clevr import ~/CLEVR_v1.0 --out data/clevr

    and with the pictures, from which a CNN can learn:

        python -m datasets.clevr import ~/CLEVR_v1.0 --out data/pixels
        --images 128

    Args:
        folder: Folder that holds scenes/ and questions/.
        out: Where the files train.h5, val.h5 … go. Default: the folder.
        splits: Splits to import, e.g. [train,val]. Default: all there are.
        unknown: A word outside CLEVR's vocabulary is stored as <unk> and
            counted ("unk"), or refused ("error").
        run_programs: Run each question's program on its scene and refuse an
            answer that it does not give; takes about half of the time.
        features: HDF5 file of the image features of a split, as public
            programs make it: `features` [images, channels, height, width],
            row i of image_index i. The store then holds these as feature
            maps, instead of state descriptions; no program is run. Needs
            --out, and one split in --splits.
        images: Store the scenes' pictures too, brought to so many pixels a
            side: RGB or RGBA files of 480×320 in images/<split>. 128 is what
            the Relation Network paper has. 0: none.
    """
    if features is not None and images:
        raise ValueError(
            f"`images` is {images}, expected 0 with `features`: a store holds "
            f"one of the two"
        )
    if features is not None:
        if out is None or splits is None or len(splits) != 1:
            raise ValueError(
                f"`out` is {out!r} and `splits` {splits!r}: expected a folder "
                f"and one split, as `features` is given"
            )
        Path(out).mkdir(parents=True, exist_ok=True)
        source = questions_path(folder, splits[0])
        store = Path(out) / f"{splits[0]}.h5"
        summary = import_features(features, source, store, unknown)
        print_summaries([summary])
        return
    print_summaries(
        import_folder(
            folder,
            out,
            splits,
            unknown,
            run_programs=run_programs,
            pictures=PictureFiles(folder, images) if images else None,
        )
    )


def render(
    folder: str,
    out: str | None = None,
    splits: list[Literal["train", "val", "test"]] | None = None,
    width: int = 480,
    height: int = 320,
    store: int = 0,
    seed: int = 0,
    workers: int | None = None,
) -> None:
    """Render pictures of scenes, generated or released.

    As PNG files, in the release's layout; a rendering that was broken off goes
    on where it stopped:

        python -m datasets.clevr render data/small

    or straight into the store files that training reads, which takes less of
    the disk:

        python -m datasets.clevr render data/small --out data/pixels --store 128

    The same seed gives the same bytes for any number of workers. Where the
    cameras stood is found from the scenes' pixel_coords.

    Args:
        folder: Folder that holds scenes/, in CLEVR v1.0's layout.
        out: Where images/ is made, or the store files. Default: the folder.
        splits: Splits to render. Default: all that have scenes.
        width: Pixels across, of PNG files.
        height: Pixels down, of PNG files.
        store: Write store files, whose pictures have so many pixels a side,
            instead of PNG files; each is rendered at 480×320, as the released
            ones are, and brought to its size as an import does it.
        seed: Seed of where the lamps are.
        workers: Processes. Default: one a core.
    """
    from datasets.clevr.render import render_pictures, render_stores

    if store:
        made = render_stores(folder, out, splits, store, seed, workers)
        print_summaries(made)
        return
    counts = render_pictures(
        folder, out, splits, (width, height), seed, workers
    )
    for split, count in counts.items():
        print(f"{split}: {count:,} pictures in {out or folder}/images/{split}")


def pictures(
    folder: str,
    out: str = "docs/pictures.md",
    side_by_side: str | None = None,
    only: Literal["look", "report", "all"] = "report",
    probe: str | None = None,
) -> None:
    """Write a page that sets rendered pictures beside real ones, in figures.

    Renders each scene of which the folder holds a real picture, and compares
    the two: the mean colour of objects and floor, outlines, histograms. The
    page shows rendered pictures alone. For example:

        python -m datasets.clevr pictures ~/CLEVR_v1.0

    Args:
        folder: The released folder, or a part of it, with scenes/ and images/.
        out: The Markdown page to write; its picture goes beside it.
        side_by_side: Also draw each real picture beside the rendered one, in
            this folder; real pictures are not ours to publish.
        only: The first 35 training pictures, after which the look was made
            (look), the others (report), or all.
        probe: Folder for 3,300 rendered pictures, made at the first call: a
            small CNN learns objects' attributes from them, and is tested on
            the real ones, which takes some ten minutes. Default: no probe.
    """
    from datasets.clevr.compare_pictures import write_page

    print(f"written: {write_page(folder, out, side_by_side, only, probe)}")


def ask(
    folder: str,
    out: str,
    splits: list[Literal["train", "val", "test"]] | None = None,
    questions_per_scene: int = 10,
    seed: int = 0,
    families: list[int | str] | None = None,
    store: bool = True,
) -> None:
    """Ask new questions about scenes that are there already.

    For the released scenes without their questions, or for other families
    than were asked. For example:

        python -m datasets.clevr ask ~/CLEVR_v1.0 data/asked
        --splits [train,val]

    Args:
        folder: Folder that holds scenes/, in CLEVR v1.0's layout.
        out: Folder to make, with a copy of the scenes and new questions.
        splits: Splits to ask about. Default: all that have scenes.
        questions_per_scene: Questions asked about each scene.
        seed: Seed of all random choices.
        families: Question families, as for generate. Default: all.
        store: Also make the store files that training reads.
    """
    ask_folder(folder, out, splits, questions_per_scene, seed, families)
    if store:
        print_summaries(import_folder(out, run_programs=False))


def twins(
    folder: str,
    out: str,
    only: Literal["look", "report", "all"] = "report",
    questions_per_scene: int = 10,
    seed: int = 0,
    families: list[int | str] | None = None,
    side: int = 128,
) -> None:
    """Ask about released pictures, and about the same scenes as rendered.

    How well does what was learned on rendered pictures hold on the released
    ones? Makes new questions, one store with each kind of picture, and both
    are answered by a trained model. For example:

        python -m datasets.clevr twins ~/CLEVR_v1.0 data/twins

        python -m experiments evaluate RUN --stores data/twins/real

        python -m experiments evaluate RUN --stores data/twins/rendered

    Args:
        folder: The released folder, or a part of it, with scenes/ and images/.
        out: Folder to make.
        only: The first 35 training pictures, after which the look of rendered
            ones was made (look), the others (report), or all.
        questions_per_scene: Questions asked about each scene.
        seed: Seed of the questions, and of where lamps are.
        families: Question families, as for generate. Default: all.
        side: Pixels of a side of the pictures in the stores.
    """
    from datasets.clevr.released import ask_twins

    made = ask_twins(
        folder, out, only, questions_per_scene, seed, families, side
    )
    print_summaries(list(made.values()))


def describe(
    data: str,
    out: str = "clevr.md",
    reference: str | None = None,
    split: str = "train",
) -> None:
    """Write a page with plots that sets a CLEVR set beside the released one.

    Objects, attributes, question types, families, lengths, answers, and how
    often the most frequent answer of a question's type is right. For example:

        python -m datasets.clevr describe data/clevr --out data/clevr/page.md
        --reference ~/CLEVR_v1.0

    Args:
        data: A store file, or a folder of them, or one in CLEVR's layout.
        out: The Markdown page to write; its plots go beside it.
        reference: Another set to compare with, given like data.
        split: Split to describe.
    """
    from datasets.clevr.describe import describe as write_page

    print(f"written: {write_page(data, out, reference, split)}")


def print_summaries(summaries: list[ImportSummary]) -> None:
    """Print what an import did, a line for each split."""
    print(
        f"\n{'split':6} {'scenes':>9} {'questions':>10} {'unknown':>8} "
        f"{'MB':>8} {'seconds':>8}  file"
    )
    for s in summaries:
        if s.path is None:
            print(f"{s.split:6} no store: {s.skipped}")
            continue
        print(
            f"{s.split:6} {s.num_scenes:9,} {s.num_questions:10,} "
            f"{s.unknown.total():8,} {s.bytes / 1e6:8.1f} {s.seconds:8.1f}  "
            f"{s.path}"
        )
        if s.unknown:
            words = ", ".join(
                f"{word!r} ({count:,})"
                for word, count in s.unknown.most_common(10)
            )
            print(f"       stored as <unk>, most frequent first: {words}")
        if not s.num_questions:
            print("       scenes alone: there is no questions file")


def main(args: list[str] | None = None) -> None:
    """Run the command line; errors a user can mend come as one sentence."""
    commands = {
        "generate": generate,
        "import": import_command,
        "render": render,
        "ask": ask,
        "twins": twins,
        "describe": describe,
        "pictures": pictures,
    }
    try:
        CLI(commands, args=args, prog="python -m datasets.clevr")
    except (OSError, ValueError, OverflowError, RecursionError) as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("interrupted: no unfinished file is left")


if __name__ == "__main__":
    main()
