"""The command without a target: codes of tables and of pictures."""

import csv
import io
import json

import numpy as np
import pytest
from PIL import Image

from strata import AnomalyDetector, Autoencoder, ImageCompressor, ImageDenoiser, SemanticHasher
from strata.cli import main

QUICK = ("--model", "autoencoder", "--epochs", "3", "--hidden", "8", "--param", "n_components=2")


def rows_of(text):
    return list(csv.DictReader(io.StringIO(text)))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "iris"
    assert main(["train", "iris", *QUICK, "--out", str(folder), "-q"]) == 0
    return folder


@pytest.fixture(scope="module")
def shapes_run(shapes, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "shapes"
    assert main(["train", str(shapes), *QUICK, "--image-size", "8", "--out", str(folder), "-q"]) == 0
    return folder


def test_the_plan_is_shown_without_training(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["train", "iris", *QUICK, "--dry-run"]) == 0
    out = capsys.readouterr().out
    assert "iris: codes of 4 columns; 120 rows to learn from, 30 held out" in out and "hidden_layer_sizes = [8]" in out
    assert main(["train", "iris", *QUICK, "--dry-run", "--json"]) == 0
    plan = json.loads(capsys.readouterr().out)
    assert plan["schema"] == "strata.plan/1" and plan["model"]["estimator"] == "TableAutoencoder"
    assert list(tmp_path.iterdir()) == []


def test_the_result_stands_beside_principal_components(tmp_path, capsys):
    assert main(["train", "iris", *QUICK, "--out", str(tmp_path / "run")]) == 0
    out = capsys.readouterr().out
    assert "On 30 held-out rows" in out and "2 principal components" in out and "variance kept" in out
    assert "Variance kept beside the principal components: " in out and (tmp_path / "run" / "report.html").exists()
    assert main(["train", "iris", *QUICK, "--no-baselines", "--json", "--out", str(tmp_path / "other")]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["schema"] == "strata.train/1" and result["result"]["n_components"] == 2 and result["baselines"] == []


def test_codes_are_predicted(run, capsys):
    assert main(["predict", str(run), "iris"]) == 0
    rows = rows_of(capsys.readouterr().out)
    assert len(rows) == 150 and set(rows[0]) == {"error", "code_0", "code_1"} and float(rows[0]["error"]) >= 0


def test_codes_of_pictures_are_predicted(shapes, shapes_run, capsys):
    assert main(["predict", str(shapes_run), str(shapes)]) == 0
    assert len(rows_of(capsys.readouterr().out)) == 60
    assert main(["predict", str(shapes_run), str(shapes / "bar" / "00.png")]) == 0
    assert len(rows_of(capsys.readouterr().out)) == 1


def test_codes_are_not_evaluated(run, capsys):
    assert main(["evaluate", str(run), "iris"]) == 2
    assert "`model` must be one that predicts a target" in capsys.readouterr().err


@pytest.fixture
def table(tmp_path):
    X = np.random.RandomState(0).rand(30, 3)
    np.savetxt(tmp_path / "t.csv", X, delimiter=",", header="a,b,c", comments="")
    return X, str(tmp_path / "t.csv")


def test_anomalies_and_bits_are_predicted(table, tmp_path, capsys):
    X, file = table
    detector = AnomalyDetector(Autoencoder(1, (4,), max_iter=2), random_state=0).fit(X)
    assert main(["predict", str(detector.save(tmp_path / "detector")), file]) == 0
    rows = rows_of(capsys.readouterr().out)
    assert [int(row["prediction"]) for row in rows] == detector.predict(X).tolist()
    assert np.allclose([float(row["decision"]) for row in rows], detector.decision_function(X))
    assert main(["evaluate", str(tmp_path / "detector"), file, "--target", "a"]) == 2
    assert "`model` must be one that predicts a target. Received: AnomalyDetector" in capsys.readouterr().err
    hasher = SemanticHasher(2, hidden_layer_sizes=(4,), max_iter=2, random_state=0).fit(X)
    assert main(["predict", str(hasher.save(tmp_path / "hasher")), file]) == 0
    rows = rows_of(capsys.readouterr().out)
    assert [[int(row["bit_0"]), int(row["bit_1"])] for row in rows] == hasher.transform(X).tolist()


def test_anomalies_among_pictures_are_predicted(tmp_path, capsys):
    images = np.random.RandomState(0).randint(0, 255, (12, 8, 6), dtype=np.uint8)
    detector = AnomalyDetector(Autoencoder(2, (), channels=(2,), max_iter=1), random_state=0).fit(images)
    for number in range(2):
        Image.fromarray(images[number]).save(tmp_path / f"{number}.png")
    files = [str(tmp_path / f"{number}.png") for number in range(2)]
    assert main(["predict", str(detector.save(tmp_path / "model")), *files]) == 0
    found = [float(row["decision"]) for row in rows_of(capsys.readouterr().out)]
    assert np.allclose(found, detector.decision_function(images[:2]))


@pytest.mark.parametrize("kind", [ImageDenoiser, ImageCompressor])
def test_models_whose_answers_are_pictures_say_so(kind, table, tmp_path, capsys):
    images = np.zeros((4, 8, 8), np.uint8)
    folder = kind(channels=(2,), max_iter=1, random_state=0).fit(images).save(tmp_path / "model")
    for words in (["predict", str(folder), table[1]], ["evaluate", str(folder), table[1], "--target", "a"]):
        assert main(words) == 2
        assert kind.__name__ in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--formula", "a ~ b"], "`--formula` must be left out for an autoencoder"),
        (["--task", "regression"], "`--task` must be left out for an autoencoder"),
        (["--calibrate"], "`--calibrate` must be left out for an autoencoder"),
        (["--seeds", "2"], "`--seeds` must be left out for an autoencoder"),
        (["--param", "max_iter=3"], "`--param` must not repeat an option"),
        (["--param", "noise=maskin"], "Unknown noise 'maskin'. Did you mean 'masking'"),
        (["--labels", "a.csv"], "`labels` must be left out for a table"),
    ],
)
def test_options_that_make_no_sense(words, message, capsys):
    assert main(["train", "iris", *QUICK, *words]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("error: ") and message in err


def test_the_command_of_the_report_does_it_again(run, tmp_path, capsys):
    report = json.loads((run / "report.json").read_text())
    words = report["reproduce"]["shell"].split()[1:]
    assert main([*words, "--out", str(tmp_path / "again"), "-q"]) == 0
    again = json.loads((tmp_path / "again" / "report.json").read_text())
    assert again["result"]["metrics"] == report["result"]["metrics"]


def test_models_are_listed(capsys):
    assert main(["models"]) == 0
    assert "autoencoder" in capsys.readouterr().out
