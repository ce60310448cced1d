"""The command's frame: help, unknown words, streams, exit codes. One process for all but a few."""

import errno
import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from strata.cli import _models, main
from strata.errors import (
    DataError,
    MissingExtraError,
    ModelRefusedError,
    NonFiniteError,
    OfflineError,
    RunInterrupted,
    RunLockedError,
)

VERBS = ("train", "predict", "evaluate", "explain", "diagnose", "models", "data", "verify", "doctor")
STRATA = [sys.executable, "-c", "import sys; from strata.cli import main; sys.exit(main())"]


def raise_in_models(monkeypatch, error):
    def run(options, console):
        raise error

    monkeypatch.setattr(_models, "run", run)


def test_help_lists_the_verbs_and_every_exit_code(capsys):
    assert main(["--help"]) == 0
    out = capsys.readouterr().out
    for verb in VERBS:
        assert re.search(rf"^  {verb}\b", out, re.MULTILINE), verb
    for code in (0, 1, 2, 3, 4, 5, 130, 143):
        assert re.search(rf"^\s+{code}\s+\w", out, re.MULTILINE), code


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_with_exit_codes_and_json(verb, capsys):
    assert main([verb, "--help"]) == 0
    out = capsys.readouterr().out
    assert "--json" in out and "Exit codes" in out


def test_no_words_show_the_help(capsys):
    assert main([]) == 0
    assert "Commands" in capsys.readouterr().out


def test_version(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == "strata 0.1.0\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["trian"], "Unknown verb 'trian'. Did you mean 'train'?"),
        (["train", "--hiden", "3"], "No such option: --hiden. Did you mean --hidden?"),
        (["models", "lenet-5"], "Did you mean 'lenet5'?"),
        (["train", "digits", "--seed", "one"], "Invalid value for '--seed'"),
        (["train", "digits", "--threads", "0"], "Invalid value for '--threads'"),
        (["predict", "model"], "Missing argument 'DATA'"),
        (["data", "audi", "iris"], "No such command 'audi'. Did you mean 'audit'?"),
    ],
)
def test_wrong_use_is_one_line_and_exit_2(words, message, capsys):
    assert main(words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ") and err.count("\n") == 1
    assert message in err


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (NonFiniteError("The loss is NaN in epoch 2, batch 3.", epoch=2, batch=3), 1, "epoch 2, batch 3"),
        (RunLockedError("runs/a is being written by process 7."), 1, "process 7"),
        (OSError(errno.ENOSPC, "No space left on device", "runs/a/model"), 1, "runs/a/model: No space left"),
        (MemoryError("too big"), 1, "too big"),
        (KeyError("x"), 1, "a fault of strata"),
        (ValueError("`seed` must be 0 or more."), 2, "`seed` must be"),
        (TypeError("`seed` must be an integer."), 2, "`seed` must be"),
        (DataError("rows.csv: line 3: 2 cells."), 3, "rows.csv: line 3"),
        (ModelRefusedError("m: the digest differs."), 4, "digest"),
        (MissingExtraError("Parquet needs pyarrow: pip install 'strata[tables]'"), 5, "pip install 'strata[tables]'"),
        (OfflineError("The network is off."), 5, "network is off"),
        (RunInterrupted("Saved. Go on with: strata train --resume runs/a", signal_number=2), 130, "--resume runs/a"),
        (RunInterrupted("Saved. Go on with: strata train --resume runs/a", signal_number=15), 143, "--resume runs/a"),
        (KeyboardInterrupt(), 130, "Stopped. Nothing more was saved."),
    ],
)
def test_exit_code_of_each_error(error, code, says, monkeypatch, capsys):
    raise_in_models(monkeypatch, error)
    assert main(["models"]) == code
    out, err = capsys.readouterr()
    assert out == "" and says in err and err.count("\n") == 1
    assert "Traceback" not in err


def test_debug_shows_the_traceback(monkeypatch, capsys):
    raise_in_models(monkeypatch, DataError("rows.csv: empty"))
    assert main(["models", "--debug"]) == 3
    err = capsys.readouterr().err
    assert "Traceback" in err and err.endswith("error: rows.csv: empty\n")


def test_an_error_of_several_lines_becomes_one(monkeypatch, capsys):
    raise_in_models(monkeypatch, DataError("rows.csv:\n   line 3\n\x1b[31m"))
    main(["models"])
    assert capsys.readouterr().err == "error: rows.csv: line 3 \\x1b[31m\n"


def test_json_of_an_error(monkeypatch, capsys):
    raise_in_models(monkeypatch, DataError("rows.csv: empty"))
    assert main(["models", "--json"]) == 3
    out, err = capsys.readouterr()
    assert json.loads(out) == {
        "schema": "strata.error/1",
        "error": {"kind": "DataError", "message": "rows.csv: empty", "exit_code": 3},
    }
    assert err == "error: rows.csv: empty\n"


def test_json_never_holds_nan(monkeypatch, capsys):
    def run(options, console):
        console.emit({"schema": "x/1", "values": [float("nan"), float("inf"), 1.5]})
        return 0

    monkeypatch.setattr(_models, "run", run)
    assert main(["models", "--json"]) == 0

    def refuse(text):
        raise AssertionError(text)

    assert json.loads(capsys.readouterr().out, parse_constant=refuse)["values"] == [None, None, 1.5]


def test_warnings_are_lines_of_the_log(monkeypatch, capsys):
    import warnings

    def run(options, console):
        for _ in range(3):
            warnings.warn("two\n lines", UserWarning, stacklevel=1)
        return 0

    monkeypatch.setattr(_models, "run", run)
    assert main(["models"]) == 0
    assert capsys.readouterr().err == "warning: two lines\n"


def test_quiet_and_verbose(monkeypatch, capsys):
    def run(options, console):
        console.note("note")
        console.detail("detail")
        console.warn("careful")
        console.result("result")
        return 0

    monkeypatch.setattr(_models, "run", run)
    expected = {(): "note\nwarning: careful\n", ("-q",): "warning: careful\n"}
    expected["-v",] = "note\ndetail\nwarning: careful\n"
    for words, err in expected.items():
        assert main(["models", *words]) == 0
        got = capsys.readouterr()
        assert got.out == "result\n" and got.err == err


@pytest.mark.parametrize(
    ("environment", "words", "colored"),
    [
        ({"FORCE_COLOR": "1"}, [], True),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, [], False),
        ({"FORCE_COLOR": "1"}, ["--no-color"], False),
        ({}, [], False),
    ],
)
def test_color(environment, words, colored, monkeypatch, capsys):
    for name in ("FORCE_COLOR", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert main(["models", *words]) == 0
    assert ("\x1b[" in capsys.readouterr().out) is colored


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(("term", "colored"), [("xterm", True), ("dumb", False)])
def test_a_terminal_is_colored_unless_it_is_dumb(term, colored, monkeypatch):
    for name in ("FORCE_COLOR", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", term)
    monkeypatch.setattr(sys, "stdout", Terminal())
    assert main(["models"]) == 0
    assert ("\x1b[" in sys.stdout.getvalue()) is colored


def test_models_lists_each_estimator(capsys):
    assert main(["models"]) == 0
    assert re.search(r"^mlp\s+Multi-layer perceptron", capsys.readouterr().out, re.MULTILINE)
    assert main(["models", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert listed["schema"] == "strata.models/1"
    assert {"mlp", "bagged-mlp", "perceptron", "delta-rule"} <= {each["name"] for each in listed["models"]}


def test_closed_stdout_ends_well():
    read, write = os.pipe()
    os.close(read)  # like `| head` once it has seen enough
    for words in (["--help"], ["models"]):
        done = subprocess.run(
            [*STRATA, *words], stdout=write, stderr=subprocess.PIPE, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
    os.close(write)


def test_a_terminal_that_knows_neither_utf8_nor_width():
    environment = os.environ | {
        "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "COLUMNS": "20", "TERM": "dumb",
    }  # fmt: skip
    name = b"caf\xe9-\xff.csv"  # no UTF-8
    done = subprocess.run(
        [*STRATA, "train", name, "--target", "y"], env=environment, capture_output=True, timeout=120, check=False
    )
    assert done.returncode == 3, done.stderr
    assert b"Traceback" not in done.stderr and done.stderr.count(b"\n") == 1
    assert b"\x1b" not in done.stderr
    done = subprocess.run([*STRATA, "train", "--help"], env=environment, capture_output=True, timeout=120, check=False)
    assert done.returncode == 0 and b"Exit codes" in done.stdout


def test_help_imports_nothing_heavy():
    done = subprocess.run(
        [sys.executable, "-X", "importtime", *STRATA[1:], "--help"],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    loaded = {line.rsplit("|", 1)[-1].strip() for line in done.stderr.splitlines()}
    assert "typer" in loaded
    assert not loaded & {"torch", "numpy", "pandas", "sklearn", "scipy", "matplotlib", "numba", "rich.console"}


def test_the_package_module_is_tiny():
    import strata.cli

    assert len(Path(strata.cli.__file__).read_text().splitlines()) < 40
