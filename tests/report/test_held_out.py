"""A model is scored on the rows that it has not learned from, where the data is that of its run."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest

import strata
from strata.cli import main

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

QUICK = {"params": {"hidden_layer_sizes": (4,), "max_iter": 5}, "baselines": False, "report": False}


@pytest.fixture
def table(tmp_path):
    random = np.random.RandomState(0)
    frame = pd.DataFrame({"a": random.normal(size=120), "b": random.normal(size=120), "who": np.arange(120) // 4})
    frame["day"] = pd.date_range("2024-01-01", periods=120).strftime("%Y-%m-%d")
    frame["y"] = np.where(frame.a + frame.b > 0, "yes", "no")
    frame.to_csv(tmp_path / "t.csv", index=False)
    return tmp_path / "t.csv"


@pytest.mark.parametrize("how", [{}, {"stratify": False}, {"group": "who"}, {"time": "day"}, {"test_size": 0.3}])
def test_the_held_out_rows_of_the_run_are_scored(how, table, tmp_path):
    result = strata.train(str(table), target="y", out=tmp_path / "run", seed=3, **how, **QUICK)
    for place in ("run", "run/model"):
        evaluation = strata.evaluate(tmp_path / place, str(table))
        assert evaluation.which == "held-out"
        assert evaluation.metrics == result.evaluation.metrics
        assert np.array_equal(evaluation.targets, result.evaluation.targets)
    whole = strata.evaluate(tmp_path / "run", str(table), rows="all")
    assert (whole.which, len(whole.targets)) == ("all", 120)


def test_other_data_is_scored_whole(table, tmp_path):
    strata.train(str(table), target="y", out=tmp_path / "run", **QUICK)
    pd.read_csv(table).iloc[:50].to_csv(tmp_path / "new.csv", index=False)
    evaluation = strata.evaluate(tmp_path / "run", str(tmp_path / "new.csv"))
    assert (evaluation.which, len(evaluation.targets)) == ("all", 50)
    shutil.copytree(tmp_path / "run" / "model", tmp_path / "far" / "model")
    assert strata.evaluate(tmp_path / "far" / "model", str(table), target="y").which == "all"


def test_training_rows_are_called_so(table, tmp_path):
    strata.train(str(table), target="y", out=tmp_path / "run", test_size=0, **QUICK)
    with pytest.warns(UserWarning, match="These 120 rows are those that the model was trained on"):
        evaluation = strata.evaluate(tmp_path / "run", str(table))
    assert evaluation.which == "training"


def test_a_record_that_does_not_say_how_is_not_believed(table, tmp_path):
    strata.train(str(table), target="y", out=tmp_path / "run", **QUICK)
    path = tmp_path / "run" / "config.json"
    record = json.loads(path.read_text())
    del record["split"]["rule"]
    path.write_text(json.dumps(record))
    with pytest.warns(UserWarning, match="trained on"):
        assert strata.evaluate(tmp_path / "run", str(table)).which == "training"


def test_rows_must_be_known(table):
    with pytest.raises(ValueError, match=r"`rows` must be 'auto' or 'all'. Received: rows='test'"):
        strata.evaluate("run", str(table), rows="test")


def test_the_command_says_which_rows(table, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    strata.train(str(table), target="y", out="run", **QUICK)
    assert main(["evaluate", "run", "t.csv"]) == 0
    assert capsys.readouterr().out.startswith("24 rows that the run held out\n")
    assert main(["evaluate", "run", "t.csv", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rows"] == {"which": "held-out", "n": 24}
    assert main(["evaluate", "run", "t.csv", "--all-rows"]) == 0
    assert capsys.readouterr().out.startswith("120 rows\n")
