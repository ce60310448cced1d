"""The script that the page hands out gives the page's weights, to the last digit."""

import multiprocessing
import os
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
_SAVE = """
from strata.playground.weights import weights_of_model
found = weights_of_model(model)
np.savez("weights.npz", *found.coefs, *found.intercepts)
"""


def run(script: str, folder: Path, *, alone: bool = False) -> list[np.ndarray]:
    """Run a script in a process of its own: one that begins with nothing, or one where the library is loaded."""
    path = folder / "script.py"
    path.write_text(f"import os\nos.chdir({str(folder)!r})\n" + script + _SAVE)
    if alone:
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        subprocess.run([sys.executable, "-W", "ignore", str(path)], check=True, env=environment)
    else:
        context = multiprocessing.get_context("forkserver")
        process = context.Process(target=runpy.run_path, args=(str(path),))
        process.start()
        process.join(120)
        assert process.exitcode == 0, script
    with np.load(folder / "weights.npz") as found:
        return [found[name] for name in found.files]


def check(lab, folder: Path, *, alone: bool = False) -> str:
    script = lab.good("script")["script"]
    for theirs, ours in zip(run(script, folder, alone=alone), lab.weights(), strict=True):
        np.testing.assert_array_equal(theirs.mean(axis=0) if theirs.ndim > ours.ndim else theirs, ours)
    return script


def test_a_plain_run(lab, tmp_path):
    lab.step(12)
    assert "max_iter=12" in check(lab, tmp_path, alone=True)


def test_an_edited_weight_another_rate_and_a_branch_from_the_past(lab, tmp_path):
    lab.step(9)
    lab.good("edit", layer=0, to=2, value=0.5, **{"from": 1})
    lab.step(4)
    lab.good("edit", layer=1, to=0, value=-0.25, **{"from": None})
    lab.good("configure", changes={"learning_rate": 0.1, "batch_size": 32})
    lab.step(5)
    lab.good("configure", changes={"solver": "adam-efficient", "solver_settings": {"betas.0": 0.8}})
    lab.step(6)
    script = check(lab, tmp_path)
    assert "coefs_[0][1, 2] = 0.5" in script
    assert "intercepts_[1][0] = -0.25" in script
    assert "betas=(0.8, 0.999)" in script
    lab.good("seek", epoch=18)
    lab.step(3)

    check(lab, tmp_path)


@pytest.mark.parametrize(
    "changes",
    [
        {"dropout": [0.2, 0.1], "l1": 0.01, "l2": 0.02},
        {"schedule": "cosine", "max_epochs": 40},
        {"early_stopping": True, "noise": 30.0},
        {"mode": "bagging", "n_networks": 3},
        {"mode": "perceptron", "noise": 20.0},
        {"mode": "delta"},
        {"dataset": "diabetes"},
        {"dataset": "plane", "hidden": [], "features": ["x1", "x1x2"], "learning_rate": 0.03},
    ],
    ids=["dropout", "schedule", "early stopping", "bagging", "perceptron", "delta", "table", "linear"],
)
def test_every_kind_of_run(lab, tmp_path, changes):
    lab.fresh(**changes)
    lab.step(7)
    check(lab, tmp_path)


def test_drawn_points(lab, tmp_path):
    points = [[x / 3, (x % 5) - 2.0, x % 3] for x in range(24)]
    lab.good("points", points=points)
    lab.step(5)
    assert "drawn by hand" in check(lab, tmp_path)


def test_an_uploaded_table(lab, tmp_path):
    text = "a,b,kind\n" + "".join(f"{i % 7},{(i * i) % 11 - 3.5},{'xy'[i % 2]}\n" for i in range(40)) + "1,,x\n"
    (tmp_path / "data.csv").write_text(text)
    (tmp_path / "upload").write_text(text)
    answer, _ = lab.ask(do="upload data", path=str(tmp_path / "upload"))
    assert (answer["rows"], answer["guess"]) == (41, "kind")
    view = lab.good("data", source="upload", upload=answer["upload"], target="kind")
    assert view["warnings"] == ["1 rows with missing values are left out."]
    lab.step(5)
    check(lab, tmp_path)
