"""What looking on costs: training with a recorder over training without one, and what the questions cost afterwards.

    python benchmarks/evidence.py                      the table
    python benchmarks/evidence.py --json               the same as JSON
    python benchmarks/evidence.py --only tiny,digits --repeats 5

A time on a shared machine means little, so every figure is a ratio: the same training with a recorder, without one, and
once more without one take turns, several times over. A turn is as many fits as fill a quarter of a second. The figure
is the median of the turn-by-turn ratios, between their quartiles; that of the two trainings without a recorder says how
much of it is noise, and that nothing is paid where nobody looks on. The look back comes after the training and is
bounded by itself: it is given in seconds and as a share of one training. Of it, "rows" is what is spent on the
data and on simple models beside the network, which does not depend on how long the network learned. The exit status is
1 when a recorder costs a tenth or more.
"""

import argparse
import json
import os
import platform
import sys
import time
import warnings
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any
from unittest.mock import patch

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
import torch
from processor import processor
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning

import strata
from strata import MLPClassifier
from strata.diagnosis import Recorder, evidence_of

TARGET = 1.10
TURN = 0.25  # seconds


@dataclass(frozen=True)
class Ratio:
    """A median of turn-by-turn ratios between their quartiles."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: np.ndarray, base: np.ndarray) -> "Ratio":
        low, median, high = np.quantile(values / base, (0.25, 0.5, 0.75))
        return cls(float(median), float(low), float(high))

    def __str__(self) -> str:
        return f"{self.median:.3f} [{self.low:.3f}, {self.high:.3f}]"


@dataclass(frozen=True)
class Figure:
    """One line of the table."""

    work: str
    engine: str
    epochs: int
    fit_seconds: float
    recorded: Ratio
    off: Ratio
    copies: int
    mebibytes: float
    look_back_seconds: float
    rows_seconds: float

    @property
    def met(self) -> bool:
        return self.recorded.median < TARGET


def task(n_rows: int, n_features: int, n_classes: int, dtype: str) -> tuple[np.ndarray, np.ndarray]:
    """Return random rows whose classes are cut by noisy planes, so that something is learned slowly."""
    random = np.random.RandomState(0)
    X = random.normal(size=(n_rows, n_features)).astype(dtype)
    planes = random.normal(size=(n_features, n_classes))
    return X, (X @ planes + random.normal(size=(n_rows, n_classes))).argmax(axis=1)


def digits() -> tuple[np.ndarray, np.ndarray]:
    X, y = load_digits(return_X_y=True)
    return X / 16.0, y


@dataclass(frozen=True)
class Work:
    """A training."""

    words: str
    rows: Callable[[], tuple[np.ndarray, np.ndarray]]
    parameters: dict[str, Any]


WORKS = {
    "tiny": Work(
        "2-8-8-2 tanh, 500 rows", lambda: task(500, 2, 2, "float64"),
        {"hidden_layer_sizes": (8, 8), "activation": "tanh"},
    ),
    "tiny-autograd": Work(
        "2-8-8-2 tanh, 500 rows", lambda: task(500, 2, 2, "float64"),
        {"hidden_layer_sizes": (8, 8), "activation": "tanh", "engine": "autograd", "max_iter": 50},
    ),
    "digits": Work("64-100-10 ReLU, digits", digits, {}),
    "small": Work(
        "30-100-2 ReLU, 20,000 rows", lambda: task(20_000, 30, 2, "float32"),
        {"hidden_layer_sizes": (100,), "max_iter": 20},
    ),
    "wide": Work(
        "784-256-128-10 ReLU, 10,000 rows", lambda: task(10_000, 784, 10, "float32"),
        {"hidden_layer_sizes": (256, 128), "batch_size": 128, "max_iter": 5},
    ),
    "wide-autograd": Work(
        "784-256-128-10 ReLU, 10,000 rows", lambda: task(10_000, 784, 10, "float32"),
        {"hidden_layer_sizes": (256, 128), "batch_size": 128, "max_iter": 3, "engine": "autograd"},
    ),
}  # fmt: skip


def measure(work: Work, repeats: int) -> Figure:
    """Let the trainings take turns, and look back once."""
    X, y = work.rows()
    recorder = Recorder()

    def fit(callbacks: list[Recorder] | None) -> MLPClassifier:
        return MLPClassifier(random_state=0, callbacks=callbacks, **work.parameters).fit(X, y)

    contenders: dict[str, list[Recorder] | None] = {"without": None, "recorded": [recorder], "off": []}
    begun = time.perf_counter()
    network = fit(contenders["recorded"])  # compiles and loads
    begun, network = time.perf_counter(), fit(contenders["recorded"])
    n_fits = max(1, round(TURN / (time.perf_counter() - begun)))
    copies, n_bytes = len(recorder.moments), recorder.n_bytes
    looked, rows = look_back_of(network, X, y, recorder)
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for turn in range(repeats):
        for name in sorted(contenders, reverse=bool(turn % 2)):  # nobody is always first
            begun = time.perf_counter()
            for _ in range(n_fits):
                fit(contenders[name])
            times[name].append((time.perf_counter() - begun) / n_fits)
    seconds = {name: np.array(values) for name, values in times.items()}
    return Figure(
        work.words, network.engine_, network.n_iter_, float(np.median(seconds["without"])),
        Ratio.of(seconds["recorded"], seconds["without"]), Ratio.of(seconds["off"], seconds["without"]),
        copies, n_bytes / 2**20, looked, rows,
    )  # fmt: skip


def look_back_of(network: MLPClassifier, X: np.ndarray, y: np.ndarray, recorder: Recorder) -> tuple[float, float]:
    """Return the seconds of the whole look back, and those of its part that is about rows and simple models."""
    spent = 0.0

    def timed(function: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **kwargs: Any) -> Any:
            nonlocal spent
            begun = time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                spent += time.perf_counter() - begun

        return run

    held_out = len(X) // 5
    module = sys.modules[evidence_of.__module__]
    with ExitStack() as stack:
        for name in ("look_at_rows", "compared"):
            stack.enter_context(patch.object(module, name, timed(getattr(module, name))))
        begun = time.perf_counter()
        evidence_of(network, X, y, X_val=X[:held_out], y_val=y[:held_out], watcher=recorder)
        seconds = time.perf_counter() - begun
    return seconds, spent


def machine() -> dict[str, object]:
    return {
        "date": date.today().isoformat(),
        "command": " ".join(["python", *sys.argv]),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "strata": strata.__version__,
        "cores": os.cpu_count(),
        "processor": processor(),
    }


def as_table(figures: list[Figure]) -> str:
    lines = [
        "| training | engine | epochs | fit (s) | with a recorder / without | without / without | copies | MiB "
        "| look back (s) | of it rows | look back / fit | < 1.10 |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for each in figures:
        lines.append(
            f"| {each.work} | {each.engine} | {each.epochs} | {each.fit_seconds:.3f} | {each.recorded} | {each.off} "
            f"| {each.copies} | {each.mebibytes:.2f} | {each.look_back_seconds:.2f} | {each.rows_seconds:.2f} "
            f"| {each.look_back_seconds / each.fit_seconds:.1f} | {'yes' if each.met else 'NO'} |"
        )
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--only", default=",".join(WORKS), help=f"some of {', '.join(WORKS)}")
    parser.add_argument("--repeats", type=int, default=11, help="turns of each contender (default 11)")
    parser.add_argument("--out", type=Path, help="write the JSON to this file as well")
    arguments = parser.parse_args()
    names = arguments.only.split(",")
    if unknown := [name for name in names if name not in WORKS]:
        parser.error(f"unknown case {unknown[0]!r}; choose from {', '.join(WORKS)}")
    warnings.simplefilter("ignore", ConvergenceWarning)
    figures = [measure(WORKS[name], arguments.repeats) for name in names]
    result = {
        "machine": machine(),
        "target": TARGET,
        "figures": [{**asdict(each), "met": each.met} for each in figures],
    }
    if arguments.out is not None:
        arguments.out.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2) if arguments.json else as_table(figures))
    return int(not all(each.met for each in figures))


if __name__ == "__main__":
    sys.exit(main())
