"""A run: what is not measured yet is, and is added to the results folder."""

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path

import torch
from tqdm import tqdm

from experiments.measure.pair_sum.check import WrongResultError, check
from experiments.measure.pair_sum.contenders.base import (
    Case,
    Contender,
    Settings,
    Unavailable,
)
from experiments.measure.pair_sum.contenders.external import close_workers
from experiments.measure.pair_sum.floor import Floor
from experiments.measure.pair_sum.limits import Limits, why_not
from experiments.measure.pair_sum.measuring import describe, measure, time_rows
from experiments.measure.pair_sum.memory import peak_memory
from experiments.measure.pair_sum.records import (
    MemoryRow,
    TimeRow,
    add_rows,
    read_config,
    read_rows,
    write_config,
)
from experiments.measure.pair_sum.shapes import Shape, make_inputs
from experiments.run.provenance import provenance


@dataclass(frozen=True)
class Plan:
    """What to measure.

    Attributes:
        shapes: Shapes, in order.
        contenders: Contenders, in order.
        cases: Cases to time.
        memory_cases: Cases to measure the memory of.
        repeats: Rounds at most.
        seconds: Seconds after which a case begins no new round.
        limits: What a step may need.
        again: Whether to measure anew what is there.
    """

    shapes: list[Shape]
    contenders: list[type[Contender]]
    cases: list[Case]
    memory_cases: list[Case]
    repeats: int = 7
    seconds: float = 6.0
    limits: Limits = field(default_factory=Limits)
    again: bool = False


#: Smaller steps need less memory than a process's own noise.
MIN_MEMORY_PAIRS = 2048


class Run:
    """Measures a plan into a results folder.

    Args:
        plan: What to measure.
        settings: Seed, device, threads, interpreters.
        folder: Results folder; made if it is not there.

    Raises:
        ValueError: If the folder holds another machine's results.
    """

    def __init__(self, plan: Plan, settings: Settings, folder: Path) -> None:
        self.plan = plan
        self.settings = settings
        self.folder = folder
        # By width, products of a pair and precision.
        self.floors: dict[tuple[int, int, str], Floor] = {}
        self.reasons: dict[str, str] = {}  # of those that do not start at all
        self.peers: dict[str, str] = {}  # versions of other frameworks
        self.bar: tqdm = tqdm(disable=True)
        torch.set_num_threads(settings.threads)
        self.config = read_config(folder)
        self.about = provenance()
        self._check_machine()
        folder.mkdir(parents=True, exist_ok=True)
        self.number = len(self.config["runs"]) + 1

    def _check_machine(self) -> None:
        for run in self.config["runs"]:
            theirs, ours = run["machine"], self.about["machine"]
            for key in ("cpu", "threads", "gpu"):
                if theirs.get(key) != ours.get(key):
                    raise ValueError(
                        f"`folder` holds results of {key} {theirs.get(key)!r}, "
                        f"here it is {ours.get(key)!r}: expected the same "
                        f"machine, or another --folder"
                    )

    def measure(self) -> None:
        """Measure times, then memory; each case is kept as soon as it is done.

        A case is measured whole: contenders that are compared were timed in
        the same rounds.
        """
        plan = self.plan
        times = self._todo(self.folder / "times.csv", TimeRow, plan.cases)
        memory = self._todo(
            self.folder / "memory.csv", MemoryRow, plan.memory_cases
        )
        if not times and not memory:
            print("everything is measured (--again measures anew)")
            return
        total = len(times) + len(memory) * len(plan.contenders)
        self.bar = tqdm(total=total, unit="part")
        try:
            for shape in plan.shapes:
                cases = [case for s, case in times if s is shape]
                if cases:
                    self._time_shape(shape, cases)
                for case in [case for s, case in memory if s is shape]:
                    self._measure_memory(shape, case)
        finally:
            self.bar.close()
            close_workers()
        for name, reason in self.reasons.items():
            print(f"{name} was left out: {reason}")

    def _todo(
        self,
        path: Path,
        kind: type[TimeRow] | type[MemoryRow],
        cases: list[Case],
    ) -> list[tuple[Shape, Case]]:
        rows = read_rows(path, kind)  # type: ignore[type-var]
        done = set() if self.plan.again else {row.key for row in rows}
        return [
            (shape, case)
            for shape in self.plan.shapes
            for case in cases
            if (kind is TimeRow or shape.pairs >= MIN_MEMORY_PAIRS)
            and any(
                (shape.name, *case, contender.name) not in done
                for contender in self.plan.contenders
            )
        ]

    def _note(self, text: str) -> None:
        self.bar.set_postfix_str(text)

    def _floor(self, shape: Shape, case: Case) -> Floor:
        key = shape.width, shape.hidden_products, case.precision
        if key not in self.floors:
            self._note("floor: trying kernels and block sizes")
            self.floors[key] = Floor(*key, self.settings.device)
            self._write_config()
        return self.floors[key]

    def _time_shape(self, shape: Shape, cases: list[Case]) -> None:
        inputs = make_inputs(shape, self.settings.seed, self.settings.device)
        ready: dict[str, Contender] = {}
        for case in cases:
            floor = self._floor(shape, case)
            skipped: list[TimeRow] = []
            runs: list[Contender] = []
            for kind in self.plan.contenders:
                reason = self.reasons.get(kind.name) or why_not(
                    kind, shape, case, self.plan.limits, floor
                )
                if reason is None and kind.name not in ready:
                    reason = self._start(kind, shape, ready)
                    if reason is None:
                        ready[kind.name].prepare(inputs)
                if reason is None:
                    runs.append(ready[kind.name])
                else:
                    name = (self.number, shape.name, *case, kind.name)
                    skipped.append(TimeRow(*name, reason=reason))
            found, floors = measure(
                runs,
                floor,
                shape,
                case,
                self.plan.repeats,
                self.plan.seconds,
                self._note,
            )
            rows = time_rows(found, floors, shape, case, self.number)
            self._write_config()
            add_rows(self.folder / "times.csv", rows + skipped, TimeRow)
            self.bar.update()

    def _start(
        self, kind: type[Contender], shape: Shape, ready: dict[str, Contender]
    ) -> str | None:
        """Start a contender and check it; why not, where it fails."""
        self._note(f"{shape.name} {kind.name}, checking its results")
        try:
            contender = kind(shape, self.settings)
        except Unavailable as error:
            self.reasons[kind.name] = str(error)
            return str(error)
        try:
            check(contender)
        except WrongResultError as error:
            if kind.kind == "ours":
                raise  # nothing to compare with
            self.reasons[kind.name] = str(error)
        except Exception as error:  # a peer's failure is a result, too
            self.reasons[kind.name] = describe(error)
        if kind.name in self.reasons:
            return self.reasons[kind.name]
        ready[kind.name] = contender
        version = getattr(contender, "version", None)
        if version is not None:
            self.peers[kind.name] = version
        return None

    def _measure_memory(self, shape: Shape, case: Case) -> None:
        rows = []
        for kind in self.plan.contenders:
            self._note(f"{shape.name} {' '.join(case)} memory, {kind.name}")
            floor = self._floor(shape, case)
            reason = self.reasons.get(kind.name) or why_not(
                kind, shape, case, self.plan.limits, floor
            )
            result: int | str
            if reason is not None:
                result = reason
            else:
                result = peak_memory(kind.name, shape, case, self.settings)
            name = (self.number, shape.name, *case, kind.name)
            rows.append(
                MemoryRow(*name, reason=result)
                if isinstance(result, str)
                else MemoryRow(*name, peak_bytes=result)
            )
            self.bar.update()
        self._write_config()
        add_rows(self.folder / "memory.csv", rows, MemoryRow)

    def _write_config(self) -> None:
        """Keep how this run was made, as far as it has come."""
        plan = self.plan
        entry = {
            **self.about,
            "peers": self.peers,
            "seed": self.settings.seed,
            "device": self.settings.device,
            "shapes": [shape.name for shape in plan.shapes],
            "repeats": plan.repeats,
            "seconds": plan.seconds,
            "limits": dataclasses.asdict(plan.limits),
            "floor": {
                f"{width} {precision}, {products} products": {
                    part: choice._asdict()
                    for part, choice in floor.choices.items()
                }
                for (width, products, precision), floor in self.floors.items()
            },
        }
        self.config["runs"] = [
            *self.config["runs"][: self.number - 1],
            entry,
        ]
        write_config(self.folder, self.config)
