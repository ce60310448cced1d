"""`strata diagnose`: data, runs, JSON, cures, refusals."""

import json

import numpy as np
import pandas as pd
import pytest

import strata
from strata.cli import main


@pytest.fixture
def table(tmp_path):
    rng = np.random.RandomState(0)
    frame = pd.DataFrame(rng.normal(size=(240, 3)), columns=["a", "b", "c"])
    frame["kind"] = np.where(frame["a"] * frame["b"] > 0, "same", "other")
    path = tmp_path / "table.csv"
    frame.to_csv(path, index=False)
    return path


def test_data_with_the_default_model(table, capsys):
    assert main(["diagnose", str(table), "--target", "kind", "--json", "--quiet"]) == 0
    described = json.loads(capsys.readouterr().out)
    assert described["schema"] == "strata.diagnose/1"
    assert described["verdicts"][0]["name"] in strata.diagnosis.CATALOGUE
    assert described["fix"] is None


def test_a_run_is_diagnosed_proven_and_fixed(table, tmp_path, capsys):
    run, cured = tmp_path / "run", tmp_path / "cured"
    words = ["--hidden", "16", "--param", "init=zeros", "--epochs", "60", "--activation", "tanh", "--no-report"]
    assert main(["train", str(table), "--target", "kind", "--out", str(run), "-q", "--no-baselines", *words]) == 0
    capsys.readouterr()
    assert main(["diagnose", str(run), "--prove", "--seeds", "2", "--fix", str(cured), "-q"]) == 0
    out = capsys.readouterr().out
    assert out.startswith(("Symmetric initialization", "1. Symmetric initialization"))
    assert "init auto" in out and "Best cure:" in out and f"Cured run: {cured}" in out
    config = json.loads((cured / "config.json").read_text())
    assert config["model"]["parameters"]["hidden_layer_sizes"] == [16]
    assert config["data"] == json.loads((run / "config.json").read_text())["data"]
    assert config["options"]["target"] == "kind"


def test_a_run_of_python_code_is_planned_again(table, tmp_path, capsys):
    run = tmp_path / "run"
    strata.train(
        str(table), target="kind", out=run, params={"hidden_layer_sizes": (4,), "max_iter": 3}, baselines=False,
        report=False, seed=5,
    )  # fmt: skip
    assert main(["diagnose", str(run), "--json", "-q"]) == 0
    described = json.loads(capsys.readouterr().out)
    settings = described["evidence"]["settings"]
    assert settings["hidden_layer_sizes"] == [4]


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["diagnose"], 2, "RUN_OR_DATA"),
        (["diagnose", "iriss"], 3, "Did you mean 'iris'"),
        (["diagnose", "iris", "--prov"], 2, "Did you mean --prove"),
        (["diagnose", "iris", "--seeds", "0"], 2, "--seeds"),
        (["diagnose", "{empty}"], 4, "is not the folder of a run"),
        (["diagnose", "iris", "--fix", "{full}"], 2, "must be a new or empty folder"),
        (["diagnos", "iris"], 2, "Did you mean 'diagnose'"),
    ],
)
def test_wrong_use_is_one_line(words, code, message, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("mine")
    words = [word.format(empty=tmp_path / "empty", full=tmp_path / "full") for word in words]
    assert main(words) == code
    assert message in capsys.readouterr().err


def test_a_run_whose_data_has_changed_is_refused(table, tmp_path, capsys):
    run = tmp_path / "run"
    assert main(["train", str(table), "--target", "kind", "--out", str(run), "-q", "--epochs", "2", "--no-report"]) == 0
    table.write_text(table.read_text() + "1,2,3,same\n")
    assert main(["diagnose", str(run)]) == 4
    assert "was made from other data" in capsys.readouterr().err
