"""Speed of strata as ratios against its peers, each measured in one run.

    python benchmarks/speed.py                    the table
    python benchmarks/speed.py --json             the same as JSON
    python benchmarks/speed.py --only tiny,digits --repeats 3

A time on a shared machine means little, so every figure is a ratio: the contenders take turns, several times over, and
the ratio is that of their fastest turns (the spread is that of the turn-by-turn ratios). All contenders work in
the same floating-point type on the same rows, with the same batch size and optimizer, and with the thread counts that
they choose themselves. The exit status is 1 when a ratio misses its target.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import date
from itertools import pairwise
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
import sklearn
import torch
from processor import processor
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier as PeerMLPClassifier
from torch import nn

import strata
from strata import BaggedMLPClassifier, MLPClassifier

PAUSE = 0.3  # seconds before each turn

Contender = Callable[[], float]


@dataclass(frozen=True)
class Figure:
    """One line of the table."""

    work: str
    against: str
    ratio: float
    low: float
    high: float
    target: float
    ours_seconds: float
    peer_seconds: float
    note: str = ""

    @property
    def met(self) -> bool:
        return self.ratio >= self.target


def race(contenders: dict[str, Contender], repeats: int) -> dict[str, list[float]]:
    """Let the contenders take turns; each returns the seconds of the work it was asked for.

    BLAS threads of one contender go on spinning for a while after its turn, so each begins after a pause.
    """
    for contender in contenders.values():
        contender()  # compile, allocate, load
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(repeats):
        for name, contender in contenders.items():
            time.sleep(PAUSE)
            times[name].append(contender())
    return times


def figure(work: str, against: str, times: dict[str, list[float]], target: float, note: str = "") -> Figure:
    ours, peer = np.array(times["strata"]), np.array(times[against])
    turns = peer / ours
    ratio = float(peer.min() / ours.min())
    return Figure(work, against, ratio, float(turns.min()), float(turns.max()), target, ours.min(), peer.min(), note)


def seconds_of(action: Callable[[], object]) -> float:
    begun = time.perf_counter()
    action()
    return time.perf_counter() - begun


def random_task(n_rows: int, n_features: int, n_classes: int, dtype: str) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.RandomState(0)
    X = random.normal(size=(n_rows, n_features)).astype(dtype)
    return X, random.randint(n_classes, size=n_rows)


def eager_epoch(
    X: np.ndarray, y: np.ndarray, sizes: tuple[int, ...], *, tanh: bool, batch_size: int, fused: bool
) -> Contender:
    """Return one epoch of the loop that a PyTorch user writes: shuffled batches of tensors in memory, no loader."""
    torch.manual_seed(0)
    layers: list[nn.Module] = []
    widths = (X.shape[1], *sizes, int(y.max()) + 1)
    for i, (n_in, n_out) in enumerate(pairwise(widths)):
        layers += [nn.Linear(n_in, n_out)] + ([nn.Tanh() if tanh else nn.ReLU()] if i < len(sizes) else [])
    network = nn.Sequential(*layers).to(torch.from_numpy(X).dtype)
    optimizer = torch.optim.Adam(network.parameters(), fused=fused)
    loss_of = nn.CrossEntropyLoss()
    x, targets = torch.from_numpy(X), torch.from_numpy(y)

    def epoch() -> None:
        order = torch.randperm(len(x))
        for start in range(0, len(x), batch_size):
            rows = order[start : start + batch_size]
            optimizer.zero_grad()
            loss_of(network(x[rows]), targets[rows]).backward()
            optimizer.step()

    return lambda: seconds_of(epoch)


def epochs_of(estimator: type, X: np.ndarray, y: np.ndarray, n_epochs: int, **parameters: object) -> Contender:
    """Return the seconds of one epoch: those of a whole fit, checks and first weights included, over its epochs."""

    def fit() -> float:
        network = estimator(max_iter=n_epochs, tol=0.0, n_iter_no_change=10**6, random_state=0, alpha=0.0, **parameters)
        return seconds_of(lambda: network.fit(X, y)) / n_epochs

    return fit


def dense_race(
    task: tuple[np.ndarray, np.ndarray], sizes: tuple[int, ...], batch_size: int, repeats: int, **how: object
) -> dict[str, list[float]]:
    X, y = task
    activation = str(how.get("activation", "relu"))
    common = {"hidden_layer_sizes": sizes, "activation": activation, "batch_size": batch_size}
    ours_epochs, peer_epochs = int(how.get("ours_epochs", 3)), int(how.get("peer_epochs", 1))  # type: ignore[call-overload]
    return race(
        {
            "strata": epochs_of(MLPClassifier, X, y, ours_epochs, **common),
            "eager PyTorch": eager_epoch(
                X, y, sizes, tanh=activation == "tanh", batch_size=batch_size, fused=bool(how.get("fused"))
            ),
            "scikit-learn": epochs_of(PeerMLPClassifier, X, y, peer_epochs, **common),
        },
        repeats,
    )


def tiny(repeats: int) -> list[Figure]:
    times = dense_race(
        random_task(2000, 2, 2, "float32"),
        (8, 8),
        10,
        repeats,
        activation="tanh",
        ours_epochs=40,
        peer_epochs=3,
    )
    per_step = {name: [seconds / 200 for seconds in values] for name, values in times.items()}
    work = "2-8-8-2 tanh, batch 10, Adam: one step"
    return [figure(work, "eager PyTorch", per_step, 50), figure(work, "scikit-learn", per_step, 40)]


def small(repeats: int) -> list[Figure]:
    times = dense_race(random_task(20_000, 30, 2, "float32"), (100,), 200, repeats, ours_epochs=5, peer_epochs=2)
    work = "30-100-2 ReLU, batch 200, Adam: an epoch of 20,000 rows"
    return [figure(work, "scikit-learn", times, 6), figure(work, "eager PyTorch", times, 3)]


def mnist(repeats: int) -> list[Figure]:
    shape = random_task(60_000, 784, 10, "float32")
    times = dense_race(shape, (256, 128), 128, max(2, repeats // 2), fused=True, ours_epochs=1)
    work = "784-256-128-10 ReLU, batch 128, Adam: an epoch of 60,000 rows"
    return [figure(work, "eager PyTorch", times, 1.3, "fused Adam"), figure(work, "scikit-learn", times, 3)]


def bagged(repeats: int) -> list[Figure]:
    figures = []
    cancer = load_breast_cancer()
    X = (cancer.data - cancer.data.mean(axis=0)) / cancer.data.std(axis=0)
    for label, (x, y), epochs in (
        ("breast cancer, 569 rows", (X.astype("float32"), cancer.target), 50),
        ("5,000 random rows", random_task(5000, 30, 2, "float32"), 10),
    ):
        how = {
            "hidden_layer_sizes": (100,),
            "batch_size": 200,
            "max_iter": epochs,
            "tol": 0.0,
            "n_iter_no_change": 10**6,
        }

        def twenty(x: np.ndarray = x, y: np.ndarray = y, how: dict[str, object] = how) -> None:
            for seed in range(20):
                MLPClassifier(random_state=seed, **how).fit(x, y)

        def bag(x: np.ndarray = x, y: np.ndarray = y, how: dict[str, object] = how) -> None:
            BaggedMLPClassifier(n_estimators=20, random_state=0, **how).fit(x, y)

        times = race(
            {"strata": lambda bag=bag: seconds_of(bag), "20 fits of ours": lambda twenty=twenty: seconds_of(twenty)},
            repeats,
        )
        figures.append(figure(f"20 bagged 30-100-2 networks, {label}", "20 fits of ours", times, 3))
    return figures


def digits(repeats: int) -> list[Figure]:
    X, y = load_digits(return_X_y=True)
    X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.2, random_state=0, stratify=y)
    scores: dict[str, float] = {}

    def fit(name: str, estimator: type) -> Contender:
        def contender() -> float:
            network = estimator(random_state=0)
            seconds = seconds_of(lambda: network.fit(X_train, y_train))
            scores[name] = network.score(X_test, y_test)
            return seconds

        return contender

    times = race({"strata": fit("strata", MLPClassifier), "scikit-learn": fit("peer", PeerMLPClassifier)}, repeats)
    note = f"accuracy {scores['strata']:.4f} against {scores['peer']:.4f}, float64"
    return [figure("MLPClassifier().fit on digits, end to end", "scikit-learn", times, 4, note)]


def compile_seconds() -> dict[str, float]:
    """Measure the first fit of a process with an empty cache, and of the next one."""
    code = (
        "import time, numpy as np; from strata import MLPClassifier; X = np.eye(8, dtype='float32');"
        "n = MLPClassifier((2,), max_iter=1, batch_size=4); t = time.perf_counter(); n.fit(X, np.arange(8) % 2);"
        "print(time.perf_counter() - t)"
    )
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "NUMBA_CACHE_DIR": folder, "PYTHONWARNINGS": "ignore"}
        seconds = [
            float(subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=True).stdout)
            for _ in range(2)
        ]
    return {"first_process": seconds[0], "second_process": seconds[1]}


CASES: dict[str, Callable[[int], list[Figure]]] = {
    "tiny": tiny,
    "small": small,
    "mnist": mnist,
    "bagged": bagged,
    "digits": digits,
}


def machine() -> dict[str, object]:
    return {
        "date": date.today().isoformat(),
        "command": " ".join(["python", *sys.argv]),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "scikit-learn": sklearn.__version__,
        "strata": strata.__version__,
        "cores": os.cpu_count(),
        "processor": processor(),
    }


def as_table(figures: list[Figure]) -> str:
    lines = ["| work | against | ratio | turns | target | met |", "| --- | --- | --- | --- | --- | --- |"]
    for each in figures:
        work = f"{each.work} ({each.note})" if each.note else each.work
        lines.append(
            f"| {work} | {each.against} | {each.ratio:.1f} x | {each.low:.1f} to {each.high:.1f} "
            f"| {each.target:g} x | {'yes' if each.met else 'NO'} |"
        )
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--only", default=",".join(CASES), help=f"some of {', '.join(CASES)}")
    parser.add_argument("--repeats", type=int, default=7, help="turns of each contender (default 7)")
    parser.add_argument("--out", type=Path, help="write the JSON to this file as well")
    arguments = parser.parse_args()
    names = arguments.only.split(",")
    if unknown := [name for name in names if name not in CASES]:
        parser.error(f"unknown case {unknown[0]!r}; choose from {', '.join(CASES)}")
    warnings.simplefilter("ignore", ConvergenceWarning)
    compiling = compile_seconds()
    figures = [line for name in names for line in CASES[name](arguments.repeats)]
    result = {
        "machine": machine(),
        "compile_seconds": compiling,
        "figures": [{**asdict(each), "met": each.met} for each in figures],
    }
    if arguments.out is not None:
        arguments.out.write_text(json.dumps(result, indent=2) + "\n")
    if arguments.json:
        print(json.dumps(result, indent=2))
    else:
        print(as_table(figures))
        print(f"\nfirst fit of a machine {compiling['first_process']:.1f} s, of a later process", end=" ")
        print(f"{compiling['second_process']:.2f} s (compiled code is kept on disk)")
    return int(not all(each.met for each in figures))


if __name__ == "__main__":
    sys.exit(main())
