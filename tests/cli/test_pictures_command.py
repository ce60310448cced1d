"""The command on folders of pictures: train, predict, evaluate, models."""

import csv
import io
import json
import shlex
import shutil
from pathlib import Path

import pytest
import torch

from strata.cli import main
from strata.models import build, save_weights

QUICK = ("--model", "resnet8", "--epochs", "4", "--batch-size", "16", "--image-size", "16", "--augment", "none")


@pytest.fixture(scope="module")
def run(shapes, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "shapes"
    assert main(["train", str(shapes), *QUICK, "--out", str(folder), "-q", "--json"]) == 0
    return folder


@pytest.fixture
def damaged(shapes, tmp_path):
    own = shutil.copytree(shapes, tmp_path / "damaged")
    (own / "bar" / "00.png").write_bytes(b"")
    (own / "cross" / "01.png").write_text("text")
    return own


def rows_of(text):
    return list(csv.DictReader(io.StringIO(text)))


def test_the_plan_is_shown_without_training(shapes, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    begun = ["--model", "resnet20", "--weights", "cifar10", "--transfer", "last"]
    assert main(["train", str(shapes), "--dry-run", *begun, "--image-size", "32x16"]) == 0
    out = capsys.readouterr().out
    assert "3 classes of pictures" in out and "bar        16 + 4" in out and "image_size = [16, 32]" in out
    assert list(tmp_path.iterdir()) == []
    assert main(["train", str(shapes), "--dry-run", "--json", "--augment", "flip,crop"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert plan["schema"] == "strata.plan/1" and plan["model"]["parameters"] == {"augment": ["flip", "crop"]}
    assert plan["data"]["classes"][0] == {"label": "bar", "n_train": 16, "n_test": 4}


def test_damaged_files_are_named_before_training(damaged, tmp_path, capsys):
    assert main(["train", str(damaged), "--out", str(tmp_path / "run")]) == 3
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and "2 of 60 files cannot be used" in err
    assert "bar/00.png" in err and "cross/01.png" in err and "--skip-damaged" in err
    assert not (tmp_path / "run").exists()
    words = ["train", str(damaged), "--skip-damaged", *QUICK[:2], "--epochs", "1", "--no-baselines", "--no-report"]
    assert main([*words, "--out", str(tmp_path / "run")]) == 0
    out, err = capsys.readouterr()
    assert "left out: " in err and "00.png" in err and "held-out pictures" in out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--hidden", "3"], "`--hidden` is for tables"),
        (["--target", "a"], "`--target` is for tables"),
        (["--calibrate"], "`--calibrate` is for tables"),
        (["--task", "regression"], "`--task` must be classification"),
        (["--learning-curve"], "`--learning-curve` is for tables"),
        (["--model", "mlp"], "must be a network that looks at pictures"),
        (["--image-size", "big"], "`--image-size` must be a side such as 64"),
        (["--param", "max_iter=3", "--epochs", "3"], "`--param` must not repeat an option"),
    ],
)
def test_options_that_make_no_sense_for_pictures(shapes, words, message, capsys):
    assert main(["train", str(shapes), *words]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("error: ") and message in err


@pytest.mark.parametrize("words", [["--transfer", "last"], ["--skip-damaged"], ["--labels", "a.csv"]])
def test_options_that_make_no_sense_for_tables(words, capsys):
    assert main(["train", "iris", *words]) == 2
    assert "is for pictures" in capsys.readouterr().err


def test_a_folder_without_pictures_is_bad_data(tmp_path, capsys):
    (tmp_path / "a").mkdir()
    assert main(["train", str(tmp_path)]) == 3
    assert "there are no images in it" in capsys.readouterr().err


def test_the_run_can_be_repeated_from_its_page(run, shapes):
    config = json.loads((run / "config.json").read_text())
    assert config["options"]["data"] == str(shapes) and config["options"]["model"] == "resnet8"
    assert "skip_damaged" not in config["options"]
    shell = json.loads((run / "report.json").read_text())["reproduce"]["shell"]
    assert shell.startswith(f"strata train {shapes} --model resnet8") and "--image-size 16" in shell


def test_the_page_repeats_a_run_from_any_folder(shapes, tmp_path, monkeypatch):
    save_weights(build("resnet8", n_classes=3, seed=1), tmp_path / "own weights.safetensors")
    shutil.copytree(shapes, tmp_path / "pictures")
    monkeypatch.chdir(tmp_path)
    words = ["--model", "resnet8", "--weights", "own weights.safetensors", "--transfer", "last", "--epochs", "2"]
    assert main(["train", "pictures", *words, "--no-baselines", "--out", "run", "-q", "--json"]) == 0
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert main([*shlex.split(report["reproduce"]["shell"])[1:], "--out", "run", "-q", "--json"]) == 0
    again = json.loads(Path("run", "report.json").read_text())
    assert again["result"]["metrics"] == report["result"]["metrics"]
    assert again["reproduce"] == report["reproduce"]


def test_predict_names_every_picture(run, shapes, capsys):
    assert main(["predict", str(run), str(shapes)]) == 0
    rows = rows_of(capsys.readouterr().out)
    assert len(rows) == 60 and list(rows[0]) == ["file", "prediction", "probability", "p_bar", "p_cross", "p_disc"]
    assert rows[0]["file"] == str(shapes / "bar" / "00.png")
    for row in rows:
        probs = {name: float(row[f"p_{name}"]) for name in ("bar", "cross", "disc")}
        assert abs(sum(probs.values()) - 1) < 1e-5 and row["prediction"] == max(probs, key=probs.get)
        assert float(row["probability"]) == max(probs.values())


def test_predict_takes_files_and_folders(run, shapes, tmp_path, capsys):
    files = [str(shapes / "disc" / "01.png"), str(shapes / "bar" / "02.png"), str(shapes / "cross")]
    assert main(["predict", str(run), *files, "--json", "--no-probabilities"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["n_rows"] == 22 and found["columns"]["file"][:2] == files[:2] and found["refused"] == []
    assert list(found["columns"]) == ["file", "prediction"]
    table = tmp_path / "seen.csv"
    assert main(["predict", str(run), files[0], "--out", str(table)]) == 0
    assert len(rows_of(table.read_text())) == 1
    assert main(["predict", str(run), files[0], "--out", str(table)]) == 2


def test_predict_names_damaged_files(run, damaged, capsys):
    assert main(["predict", str(run), str(damaged)]) == 3
    out, err = capsys.readouterr()
    assert out == "" and "2 of 60 files cannot be used" in err and "bar/00.png" in err and "cross/01.png" in err
    assert main(["predict", str(run), str(damaged), "--skip-damaged", "--json"]) == 0
    out, err = capsys.readouterr()
    found = json.loads(out)
    assert found["n_rows"] == 58 and [each["file"][-10:] for each in found["refused"]] == ["bar/00.png", "oss/01.png"]
    assert err.count("left out: ") == 2
    assert main(["predict", str(run), str(damaged / "nothing.png")]) == 3


def test_evaluate_scores_the_held_out_pictures(run, shapes, tmp_path, capsys):
    assert main(["evaluate", str(run), str(shapes), "--out", str(tmp_path / "judged")]) == 0
    assert capsys.readouterr().out.startswith("12 pictures that the run held out\naccuracy ")
    assert (tmp_path / "judged" / "report.html").exists()
    assert main(["evaluate", str(run), str(shapes), "--all-rows", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["rows"] == {"which": "all", "n": 60}


def test_a_folder_of_pictures_is_audited(damaged, shapes, capsys):
    assert main(["data", "audit", str(damaged)]) == 0
    out = capsys.readouterr().out
    assert out.startswith("58 pictures of 3 classes") and out.count("damaged: ") == 2
    shutil.copy(shapes / "bar" / "02.png", damaged / "disc" / "copy.png")
    assert main(["data", "audit", str(damaged), "--json", "-q"]) == 0
    assert "contradictions" in [each["code"] for each in json.loads(capsys.readouterr().out)["findings"]]


def test_a_run_on_pictures_is_not_diagnosed(run, capsys):
    assert main(["diagnose", str(run)]) == 4
    assert "is a run on pictures; only runs on tables are diagnosed" in capsys.readouterr().err


def test_one_epoch_a_line_of_json(shapes, tmp_path, capsys):
    words = ["train", str(shapes), *QUICK, "--no-report", "--no-baselines", "--out", str(tmp_path / "r"), "-q"]
    assert main([*words, "--json-lines"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["schema"] for line in lines] == ["strata.epoch/1"] * 4 + ["strata.train/1"]


def test_networks_are_listed_with_their_parameters(capsys):
    assert main(["models", "--json"]) == 0
    networks = {row["name"]: row for row in json.loads(capsys.readouterr().out)["networks"]}
    assert networks["resnet20"]["n_parameters"] == 269_722 and networks["lenet5"]["input_size"] == 28
    assert main(["models"]) == 0
    out = capsys.readouterr().out
    assert "Networks for pictures" in out and "269,722" in out


def test_a_checkpoint_becomes_a_file_of_numbers(tmp_path, capsys):
    network = build("resnet8", n_classes=4, seed=1)
    torch.save(
        {"state_dict": {f"module.{name}": value for name, value in network.state_dict().items()}}, tmp_path / "a.th"
    )
    out = tmp_path / "a.safetensors"
    words = ["models", "convert", str(tmp_path / "a.th"), "--model", "resnet8", "--out", str(out)]
    assert main([*words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["n_classes"] == 4
    again = build("resnet8", n_classes=4, weights=out).state_dict()
    assert all(torch.equal(value, again[name]) for name, value in network.state_dict().items())
    assert main(words) == 2 and "Give --force" in capsys.readouterr().err
    assert main(["models", "convert", str(out)]) == 2 and "convert FILE --model NAME" in capsys.readouterr().err
    (tmp_path / "b.th").write_text("no checkpoint")
    assert (
        main(["models", "convert", str(tmp_path / "b.th"), *words[3:5], "--out", str(tmp_path / "b.safetensors")]) == 4
    )
    assert not (tmp_path / "b.safetensors").exists()
    assert main(["models", "--force"]) == 2


def test_a_network_is_shown_layer_by_layer(capsys):
    assert main(["models", "lenet5", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert sum(row["parameters"] for row in shown["layers"]) == shown["n_parameters"] == 61_706
    assert sum(row["parameters"] for row in shown["blocks"]) == shown["n_parameters"]
    assert shown["layers"][0]["output"] == "6 x 28 x 28"
    assert main(["models", "lenet5"]) == 0
    assert "LeCun" in capsys.readouterr().out
    assert main(["models", "mlp"]) == 0 and "perceptron" in capsys.readouterr().out
