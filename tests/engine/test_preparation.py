"""What a rule does before its first batch is said, and counts for no clock of the run."""

import io
import time

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from tiny_rules import ScriptedRule

import strata
from strata.cli import main
from strata.data.sources import ArraySource
from strata.engine import Progress, noting_preparation, train
from strata.estimators import BaggedMLPClassifier, MLPClassifier
from strata.rules.compiled import CompiledDense


class SlowToBegin(ScriptedRule):
    def prepare(self, say):
        say("making ready")
        time.sleep(0.2)


def run_it(**options):
    source = ArraySource(np.zeros((2, 1)), batch_size=1, shuffle=False)
    return train(SlowToBegin([0.5] * 6), source, max_epochs=3, **options)


def test_it_is_said_before_the_first_line_of_progress():
    stream = io.StringIO()
    run_it(progress=Progress(stream))
    lines = stream.getvalue().splitlines()
    assert lines[0] == "making ready"
    assert lines[1].startswith("epoch 1/3")
    assert len(lines) == 4


def test_it_takes_nothing_from_the_time_limit_or_the_history():
    run = run_it(time_limit=0.15)
    assert run.stop_reason == "max_epochs"
    assert sum(run.history["seconds"]) < 0.15


def test_nobody_listens_nobody_is_told(capsys):
    run_it()
    captured = capsys.readouterr()
    assert captured.out == captured.err == ""


def test_the_innermost_block_that_listens_is_told_and_all_count_the_time():
    outer_lines, inner_lines = [], []
    with noting_preparation(outer_lines.append) as outer:
        with noting_preparation() as silent:
            run_it()
        with noting_preparation(inner_lines.append) as inner:
            run_it()
    assert (outer_lines, inner_lines) == (["making ready"], ["making ready"])
    assert 0.2 <= silent.seconds < 0.4
    assert 0.2 <= inner.seconds < 0.4
    assert outer.seconds == pytest.approx(silent.seconds + inner.seconds)
    run_it()
    assert len(outer_lines) == 1


@pytest.fixture
def slow_to_compile(monkeypatch):
    def prepare(self, say):
        say("compiling the training loop (once on this machine)")
        time.sleep(0.5)

    monkeypatch.setattr(CompiledDense, "prepare", prepare)


@pytest.mark.parametrize(
    "estimator", [MLPClassifier(), MLPClassifier(solver="lbfgs"), BaggedMLPClassifier(n_estimators=2)]
)
def test_verbose_estimators_say_it_and_quiet_ones_do_not(slow_to_compile, capsys, estimator):
    X, y = np.eye(8), np.arange(8) % 2
    for verbose in (False, True):
        estimator.set_params(hidden_layer_sizes=(2,), max_iter=1, random_state=0, verbose=verbose)
        with pytest.warns(ConvergenceWarning):
            estimator.fit(X, y)
        assert capsys.readouterr().err.count("compiling the training loop") == verbose


def test_the_seconds_of_a_training_leave_it_out(slow_to_compile, capsys):
    result = strata.train("iris", params={"max_iter": 2}, baselines=False)
    assert result.seconds < 0.5
    assert capsys.readouterr().err == ""
    strata.train("iris", params={"max_iter": 2}, baselines=False, progress=True)
    captured = capsys.readouterr()
    assert captured.err.count("compiling the training loop (once on this machine)") == 1
    assert captured.out == ""


@pytest.mark.parametrize(
    "verb", [["train", "iris", "--no-report", "--no-baselines", "--epochs", "2"], ["diagnose", "iris"]]
)
def test_the_command_says_it_on_stderr_and_quiet_does_not(slow_to_compile, tmp_path, monkeypatch, capsys, verb):
    monkeypatch.chdir(tmp_path)
    assert main([*verb, "--json"]) == 0
    captured = capsys.readouterr()
    assert "compiling the training loop (once on this machine)" in captured.err
    assert "compiling" not in captured.out
    assert main([*verb, "-q"]) == 0
    assert "compiling" not in capsys.readouterr().err
