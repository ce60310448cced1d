"""Options from a file: flags win over the environment, that over the file, that over the defaults."""

import json

import pytest

from strata.cli import main
from strata.cli._app import _understand


def options(*words):
    return _understand(list(words)).options


def test_precedence(tmp_path, monkeypatch):
    monkeypatch.delenv("STRATA_TRAIN_SOLVER", raising=False)
    file = tmp_path / "run.toml"
    file.write_text('hidden = [100, 50]\nsolver = "sgd"\nlearning-rate = 0.5\nforce = true\nseed = 7\n')
    assert options("train", "digits")["solver"] is None
    got = options("train", "digits", "--config", str(file))
    assert (got["hidden"], got["solver"], got["learning_rate"]) == ("100,50", "sgd", 0.5)
    assert got["force"] is True and got["seed"] == 7
    monkeypatch.setenv("STRATA_TRAIN_SOLVER", "lbfgs")
    assert options("train", "digits", "--config", str(file))["solver"] == "lbfgs"
    assert options("train", "digits", "--solver", "adam", "--config", str(file))["solver"] == "adam"


def test_json_and_the_config_of_a_run(tmp_path):
    file = tmp_path / "config.json"
    file.write_text(json.dumps({"schema": "strata.run/1", "options": {"data": "iris", "param": ["beta_1=0.8"]}}))
    got = options("train", "--config", str(file))
    assert got["data"] == "iris" and got["param"] == ["beta_1=0.8"]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.toml", "hiden = 3", "Unknown option 'hiden'. Did you mean 'hidden'?"),
        ("a.toml", "hidden = ", "is not valid TOML"),
        ("a.json", '{"seed": NaN}', "NaN is not JSON"),
        ("a.json", "[1]", "must hold options by name"),
        ("a.toml", 'seed = "x"', "Invalid value for '--seed'"),
        ("absent.toml", None, "`--config` cannot be read"),
    ],
)
def test_a_wrong_file_is_one_line_and_exit_2(name, text, message, tmp_path, capsys):
    path = tmp_path / name
    if text is not None:
        path.write_text(text)
    assert main(["train", "digits", "--config", str(path)]) == 2
    err = capsys.readouterr().err
    assert message in err and err.count("\n") == 1
