"""`strata explain`: a saved model, weights of a network, what is written, JSON, refusals."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

import strata
from strata.cli import main
from strata.models import build, save_weights


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model, pictures in class folders, weights and names of classes."""
    folder = tmp_path_factory.mktemp("explained")
    X, y = load_digits(return_X_y=True)
    images = (X.reshape(-1, 8, 8) * 15).astype(np.uint8)
    for row in range(60):
        if y[row] < 2:
            (folder / "digits" / f"digit_{y[row]}").mkdir(parents=True, exist_ok=True)
            Image.fromarray(images[row]).resize((28, 28)).save(folder / "digits" / f"digit_{y[row]}" / f"{row}.png")
    model = strata.ImageClassifier("lenet5", max_iter=3, image_size=28, random_state=0).fit(folder / "digits")
    model.save(folder / "model")
    save_weights(build("resnet8", n_classes=3, seed=1), folder / "own.safetensors")
    (folder / "names.txt").write_text("n00000001 cat\nn00000002 dog, hound\nn00000003 fox\n")
    strata.MLPClassifier((3,), max_iter=2, random_state=0).fit(X[:50], y[:50]).save(folder / "mlp")
    return folder


def picture(folder):
    return str(sorted((folder / "digits" / "digit_0").iterdir())[0])


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_saved_model(folder, tmp_path, capsys):
    out = tmp_path / "seen"
    words = ["--out", str(out), "--against", str(folder / "digits"), "--steps", "2", "--projection", "pca"]
    assert main(["explain", str(folder / "model"), picture(folder), *words]) == 0
    told = capsys.readouterr()
    assert told.out.startswith("0.png: digit_") and f"Page: {out / 'explanation.html'}" in told.out
    assert "What units and classes look for" in told.err
    written = json.loads((out / "explanation.json").read_text())
    assert written["schema"] == "strata.explanation/1" and len(written["parts"]) == 9
    assert (out / "neighbours.png").is_file()
    assert main(["explain", str(folder / "model"), picture(folder), *words]) == 2
    assert "must be new or empty" in capsys.readouterr().err
    again = ["--what", "prediction,filters", "--force", "-q", "--out", str(out)]
    assert main(["explain", str(folder / "model"), picture(folder), *again]) == 0
    told = capsys.readouterr()
    assert told.err == "" and not (out / "neighbours.png").exists()


def test_a_class_may_be_called_train(folder, tmp_path, capsys):
    others = tmp_path / "vehicles"
    for old, new in (("digit_0", "train"), ("digit_1", "car")):
        shutil.copytree(folder / "digits" / old, others / new)
    words = ["--against", str(others), "--what", "neighbours", "--out", str(tmp_path / "seen"), "-q", "--json"]
    assert main(["explain", str(folder / "model"), picture(folder), *words]) == 0
    assert set(json.loads(capsys.readouterr().out)["parts"]["neighbours"]["labels"]) <= {"train", "car"}
    (tmp_path / "whole").mkdir()
    for part in ("train", "test"):
        shutil.copytree(folder / "digits", tmp_path / "whole" / part)
    words[1] = str(tmp_path / "whole")
    assert main(["explain", str(folder / "model"), picture(folder), *words, "--force"]) == 0
    found = json.loads(capsys.readouterr().out)["parts"]["neighbours"]
    assert found["n_all"] == len(list((folder / "digits").rglob("*.png")))


def test_json_and_the_folder_by_default(folder, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ["--what", "evidence", "--target", "digit_1", "--json", "-q"]
    for number in (1, 2):
        assert main(["explain", str(folder / "model"), picture(folder), *words]) == 0
        described = json.loads(capsys.readouterr().out)
        assert described["schema"] == "strata.explain/1" and described["target"] == "digit_1"
        assert described["out"] == f"runs/explain-0-{number}"
        assert (tmp_path / described["out"] / "evidence.png").is_file()


def test_weights_of_a_network(folder, tmp_path, capsys):
    words = ["--weights", str(folder / "own.safetensors"), "--classes", str(folder / "names.txt")]
    words += ["--what", "maps", "--layer", "layer1", "--layer", "layer3", "--json", "-q", "--out", str(tmp_path / "x")]
    assert main(["explain", "resnet8", picture(folder), *words]) == 0
    described = json.loads(capsys.readouterr().out)
    assert sorted(each["class"] for each in described["predictions"]) == ["cat", "dog, hound", "fox"]
    assert list(described["parts"]["maps"]["maps"]) == ["layer1", "layer3"]


@pytest.mark.shared
def test_a_row_of_a_bundled_set(folder, shared_data, tmp_path, capsys):
    words = ["--data-path", str(shared_data / "mnist"), "--what", "prediction", "--out", str(tmp_path / "x")]
    assert main(["explain", str(folder / "model"), "mnist:3", *words]) == 0
    assert capsys.readouterr().out.startswith("an image of 28 × 28 pixels: digit_0")
    assert main(["explain", str(folder / "model"), "mnist:10000", *words]) == 3
    assert "mnist has the rows 0 to 9999" in capsys.readouterr().err


def refusals():
    own = ["--weights", "{0}/own.safetensors", "--classes", "{0}/names.txt"]
    return [
        (["{0}/model", "gone.png"], 3, "gone.png: there is no such file"),
        (["{0}/model", "{0}/names.txt"], 3, "names.txt"),
        (["{0}/model", "{0}/digits"], 2, "`image` must be one image"),
        (["{0}/model", "{1}", "--what", "evidnce"], 2, "Unknown part 'evidnce'. Did you mean 'evidence'"),
        (["{0}/model", "{1}", "--layer", "conv9"], 2, "Unknown layer 'conv9'"),
        (["{0}/model", "{1}", "--target", "digit_7"], 2, "Unknown class 'digit_7'. Did you mean 'digit_"),
        (["{0}/model", "{1}", "--projection", "umap"], 2, "Unknown projection 'umap'"),
        (["{0}/model", "{1}", "--against", "mnost"], 3, "mnost: there is no such folder. Unknown bundled set 'mnost'"),
        (["{0}/model", "{1}", "--weights", "imagenet"], 2, "`--weights` is for a registered network"),
        (["{0}/model", "{1}", "--out", "{0}/names.txt"], 2, "`folder` must be a folder"),
        (["{0}/mlp", "{1}"], 4, "holds MLPClassifier, which does not look at pictures"),
        (["{0}/nowhere", "{1}"], 4, "no such folder"),
        (["resnet21", "{1}"], 2, "Unknown model 'resnet21'. Did you mean 'resnet"),
        (["lenet5", "{1}"], 2, "`weights` must be a file for 'lenet5'"),
        (["resnet20", "{1}", *own], 4, "own.safetensors is refused"),
        (["resnet8", "{1}", "--weights", "{0}/names.txt"], 4, "names.txt is refused"),
        (["resnet8", "{1}", *own[:3], "{0}/gone.txt"], 3, "gone.txt: there is no such file with the names"),
        (["resnet8", "{1}", *own, "--param", "width=3"], 2, "width"),
        (["{0}/model", "{1}", "--steps", "0"], 2, "steps"),
        (["{0}/model"], 2, "IMAGE"),
    ]


@pytest.mark.parametrize("number", range(20))
def test_refusals(folder, tmp_path, capsys, monkeypatch, number):
    monkeypatch.chdir(tmp_path)
    words, code, message = refusals()[number]
    given = [word.format(folder, picture(folder)) for word in words]
    assert main(["explain", *given]) == code
    told = capsys.readouterr()
    assert message in told.err and told.out == "" and "Traceback" not in told.err
    assert list(tmp_path.iterdir()) == []


def test_help_names_all_parts(capsys):
    from strata.explain import list_parts

    assert main(["explain", "--help"]) == 0
    text = capsys.readouterr().out
    assert all(name in text for name in list_parts())
    assert main(["--help"]) == 0
    assert "Show what a network sees in an image." in capsys.readouterr().out
