import pytest
import torch

from datasets.store import open_store
from experiments.__main__ import main
from experiments.run.runs import load_model


def test_maps_of_a_trained_cnn_are_what_it_says_of_the_pictures(
    pictures, roots, tmp_path
):
    run, out = pictures / "rn" / "seed-0", tmp_path / "maps"
    data = ["--data_root", str(roots[1])]
    main(["features", str(run), "--out", str(out), *data])
    planned, model = load_model(run)
    store = open_store(out / "test.h5")
    assert store.schema.objects == ("maps",)
    assert store.info["images"] == planned.found["test"]["content"]
    maps = torch.from_numpy(store.columns["scenes/map"])
    assert maps.dtype == torch.float16
    folder = next(roots[1].glob("sort_of_clevr-*"))
    images = open_store(folder / "test.h5").columns
    pixels = torch.from_numpy(images["scenes/image"]).permute(0, 3, 1, 2)
    with torch.no_grad():
        expected = model.objects.cnn(pixels.float() / 255)
    torch.testing.assert_close(maps.float(), expected, atol=5e-3, rtol=5e-3)
    for key in ("questions/vector", "questions/answer", "questions/scene"):
        assert (store.columns[key] == images[key]).all()
    # And models train on them.
    main(
        [
            *("compare", "sort_of_clevr", "--name", "maps"),
            *("--models", "rn,mlp", "--data.objects", "maps"),
            *("--data.stores", str(out), "--train.augment", "false"),
            *("--train.steps", "2", "--train.val_every", "1"),
            *("--train.curriculum", "[]"),
            *("--train.batch_size", "40", "--cost_steps", "1"),
            *("--runs", str(tmp_path), *data),
        ]
    )
    assert (tmp_path / "maps" / "table.md").exists()


def test_a_run_without_pictures_has_no_maps(smoke, tmp_path):
    run = str(smoke / "rn" / "seed-0")
    with pytest.raises(ValueError, match="a run on states, expected one"):
        main(["features", run, "--out", str(tmp_path)])


def test_maps_need_stores():
    with pytest.raises(ValueError, match=r"maps without `data\.stores`"):
        main(["compare", "sort_of_clevr", "--data.objects", "maps"])
