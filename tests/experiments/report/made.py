"""Results that were not trained for."""

import pandas as pd

from experiments.report.results import Result


def result(
    model,
    share=None,
    depth=None,
    rate=None,
    accuracy=(0.5,),
    cost=None,
    curves=(),
    families=(),
    task="clevr",
    **settings,
):
    """A model with as many seeds as accuracies.

    Args:
        model: Its name.
        share: Share of the pairs that it keeps.
        depth: Its number of layers.
        rate: Its learning rate.
        accuracy: Of each seed on test.
        cost: What was measured.
        curves: Validation accuracy by step, of some seeds.
        families: Test accuracy by family, of each seed.
        task: Name of the task.
        **settings: Further columns.
    """
    cost = {f"cost/{key}": value for key, value in (cost or {}).items()}
    settings = {"shrink_steps": 0, "init": None, "batch_size": 1} | settings
    runs = pd.DataFrame(
        {
            "run": f"{model}/seed-{seed}",
            "task": task,
            "model": model,
            "share": share,
            "depth": depth,
            "learning_rate": rate,
            "seed": seed,
            "test/all": value,
        }
        | settings
        | cost
        for seed, value in enumerate(accuracy)
    )
    points = [
        (f"{model}/seed-{seed}", step, value)
        for seed, curve in enumerate(curves)
        for step, value in curve.items()
    ]
    return Result(
        runs,
        pd.DataFrame(points, columns=["run", "step", "val/all"]),
        pd.DataFrame(families, index=runs["run"]) if families else None,
    )
