from experiments.studies.columns import (
    Column,
    accuracy_table,
    cost_table,
    shown,
)
from tests.experiments.report.made import result

COST = {"flops": 2_500_000, "step_ms": 31.4, "parameters": 5}
GROUPS = {
    "no pairs": ["most_frequent", "deep_sets"],
    "pairs": ["rn", "edge", "gcn"],
}


def made():
    first = [
        result("most_frequent", accuracy=(0.25,)),
        result("deep_sets", accuracy=(0.5, 0.6), cost=COST),
        result("rn", accuracy=(1.0,), cost=COST),
    ]
    second = [
        result("rn", accuracy=(0.125,)),
        result("edge", depth=2, accuracy=(0.75,), cost=COST),
    ]
    by_name = [{r.name: r for r in some} for some in (first, second)]
    return [
        Column("First", "all", by_name[0]),
        Column("Second", "all", by_name[1]),
        Column("Second", "b", by_name[1]),
    ]


def test_tables():
    table = accuracy_table(made(), shown(GROUPS, made())).splitlines()
    cells = [[c.strip() for c in line.split("|")[1:-1]] for line in table]
    assert cells[0] == ["", "First", "Second", "Second, b"]
    assert cells[2] == ["*no pairs*", "", "", ""]
    assert cells[3] == ["Most frequent answer of the type", "25.0", "–", "–"]
    assert cells[4][:2] == ["Deep Sets", "55.0 ± 63.5"]
    assert [row[0] for row in cells[5:]] == [
        "*pairs*",
        "RN, all pairs",
        "EdgeConv",
    ]  # without GCN, which has no results
    assert cells[6][1:] == ["100.0", "12.5", "–"]
    costs = cost_table(made(), shown(GROUPS, made())).splitlines()
    cells = [[c.strip() for c in line.split("|")[1:-1]] for line in costs]
    assert cells[0] == ["", "First", "Second"]  # once a task
    assert cells[2] == ["Deep Sets", "2.50 M, 31 ms", "–"]
    assert cells[4] == ["EdgeConv", "–", "2.50 M, 31 ms, 2 layers"]
    plain = accuracy_table(made(), {"": ["rn"]}).splitlines()
    assert len(plain) == 3  # a group without a title has no row for it
