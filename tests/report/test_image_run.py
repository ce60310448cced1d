"""A training on pictures from end to end: the folder, the figures, the page, and the same figures once more."""

import json
import re
import shutil
import warnings

import numpy as np
import pytest
from PIL import Image

import strata
from strata.errors import DataError, ModelRefusedError
from strata.report.gallery import read_gallery
from strata.report.image_planning import plan_image_training

QUICK = {"max_iter": 6, "batch_size": 16, "image_size": 16, "augment": "none"}


@pytest.fixture(scope="module")
def trained(shapes, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "shapes"
    return strata.train(shapes, model="resnet8", out=folder, params=QUICK, seed=3)


def test_the_plan_names_classes_and_sides(shapes):
    plan = plan_image_training(shapes, seed=1)
    assert plan.split == "stratified" and (len(plan.train), len(plan.test)) == (48, 12)
    assert plan.class_counts() == [{"label": name, "n_train": 16, "n_test": 4} for name in ("bar", "cross", "disc")]
    assert not set(plan.train.names) & set(plan.test.names)
    assert "3 classes of pictures (16 × 16 pixels); 48 to learn from, 12 held out" in plan.headline()
    assert plan.n_parameters is None
    assert plan_image_training(shapes, seed=1).test.names == plan.test.names
    assert plan_image_training(shapes, seed=2).test.names != plan.test.names
    assert plan_image_training(shapes, test_size=0).split == "none"


def test_a_test_folder_is_the_test_part(shapes, tmp_path):
    for part in ("train", "test"):
        shutil.copytree(shapes, tmp_path / part)
    plan = plan_image_training(tmp_path)
    assert plan.split == "published" and (len(plan.train), len(plan.test)) == (60, 60)
    leak = plan.audit.findings[0]
    assert leak.code == "leakage" and leak.count == 60 and "(60 exact)" in leak.message
    assert plan_image_training(tmp_path, test_size=0.5).split == "stratified"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"model": "mlp"}, "must be a network that looks at pictures"),
        ({"model": "resnet21"}, "Unknown model 'resnet21'"),
        ({"target": "a"}, "`target` must be left out for pictures"),
        ({"formula": "a ~ b"}, "`formula` must be left out"),
        ({"task": "regression"}, "`task` must be 'classification'"),
        ({"calibrate": True}, "`calibrate` must be left out"),
        ({"params": {"hidden_layer_sizes": 3}}, "Unknown parameter of ImageClassifier 'hidden_layer_sizes'"),
        ({"params": {"random_state": 3}}, "give `seed` instead"),
        ({"params": {"solver": "adm"}}, "Unknown solver 'adm'. Did you mean 'adam'"),
        ({"params": {"max_iter": 0}}, "'max_iter' parameter"),
        ({"test_size": 1.5}, r"`test_size` must lie in \[0, 1\)"),
        ({"seed": -1}, "`seed` must be an integer"),
        ({"learning_curve": True}, "`learning_curve` must be False for pictures"),
        ({"params": {"augment": "flp"}}, "Unknown augmentation 'flp'. Did you mean 'flip'"),
        ({"model": "resnet20", "params": {"weights": "imgnet"}}, "must be the path of a file or one of: cifar10"),
        ({"model": "resnet20", "params": {"weights": "no/such.npz"}}, "no/such.npz is refused: there is no such file"),
        ({"model": "resnet20", "params": {"transfer": "last"}}, "`transfer` must start from learned weights"),
        ({"resume": True}, "`out` must name the run folder"),
    ],
)
def test_what_makes_no_sense_for_pictures_is_refused_before_any_is_read(shapes, arguments, message, monkeypatch):
    read = []
    monkeypatch.setattr(
        "strata.report.image_planning.read_gallery", lambda *a, **k: read.append(a) or read_gallery(*a, **k)
    )
    with pytest.raises((ValueError, ModelRefusedError), match=message):
        strata.train(shapes, **arguments)
    assert len(read) == ("learning_curve" in arguments or "resume" in arguments)


def test_a_folder_that_holds_something_is_refused_before_any_picture_is_read(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.txt").write_text("mine")
    with pytest.raises(ValueError, match="`out` must be a new or empty folder"):
        strata.train(tmp_path / "no such pictures", model="resnet8", out=tmp_path / "run")


def test_what_only_pictures_know_is_refused_for_tables(tmp_path):
    table = strata.train("iris", params={"max_iter": 1}, out=tmp_path / "run", baselines=False, report=False)
    for more in ({"skip_damaged": True}, {"labels": "labels.csv"}):
        with pytest.raises(ValueError, match="`labels` and `skip_damaged` are for folders of pictures"):
            strata.evaluate(table.estimator, "iris", **more)
    with pytest.raises(ValueError, match="`labels` and `skip_damaged` are for folders of pictures"):
        strata.train("iris", skip_damaged=True)


def test_the_run_leaves_a_folder_with_everything(trained):
    folder = trained.folder
    report = json.loads((folder / "report.json").read_text())
    assert report["schema"] == "strata.train/1" and report["data"]["kind"] == "pictures"
    assert report["model"]["name"] == "resnet8" and report["model"]["n_parameters"] > 70_000
    assert report["model"]["input"] == "16 × 16 pixels, in colour"
    assert report["result"]["metrics"]["accuracy"] == trained.evaluation.score
    assert report["result"]["loss"] == trained.estimator.loss_curve_[-1] == report["curves"]["columns"]["loss"][-1]
    phase = report["model"]["phases"][0]
    assert phase["solver"] == "sgd" and phase["learning_rate"] == 0.1 and phase["max_iter"] == 6
    assert phase["n_learned"] == report["model"]["n_parameters"] and phase["frozen"] == ""
    assert [row["name"] for row in report["scores"]["rows"]] == [
        "resnet8", "majority class", "HOG + linear SVM", "5 nearest neighbours by pixels",
    ]  # fmt: skip
    assert {name for name, part in report["parts"].items() if part["status"] == "failed"} == set()
    assert report["curves"]["n_epochs"] == 6 and len(report["examples"]) == 3
    assert report["filters"]["n"] == 16 and "images" not in report
    assert all(row["target"] != row["prediction"] for row in report["worst"])
    lines = (folder / "predictions.csv").read_text().splitlines()
    assert lines[0] == "file,target,prediction,p_bar,p_cross,p_disc" and len(lines) == 13
    assert {line.split(",")[0] for line in lines[1:]} == set(trained.plan.test.names)
    config = json.loads((folder / "config.json").read_text())
    assert config["status"] == "done" and config["call"].startswith("strata.train('") and "seed=3" in config["call"]


def test_the_page_holds_the_pictures_and_opens_nothing(trained):
    page = (trained.folder / "report.html").read_text()
    report = json.loads((trained.folder / "report.json").read_text())
    pictures = re.findall(r'<img src="(data:image/(?:png|jpeg);base64,[^"]{40,})"', page)
    shown = 18 + len(report["worst"]) + sum(len(row["images"]) for row in report["looks"]) + 1
    assert len(pictures) == shown and '<img src=""' not in page
    assert "What the network looks at" in page and "held-out pictures" in page
    assert not re.search(r'(?:src|href)="https?:', page) and "<script" not in page
    assert len(page) < 2_000_000


def test_the_page_says_what_auto_came_to_and_no_longer_training_is_promised(trained):
    page = (trained.folder / "report.html").read_text()
    assert "all weights and biases" in page and "sgd, rate 0.1 (one cycle), weight decay 0.0005" in page
    assert "batches of 16; augmentation: none" in page
    assert "a longer training may still learn" not in page  # its schedule had brought the rate down to zero
    assert "The learning rate was brought down by the last of them" in page


def test_the_card_says_what_the_network_takes_and_what_it_reached(trained):
    card = (trained.folder / "model" / "README.md").read_text()
    assert 'model.predict(["one.jpg", "another.jpg"])' in card
    assert "| its images | `16 x 16 pixels, red, green and blue; files are scaled` |" in card
    assert f"| weights and biases | `{trained.plan.n_parameters}` |" in card
    assert f"| accuracy on 12 held out | `{trained.evaluation.score:.4g}` |" in card
    assert f"| training loss | `{trained.estimator.loss_:.6g}` |" in card


def test_filters_that_did_not_learn_are_not_judged(shapes, tmp_path):
    quick = QUICK | {"max_iter": 1}
    out = tmp_path / "run"
    params = quick | {"weights": "cifar10", "transfer": "last"}
    result = strata.train(shapes, model="resnet20", out=out, params=params, baselines=False)
    report = json.loads((out / "report.json").read_text())
    page = (out / "report.html").read_text()
    assert report["filters"]["weights"] == "cifar10" and "did not learn here" in page
    assert report["model"]["phases"][0]["n_learned"] == 195 and "195 of 269,267 weights and biases" in page
    assert (
        "| began from the weights | `cifar10, of which the last layer learned on` |"
        in (out / "model" / "README.md").read_text()
    )
    assert strata.load(out / "model").phases_ == result.estimator.phases_


def test_the_network_learned_more_than_the_majority(trained):
    assert trained.evaluation.score > trained.baselines[0].evaluation.score
    assert "ImageClassifier" in repr(trained)


def test_the_model_says_the_same_once_it_is_loaded(trained, shapes):
    model = strata.load(trained.folder / "model")
    probs = model.predict_proba(trained.plan.test.inputs())
    assert np.abs(probs - trained.evaluation.probabilities).max() < 1e-5


def test_evaluate_scores_what_the_run_held_out(trained, shapes):
    found = strata.evaluate(trained.folder, shapes)
    assert found.which == "held-out" and found.unit == "pictures"
    assert found.metrics == pytest.approx(trained.evaluation.metrics, abs=1e-5)
    assert found.confusion.tolist() == trained.evaluation.confusion.tolist()
    assert len(strata.evaluate(trained.folder, shapes, rows="all").targets) == 60


def test_evaluate_refuses_what_only_tables_know(trained, shapes):
    with pytest.raises(ValueError, match="`target` must be left out for pictures"):
        strata.evaluate(trained.folder, shapes, target="label")


def test_evaluate_on_other_pictures_writes_a_report(trained, shapes, tmp_path):
    other = shutil.copytree(shapes, tmp_path / "other")
    (other / "bar" / "00.png").write_bytes(b"")
    with pytest.raises(DataError, match="1 of 60 files cannot be used: bar/00.png"):
        strata.evaluate(trained.folder, other)
    with pytest.warns(UserWarning, match=r"1 file cannot be read and is left out: 00\.png"):
        found = strata.evaluate(trained.folder, other, skip_damaged=True, out=tmp_path / "report")
    assert found.which == "all" and len(found.targets) == 59
    report = json.loads((tmp_path / "report" / "report.json").read_text())
    assert {name for name, part in report["parts"].items() if part["status"] == "failed"} == set()
    assert report["data"]["refused"][0]["file"] == "bar/00.png"
    page = (tmp_path / "report" / "report.html").read_text()
    assert "Files that were left out" in page and "59 new pictures" in page
    assert (
        "20 to learn from" not in page and "held-out" not in page
    )  # nothing is learned here, nor was anything held out
    assert report["model"]["phases"] == json.loads((trained.folder / "report.json").read_text())["model"]["phases"]


def test_a_run_on_all_pictures_says_that_it_is_judged_on_them(shapes, tmp_path):
    result = strata.train(shapes, model="resnet8", out=tmp_path / "run", params=QUICK | {"max_iter": 1}, test_size=0)
    assert result.plan.split == "none" and len(result.evaluation.targets) == 60
    assert "60 pictures it learned from" in (tmp_path / "run" / "report.html").read_text()
    with pytest.warns(UserWarning, match="60 pictures are those that the network was trained on"):
        assert strata.evaluate(tmp_path / "run", shapes).which == "training"


def test_a_stopped_run_goes_on_to_the_same_end(trained, shapes, tmp_path):
    class Stop(strata.engine.Callback):
        def on_epoch_end(self, run):
            if run.epoch == 3:
                raise KeyboardInterrupt

    settings = {"model": "resnet8", "params": QUICK, "seed": 3, "save_every": {"epochs": 1}, "report": False}
    with pytest.raises(KeyboardInterrupt):
        strata.train(shapes, out=tmp_path / "run", callbacks=[Stop()], **settings)
    result = strata.train(shapes, out=tmp_path / "run", resume=True, **settings)
    assert result.n_epochs == 6
    assert result.evaluation.metrics == pytest.approx(trained.evaluation.metrics, abs=1e-4)


def test_changed_pictures_do_not_go_on(shapes, tmp_path):
    own = shutil.copytree(shapes, tmp_path / "own")
    settings = {"model": "resnet8", "params": QUICK | {"max_iter": 1}, "out": tmp_path / "run", "baselines": False}
    strata.train(own, **settings)
    Image.fromarray(np.zeros((16, 16, 3), np.uint8)).save(own / "bar" / "00.png")
    with pytest.raises(ModelRefusedError, match="begun with other data"):
        strata.train(own, resume=True, **settings)


def test_damaged_files_are_left_out_on_request_and_stand_in_the_report(shapes, tmp_path):
    own = shutil.copytree(shapes, tmp_path / "own")
    (own / "disc" / "<b>x.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    with pytest.raises(DataError, match="1 of 61 files cannot be used"):
        strata.train(own, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()
    params = QUICK | {"max_iter": 1}
    strata.train(own, model="resnet8", out=tmp_path / "run", params=params, skip_damaged=True, baselines=False)
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    assert report["data"]["refused"][0]["file"] == "disc/<b>x.png"
    assert "&lt;b&gt;x.png" in (tmp_path / "run" / "report.html").read_text()


def test_seeds_show_the_spread(shapes):
    result = strata.train(shapes, model="resnet8", params=QUICK | {"max_iter": 1}, seeds=2, baselines=False)
    assert [run["seed"] for run in result.seeds["runs"]] == [0, 1]
    assert result.seeds["runs"][0]["metrics"] == result.evaluation.metrics


def test_arrays_and_bundled_sets_of_pictures():
    result = strata.train("digits", model="lenet5", params={"max_iter": 2}, baselines=False)
    assert result.evaluation.score > 0.5 and result.plan.built["input"] == "28 × 28 pixels, grey"
    x = np.random.RandomState(0).randint(0, 256, (40, 12, 12)).astype(np.uint8)
    x[::2, :6] = 255
    pair = (x, np.array(["up", "down"] * 20))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = strata.train(pair, model="lenet5", params={"max_iter": 2}, baselines=False)
    assert result.evaluation.classes == ("down", "up")
