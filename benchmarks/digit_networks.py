"""Train the two small networks that the digit pad of the playground answers with, and look at the test part once.

    python benchmarks/digit_networks.py --out strata/playground/digits

LeNet-5 and a multi-layer perceptron learn MNIST through the public estimators; each is saved as a model folder, with a
card that says what was done. It needs the files of MNIST (`strata data fetch mnist`, or ``--data``).
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
from vision_sets import DATA, ImageTask, mnist

from strata import ImageClassifier, MLPClassifier, load

_CARD = """# {title}, learned on MNIST

One of the two networks that the digit pad of `strata playground` answers with: `strata.load({folder!r})`.

| | |
| --- | --- |
| network | {network}; {n_parameters:,} parameters |
| file | float32 safetensors, {kilobytes:.0f} kB |
| input | 28 x 28 grey levels {scale}, white on black, as MNIST: a box of 20 x 20 around the centre of mass |
| classes | the digits 0 to 9 |
| learned from | the {n_train:,} training images of MNIST (Y. LeCun, C. Cortes, C. Burges, 1998) |
| how | `python benchmarks/digit_networks.py --only {name}`: {how} |
| when, where | {date}, {machine}, {minutes:.1f} minutes beside other work |
| accuracy | {accuracy:.2%} of the 10,000 test images, read from this folder |

The test images were looked at once, after the last epoch, and no choice was made by them.

**Good for** seeing how a network answers a digit that you draw. **Not for** letters, several digits, or anything that
matters: it will name one of ten digits whatever it is shown.

The weights are the project's own, under its licence. MNIST itself is not part of the package.
"""


def lenet5(task: ImageTask, epochs: int) -> tuple[Any, dict[str, Any]]:
    """LeNet-5 as it is built today."""
    model = ImageClassifier("lenet5", max_iter=epochs, batch_size=128, augment="digits", random_state=0, progress=True)
    model.fit(task.X, task.y)
    right = float((model.predict(task.X_test) == task.y_test).mean())
    return model, {
        "title": "LeNet-5",
        "network": "`lenet5`, two convolutions with max pooling and three dense layers",
        "scale": "from 0 to 255",
        "how": f"`ImageClassifier`, {epochs} epochs, batches of 128, AdamW with one cycle of the rate, digits moved, "
        "turned and bent anew in every epoch, seed 0",
        "accuracy": right,
        "n_parameters": sum(value.numel() for value in model.network_.parameters()),
    }


def mlp(task: ImageTask, epochs: int) -> tuple[Any, dict[str, Any]]:
    """A perceptron with two hidden layers of 64 and 32 rectified units."""
    X, X_test = (part.reshape(len(part), -1).astype(np.float32) / 255 for part in (task.X, task.X_test))
    model = MLPClassifier((64, 32), batch_size=128, max_iter=epochs, alpha=1e-4, dropout=(0.1, 0.0), random_state=0)
    model.fit(X, task.y)
    right = float((model.predict(X_test) == task.y_test).mean())
    return model, {
        "title": "Multi-layer perceptron",
        "network": "784 inputs, hidden layers of 64 and 32 rectified units, 10 outputs",
        "scale": "from 0 to 1, row by row",
        "how": f"`MLPClassifier((64, 32))`, at most {epochs} epochs, batches of 128, Adam, an L2 penalty of 1e-4, "
        "a tenth of the first hidden layer left out, seed 0",
        "accuracy": right,
        "n_parameters": sum(a.size for a in (*model.coefs_, *model.intercepts_)),
    }


NETWORKS = {"lenet5": (lenet5, 8), "mlp": (mlp, 25)}


def keep(name: str, task: ImageTask, epochs: int, out: Path) -> dict[str, Any]:
    """Train one, save it, read it back, and write its card."""
    begun = time.perf_counter()
    model, facts = NETWORKS[name][0](task, epochs)
    minutes = (time.perf_counter() - begun) / 60
    folder = model.save(out / name, force=True)
    again = load(folder)
    first = task.X_test[:1000]
    first = first if name == "lenet5" else first.reshape(1000, -1).astype(np.float32) / 255
    if not np.array_equal(again.predict(first), model.predict(first)):
        raise RuntimeError(f"What was read back from {folder} answers otherwise than what was saved.")
    facts = {
        **facts,
        "name": name,
        "folder": f"strata/playground/digits/{name}",
        "n_train": len(task.X),
        "kilobytes": (folder / "weights.safetensors").stat().st_size / 1000,
        "date": time.strftime("%Y-%m-%d"),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, no GPU",
        "minutes": minutes,
    }
    (folder / "README.md").write_text(_CARD.format(**facts), encoding="utf-8")
    note(out / "measured.json", name, facts)
    return facts


def note(path: Path, name: str, facts: dict[str, Any]) -> None:
    """Write down for the page what was measured."""
    known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    kept = ("accuracy", "n_parameters", "date", "machine")
    known[name] = {**{key: facts[key] for key in kept}, "minutes": round(facts["minutes"], 1)}
    path.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")


def main() -> None:
    """Train the networks that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=sorted(NETWORKS))
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--out", type=Path, default=Path("strata/playground/digits"))
    parser.add_argument("--epochs", type=int)
    arguments = parser.parse_args()
    task = mnist(arguments.data)
    for name in [arguments.only] if arguments.only else NETWORKS:
        facts = keep(name, task, arguments.epochs or NETWORKS[name][1], arguments.out)
        print(f"{name}: {facts['accuracy']:.2%} of the test images, {facts['kilobytes']:.0f} kB")


if __name__ == "__main__":
    main()
