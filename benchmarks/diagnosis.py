"""The fault bench: how often `strata.diagnose` names a known fault, and how often it cries wolf.

    python benchmarks/diagnosis.py --half report        both figures on the half that no threshold was tuned on
    python benchmarks/diagnosis.py --half tune -v       every run of the other half
    python benchmarks/diagnosis.py --only dead_relus    one fault
    python benchmarks/diagnosis.py --check              that each fault does harm and each healthy net does well

The reporting half (faults/fresh.py) has data sets of its own.

A faulty run counts as named when one of its accepted verdicts is the first or the second. A verdict other than
"healthy" on a healthy run is a false alarm. Two names are accepted where both describe the one fault honestly, such as
"diverging" and "learning_rate_too_high"; faults/*.py say where. Runs whose fault did no harm beyond the spread
over seeds, on rows that no diagnosis saw, were dropped by the check (faults/dropped.json). The exit status is 1 when a
figure misses its target.
"""

import argparse
import json
import math
import os
import platform
import subprocess
import sys
import time
import warnings
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from datetime import date
from multiprocessing import get_context
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
import sklearn
import torch
from faults import DROPPED, all_cases
from faults.case import HALVES, Case, Net
from faults.checking import check
from processor import processor

import strata

NAMED_TARGET = 0.90
ALARM_TARGET = 0.05


@dataclass(frozen=True)
class Outcome:
    """What the diagnosis said of one run."""

    name: str
    fault: str
    accepted: tuple[str, ...]
    half: str
    verdicts: tuple[str, ...]
    confidences: tuple[float, ...]
    others: tuple[str, ...]
    seconds: float
    error: str = ""

    @property
    def right(self) -> bool:
        if self.fault == "healthy":
            return self.verdicts == ("healthy",)
        return any(name in self.accepted for name in self.verdicts[:2])


def diagnosis_of(case: Case) -> Any:
    """Return the diagnosis of one run."""
    problem, how = case.faulty(case.seed)
    if isinstance(how, Net):
        own = {} if problem.X_val is None else {"X_val": problem.X_val, "y_val": problem.y_val}
        return strata.diagnose(how.build(problem.task, case.seed), problem.X, problem.y, **own)
    loop = how(problem, case.seed)
    return strata.diagnose(
        loop.module, loss=loop.loss, optimizer=loop.optimizer, loader=loop.loader, val_loader=loop.val_loader,
        epochs=loop.epochs,
    )  # fmt: skip


def outcome_of(case: Case) -> Outcome:
    """Diagnose one run; a diagnosis that fails names nothing, and alarms."""
    torch.set_num_threads(1)
    begun = time.perf_counter()
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            found = diagnosis_of(case)
        except Exception as error:
            message = f"{type(error).__name__}: {error}"
            return Outcome(case.name, case.fault, case.accepted, case.half, (), (), (), _since(begun), message)
    return Outcome(
        case.name, case.fault, case.accepted, case.half,
        tuple(verdict.name for verdict in found.verdicts),
        tuple(round(verdict.confidence, 3) for verdict in found.verdicts),
        tuple(verdict.name for verdict in found.others), _since(begun),
    )  # fmt: skip


def _since(begun: float) -> float:
    return round(time.perf_counter() - begun, 3)


_CASES: dict[str, Case] = {}


def _case(name: str) -> Case:
    if not _CASES:
        _CASES.update((case.name, case) for case in all_cases(everything=True))
    return _CASES[name]


def _diagnosed(name: str) -> Outcome:
    return outcome_of(_case(name))


def _checked(name: str) -> Any:
    torch.set_num_threads(1)
    return check(_case(name))


def spread_out(work: Any, jobs: int, names: list[str]) -> Iterable[Any]:
    """Run work in processes of their own, in order."""
    if jobs == 1:
        yield from map(work, names)
        return
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        yield from pool.map(work, names)


def wilson(hits: int, n: int, z: float = 1.96) -> tuple[float, float]:
    """Return the Wilson interval of a share (E. B. Wilson, 1927), 95 % for the default z."""
    if n == 0:
        return 0.0, 1.0
    share, spread = hits / n, z * z / n
    middle = (share + spread / 2) / (1 + spread)
    half = z * math.sqrt(share * (1 - share) / n + spread / (4 * n)) / (1 + spread)
    return max(0.0, middle - half), min(1.0, middle + half)


@dataclass(frozen=True)
class Share:
    """A count, its share and its 95 % interval."""

    hits: int
    n: int
    share: float
    low: float
    high: float

    @classmethod
    def of(cls, flags: Iterable[bool]) -> "Share":
        values = list(flags)
        low, high = wilson(sum(values), len(values))
        return cls(sum(values), len(values), sum(values) / max(1, len(values)), low, high)

    def __str__(self) -> str:
        return f"{self.hits}/{self.n} = {self.share:.1%} [{self.low:.1%}, {self.high:.1%}]"


def summary(outcomes: list[Outcome]) -> dict[str, Share]:
    """Return both figures, and how many faults were named first."""
    faulty = [outcome for outcome in outcomes if outcome.fault != "healthy"]
    healthy = [outcome for outcome in outcomes if outcome.fault == "healthy"]
    return {
        "named_first_or_second": Share.of(outcome.right for outcome in faulty),
        "named_first": Share.of(bool(set(outcome.verdicts[:1]) & set(outcome.accepted)) for outcome in faulty),
        "false_alarms": Share.of(not outcome.right for outcome in healthy),
    }


def met(figures: dict[str, Share]) -> bool:
    named, alarms = figures["named_first_or_second"], figures["false_alarms"]
    return (not named.n or named.share >= NAMED_TARGET) and (not alarms.n or alarms.share <= ALARM_TARGET)


def table(outcomes: list[Outcome]) -> str:
    """Return a line for each fault, with what the runs that were missed got instead."""
    lines = [f"{'fault':28} {'runs':>4} {'first':>5} {'1-2':>4}  instead (first verdict)"]
    for fault in sorted({outcome.fault for outcome in outcomes}, key=lambda name: (name == "healthy", name)):
        own = [outcome for outcome in outcomes if outcome.fault == fault]
        first = sum(bool(set(outcome.verdicts[:1]) & set(outcome.accepted)) for outcome in own)
        instead = Counter((outcome.verdicts[:1] or ("error",))[0] for outcome in own if not outcome.right)
        said = ", ".join(f"{name} {count}" for name, count in instead.most_common())
        lines.append(f"{fault:28} {len(own):4} {first:5} {sum(outcome.right for outcome in own):4}  {said}")
    return "\n".join(lines)


def machine() -> dict[str, object]:
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    versions = {"python": platform.python_version(), "torch": torch.__version__, "scikit-learn": sklearn.__version__}
    return {"processor": processor(), "cores": os.cpu_count(),
    "system": platform.system(),
            "commit": commit.stdout.strip(), **versions, "strata": strata.__version__}  # fmt: skip


def record(outcomes: list[Outcome], seconds: float) -> dict[str, object]:
    figures = {
        half: {name: asdict(share) for name, share in summary([o for o in outcomes if o.half == half]).items()}
        for half in HALVES
        if any(outcome.half == half for outcome in outcomes)
    }
    return {
        "date": date.today().isoformat(),
        "command": " ".join(["python", *sys.argv]),
        "machine": machine(),
        "seconds": round(seconds, 1),
        "targets": {"named_first_or_second": NAMED_TARGET, "false_alarms": ALARM_TARGET},
        "figures": figures,
        "runs": [asdict(outcome) for outcome in outcomes],
    }


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--half", choices=(*HALVES, "both"), default="both", help="which runs")
    parser.add_argument("--only", default="", help="faults, separated by commas")
    parser.add_argument("--match", default="", help="runs whose name has this in it")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    parser.add_argument("--check", action="store_true", help="measure the harm of each fault instead")
    parser.add_argument("--drop", action="store_true", help="with --check: write the list of runs that are left out")
    parser.add_argument("--json", action="store_true", help="print the record")
    parser.add_argument("--out", type=Path, help="write the record into this file")
    parser.add_argument("-v", "--verbose", action="store_true", help="print each run that was missed")
    return parser.parse_args()


def run_check(cases: list[Case], *, jobs: int, drop: bool) -> int:
    unfit = {}
    for done in spread_out(_checked, jobs, [case.name for case in cases]):
        print(done, flush=True)
        if not done.fit:
            unfit[done.name] = str(done).partition(": ")[2]
    print(f"{len(cases) - len(unfit)} of {len(cases)} runs are what they are called")
    if drop:
        before = json.loads(DROPPED.read_text()) if DROPPED.exists() else {}
        again = {case.name for case in cases}
        unfit |= {name: why for name, why in before.items() if name not in again}
        DROPPED.write_text(json.dumps(unfit, indent=1, sort_keys=True, ensure_ascii=False) + "\n")
    return 0


def main() -> int:
    asked = arguments()
    wanted = [name for name in asked.only.split(",") if name]
    cases = [
        case
        for case in all_cases(everything=asked.check)
        if asked.half in ("both", case.half) and (not wanted or case.fault in wanted) and asked.match in case.name
    ]
    if asked.check:
        return run_check(cases, jobs=asked.jobs, drop=asked.drop)
    begun = time.perf_counter()
    outcomes = []
    for outcome in spread_out(_diagnosed, asked.jobs, [case.name for case in cases]):
        outcomes.append(outcome)
        if asked.verbose and not outcome.right:
            said = ", ".join(
                f"{name} {value:.2f}" for name, value in zip(outcome.verdicts, outcome.confidences, strict=True)
            )
            print(f"{outcome.name}: {said or outcome.error} | others: {', '.join(outcome.others)}", flush=True)
    report = record(outcomes, _since(begun))
    if asked.out:
        asked.out.write_text(json.dumps(report, indent=1, allow_nan=False) + "\n")
    if asked.json:
        print(json.dumps(report, indent=1, allow_nan=False))
        return 0 if met(summary(outcomes)) else 1
    good = True
    for half in HALVES:
        own = [outcome for outcome in outcomes if outcome.half == half]
        if own:
            print(f"\n{half} half\n{table(own)}")
            for name, share in summary(own).items():
                print(f"{name.replace('_', ' '):24} {share}")
            good = good and met(summary(own))
    slow = float(np.median([outcome.seconds for outcome in outcomes])) if outcomes else 0.0
    print(f"\n{len(outcomes)} runs in {report['seconds']} s; median {slow:.2f} s a diagnosis")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
