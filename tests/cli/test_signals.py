"""A signal saves, says how to go on, and that command ends where an undisturbed run would have."""

import contextlib
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from strata.cli import _app, main
from strata.cli._console import Console

STRATA = [sys.executable, "-c", "import sys; from strata.cli import main; sys.exit(main())"]
RUN = ["train", "digits", "--hidden", "64", "--epochs", "150", "--patience", "1000", "--no-baselines", "--seed", "5"]


def start(folder, *words):
    environment = os.environ | {"OMP_NUM_THREADS": "1", "TERM": "dumb"}
    return subprocess.Popen(
        [*STRATA, *words], cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed")
    run = start(folder, *RUN, "--out", "a", "-q")
    out, err = run.communicate(timeout=200)
    assert run.returncode == 0, err
    return json.loads((folder / "a" / "report.json").read_text())


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_saves_and_the_printed_command_goes_on(number, code, undisturbed, tmp_path):
    run = start(tmp_path, *RUN, "--out", "my run")
    seen = []
    while "epoch 20/150" not in (seen[-1] if seen else ""):
        line = run.stderr.readline()
        assert line, seen
        seen.append(line)
    run.send_signal(number)
    out, err = run.communicate(timeout=100)
    assert run.returncode == code, err
    assert out == "" and "Traceback" not in err
    last = err.splitlines()[-1]
    assert last.startswith("error: Stopped, and saved in my run. Go on with: strata train --resume 'my run'")
    assert json.loads((tmp_path / "my run" / "config.json").read_text())["status"] == "interrupted"
    assert not (tmp_path / "my run" / "report.json").exists()
    words = shlex.split(last.split("Go on with: strata ")[1])
    again = start(tmp_path, *words, "-q")
    out, err = again.communicate(timeout=200)
    assert again.returncode == 0, err
    report = json.loads((tmp_path / "my run" / "report.json").read_text())
    assert report["result"]["loss"] == undisturbed["result"]["loss"]
    assert report["result"]["confusion"] == undisturbed["result"]["confusion"]
    assert report["result"]["n_epochs"] == undisturbed["result"]["n_epochs"] == 150


def has_open(pid, path):
    """Whether a process reads a file; descriptors come and go while one looks."""
    for each in (Path("/proc") / str(pid) / "fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            if os.readlink(each) == os.path.realpath(path):
                return True
    return False


def test_a_signal_before_the_training_leaves_nothing(tmp_path):
    path = tmp_path / "big.csv"
    with open(path, "w") as file:
        file.write("a,y\n")
        file.writelines(f"{i},c{i}\n" for i in range(3 * 10**6))
    run = start(tmp_path, "train", "big.csv", "--target", "y", "--out", "run")
    while not has_open(run.pid, path):
        assert run.poll() is None, run.stderr.read()
        time.sleep(0.05)
    time.sleep(1)
    run.send_signal(signal.SIGTERM)
    out, err = run.communicate(timeout=100)
    assert run.returncode == 143, (run.returncode, err)
    assert "Traceback" not in err and err.startswith("error: Stopped by SIGTERM")
    assert not (tmp_path / "run").exists()


def test_a_closed_stdout_does_not_end_a_training(tmp_path):
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [*STRATA, "train", "gate-xor", "--epochs", "3", "--json-lines", "--out", "run"],
        cwd=tmp_path, stdout=write, stderr=subprocess.PIPE, text=True, timeout=100, check=False,
    )  # fmt: skip
    os.close(write)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "run" / "report.json").exists()


def test_an_interrupt_with_nothing_to_save_is_said_in_words(capsys):
    assert _app._report(KeyboardInterrupt(), Console(), debug=False) == 130
    assert "Stopped. Nothing more was saved." in capsys.readouterr().err


def test_an_interrupt_after_the_training_says_how_to_go_on(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("strata.report.training.fit_baselines", interrupted)
    words = ["train", "gate-xor", "--epochs", "3", "--save-every", "1", "--test-size", "0", "-q"]
    assert main([*words, "--out", "my run"]) == 130
    assert "Stopped. What was learned is saved in my run. Go on with: strata train --resume 'my run'" in (
        capsys.readouterr().err
    )
    assert json.loads((tmp_path / "my run" / "config.json").read_text())["status"] == "interrupted"
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    assert main(["train", "--resume", "my run", "-q"]) == 0
    assert (tmp_path / "my run" / "report.json").exists()
