"""From data to a run folder: what it holds, what it refuses, how it goes on."""

import json

import numpy as np
import pandas as pd
import pytest

import strata.report.training as training
import strata.report.writing as writing
from strata._files import FolderLock
from strata.engine import Callback
from strata.errors import DataError, ModelRefusedError, NonFiniteError, RunLockedError
from strata.report import evaluate, train
from strata.report.scoring import load_model

SMALL = {"hidden_layer_sizes": (8,), "max_iter": 30}


def files(folder):
    return {each.name for each in folder.iterdir()}


@pytest.fixture
def table():
    random = np.random.RandomState(0)
    n = 120
    frame = pd.DataFrame(
        {
            "size": random.normal(50, 20, n),
            "town": random.choice(["Rome", "Oslo", "Lima"], n),
            "day": pd.date_range("2024-01-01", periods=n).astype(str),
            "new": random.choice(["true", "false"], n),
        }
    )
    frame.loc[::9, "size"] = np.nan
    frame["price"] = 3 * frame["size"].fillna(50) + 40 * (frame["town"] == "Oslo") + random.normal(0, 1, n)
    frame["dear"] = np.where(frame["price"] > frame["price"].median(), "yes", "no")
    return frame


def test_infert_as_r_does_it(tmp_path):
    steps = {1: 1325, 2: 1130, 3: 1690, 4: 612, 5: 1583}  # a NumPy loop over R's own start weights, set.seed(1) to (5)
    for seed, n_steps in steps.items():
        result = train(
            "infert",
            formula="case ~ parity + induced + spontaneous",
            params={"hidden_layer_sizes": (1,), "solver": "rprop"},
            seed=seed,
            baselines=seed == 1,
        )
        assert result.evaluation.confusion.tolist() == [[143, 22], [37, 46]]
        assert 21.219 < result.loss < 21.222
        assert result.stop_reason == "converged" and result.n_epochs == n_steps
        assert result.plan.n_parameters == 6
        if seed == 1:
            assert [each.name for each in result.baselines] == [
                "majority class",
                "logistic regression",
                "5 nearest neighbours",
                "SVM (RBF)",
                "gradient-boosted trees",
            ]


def test_digits_beat_the_logistic_regression(tmp_path):
    result = train("digits", out=tmp_path / "run")
    scores = {each.name: each.evaluation.score for each in result.baselines}
    assert result.evaluation.score > scores["logistic regression"] > 0.9 > scores["majority class"]
    again = evaluate(tmp_path / "run", "digits")
    assert again.score > 0.97


def test_a_run_leaves_a_complete_folder(table, tmp_path):
    out = tmp_path / "run"
    result = train(table.drop(columns="price"), target="dear", params=SMALL, out=out, seed=3)
    assert files(out) == {
        "model",
        "checkpoints",
        "report.html",
        "report.json",
        "predictions.csv",
        "history.csv",
        "history.png",
        "config.json",
        "confusion.png",
    }
    report = json.loads((out / "report.json").read_text())
    assert report["schema"] == "strata.train/1"
    assert report["result"]["metrics"]["accuracy"] == result.evaluation.score
    config = json.loads((out / "config.json").read_text())
    assert config["status"] == "done" and config["seed"] == 3
    assert config["data"]["digest"].startswith("sha256:") and "torch" in config["environment"]["versions"]
    assert len((out / "history.csv").read_text().splitlines()) == result.n_epochs + 1
    model = load_model(out)
    assert np.array_equal(model.predict(result.plan.X_test), result.evaluation.predictions)


def test_a_regression_is_learned_on_held_out_rows(table, tmp_path):
    out = tmp_path / "run"
    result = train(table.drop(columns="dear"), target="price", params={"max_iter": 400}, out=out)
    assert result.plan.problem.task == "regression"
    assert result.evaluation.score > 0.8 > result.baselines[0].evaluation.score
    assert "residuals.png" in files(out)


def test_the_same_seed_gives_the_same_run(table):
    first, second = (train(table, target="dear", params=SMALL, seed=5, baselines=False) for _ in range(2))
    other = train(table, target="dear", params=SMALL, seed=6, baselines=False)
    assert first.loss == second.loss != other.loss


def test_a_result_shows_itself_in_one_line():
    result = train("gate-xor", params=SMALL, test_size=0, baselines=False)
    assert repr(result).startswith("TrainResult(MLPClassifier: accuracy=")
    assert len(repr(result)) < 200


def test_an_existing_folder_is_refused_unless_forced(tmp_path):
    out = tmp_path / "run"
    train("gate-xor", params=SMALL, out=out, test_size=0, baselines=False)
    before = (out / "report.json").read_bytes()
    with pytest.raises(ValueError, match=r"`out` must be a new or empty folder.*--force"):
        train("gate-and", params=SMALL, out=out, test_size=0, baselines=False)
    assert (out / "report.json").read_bytes() == before
    (out / "mine.txt").write_text("keep")
    train("gate-and", params=SMALL, out=out, test_size=0, baselines=False, force=True)
    assert json.loads((out / "report.json").read_text())["data"]["name"] == "gate-and"
    assert (out / "mine.txt").read_text() == "keep"


def test_a_folder_of_something_else_is_never_replaced(tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").write_text("x")
    with pytest.raises(ValueError, match="must be the folder of a run to be replaced"):
        train("gate-and", out=tmp_path / "photos", force=True, test_size=0)
    (tmp_path / "photos" / "config.json").write_text("{}")
    with pytest.raises(ValueError, match="its config.json is something else"):
        train("gate-and", out=tmp_path / "photos", force=True, test_size=0)
    (tmp_path / "file").write_text("x")
    with pytest.raises(ValueError, match="`out` must be a folder"):
        train("gate-and", out=tmp_path / "file", test_size=0)


def test_a_locked_folder_is_refused(tmp_path):
    out = tmp_path / "run"
    with FolderLock(out), pytest.raises(RunLockedError, match="is being written by process"):
        train("gate-and", params=SMALL, out=out, test_size=0)


def test_bad_data_writes_nothing(table, tmp_path):
    with pytest.raises(DataError):
        train(table, target="absent", out=tmp_path / "run")
    assert files(tmp_path) == set()


def test_a_fault_before_the_first_checkpoint_leaves_nothing(table, tmp_path, monkeypatch):
    def broken(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(training, "build_estimator", broken)
    with pytest.raises(OSError, match="No space left"):
        train(table, target="dear", out=tmp_path / "run")
    assert files(tmp_path) == set()


def test_a_fault_at_the_end_keeps_the_checkpoint_and_goes_on(tmp_path, monkeypatch):
    out = tmp_path / "run"

    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(writing, "save_model", full)
        with pytest.raises(OSError, match="No space left"):
            train("iris", params=SMALL, out=out, baselines=False)
    assert json.loads((out / "config.json").read_text())["status"] == "failed"
    assert not (out / "report.json").exists() and not (out / "model").exists()
    resumed = train("iris", params=SMALL, out=out, resume=True, baselines=False)
    straight = train("iris", params=SMALL, baselines=False)
    assert resumed.loss == straight.loss and (out / "model").is_dir()


def test_resume_extends_a_run_as_if_it_had_never_ended(tmp_path):
    out = tmp_path / "run"
    train("iris", params=SMALL | {"max_iter": 10}, out=out, baselines=False)
    longer = train("iris", params=SMALL, out=out, resume=True, baselines=False)
    straight = train("iris", params=SMALL, baselines=False)
    assert longer.n_epochs == straight.n_epochs == 30
    assert longer.loss == straight.loss


def test_resume_refuses_other_data(tmp_path):
    out = tmp_path / "run"
    train("iris", params=SMALL, out=out, baselines=False)
    with pytest.raises(ModelRefusedError, match="was begun with other data"):
        train("wine", params=SMALL, out=out, resume=True, baselines=False)
    with pytest.raises(ValueError, match="`out` must name the run folder"):
        train("iris", resume=True)


def test_a_diverging_run_is_an_error_that_keeps_the_last_good_state(tmp_path):
    out = tmp_path / "run"
    X = np.random.RandomState(0).randn(64, 3)
    with np.errstate(all="ignore"), pytest.raises(NonFiniteError, match="epoch"):
        train(
            pd.DataFrame(X).assign(y=X[:, 0] * 1e3),
            target="y",
            out=out,
            params={"solver": "sgd", "learning_rate_init": 1e12, "activation": "identity"},
            save_every={"epochs": 1},
        )
    assert not (out / "report.json").exists()


def test_time_limit_stops_and_keeps_what_was_learned(tmp_path):
    class Slow(Callback):
        def on_epoch_end(self, run):
            import time

            time.sleep(0.02)

    result = train("iris", params={"max_iter": 100_000}, time_limit=0.3, callbacks=[Slow()], baselines=False)
    assert result.stop_reason == "time_limit" and result.n_epochs < 100


def test_evaluate_takes_what_a_model_does_not_know(table, tmp_path):
    out = tmp_path / "run"
    train(table.drop(columns="price"), target="dear", params=SMALL, out=out, baselines=False)
    picture = tmp_path / "table.png"
    found = evaluate(out / "model", table, plot=picture)  # the target comes from the run
    assert found.confusion.sum() == len(table) and picture.exists()
    with pytest.raises(DataError, match="needs a column that is not there. Unknown column 'town'"):
        evaluate(out, table.drop(columns="town"))
    with pytest.raises(ModelRefusedError, match="no such folder"):
        evaluate(tmp_path / "absent", table)
