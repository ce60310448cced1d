"""Speed of convolutional networks as ratios against eager PyTorch and against ourselves, each measured in one run.

    python benchmarks/vision_speed.py                     the table
    python benchmarks/vision_speed.py --only step --repeats 3

As in ``speed.py`` the contenders take turns, and the ratio is that of their fastest turns. The peer of the steps is the
loop that a PyTorch user writes: the same network, batches indexed out of a tensor in memory, ``torch.optim``, PyTorch's
own number of threads. Ours is :class:`strata.ImageClassifier` on the same arrays, whole epochs with shuffling and
scaling of the pixels included. The photographs of the last two cases are read from ../shared/data (``--data``). The
exit status is 1 when a ratio misses its target.
"""

import argparse
import json
import os
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
import torch
from speed import Contender, Figure, as_table, figure, machine, race
from torch import nn
from vision_sets import DATA, cifar10

from strata import ImageClassifier
from strata.data import find_images, load_images
from strata.models import build

#: Multiple of the epoch's time with arrays in memory that an epoch on files may take.
FILES_TARGET = 1 / 1.1


def random_images(n: int, side: int, channels: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.RandomState(0)
    X = random.randint(256, size=(n, side, side, channels)).astype(np.uint8)
    return X, random.randint(10, size=n)


def eager_step(name: str, X: np.ndarray, y: np.ndarray, batch_size: int, optimizer: Callable[..., Any]) -> Contender:
    """Return the seconds of a step in a shuffled epoch."""
    torch.manual_seed(0)
    network: nn.Module = build(name).train()
    x = torch.from_numpy(X).permute(0, 3, 1, 2).contiguous().float() / 255.0
    x = (x - x.mean((0, 2, 3), keepdim=True)) / x.std((0, 2, 3), keepdim=True)
    targets = torch.from_numpy(y)
    updates, loss_of = optimizer(network.parameters()), nn.CrossEntropyLoss()

    def step() -> float:
        order = torch.randperm(len(x))
        begun = time.perf_counter()
        for start in range(0, len(x), batch_size):
            rows = order[start : start + batch_size]
            updates.zero_grad()
            loss_of(network(x[rows]), targets[rows]).backward()
            updates.step()
        return (time.perf_counter() - begun) / (len(x) // batch_size)

    return step


def epoch_of(*data: Any, first: int = 0, epochs: int = 2, **parameters: Any) -> Contender:
    """Return the seconds of the fastest epoch from ``first`` on, by the history of a fit."""

    def fit() -> float:
        model = ImageClassifier(max_iter=epochs, augment="none", random_state=0, **parameters).fit(*data)
        return float(min(model.history_["seconds"][first:]))

    return fit


def per_step(contender: Contender, n_steps: int) -> Contender:
    return lambda: contender() / n_steps


def step(repeats: int, data: Path) -> list[Figure]:
    """Training steps against eager PyTorch."""

    def sgd(parameters: Any) -> torch.optim.Optimizer:
        return torch.optim.SGD(parameters, 0.1, momentum=0.9, weight_decay=5e-4)

    def adamw(parameters: Any) -> torch.optim.Optimizer:
        return torch.optim.AdamW(parameters, 2e-3)

    figures = []
    for name, title, side, channels, batch_size, n_steps, optimizer, solver, target in (
        ("resnet20", "ResNet-20, batch 128, SGD with momentum", 32, 3, 128, 8, sgd, "sgd", 1.4),
        ("lenet5", "LeNet-5, batch 64, AdamW", 28, 1, 64, 100, adamw, "adamw", 1.5),
    ):
        X, y = random_images(batch_size * n_steps, side, channels)
        ours = epoch_of(X, y, model=name, batch_size=batch_size, solver=solver)
        contenders = {
            "strata": per_step(ours, n_steps),
            "eager PyTorch": eager_step(name, X, y, batch_size, optimizer),
        }
        figures.append(figure(f"{title}: one step", "eager PyTorch", race(contenders, repeats), target))
    return figures


def files(repeats: int, data: Path) -> list[Figure]:
    """Epochs on 10,000 JPEG files after the first, against the same images as an array in memory."""
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(data / "cifar10" / "test_jpeg_reencoded.tar.gz") as stored:
            stored.extractall(folder, filter="data")
        images = find_images(Path(folder) / "test")
        array = load_images(images.paths, size=32).array
        how = {"model": "resnet8", "batch_size": 128, "first": 1, "epochs": 3}
        cached = {"cache_folder": Path(folder) / "cache", "memory_limit": 1}
        contenders = {
            "an array": epoch_of(np.asarray(array), np.asarray(images.labels), **how),
            "files": epoch_of(Path(folder) / "test", **how),
            "files beyond the memory": epoch_of(Path(folder) / "test", **how, **cached),
        }
        times = race(contenders, repeats)
    work = "ResNet-8 on {} JPEG {}: an epoch after the first"
    return [
        figure(work.format(len(images.paths), kind), "an array", times | {"strata": times[kind]}, FILES_TARGET)
        for kind in ("files", "files beyond the memory")
    ]


def transfer(repeats: int, data: Path) -> list[Figure]:
    """A last layer alone, the pass through the frozen network included, against an epoch of the whole network."""
    task = cifar10(data)
    X, y = task.X[:2048], task.y[:2048]
    how = {"model": "resnet20", "weights": "cifar10", "batch_size": 128}

    def last() -> float:
        begun = time.perf_counter()
        ImageClassifier(transfer="last", feature_layer="last", max_iter=10, augment="none", random_state=0, **how).fit(
            X, y
        )
        return (time.perf_counter() - begun) / 10

    times = race({"strata": last, "the unfrozen epoch": epoch_of(X, y, transfer="all", **how)}, repeats)
    work = "ResNet-20 on 2,048 images, last layer alone: an epoch, a tenth of a whole fit of ten"
    return [figure(work, "the unfrozen epoch", times, 5)]


CASES: dict[str, Callable[[int, Path], list[Figure]]] = {"step": step, "files": files, "transfer": transfer}


def main() -> int:
    """Measure what was asked for; return 1 when a ratio misses its target."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", default=",".join(CASES), help=f"some of {', '.join(CASES)}")
    parser.add_argument("--repeats", type=int, default=5, help="turns of each contender (default 5)")
    parser.add_argument("--data", type=Path, default=DATA, help="folder of cifar10/")
    parser.add_argument("--out", type=Path, help="write JSON to this file as well")
    arguments = parser.parse_args()
    names = arguments.only.split(",")
    if unknown := [name for name in names if name not in CASES]:
        parser.error(f"unknown case {unknown[0]!r}; choose from {', '.join(CASES)}")
    figures = []
    for name in names:
        if name != "step" and not (arguments.data / "cifar10").is_dir():
            print(f"{name}: skipped, {arguments.data / 'cifar10'} is not there", file=sys.stderr)
            continue
        figures += CASES[name](arguments.repeats, arguments.data)
        print(f"{name}: done", file=sys.stderr)
    if arguments.out is not None:
        rows = [{**asdict(each), "met": each.met} for each in figures]
        arguments.out.write_text(json.dumps({"machine": machine(), "figures": rows}, indent=2) + "\n")
    print(as_table(figures))
    return int(not all(each.met for each in figures))


if __name__ == "__main__":
    sys.exit(main())
