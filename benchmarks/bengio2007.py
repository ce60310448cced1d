"""The lecture's table: test error on MNIST with and without greedy layer-wise training (Bengio et al. 2007).

    python benchmarks/bengio2007.py                              all five rows, three seeds each
    python benchmarks/bengio2007.py --only dbn --seeds 3         one row
    python benchmarks/bengio2007.py --only dbn --validate --set "dropout=0.2"    a look, without the test images

The first 50,000 training images are learned from, the last 10,000 choose settings and epoch; the test images are
scored once for each training. Rows are written to benchmarks/results as they come, beside those that are there.
The exit status is 1 when the mean of a row is above the published error.
"""

import argparse
import ast
import json
import os
import sys
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
from vision_proofs import machine
from vision_sets import DATA

from strata.verify._bengio2007 import PUBLISHED, Result, read_task, train_row

RESULTS = Path(__file__).resolve().parent / "results"


def record(results: list[Result], path: Path, command: str) -> None:
    """Write the trainings of a row beside those of others that the file holds."""
    stored = json.loads(path.read_text()) if path.exists() else {"rows": []}
    row = results[0].row
    words, published = PUBLISHED[row]
    errors = [result.test_error for result in results]
    entry = {
        "name": row,
        "what": f"MNIST test error in %: {words}",
        "published": published,
        "mean": round(float(np.mean(errors)), 4),
        "errors": errors,
        "validation": [result.validation_error for result in results],
        "met": bool(np.mean(errors) <= published + 1e-9),
        "seconds": round(sum(result.seconds for result in results), 1),
        "trainings": [asdict(result) for result in results],
        "machine": machine(command),
    }
    kept = [other for other in stored["rows"] if other["name"] != row]
    path.write_text(json.dumps({"rows": [*kept, entry]}, indent=1, allow_nan=False, default=str) + "\n")


def changes_of(words: list[str]) -> dict[str, Any]:
    """Read ``name=value`` words as arguments."""
    return {name: ast.literal_eval(value) for name, _, value in (word.partition("=") for word in words)}


def main() -> int:
    """Run the rows that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", help=f"rows, with commas: {', '.join(PUBLISHED)}")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--validate", action="store_true", help="do not look at the test images, and write nothing")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="an argument of DBNClassifier")
    parser.add_argument("--rows", type=int, default=50_000, help="images to learn from; fewer for a look")
    parser.add_argument("--data", type=Path, default=DATA / "mnist")
    parser.add_argument("--out", type=Path, default=RESULTS / f"{date.today().isoformat()}-bengio2007.json")
    arguments = parser.parse_args()
    rows = list(PUBLISHED) if arguments.only is None else arguments.only.split(",")
    unknown = [row for row in rows if row not in PUBLISHED]
    if unknown:
        parser.error(f"unknown row {unknown[0]!r}; there are {', '.join(PUBLISHED)}")
    changes = changes_of(arguments.set)
    task, missed = read_task(arguments.data, n_train=arguments.rows), 0
    for row in rows:
        results = []
        for seed in range(arguments.seeds):
            result = train_row(row, seed, task, test=not arguments.validate, **changes)
            results.append(result)
            test = "" if result.test_error is None else f", test {result.test_error:.2f} %"
            print(
                f"{row} seed {seed}: train {result.train_error:.2f}, validation {result.validation_error:.2f} %{test}, "
                f"best epoch {result.best_epoch}, {result.seconds:.0f} s",
                flush=True,
            )
        if arguments.validate:
            continue
        command = f"python benchmarks/bengio2007.py --only {row} --seeds {arguments.seeds}"
        record(results, arguments.out, " ".join([command, *(f'--set "{word}"' for word in arguments.set)]))
        mean = float(np.mean([result.test_error for result in results]))
        met = mean <= PUBLISHED[row][1] + 1e-9
        print(f"{row}: mean {mean:.3f} %, published {PUBLISHED[row][1]} %: {'met' if met else 'MISSED'}", flush=True)
        missed += not met
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
