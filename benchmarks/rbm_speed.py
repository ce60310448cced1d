"""Speed of a Boltzmann machine against scikit-learn's, in one run: an epoch of MNIST, 784-500, batches of 100.

    python benchmarks/rbm_speed.py [--rows 60000] [--repeats 5] [--out FILE]

Both are asked for the same machine from the same seed, on the same rows in the same floating-point type, and take
turns; the ratio is that of their fastest turns. The exit status is 1 when a ratio misses its target.
"""

import argparse
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
from sklearn.neural_network import BernoulliRBM as PeerRBM
from speed import Figure, as_table, figure, machine, race, seconds_of
from vision_sets import DATA

from strata import BernoulliRBM
from strata.data import load_set

TARGET = 4.0


def epoch(X: np.ndarray, repeats: int) -> Figure:
    """Let both learn one epoch, first weights and checks included."""
    models = {
        name: kind(500, batch_size=100, n_iter=1, learning_rate=0.05, random_state=0)
        for name, kind in (("strata", BernoulliRBM), ("scikit-learn", PeerRBM))
    }
    times = race(
        {name: lambda model=model: seconds_of(lambda: model.fit(X)) for name, model in models.items()}, repeats
    )
    far = max(
        float(np.abs(getattr(models["strata"], name) - getattr(models["scikit-learn"], name)).max())
        for name in ("components_", "intercept_hidden_", "intercept_visible_")
    )
    work = f"784-500 machine, batch 100, persistent chains, {X.dtype}: an epoch of {len(X):,} rows"
    return figure(work, "scikit-learn", times, TARGET, f"largest difference of a weight {far:.1e}")


def main() -> int:
    """Measure both floating-point types."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=60_000)
    parser.add_argument("--repeats", type=int, default=5, help="turns of each contender (default 5)")
    parser.add_argument("--data", type=Path, default=DATA / "mnist")
    parser.add_argument("--out", type=Path, help="write the JSON to this file as well")
    arguments = parser.parse_args()
    pixels = np.asarray(load_set("mnist", path=arguments.data).X)[: arguments.rows]
    figures = [epoch((pixels / 255).astype(kind), arguments.repeats) for kind in ("float64", "float32")]
    print(as_table(figures))
    if arguments.out is not None:
        rows = [{**asdict(each), "met": each.met} for each in figures]
        arguments.out.write_text(json.dumps({"machine": machine(), "figures": rows}, indent=2) + "\n")
    return int(not all(each.met for each in figures))


if __name__ == "__main__":
    sys.exit(main())
