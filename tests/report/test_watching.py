"""The verdicts and the held-out curve in the report of every training."""

import json
import os
import signal

import numpy as np
import pandas as pd
import pytest

from strata.diagnosis import CATALOGUE, Recorder
from strata.engine import Callback
from strata.errors import RunInterrupted
from strata.report import train
from strata.report.building import network_of
from strata.report.watching import recorder_for, verdicts, watched_curves, what_was_seen


@pytest.fixture(scope="module")
def table():
    random = np.random.RandomState(0)
    X = random.normal(size=(300, 3))
    frame = pd.DataFrame(X, columns=list("abc")).assign(kind=random.choice(["x", "y"], 300))
    frame["y"] = np.where(X[:, 0] + (frame["kind"] == "x") + 0.2 * random.normal(size=300) > 0.5, "up", "down")
    return frame


def report_of(folder):
    return json.loads((folder / "report.json").read_text())


def test_looking_on_changes_no_bit_and_ends_at_the_score(table, tmp_path):
    params = {"hidden_layer_sizes": (12,), "max_iter": 30, "dropout": 0.1}
    watched = train(table, target="y", out=tmp_path / "run", params=params)
    alone = train(table, target="y", params=params)
    for a, b in zip(network_of(watched.estimator).coefs_, network_of(alone.estimator).coefs_, strict=True):
        np.testing.assert_array_equal(a, b)
    report = report_of(tmp_path / "run")
    assert report["parts"]["diagnosis"]["status"] == "done" and report["parts"]["curves"]["status"] == "done"
    seen = report["curves"]["watched"]
    assert seen["epoch"][0] == 1 and seen["epoch"][-1] == 30
    assert seen["score"][-1] == pytest.approx(report["result"]["metrics"]["accuracy"], abs=1e-12)
    assert seen["loss"][-1] == pytest.approx(report["result"]["metrics"]["log_loss"], rel=1e-9)
    assert "evidence" not in report["diagnosis"] and "watched" not in (alone.parts.content.get("curves") or {})
    text = (tmp_path / "run" / "report.html").read_text()
    assert "held-out rows" in text and report["diagnosis"]["verdicts"][0]["title"] in text


@pytest.mark.parametrize(
    ("params", "names"),
    [
        ({"learning_rate_init": 1e-6}, {"learning_rate_too_low"}),
        ({"init": "zeros"}, {"symmetric_initialization"}),
        ({"learning_rate_init": 0.01}, {"healthy"}),
    ],
)
def test_a_fault_of_the_training_is_named(table, tmp_path, recwarn, params, names):
    train(table, target="y", out=tmp_path / "run", params={"max_iter": 60, "batch_size": 32, **params}, baselines=False)
    said = [each["name"] for each in report_of(tmp_path / "run")["diagnosis"]["verdicts"]]
    assert said[0] in names and set(said) <= set(CATALOGUE) | {"healthy"}


def test_verdicts_need_a_training_that_was_seen_from_its_start(table, tmp_path):
    train(table, target="y", out=tmp_path / "all", params={"max_iter": 5}, test_size=0)
    assert "held out no rows" in report_of(tmp_path / "all")["parts"]["diagnosis"]["reason"]
    train(table, target="y", out=tmp_path / "bare", params={"max_iter": 5}, report=False)
    assert not (tmp_path / "bare" / "report.html").exists()
    train(table, target="y", out=tmp_path / "other", model="perceptron")
    reason = report_of(tmp_path / "other")["parts"]["diagnosis"]["reason"]
    assert "only a multi-layer perceptron" in reason
    with pytest.raises(ValueError, match="must have been trained with a recorder"):
        what_was_seen(
            *(lambda result: (result.estimator, result.plan))(train(table, target="y", params={"max_iter": 2}))
        )


class Halt(Callback):
    def on_epoch_end(self, run):
        if run.epoch == 3:
            os.kill(os.getpid(), signal.SIGINT)


def test_a_run_that_goes_on_after_a_stop_is_not_judged(table, tmp_path):
    how = {"target": "y", "out": tmp_path / "run", "params": {"max_iter": 8}}
    with pytest.raises(RunInterrupted):
        train(table, callbacks=[Halt()], **how)
    train(table, resume=True, **how)
    report = report_of(tmp_path / "run")
    assert report["result"]["n_epochs"] == 8
    assert "watched from its first epoch" in report["parts"]["diagnosis"]["reason"] and "diagnosis" not in report


def test_what_was_seen_gives_verdicts_and_curves(table, tmp_path):
    result = train(table, target="y", out=tmp_path / "run", params={"max_iter": 10})
    seen = what_was_seen(result.estimator, result.plan)
    assert verdicts(seen)["verdicts"] == report_of(tmp_path / "run")["diagnosis"]["verdicts"]
    assert watched_curves(seen) == report_of(tmp_path / "run")["curves"]["watched"]
    assert isinstance(recorder_for(result.plan), Recorder)
