from experiments.report import plots
from tests.experiments.report.made import result


def test_no_curve_against_minutes_where_steps_cost_more_than_measured():
    made = {"cost": {"step_ms": 1500.0}, "curves": [{10: 0.5, 20: 0.8}]}
    dense = result("rn", **made)
    shrank = result("rn_attention", 0.2, **made, shrink_steps=5)
    colors = {r.label: "red" for r in (dense, shrank)}
    steps, minutes = plots.learning_curves([dense, shrank], colors).axes
    assert len(steps.lines) == 2
    (line,) = minutes.lines
    assert list(line.get_xdata()) == [0.25, 0.5]
    assert len(plots.learning_curves([shrank], colors).axes) == 1


def test_every_budget_has_a_colour_of_its_own():
    shares = [0.05, 0.1, 0.2, 0.35, 0.5]
    names = ["rn_knn", "rn_random", "rn_attention", "rn_distilled"]
    results = [result("rn")] + [
        result(name, share) for name in names for share in shares
    ]
    colors = plots._colors(results)
    assert len({tuple(color) for color in colors.values()}) == 21


def test_what_was_not_measured_is_not_drawn_against_cost():
    cost = {"flops": 1e6, "step_ms": 2.0, "memory_mib": 10.0}
    results = [result("rn", cost=cost), result("gcn", depth=2)]
    colors = plots._colors(results)
    for axes in plots.cost(results, colors).axes:
        assert len(axes.containers) == 1
