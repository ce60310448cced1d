"""The command on real and on broken files, in one process."""

import gzip
import json
import os
import subprocess
import sys

import numpy as np
import pytest

from strata.cli import main


@pytest.fixture
def churn(tmp_path):
    """A table with text, dates, truth values and missing ones; the target follows from plan and calls."""
    random = np.random.RandomState(0)
    lines = ["plan,joined,calls,region,active,churn"]
    for i in range(160):
        plan = ("basic", "plus", "gold")[i % 3]
        calls = "" if i % 11 == 0 else str(random.randint(0, 30))
        region = "" if i % 17 == 0 else ("north", "south", "east")[random.randint(3)]
        churn = "yes" if plan == "plus" or (calls and int(calls) < 5) else "no"
        day = f"2023-{1 + i % 12:02d}-{1 + i % 28:02d}"
        lines.append(f"{plan},{day},{calls},{region},{('true', 'false', '')[i % 3]},{churn}")
    path = tmp_path / "churn.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def run_json(capsys, *words):
    code = main([*map(str, words), "--json", "-q"])
    out = capsys.readouterr().out

    def refuse(text):
        raise AssertionError(f"{text} is not JSON")

    return code, json.loads(out, parse_constant=refuse)


def test_a_real_table_end_to_end(churn, tmp_path, capsys):
    out = tmp_path / "run"
    code, result = run_json(capsys, "train", churn, "-t", "churn", "--out", out, "--hidden", "16", "--epochs", "300")
    assert code == 0 and result["schema"] == "strata.train/1"
    names = [each["name"] for each in result["baselines"]]
    assert names[:3] == ["majority class", "logistic regression", "5 nearest neighbours"]
    assert names[3:] == ["SVM (RBF)", "gradient-boosted trees"]
    assert result["result"]["metrics"]["accuracy"] > result["baselines"][0]["metrics"]["accuracy"]
    # new rows, without the target, with a category and a region that training never saw
    new = tmp_path / "new.csv"
    new.write_text("region,calls,plan,joined,active\nnorth,2,plus,2024-02-01,true\nwest,20,platinum,2024-03-01,\n")
    table = tmp_path / "predictions.csv"
    assert main(["predict", str(out), str(new), "--out", str(table)]) == 0
    err = capsys.readouterr().err
    assert "warning: Column 'plan': 'platinum' was not seen in training" in err
    lines = table.read_text().splitlines()
    assert lines[0] == "prediction,p_no,p_yes" and len(lines) == 3
    assert lines[1].startswith("yes,")
    for line in lines[1:]:
        assert sum(map(float, line.split(",")[1:])) == pytest.approx(1.0)
    # the same model, on the rows that its run held out, and on all rows
    code, scored = run_json(capsys, "evaluate", out, churn, "--plot", tmp_path / "t.png")
    assert code == 0 and scored["n_rows"] == result["result"]["n_rows"] == 32
    assert scored["metrics"] == result["result"]["metrics"] and scored["rows"]["which"] == "held-out"
    code, scored = run_json(capsys, "evaluate", out, churn, "--all-rows")
    assert code == 0 and scored["n_rows"] == 160 and scored["metrics"]["accuracy"] > 0.9
    assert (tmp_path / "t.png").read_bytes().startswith(b"\x89PNG")
    # nothing is overwritten
    for words in (["predict", out, new, "--out", table], ["evaluate", out, churn, "--plot", tmp_path / "t.png"]):
        assert main(list(map(str, words))) == 2
        assert "Give --force to replace it" in capsys.readouterr().err
    # a column is missing
    new.write_text("region,calls\nnorth,2\n")
    assert main(["predict", str(out), str(new)]) == 3
    assert "Unknown column 'plan'" in capsys.readouterr().err


def test_infert_is_printed_beside_its_baselines(tmp_path, capsys):
    words = [
        "--formula",
        "case ~ parity + induced + spontaneous",
        "--model",
        "mlp",
        "--hidden",
        "1",
        "--solver",
        "rprop",
    ]
    assert main(["train", "infert", *words, "--out", str(tmp_path / "r")]) == 0
    out, err = capsys.readouterr()
    for each in (
        "143 22 / 37 46",
        "149 16 / 43 40",
        "165 0 / 83 0",
        "majority class",
        "logistic regression",
        "SVM",
        "21.2",
    ):
        assert each in out
    assert "defaults of R's neuralnet" in err
    code, result = run_json(capsys, "train", "infert", *words, "--seed", "4", "--out", tmp_path / "s")
    assert result["result"]["confusion"] == [[143, 22], [37, 46]]
    assert result["result"]["n_epochs"] == 612 and 21.219 < result["result"]["loss"] < 21.222


BROKEN = {
    "empty.csv": (b"", "the file is empty"),
    "header.csv": (b"a,y\n", "no rows follow"),
    "other.csv": (b"a,b\n1,2\n3,4\n", "Unknown column 'y'"),
    "text.csv": (b"a,y\n" + b"".join(b"%d,%d\n" % (i, i % 2) for i in range(30)) + b"abc,1\n", "line 32"),
    "nan.csv": (b"a,y\n1,u\n2,\n3,v\n4,u\n", "line 3, column 'y': the target is missing"),
    "class.csv": (b"a,y\n1,u\n2,u\n3,u\n", "one class ('u')"),
    "row.csv": (b"a,y\n1,u\n", "1 row is not enough"),
    "cut.csv.gz": (gzip.compress(b"a,y\n" + b"1,2\n" * 500)[:25], "the gzip stream ends too early"),
    "binary.csv": (bytes(range(256)) * 40, "line"),
    "picture.csv": (b"\x89PNG\r\n\x1a\n" + bytes(500), "PNG picture"),
    "wide.csv": (b"a,y\n1,2\n3,4,5\n", "line 3"),
    "huge.csv": (b"a,y\n1e400,1\n2,0\n", "line 2"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_malformed_input_is_one_line_exit_3_and_nothing_written(name, tmp_path, capsys, monkeypatch):
    content, message = BROKEN[name]
    (tmp_path / name).write_bytes(content)
    monkeypatch.chdir(tmp_path)
    assert main(["train", name, "--target", "y", "--out", "run"]) == 3
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and err.startswith("error: ")
    assert name in err and message in err
    assert sorted(each.name for each in tmp_path.iterdir()) == [name]


def test_a_million_classes(tmp_path, capsys):
    path = tmp_path / "many.csv"
    with open(path, "w") as file:
        file.write("a,y\n")
        file.writelines(f"{i},c{i}\n" for i in range(10**6))
    assert main(["train", str(path), "--target", "y", "--out", str(tmp_path / "run")]) == 3
    err = capsys.readouterr().err
    assert "many.csv: column 'y' has 1000000 classes in 1000000 rows" in err and err.count("\n") == 1
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["train"], 2, "`DATA` must be a file"),
        (["train", "irs"], 3, "Did you mean 'iris'"),
        (["train", "absent.csv", "-t", "y"], 3, "absent.csv"),
        (["train", "iris", "--model", "mpl"], 2, "Did you mean 'mlp'"),
        (["train", "iris", "--task", "clasification"], 2, "Did you mean 'classification'"),
        (["train", "iris", "--hidden", "3,x"], 2, "`--hidden` must be sizes"),
        (["train", "iris", "--param", "hiden=3"], 2, "Unknown parameter of MLPClassifier 'hiden'"),
        (["train", "iris", "--param", "x"], 2, "`--param` must be NAME=VALUE"),
        (["train", "iris", "--test-size", "1.5"], 2, "`test_size` must be in [0, 1)"),
        (["train", "iris", "--solver", "adm"], 2, "Unknown solver 'adm'. Did you mean 'adam'"),
        (["train", "iris", "--activation", "tanh,rellu"], 2, "Did you mean 'relu"),
        (["train", "iris", "--learning-rate", "-1"], 2, "learning_rate_init"),
        (["train", "iris", "--device", "gpu"], 2, "`device` must be one that this machine has: auto, cpu"),
        (["train", "iris", "--threshold", "0.1"], 2, "`threshold` must come with solver 'rprop'"),
        (["train", "iris", "--time-limit", "soon"], 2, "`--time-limit` must be a time"),
        (["train", "iris", "--save-every", "x"], 2, "`--save-every` must be"),
        (["train", "iris", "--resume", "auto"], 2, "`--resume auto` must come with --out"),
        (["train", "--resume", "absent"], 4, "is not the folder of a run"),
        (["train", "iris", "--group", "speces"], 3, "Unknown column 'speces'. Did you mean 'species'"),
        (["train", "mnist", "--data-path", "."], 3, "train-images-idx3-ubyte"),
        (["predict", "absent", "iris"], 4, "no such folder"),
        (["evaluate", "absent", "iris"], 4, "no such folder"),
        (["data", "fetch", "mist"], 2, "Did you mean 'mnist'"),
        (["data", "fetch", "mnist", "--offline"], 5, "network"),
        (["data", "audit", "absent.csv"], 3, "absent.csv"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(words, code, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STRATA_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("STRATA_OFFLINE", "")
    assert main(words) == code
    out, err = capsys.readouterr()
    assert out == "" and "Traceback" not in err
    assert message in err.splitlines()[-1] and err.splitlines()[-1].startswith("error: ")
    assert [each for each in tmp_path.iterdir() if each.name != "home"] == []


def test_dry_run_writes_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["train", "digits", "--hidden", "32,16", "--dry-run"]) == 0
    assert "2,778" in capsys.readouterr().out  # 65 * 32 + 33 * 16 + 17 * 10
    code, plan = run_json(capsys, "train", "digits", "--hidden", "32,16", "--dry-run")
    assert plan["schema"] == "strata.plan/1" and plan["model"]["n_parameters"] == 2778
    assert plan["options"]["hidden"] == "32,16" and plan["estimate"]["bytes"] > 0
    assert list(tmp_path.iterdir()) == []


def test_json_lines_are_one_object_an_epoch_and_then_the_result(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["train", "iris", "--epochs", "5", "--json-lines", "-q", "--no-baselines"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["schema"] for line in lines] == ["strata.epoch/1"] * 5 + ["strata.train/1"]
    assert [line["epoch"] for line in lines[:5]] == [1, 2, 3, 4, 5]
    assert (tmp_path / "runs" / "iris-mlp-1" / "report.json").exists()


def test_progress_goes_to_stderr_and_quiet_silences_it(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    words = ["train", "iris", "--epochs", "3", "--no-baselines"]
    assert main([*words, "--out", "a"]) == 0
    out, err = capsys.readouterr()
    assert "epoch 3/3" in err and "epoch 3/3" not in out and "\x1b" not in out + err
    assert main([*words, "--out", "b", "-q"]) == 0
    assert capsys.readouterr().err == ""
    assert main([*words, "--out", "a"]) == 2
    assert "must be a new or empty folder" in capsys.readouterr().err
    assert main([*words, "--out", "a", "--force"]) == 0


def test_resume_takes_the_options_of_the_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["train", "iris", "--hidden", "7", "--seed", "3", "--epochs", "4", "--out", "a", "--no-baselines"]) == 0
    capsys.readouterr()
    code, longer = run_json(capsys, "train", "--resume", "a", "--epochs", "9")
    assert code == 0
    code, straight = run_json(
        capsys, "train", "iris", "--hidden", "7", "--seed", "3", "--epochs", "9", "--out", "b", "--no-baselines"
    )
    assert longer["result"]["n_epochs"] == 9 and longer["result"]["loss"] == straight["result"]["loss"]
    assert longer["seed"] == 3 and longer["baselines"] == []
    code, auto = run_json(capsys, "train", "iris", "--epochs", "3", "--out", "c", "--resume", "auto", "--no-baselines")
    assert code == 0 and auto["result"]["n_epochs"] == 3


def test_data_lists_and_audits(tmp_path, capsys):
    code, listed = run_json(capsys, "data")
    names = {each["name"] for each in listed["sets"]}
    assert code == 0 and listed["schema"] == "strata.data/1" and {"infert", "digits", "mnist", "gate-xor"} <= names
    assert main(["data"]) == 0
    assert "infert" in capsys.readouterr().out
    path = tmp_path / "a.csv"
    path.write_text("a,b,y\n" + "".join(f"{i},5,{i % 2}\n" for i in range(40)))
    code, report = run_json(capsys, "data", "audit", path, "-t", "y")
    assert code == 0 and report["schema"] == "strata.audit/1"
    assert "constant" in {each["code"] for each in report["findings"]}


def test_doctor_says_what_it_runs_on(capsys):
    code, facts = run_json(capsys, "doctor")
    assert facts["schema"] == "strata.doctor/1" and {"torch", "numpy", "strata"} <= set(facts["versions"])
    assert code == (1 if facts["problems"] else 0)


def test_exit_codes_of_a_real_process(tmp_path):
    """The installed program, once for each of 0 and 3; the rest is the same code in one process."""
    environment = os.environ | {"TERM": "dumb", "COLUMNS": "20", "NO_COLOR": "1"}
    program = os.path.join(os.path.dirname(sys.executable), "strata")
    (tmp_path / "empty.csv").write_text("")
    for words, code in ((["train", "empty.csv", "-t", "y"], 3), (["train", "gate-xor", "--epochs", "2"], 0)):
        done = subprocess.run(
            [program, *words], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == code, done.stderr
        assert "Traceback" not in done.stderr and "\x1b" not in done.stdout + done.stderr


def test_verify_prints_facts_and_json_is_a_list(capsys):
    assert main(["verify", "--only", "softmax of (1, 2, 3)"]) == 0
    assert "1 of 1 facts hold" in capsys.readouterr().out
    code, facts = run_json(capsys, "verify", "--only", "softmax of (1, 2, 3)")
    assert code == 0 and isinstance(facts, list)
    assert facts[0].keys() >= {"fact", "source", "expected", "measured", "ok"} and facts[0]["ok"] is True
    assert main(["verify", "--only", "softmx of (1, 2, 3)"]) == 2
    assert "Unknown fact or section" in capsys.readouterr().err


def test_verify_takes_names_and_leaves_out_what_takes_hours(monkeypatch, capsys):
    from strata.cli import _verify

    asked = []
    monkeypatch.setattr(_verify, "verify", lambda names, full: asked.append((names, full)) or [])
    for words in ([], ["--full"], ["--full", "bengio2007"], ["infert", "--only", "delta"]):
        assert main(["verify", *words]) == 0
    assert asked == [(None, False), (None, True), (["bengio2007"], True), (["infert", "delta"], False)]


def test_a_fact_that_fails_is_exit_1(monkeypatch, capsys):
    from strata.cli import _verify
    from strata.verify import Fact

    monkeypatch.setattr(_verify, "verify", lambda names, full: [Fact("f", "S0", 1.0, float("nan"), False, 0.0)])
    code, facts = run_json(capsys, "verify")
    assert code == 1 and facts[0]["measured"] is None and facts[0]["ok"] is False


@pytest.mark.parametrize(
    ("model", "data"), [("perceptron", "iris"), ("delta-rule", "diabetes"), ("bagged-mlp", "iris"), ("dbn", "iris")]
)
def test_other_models_are_trained_saved_and_used(model, data, tmp_path, capsys):
    out = tmp_path / "run"
    code, result = run_json(capsys, "train", data, "--model", model, "--out", out)
    assert code == 0 and result["model"]["name"] == model
    score = "accuracy" if data == "iris" else "r2"
    assert result["result"]["metrics"][score] > result["baselines"][0]["metrics"][score]
    code, scored = run_json(capsys, "evaluate", out, data)
    assert code == 0 and scored["metrics"][score] > result["baselines"][0]["metrics"][score]
    assert main(["predict", str(out), data]) == 0
    assert capsys.readouterr().out.splitlines()[0].startswith("prediction")


def test_thousands_are_read_in_every_verb_as_the_run_read_them(tmp_path, capsys):
    data, run = tmp_path / "rents.csv", tmp_path / "run"
    rows = [(20 + i % 80, 500 + 13 * (20 + i % 80) + i % 3) for i in range(120)]
    data.write_text("size;rent;place\n" + "".join(f"{a};{b:,}.50;{'ab'[a % 2]}\n" for a, b in rows))
    assert main(["train", str(data), "--target", "rent", "--out", str(tmp_path / "no"), "--sep", ";"]) == 3
    assert "(--thousands ,)" in capsys.readouterr().err
    words = ["--sep", ";", "--thousands", ",", "--epochs", "3", "--no-baselines", "--no-report"]
    code, trained = run_json(capsys, "train", str(data), "--target", "rent", "--out", str(run), *words)
    assert code == 0
    assert trained["data"]["task"] == "regression"
    assert trained["data"]["reading"] == {"sep": ";", "thousands": ","}
    assert main(["evaluate", str(run), str(data), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rows"] == {"which": "held-out", "n": 24}
    assert main(["predict", str(run / "model"), str(data), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["n_rows"] == 120
    plain = tmp_path / "plain.csv"
    plain.write_text("size,rent,place\n30,900.5,a\n31,901.5,b\n")
    assert main(["evaluate", str(run), str(plain), "--json", "--sep", ",", "--thousands", ""]) == 0
    assert json.loads(capsys.readouterr().out)["rows"] == {"which": "all", "n": 2}
