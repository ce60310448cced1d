"""The rows of the fault table from the command: an exit code, one line, nothing half-written."""

import gzip
import hashlib
import json
import os
import pickle
import resource
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from strata._files import FolderLock
from strata.cli import main

STRATA = [sys.executable, "-c", "import sys; from strata.cli import main; sys.exit(main())"]
ROWS = "a,b,y\n" + "".join(f"{i},{i * 7 % 5},{'uv'[i % 2]}\n" for i in range(40))
QUICK = ["--epochs", "2", "--no-baselines", "-q"]


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ok.csv").write_text(ROWS)
    return tmp_path


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    (folder / "ok.csv").write_text(ROWS)
    assert main(["train", str(folder / "ok.csv"), "-t", "y", "--out", str(folder / "run"), *QUICK]) == 0
    return folder / "run"


@pytest.fixture
def model(trained, here):
    return Path(shutil.copytree(trained / "model", here / "model"))


def snapshot(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() and not path.is_symlink() else None
        for path in folder.rglob("*")
    }


def refuses(words, code, message, capsys, folder, warnings=0):
    """Check one refusal: its exit code, its line, and that every file is as it was."""
    before = snapshot(folder)
    assert main(list(map(str, words))) == code
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 + warnings, err
    assert err.splitlines()[-1].startswith("error: ") and message in err and len(err) < 1000, err
    assert snapshot(folder) == before
    return err


def start(folder, *words, **options):
    environment = os.environ | {"OMP_NUM_THREADS": "1", "TERM": "dumb"} | options.pop("environment", {})
    return subprocess.Popen(
        [*STRATA, *words], cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        **options,
    )  # fmt: skip


# -- rows 1 to 9: model folders ------------------------------------------------------------------------


class Bomb:
    def __reduce__(self):
        return os.mkdir, ("exploded",)


def _cut(model):
    path = model / "weights.safetensors"
    path.write_bytes(path.read_bytes()[:-7])


def _flip(model):
    path = model / "weights.safetensors"
    data = bytearray(path.read_bytes())
    data[-3] ^= 4
    path.write_bytes(data)


def _header(model):
    (model / "weights.safetensors").write_bytes((1 << 62).to_bytes(8, "little") + b"{}")


def _forge(**changes):
    def change(model):
        config = json.loads((model / "config.json").read_bytes())
        config.update(changes)
        del config["digest"]
        text = json.dumps(config, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
        config["digest"] = hashlib.sha256(text.encode()).hexdigest()
        (model / "config.json").write_text(json.dumps(config, indent=1) + "\n")

    return change


def _pickle(model):
    (model / "weights.safetensors").write_bytes(pickle.dumps(Bomb()))


DAMAGES = {
    "row 1: cut": (_cut, "weights.safetensors is refused"),
    "row 2: flipped": (_flip, "weights.safetensors is refused"),
    "row 3: header": (_header, "weights.safetensors is refused"),
    "row 4: os.system": (_forge(**{"class": "os.system"}), "Unknown class 'os.system'"),
    "row 5: unknown field": (_forge(more=1), "Extra inputs are not permitted"),
    "row 5: newer": (_forge(format_version=7), "Upgrade: pip install --upgrade strata"),
    "row 9: pickle": (_pickle, "weights.safetensors is refused"),
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("verb", ["predict", "evaluate"])
def test_a_damaged_model_is_exit_4(damage, verb, model, here, capsys):
    spoil, message = DAMAGES[damage]
    spoil(model)
    words = [verb, model, "ok.csv", *(["--out", "p.csv"] if verb == "predict" else ["-t", "y", "--plot", "p.png"])]
    refuses(words, 4, message, capsys, here)
    assert not (here / "exploded").exists()


def test_row_8_weights_that_are_not_finite(model, here, capsys):
    from strata._tensors import read_tensors, write_tensors

    path = model / "weights.safetensors"
    tensors = read_tensors(path)
    name = next(name for name in tensors if "coefs_" in name)
    tensors[name][0, 0] = float("nan")
    digest = write_tensors(path, tensors)
    _forge(weights={"sha256": digest, "n_bytes": path.stat().st_size})(model)
    refuses(["predict", model, "ok.csv"], 4, "NaN or infinity", capsys, here)
    words = ["evaluate", str(model), "ok.csv", "-t", "y", "--allow-nonfinite"]
    main(words)
    assert "refused" not in capsys.readouterr().err


@pytest.mark.parametrize("suffix", [".pt", ".pkl", ".joblib", ".h5"])
def test_row_9_files_of_others(suffix, here, capsys):
    path = here / f"m{suffix}"
    path.write_bytes(pickle.dumps(Bomb()))
    refuses(["predict", path, "ok.csv"], 4, "Pickles run code", capsys, here)


# -- rows 12 to 18 and 21: runs ------------------------------------------------------------------------

LONG = ["train", "digits", "--hidden", "16", "--patience", "1000", "--no-baselines", "--save-every", "1"]


def final_weights(folder):
    return hashlib.sha256((folder / "model" / "weights.safetensors").read_bytes()).hexdigest()


def wait_for(path, run, seconds=60):
    end = time.monotonic() + seconds
    while not path.exists():
        assert run.poll() is None and time.monotonic() < end, run.stderr.read()
        time.sleep(0.02)


def test_row_13_kill_and_resume_ends_with_the_same_weights(here):
    """SIGKILL after the first checkpoint: the resumed run has the bits of an undisturbed one."""
    assert main([*LONG, "--epochs", "60", "--out", "whole", "-q"]) == 0
    run = start(here, *LONG, "--epochs", "60", "--out", "cut", "-q")
    wait_for(here / "cut" / "checkpoints" / "latest", run)
    run.kill()
    run.communicate()
    assert json.loads((here / "cut" / "config.json").read_text())["status"] == "running"
    assert not (here / "cut" / "report.json").exists()
    assert main(["train", "--resume", "cut", "-q"]) == 0
    assert final_weights(here / "cut") == final_weights(here / "whole")
    assert not [path for path in (here / "cut").rglob("*") if ".tmp-" in path.name]


def test_a_run_killed_before_its_first_file_is_replaced(here):
    (here / "run").mkdir()
    (here / "run" / ".config.json.tmp-4194303-0123abcd").touch()
    assert main(["train", "ok.csv", "-t", "y", "--out", "run", *QUICK]) == 0
    assert not [path for path in (here / "run").rglob("*") if ".tmp-" in path.name]


def test_row_16_a_second_signal_is_obeyed_at_once(here):
    run = start(here, *LONG, "--hidden", "2000,2000", "--batch-size", "1400", "--epochs", "100000", "--out", "run")
    wait_for(here / "run" / "config.json", run)
    run.send_signal(signal.SIGINT)
    run.send_signal(signal.SIGINT)
    begun = time.monotonic()
    _, err = run.communicate(timeout=60)
    assert run.returncode == 130, err
    assert time.monotonic() - begun < 15 and "Traceback" not in err


def test_row_17_a_full_disk(here):
    """No file may grow beyond some bytes: the run fails in one line, and what was there is intact."""

    def full():
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))

    run = start(here, "train", "ok.csv", "-t", "y", "--out", "run", *QUICK, preexec_fn=full)
    out, err = run.communicate(timeout=120)
    assert run.returncode == 1, err
    assert "Traceback" not in err and err.splitlines()[-1].startswith("error: ")
    assert not (here / "run" / "report.json").exists()
    assert not [path for path in here.rglob("*") if ".tmp-" in path.name]


def test_row_17_a_full_disk_keeps_older_predictions(model, here):
    (here / "p.csv").write_text("old\n")
    wide = here / "many.csv"
    wide.write_text("a,b\n" + "1,2\n" * 500)

    def full():
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))

    run = start(here, "predict", "model", "many.csv", "--out", "p.csv", "--force", preexec_fn=full)
    out, err = run.communicate(timeout=120)
    assert run.returncode == 1 and err.count("\n") == 1, err
    assert (here / "p.csv").read_text() == "old\n"
    assert not [path for path in here.rglob("*") if ".tmp-" in path.name]


def test_row_18_a_folder_that_another_run_writes(here, capsys):
    with FolderLock(here / "run"):
        refuses(["train", "ok.csv", "-t", "y", "--out", "run", *QUICK], 1, "is being written by process", capsys, here)
    assert main(["train", "--help"]) == 0
    assert "even one that is locked" in " ".join(capsys.readouterr().out.split())


def test_row_21_a_run_that_diverges(here, capsys):
    x = np.random.RandomState(0).randn(64, 2)
    pd.DataFrame(x, columns=["a", "b"]).assign(y=x[:, 0] * 1e3).to_csv("d.csv", index=False)
    words = ["train", "d.csv", "-t", "y", "--solver", "sgd", "--activation", "identity", "--learning-rate", "1e12"]
    with np.errstate(all="ignore"):
        assert main([*words, "--out", "run", "-q", "--no-baselines", "--save-every", "1"]) == 1
    out, err = capsys.readouterr()
    assert out == "" and err.splitlines()[-1].startswith("error: ") and "epoch" in err and "Traceback" not in err
    assert err.endswith("Ask why: strata diagnose run\n")
    assert json.loads((here / "run" / "config.json").read_text())["status"] == "failed"
    assert not (here / "run" / "report.json").exists()
    assert main(["diagnose", "run", "-q"]) == 0
    assert "earning rate" in capsys.readouterr().out
    assert main([*words, "--out", "run", "-q"]) == 2
    assert main([*words, "--out", "run", "-q", "--force", "--learning-rate", "1e-4"]) == 0


def test_row_22_no_memory(here, monkeypatch, capsys):
    from strata.rules.compiled.rule import CompiledDense

    def full(*_):
        raise MemoryError

    monkeypatch.setattr(CompiledDense, "run", full)
    assert main(["train", "ok.csv", "-t", "y", "--out", "run", *QUICK]) == 1
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and "batch" in err, err
    monkeypatch.undo()
    os.chdir(here)
    assert main(["train", "ok.csv", "-t", "y", "--out", "run", *QUICK]) == 0


# -- rows 23, 24, 28 and 30: data ----------------------------------------------------------------------

PREDICTED = {
    "missing column": ("a\n1\n", "Unknown column 'b'"),
    "other names": ("A,B\n1,2\n", "Unknown column 'a'"),
    "infinite": ("a,b\n1,2\ninf,2\n", "Column 'a', line 3 is infinite"),
    "text": ("a,b\n1,2\n1,x\n", "Column 'b', line 3: 'x' is not a number"),
    "empty": ("", "the file is empty"),
    "header only": ("a,b\n", "no rows follow"),
}


@pytest.mark.parametrize("case", PREDICTED)
def test_row_23_rows_that_do_not_suit_the_model(case, model, here, capsys):
    text, message = PREDICTED[case]
    (here / "new.csv").write_text(text)
    refuses(["predict", model, "new.csv", "--out", "p.csv"], 3, message, capsys, here)


def test_columns_are_found_by_name_and_extra_ones_are_left(model, here, capsys):
    for name, text in (("1.csv", "a,b\n3,2\n"), ("2.csv", "b,a\n2,3\n"), ("3.csv", "more,b,a\nx,2,3\n")):
        (here / name).write_text(text)
    lines = []
    for name in ("1.csv", "2.csv", "3.csv"):
        assert main(["predict", str(model), name]) == 0
        lines.append(capsys.readouterr().out)
    assert lines[0] == lines[1] == lines[2]


CSV = {
    "narrow": (b"a,y\n1,2\n3\n", "line 3 has 1 columns"),
    "wide": (b"a,y\n1,2\n3,4,5\n", "line 3 has 3 columns"),
    "NUL": (b"a,y\n1,\x002\n", "line 2, character 3 is NUL"),
    "UTF-16": ("a,y\n1,2\n".encode("utf-16"), "line 1, column 1: the file is UTF-16"),
    "Latin-1": ("a,y\n1,é\n".encode("latin-1"), "line 2, byte 3"),
    "semicolons": (b"a;y\n1;2\n", "--sep ';'"),
    "decimal comma": (b'a,y\n1,"1,5"\n2,"2,5"\n', "line 2, column 2"),
    "same name": (b"a,y,a\n1,2,3\n", "line 1, columns 1 and 3"),
    "no name": (b"a,,y\n1,2,3\n", "line 1, column 2"),
    "200 kB": (b"a,y\n1," + b"x" * 200_000 + b"\n", "line 2, column 2"),
    "text": (b"a,y\n" + b"1,2\n" * 30 + b"1,oops\n", "line 32, column 2 ('y')"),
    "empty": (b"", "the file is empty"),
    "only header": (b"a,y\n", "no rows follow"),
    "1e400": (b"a,y\n1,2\n1,1e400\n", "line 3, column 2"),
    "3000 digits": (b"a,y\n1," + b"9" * 3000 + b"\n", "line 2, column 2"),
    "too large to scale": (
        b"a,y\n" + b"".join(b"%s1e308,%s\n" % ((b"", b"-")[i % 2], (b"u", b"v")[i % 2]) for i in range(40)),
        "Column 'a' holds numbers too large to scale",
    ),
    "long name": (b"n" * 20_000 + b",b" + ROWS.encode()[3:], "a name must have at most 10000 characters"),
}


@pytest.mark.parametrize("fault", CSV)
def test_row_28_csv(fault, here, capsys):
    content, message = CSV[fault]
    (here / "t.csv").write_bytes(content)
    refuses(["train", "t.csv", "-t", "y", "--out", "run", *QUICK], 3, message, capsys, here)


def _npz(path):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("X.npy", "w") as file:
        np.lib.format.write_array(file, np.zeros((4000, 10_000)), allow_pickle=False)


BOMBS = {
    "b.csv.gz": lambda path: path.write_bytes(gzip.compress(b"a,y\n" + b"1,2\n" * 20_000_000, 9)),
    "b.npz": _npz,
}


@pytest.mark.parametrize("name", BOMBS)
def test_row_30_bombs(name, here, capsys):
    BOMBS[name](here / name)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    refuses(["train", name, "-t", "y", "--out", "run", *QUICK], 3, name, capsys, here)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000  # kB; the archive holds 320 MB


# -- rows 40 to 42 -------------------------------------------------------------------------------------


def test_row_40_no_file_of_a_run_holds_nan(here, monkeypatch, capsys):
    """A figure that is NaN is null on stdout and in the report."""
    from strata.report import evaluation

    score = evaluation.score_predictions

    def with_nan(*args, **options):
        found = score(*args, **options)
        found.metrics["odd"] = float("nan")
        return found

    monkeypatch.setattr("strata.report.scoring.score_predictions", with_nan)
    assert main(["train", "ok.csv", "-t", "y", "--out", "run", "--json-lines", *QUICK]) == 0

    def refuse(text):
        raise AssertionError(text)

    result = [json.loads(line, parse_constant=refuse) for line in capsys.readouterr().out.splitlines()][-1]
    assert result["result"]["metrics"]["odd"] is None
    report = json.loads((here / "run" / "report.json").read_text(), parse_constant=refuse)
    assert report["result"]["metrics"]["odd"] is None


def test_row_41_a_path_that_is_no_utf8_in_a_narrow_terminal_of_the_c_locale(here):
    name = os.fsdecode(b"caf\xe9-\xff.csv")
    shutil.copy(here / "ok.csv", here / name)
    plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "COLUMNS": "20", "NO_COLOR": "1"}
    folder = os.fsdecode(b"r\xff")
    run = start(
        here, "train", name, "-t", "y", "--out", folder, "--epochs", "2", "--no-baselines",
        environment=plain, errors="backslashreplace",
    )  # fmt: skip
    out, err = run.communicate(timeout=120)
    assert run.returncode == 0, err
    assert "\x1b" not in out + err and "Traceback" not in err and "accuracy" in out
    assert (here / folder / "report.json").exists()
    assert main(["predict", folder, name, "--out", "p.csv", "-q"]) == 0
    assert len((here / "p.csv").read_text().splitlines()) == 41


@pytest.mark.parametrize("form", ["parquet", "feather"])
def test_row_42_a_missing_extra(form, here, monkeypatch, capsys):
    getattr(pd.read_csv("ok.csv"), f"to_{form}")(f"t.{form}")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    words = ["train", f"t.{form}", "-t", "y", "--out", "run"]
    err = refuses(words, 5, "pip install 'strata[tables]'", capsys, here)
    assert f"t.{form}" in err or "needs pyarrow" in err


# -- beyond the table ----------------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["photos", "link", "."])
def test_force_never_removes_what_is_no_run(target, here, capsys):
    (here / "photos").mkdir()
    (here / "photos" / "a.jpg").write_text("x")
    (here / "link").symlink_to("photos")
    words = ["train", "ok.csv", "-t", "y", "--out", target, "--force", *QUICK]
    refuses(words, 2, "must be the folder of a run to be replaced", capsys, here)


def test_force_does_not_follow_links_out_of_the_run(trained, here):
    run = Path(shutil.copytree(trained, here / "run"))
    (here / "photos").mkdir()
    (here / "photos" / "a.jpg").write_text("x")
    for name in ("checkpoints", "model"):
        shutil.rmtree(run / name, ignore_errors=True)
        (run / name).symlink_to(here / "photos")
    assert main(["train", "ok.csv", "-t", "y", "--out", "run", "--force", *QUICK]) == 0
    assert [path.name for path in (here / "photos").iterdir()] == ["a.jpg"]
    assert not (run / "model").is_symlink()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[]",
        '{"data": "/etc/passwd"}',
        '{"schema": "strata.run/1", "options": {"evil": 1}}',
        "\xff",
        "[" * 999,
    ],
)
def test_a_folder_of_something_else_is_not_resumed(text, here, capsys):
    (here / "odd").mkdir()
    (here / "odd" / "config.json").write_bytes(text.encode("latin-1"))
    refuses(["train", "--resume", "odd"], 4, "odd is not the folder of a run", capsys, here)


def test_predictions_do_not_replace_a_folder(model, here, capsys):
    (here / "d").mkdir()
    refuses(["predict", model, "ok.csv", "--out", "d", "--force"], 2, "which is a folder", capsys, here)
