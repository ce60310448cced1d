"""What the convolutional networks reach on real images: the published accuracies, transfer and augmentation.

    python benchmarks/vision_proofs.py                     everything, about three hours on two cores
    python benchmarks/vision_proofs.py --only lenet5,augmentation
    python benchmarks/vision_proofs.py --list

The data are read from ../shared/data (``--data`` names another folder). Nothing is chosen by a look at test images:
the recipes are fixed below, every network is the one after its last epoch, and the test images are scored once. Rows
are written to benchmarks/results as they come, beside those that are there. The exit status is 1 when a row misses its
target.
"""

import argparse
import json
import math
import os
import platform
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
import torch
from processor import processor
from safetensors.torch import load_file, save_file
from scipy.stats import t as student
from sklearn.model_selection import train_test_split
from vision_sets import DATA, ImageTask, cifar10, fashion_mnist, mnist

import strata
from strata import ImageClassifier
from strata.data import ImageSource
from strata.models import build, model_info
from strata.models.resnet_cifar import CifarResNet

RESULTS = Path(__file__).resolve().parent / "results"
WEIGHTS = Path(strata.__file__).parent / "models" / "pretrained" / "resnet20_cifar10.safetensors"
N_SEEDS = 5
N_DRAWS = 10  # of the transfer, whose gains are small beside what the draw makes


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    name: str
    what: str
    value: float
    low: float
    high: float
    target: float
    met: bool
    seconds: float
    details: dict[str, Any] = field(default_factory=dict)


def wilson(n_right: int, n: int) -> tuple[float, float]:
    """Return the 95 % interval of a share by Wilson's formula."""
    share, z = n_right / n, 1.959963985
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return centre - half, centre + half


def paired(differences: Sequence[float]) -> tuple[float, float, float]:
    """Return the mean of paired differences and its 95 % interval by Student's t."""
    values = np.asarray(differences)
    half = float(student.ppf(0.975, len(values) - 1) * values.std(ddof=1) / math.sqrt(len(values)))
    return float(values.mean()), float(values.mean()) - half, float(values.mean()) + half


def accuracy_row(
    name: str,
    what: str,
    right: np.ndarray,
    target: float,
    seconds: float,
    *,
    time_target: float = math.inf,
    **details: Any,
) -> Row:
    """Return the row of an accuracy on test images."""
    low, high = wilson(int(right.sum()), len(right))
    share = float(right.mean())
    return Row(name, what, share, low, high, target, share >= target and seconds <= time_target, seconds, details)


def lenet5(data: Path) -> list[Row]:
    """LeNet-5 in its modern form on MNIST, 10 epochs."""
    task = mnist(data)
    begun = time.perf_counter()
    model = ImageClassifier("lenet5", max_iter=10, batch_size=64, random_state=0).fit(task.X, task.y)
    seconds = time.perf_counter() - begun
    right = model.predict(task.X_test) == task.y_test
    return [accuracy_row("lenet5", "LeNet-5 (modern), MNIST, 10 epochs: test accuracy", right, 0.99, seconds)]


def lenet5_1998(data: Path) -> list[Row]:
    """LeNet-5 as published: trainable subsampling, partial connections, Gaussian connections, the MAP loss."""
    task = mnist(data)
    begun = time.perf_counter()
    model = ImageClassifier("lenet5_1998", max_iter=10, batch_size=32, alpha=1e-4, random_state=0).fit(task.X, task.y)
    seconds = time.perf_counter() - begun
    right = model.predict(task.X_test) == task.y_test
    what = "LeNet-5 of 1998 with Gaussian connections and the MAP loss, MNIST, 10 epochs: test accuracy"
    return [accuracy_row("lenet5_1998", what, right, 0.987, seconds)]


def fashion(data: Path) -> list[Row]:
    """A residual network of 14 layers on Fashion-MNIST within 15 minutes."""
    task = fashion_mnist(data)
    begun = time.perf_counter()
    model = ImageClassifier(
        CifarResNet(2, in_channels=1), max_iter=7, batch_size=128, augment=["flip"], random_state=0
    ).fit(task.X, task.y)
    seconds = time.perf_counter() - begun
    right = model.predict(task.X_test) == task.y_test
    what = "residual network of 14 layers, Fashion-MNIST, 7 epochs in at most 15 minutes: test accuracy"
    return [accuracy_row("fashion", what, right, 0.92, seconds, time_target=900.0)]


def cifar(data: Path, *, keep: Path | None = None) -> list[Row]:
    """ResNet-20 on CIFAR-10, 10 epochs of one cycle; the last 1,000 training images are left out to be looked at."""
    task, info = cifar10(data), model_info("resnet20")
    begun = time.perf_counter()
    model = ImageClassifier(
        "resnet20",
        max_iter=10,
        batch_size=128,
        learning_rate_init=0.2,
        augment=["crop", "flip"],
        normalization=(info.mean, info.std),  # what the file is read with when it ships
        progress=True,
        random_state=0,
    ).fit(task.X[:-1000], task.y[:-1000])
    seconds = time.perf_counter() - begun
    right = model.predict(task.X_test) == task.y_test
    held_out = float((model.predict(task.X[-1000:]) == task.y[-1000:]).mean())
    if keep is not None:
        _save_half(model.network_.state_dict(), keep)
    what = "ResNet-20, CIFAR-10, 10 epochs of one cycle: accuracy on the first 1,000 test images"
    return [accuracy_row("cifar", what, right, 0.80, seconds, held_out_accuracy=held_out)]


def _save_half(state: dict[str, torch.Tensor], path: Path) -> None:
    """Write weights in half precision, without the counters of batch norms."""
    kept = {name: value.half().contiguous() for name, value in state.items() if value.is_floating_point()}
    save_file(kept, path, metadata={"format": "pt"})


def shipped(data: Path) -> list[Row]:
    """The backbone that ships with the package, read from its file."""
    task = cifar10(data)
    begun = time.perf_counter()
    network = build("resnet20", weights="cifar10").eval()
    info = model_info("resnet20")
    source = ImageSource(task.X_test, batch_size=250, shuffle=False, mean=info.mean, std=info.std)
    with torch.no_grad():
        scores = torch.cat([network(batch.x) for batch in source.epoch(0).take(0, 4)])
    right = scores.argmax(1).numpy() == task.y_test
    what = "the backbone in the package (ResNet-20, float16): accuracy on the first 1,000 test images"
    n_bytes = WEIGHTS.stat().st_size
    n_weights = sum(value.numel() for value in load_file(WEIGHTS).values())
    row = accuracy_row("shipped", what, right, 0.80, time.perf_counter() - begun, n_bytes=n_bytes, n_numbers=n_weights)
    return [row]


def _few(task: ImageTask, n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw ``n`` training images, as many of each class."""
    X, _, y, _ = train_test_split(task.X, task.y, train_size=n, stratify=task.y, random_state=seed)
    return X, y


def transfer(data: Path) -> list[Row]:
    """The shipped backbone on Fashion-MNIST with 500 labels: each mode against a start from scratch, all by default."""
    task = fashion_mnist(data)
    modes: dict[str, dict[str, Any]] = {
        "scratch": {},
        "last": {"weights": "cifar10", "transfer": "last"},
        "partial": {"weights": "cifar10", "transfer": "partial"},
        "all": {"weights": "cifar10", "transfer": "all"},
    }
    begun = time.perf_counter()
    rights: dict[str, list[float]] = {mode: [] for mode in modes}
    clocks: dict[str, list[float]] = {mode: [] for mode in modes}
    layers: dict[str, list[str | None]] = {mode: [] for mode in modes}
    for seed in range(N_DRAWS):
        X, y = _few(task, 500, seed)
        for mode, options in modes.items():
            started = time.perf_counter()
            model = ImageClassifier("resnet20", channels=3, random_state=seed, **options).fit(X, y)
            clocks[mode].append(round(time.perf_counter() - started, 1))
            layers[mode].append(model.feature_layer_)
            rights[mode].append(float((model.predict(task.X_test) == task.y_test).mean()))
            print(f"  seed {seed} {mode:8} {rights[mode][-1]:.4f} in {clocks[mode][-1]:.0f} s", flush=True)
    seconds = time.perf_counter() - begun
    rows = []
    for mode in ("last", "partial", "all"):
        mean, low, high = paired(np.subtract(rights[mode], rights["scratch"]))
        what = f"CIFAR-10's ResNet-20 to Fashion-MNIST with 500 labels, {mode!r} minus scratch, {N_DRAWS} draws"
        details = {"accuracies": rights[mode], "scratch": rights["scratch"]}
        details |= {"seconds": clocks[mode], "seconds_scratch": clocks["scratch"], "feature_layers": layers[mode]}
        rows.append(Row(f"transfer_{mode}", what, mean, low, high, 0.0, low > 0, seconds, details))
    return rows


def augmentation(data: Path) -> list[Row]:
    """Crops and mirror images against none, on 1,000 images of CIFAR-10."""
    task = cifar10(data)
    begun = time.perf_counter()
    rights: dict[str, list[float]] = {"none": [], "light": []}
    for seed in range(N_SEEDS):
        X, y = _few(task, 1000, seed)
        for augment, found in rights.items():
            model = ImageClassifier("resnet20", augment=augment, max_iter=20, random_state=seed).fit(X, y)
            found.append(float((model.predict(task.X_test) == task.y_test).mean()))
            print(f"  seed {seed} {augment:8} {found[-1]:.4f}", flush=True)
    mean, low, high = paired(np.subtract(rights["light"], rights["none"]))
    what = f"ResNet-20 on 1,000 images of CIFAR-10, crops and mirror images minus none, {N_SEEDS} draws"
    return [Row("augmentation", what, mean, low, high, 0.0, low > 0, time.perf_counter() - begun, rights)]


PROOFS: dict[str, Callable[[Path], list[Row]]] = {
    "lenet5": lenet5,
    "lenet5_1998": lenet5_1998,
    "augmentation": augmentation,
    "shipped": shipped,
    "transfer": transfer,
    "fashion": fashion,
    "cifar": cifar,
}


def machine(command: str) -> dict[str, object]:
    """Return what the figures depend on."""
    return {
        "date": date.today().isoformat(),
        "command": command,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "strata": strata.__version__,
        "cores": os.cpu_count(),
        "processor": processor(),
    }


def record(rows: list[Row], path: Path, command: str) -> None:
    """Write rows beside those of other proofs that the file holds."""
    stored = json.loads(path.read_text()) if path.exists() else {"rows": []}
    names = {row.name for row in rows}
    kept = [row for row in stored["rows"] if row["name"] not in names]
    made = [asdict(row) | {"machine": machine(command)} for row in rows]
    path.write_text(json.dumps({"rows": kept + made}, indent=1, allow_nan=False) + "\n")


def main() -> int:
    """Run what was asked for; return 1 when a row misses its target."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", help="names, with commas")
    parser.add_argument("--list", action="store_true", help="show the names and end")
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--out", type=Path, default=RESULTS / f"{date.today().isoformat()}-vision.json")
    parser.add_argument("--keep", type=Path, help="write the weights of the proof 'cifar' there, in half precision")
    arguments = parser.parse_args()
    if arguments.list:
        print("\n".join(f"{name:14}{proof.__doc__}" for name, proof in PROOFS.items()))
        return 0
    names = list(PROOFS) if arguments.only is None else arguments.only.split(",")
    unknown = [name for name in names if name not in PROOFS]
    if unknown:
        parser.error(f"unknown proof {unknown[0]!r}; there are {', '.join(PROOFS)}")
    if not arguments.data.is_dir():
        parser.error(f"there is no folder {arguments.data}; --data names that of the data sets")
    missed = 0
    for name in names:
        print(name, flush=True)
        rows = cifar(arguments.data, keep=arguments.keep) if name == "cifar" else PROOFS[name](arguments.data)
        record(rows, arguments.out, f"python benchmarks/vision_proofs.py --only {name}")
        for row in rows:
            verdict = "met" if row.met else "MISSED"
            print(
                f"  {row.what}: {row.value:.4f} [{row.low:.4f}, {row.high:.4f}], target {row.target:g}, "
                f"{row.seconds:.0f} s: {verdict}",
                flush=True,
            )
            missed += not row.met
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
