"""A training without a target from end to end: the plan, the folder, the figures, the page."""

import csv
import json
import re

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_digits, load_iris
from sklearn.decomposition import PCA

import strata
from strata.errors import DataError
from strata.report.code_planning import plan_code_training
from strata.report.code_scoring import compare_codes, interval_of, kept, score_codes

DIGITS = load_digits()
IMAGES = (DIGITS.images / 16 * 255).round().astype(np.uint8)


def page_of(folder):
    text = (folder / "report.html").read_text()
    for address in re.findall(r'src="([^"]{4})', text):
        assert address == "data"
    assert "<script" not in text and "http://" not in text and "https://" not in text
    return text


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "digits"
    params = {"n_components": 6, "hidden_layer_sizes": (32,), "max_iter": 8, "batch_size": 50}
    return strata.train((IMAGES, DIGITS.target), model="autoencoder", out=folder, params=params, seed=3)


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "iris"
    frame = load_iris(as_frame=True).frame.assign(colour=["red", "blue", None] * 50)
    file = tmp_path_factory.mktemp("data") / "iris.csv"
    frame.to_csv(file, index=False)
    params = {"n_components": 2, "hidden_layer_sizes": (16,), "max_iter": 30}
    return strata.train(file, model="autoencoder", target="target", out=folder, params=params)


def test_the_plan_of_pictures_and_of_tables():
    plan = plan_code_training((IMAGES, DIGITS.target), seed=1)
    assert plan.problem.is_pictures and plan.recipe.estimator == "Autoencoder" and plan.split == "shuffled"
    assert (plan.n_train, plan.n_test) == (1438, 359) and "codes of pictures (8 × 8 pixels, grey)" in plan.headline()
    assert plan.recipe.parameters["loss"] == "binary_cross_entropy"
    frame = plan_code_training("iris")
    assert (
        frame.problem.target is not None
        and frame.problem.target not in frame.problem.X.columns
        and frame.recipe.estimator == "TableAutoencoder"
    )
    own = plan_code_training(pd.DataFrame(np.random.rand(30, 4), columns=list("abcd")), test_size=0)
    assert own.split == "none" and own.problem.target is None and own.n_train == own.n_test == 30
    assert plan_code_training(np.random.rand(20, 6, 5, 3), seed=0).problem.size == "5 × 6 pixels, colour"


def test_folders_go_with_labels_and_without(shapes, tmp_path):
    plan = plan_code_training(str(shapes), image_size=12)
    assert plan.problem.X.shape == (60, 12, 12, 3) and set(plan.problem.labels) == {"bar", "cross", "disc"}
    flat = tmp_path / "flat"
    flat.mkdir()
    for path in sorted((shapes / "bar").iterdir()):
        (flat / path.name).write_bytes(path.read_bytes())
    plain = plan_code_training(str(flat))
    assert plain.problem.labels is None and plain.problem.X.shape == (20, 32, 32, 3)
    assert plain.recipe.parameters["channels"] == (16, 32)


@pytest.mark.parametrize(
    ("data", "arguments", "message"),
    [
        ("iris", {"labels": "a.csv"}, "`labels` must be left out for a table"),
        ("iris", {"image_size": 8}, "`image_size` must be left out for a table"),
        ("iris", {"test_size": 1.0}, r"`test_size` must be in \[0, 1\)"),
        ("iris", {"seed": -1}, "`seed` must be an integer"),
        ("iris", {"params": {"n_component": 2}}, "Unknown parameter of Autoencoder 'n_component'"),
        ("iris", {"params": {"random_state": 2}}, "`params` must not hold 'random_state': say it by `seed`"),
        ("iris", {"params": {"loss": "mes"}}, "Unknown loss 'mes'. Did you mean 'mse'"),
        (IMAGES, {"target": "a"}, "`target` must be left out for pictures"),
        (IMAGES, {"image_size": 9}, "`image_size` must be left out for pictures in memory"),
    ],
)
def test_what_makes_no_sense_is_refused(data, arguments, message):
    with pytest.raises(ValueError, match=message):
        plan_code_training(data, **arguments)


def test_data_that_cannot_be_used_are_refused():
    with pytest.raises(DataError, match="1 column is not enough to learn a code of"):
        plan_code_training(pd.DataFrame({"a": [1.0, 2.0, 3.0, 4.0]}))
    with pytest.raises(DataError, match="2 rows are not enough to learn codes of"):
        plan_code_training(pd.DataFrame({"a": [1.0, 2.0], "b": [1.0, 3.0]}))
    with pytest.raises(DataError, match="Unknown data set 'no_such_set'"):
        plan_code_training("no_such_set")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"formula": "a ~ b"}, "`formula` must be left out for an autoencoder"),
        ({"task": "regression"}, "`task` must be left out for an autoencoder"),
        ({"calibrate": True}, "`calibrate` must be left out for an autoencoder"),
        ({"seeds": 3}, "`seeds` must be left out for codes"),
        ({"learning_curve": True}, "`learning_curve` must be left out for codes"),
    ],
)
def test_wishes_that_need_a_target_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        strata.train("iris", model="autoencoder", **arguments)


def test_the_share_that_is_kept_and_its_interval():
    random = np.random.RandomState(0)
    rows, noise = random.normal(size=(400, 5)), random.normal(size=(400, 5))
    mean = np.full(5, 0.1)
    score = score_codes("a", rows, rows + 0.5 * noise, mean, seconds=0.0)
    assert score.score == pytest.approx(1 - np.sum((0.5 * noise) ** 2) / np.sum((rows - mean) ** 2))
    assert score.metrics["rmse"] == pytest.approx(np.sqrt(np.mean((0.5 * noise) ** 2)))
    low, high = interval_of(score)
    assert low < score.score < high and high - low < 0.1
    worse = score_codes("b", rows, rows + 0.7 * noise, mean, seconds=0.0)
    lead = compare_codes(score, worse)
    assert 0 < lead["low"] < lead["value"] < lead["high"]
    assert compare_codes(score, score)["low"] == 0 == compare_codes(score, score)["high"]
    assert kept(np.zeros(2), np.zeros(2)) == 1.0


def test_the_figures_are_those_of_the_model(pictures):
    plan, network = pictures.plan, pictures.network
    train, test = plan.train_rows.reshape(-1, 64) / 255, plan.test_rows.reshape(-1, 64) / 255
    whole = np.square(test - train.mean(axis=0)).sum()
    lost = np.square(network.reconstruct(plan.test_rows).reshape(-1, 64) - test).sum()
    assert pictures.evaluation.score == pytest.approx(1 - lost / whole, rel=1e-4)
    pca = PCA(6).fit(train)
    expected = 1 - np.square(pca.inverse_transform(pca.transform(test)) - test).sum() / whole
    assert pictures.baselines[0].score == pytest.approx(expected, rel=1e-3)
    assert pictures.baselines[1].score == pytest.approx(0.0, abs=1e-6)


def test_the_folder_of_pictures_is_whole(pictures):
    folder = pictures.folder
    names = {"model", "report.html", "report.json", "codes.csv", "history.csv", "history.png", "config.json"}
    assert names <= {path.name for path in folder.iterdir()}
    report = json.loads((folder / "report.json").read_text())
    assert report["data"]["task"] == "codes" and report["data"]["kind"] == "pictures"
    assert {part["status"] for part in report["parts"].values()} <= {"done", "skipped"}
    assert len(report["reconstructions"]["typical"]) == 12 and len(report["traversals"]) == 6
    assert {group["label"] for group in report["codes"]["points"]} == set("0123456789")
    text = page_of(folder)
    for words in ("What comes back from the codes", "Where the codes lie", "What the units mean", "unit 0", "<svg"):
        assert words in text
    with open(folder / "codes.csv") as file:
        rows = list(csv.DictReader(file))
    codes = strata.load(folder / "model").transform(IMAGES[[int(row["row"]) for row in rows[:5]]])
    assert len(rows) == 360 - 1 and np.allclose(codes[:, 2], [float(row["code_2"]) for row in rows[:5]], rtol=1e-5)


def test_the_folder_of_a_table_is_whole(table):
    report = json.loads((table.folder / "report.json").read_text())
    assert {part["status"] for part in report["parts"].values()} <= {"done", "skipped"}
    columns = {row["name"]: row["kept"] for row in report["reconstructions"]["columns"]}
    assert "sepal length (cm)" in columns and any(name.startswith("colour") for name in columns)
    assert report["codes"]["plane"] == "units" and len(report["codes"]["points"]) == 3
    assert report["traversals"][0]["columns"][0]["name"] in columns
    text = page_of(table.folder)
    assert "Column that moves" in text and "target, which was not learned from" in text.replace("</bdi>", "")
    model = strata.load(table.folder / "model")
    assert type(model).__name__ == "TableAutoencoder"
    assert np.array_equal(model.transform(table.plan.test_rows), table.estimator.transform(table.plan.test_rows))


def test_names_in_the_data_cannot_reach_into_the_page(tmp_path):
    frame = pd.DataFrame(np.random.RandomState(0).normal(size=(40, 3)), columns=["<b>a", "b", "c"])
    frame["<script>x"] = ["<i>one", "<i>two"] * 20
    params = {"max_iter": 2, "n_components": 2}
    result = strata.train(frame, model="autoencoder", target="<script>x", out=tmp_path / "run", params=params)
    text = page_of(result.folder)
    assert "<b>a" not in text and "<i>one" not in text and "&lt;b&gt;a" in text


def test_a_run_goes_on_where_it_stopped(tmp_path):
    params = {"max_iter": 3, "n_components": 4, "hidden_layer_sizes": (16,)}
    how = {"model": "autoencoder", "out": tmp_path / "run", "baselines": False}
    strata.train((IMAGES, DIGITS.target), params=params, **how)
    longer = strata.train((IMAGES, DIGITS.target), params={**params, "max_iter": 6}, resume=True, **how)
    whole = strata.train((IMAGES, DIGITS.target), model="autoencoder", params={**params, "max_iter": 6})
    assert longer.n_epochs == 6 and longer.evaluation.score == whole.evaluation.score


def test_a_model_of_codes_is_not_evaluated_but_asked_for_codes(table):
    with pytest.raises(ValueError, match="`model` must be one that predicts a target. Received: TableAutoencoder"):
        strata.evaluate(table.folder, "iris")
