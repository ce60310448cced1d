"""A calibrated run: before and after in the report, and the words that make it again."""

import json
import shlex

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import log_loss

import strata
from strata._files import read_json
from strata.cli import main
from strata.report import evaluate
from strata.report.planning import plan_training
from strata.report.reliability import undo_temperature
from strata.report.scoring import load_model

#: Learns by heart.
GREEDY = ["--hidden", "60", "--learning-rate", "0.02", "--l2", "0", "--epochs", "150"]


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """A CSV file of rows whose classes are drawn: no network can be sure of them."""
    random = np.random.RandomState(0)
    frame = pd.DataFrame(random.normal(size=(900, 5)), columns=list("abcde"))
    frame["town"] = random.choice(["Rome", "Oslo"], 900)
    sure = 1.5 * (frame["a"] + (frame["town"] == "Rome") - 0.5)
    frame["answer"] = np.where(random.rand(900) < 1 / (1 + np.exp(-sure)), "yes", "no")
    path = tmp_path_factory.mktemp("data") / "drawn.csv"
    frame.to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def run(table, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "calibrated"
    words = ["train", str(table), "-t", "answer", "--calibrate", *GREEDY, "--no-baselines", "--out", str(folder), "-q"]
    assert main([*words, "--json"]) == 0
    return folder


def page_of(folder):
    return " ".join((folder / "report.html").read_text().split())


def test_the_report_shows_before_and_after(run, table):
    report = read_json(run / "report.json")
    model = load_model(run)
    temperature = model.network_.temperature_
    assert temperature > 1.5
    assert report["result"]["temperature"] == report["calibration"]["temperature"] == temperature
    after, before = report["calibration"]["after"], report["calibration"]["before"]
    assert after["ece"] < before["ece"] and after["log_loss"] < before["log_loss"]
    predictions = pd.read_csv(run / "predictions.csv")
    probs = predictions[["p_no", "p_yes"]].to_numpy()
    truth = predictions.filter(regex="^(true|answer|target)").iloc[:, 0]
    assert after["log_loss"] == pytest.approx(log_loss(truth, probs), rel=1e-6)
    assert before["log_loss"] == pytest.approx(log_loss(truth, undo_temperature(probs, temperature)), rel=1e-4)
    page = page_of(run)
    assert (
        f"divided by the temperature {temperature:.3g}, which was fitted on rows kept aside: above 1, the network"
        in page
    )
    assert "fits a temperature" not in page and "before scaling" in page and "after scaling" in page
    assert "temperature" in (run / "model" / "README.md").read_text()


def test_the_command_that_makes_it_again(run, tmp_path, capsys):
    report = read_json(run / "report.json")
    command = report["reproduce"]["shell"]
    assert "--calibrate" in command.split()
    assert main([*shlex.split(command)[1:], "--out", str(tmp_path / "again"), "-q"]) == 0
    assert "Calibrated: logits divided by the temperature" in capsys.readouterr().out
    again = read_json(tmp_path / "again" / "report.json")
    assert again["calibration"] == report["calibration"]
    assert again["reproduce"]["shell"] == command


def test_other_rows_and_a_longer_run(run, table, tmp_path):
    document = evaluate(run, table, rows="all", out=tmp_path / "evaluated")
    assert document is not None
    shown = read_json(tmp_path / "evaluated" / "report.json")
    assert shown["calibration"]["temperature"] == load_model(run).network_.temperature_
    words = ["train", str(table), "-t", "answer", "--calibrate", *GREEDY[:-1], "5", "--no-baselines", "-q"]
    assert main([*words, "--out", str(tmp_path / "short")]) == 0
    assert main(["train", "--resume", str(tmp_path / "short"), "--epochs", "150", "-q"]) == 0
    resumed = read_json(tmp_path / "short" / "report.json")
    assert resumed["calibration"]["temperature"] == pytest.approx(load_model(run).network_.temperature_, rel=1e-6)


def test_diagnose_takes_a_calibrated_run(run, tmp_path, capsys):
    out = tmp_path / "cured"
    assert main(["diagnose", str(run), "--fix", str(out), "--json", "-q"]) == 0
    fix = json.loads(capsys.readouterr().out)["fix"]
    assert fix is None or read_json(out / "report.json")["calibration"]["temperature"] > 0


def test_from_python(table, tmp_path):
    params = {"hidden_layer_sizes": (8,), "max_iter": 5}
    result = strata.train(table, target="answer", calibrate=True, params=params, out=tmp_path / "run", baselines=False)
    assert result.temperature == result.estimator.network_.temperature_
    assert result.to_dict()["model"]["parameters"]["calibrate"] is True
    call = read_json(tmp_path / "run" / "report.json")["reproduce"]["python"]
    assert "calibrate=True" in call
    again = eval(call, {"strata": strata})
    assert again.temperature == result.temperature
    plain = strata.train(table, target="answer", params=params, baselines=False, out=tmp_path / "plain")
    assert "calibrate=True</code> (<code>--calibrate</code>) fits a temperature" in page_of(plain.folder)
    assert plain.temperature is None and "temperature" not in plain.to_dict()["result"]
    assert plan_training("iris", params={"calibrate": True}).recipe.parameters["calibrate"] is True
    assert "calibrate" not in plan_training("diabetes", params={"calibrate": False}).recipe.parameters


@pytest.mark.parametrize(
    ("words", "match"),
    [
        (["diabetes"], "`calibrate` must be False for a regression, which gives no probabilities."),
        (["iris", "--model", "perceptron"], "`calibrate` must be False for model='perceptron'."),
        (["iris", "--model", "bagged-mlp"], "`calibrate` must be False for model='bagged-mlp'."),
        (["iris", "--loss", "hinge"], "`calibrate` must be False when loss='hinge'"),
        (["infert", "--solver", "rprop"], "`calibrate` must be False unless the outputs are probabilities."),
    ],
)
def test_what_cannot_be_calibrated(words, match, tmp_path, capsys):
    out = tmp_path / "run"
    assert main(["train", *words, "--calibrate", "--out", str(out)]) == 2
    assert match in " ".join(capsys.readouterr().err.split())
    assert not out.exists()


def test_refusals_from_python():
    with pytest.raises(ValueError, match=r"`calibrate` must be True or False\. Received: calibrate='yes'"):
        strata.train("iris", calibrate="yes")
    with pytest.raises(ValueError, match="for a regression.*the target 'progression'"):
        strata.train("diabetes", params={"calibrate": True})
