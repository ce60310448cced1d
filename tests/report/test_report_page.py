"""The report as files: every number is scikit-learn's, every name is escaped, and a failure costs one part."""

import csv
import json
import re
import shlex
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics

import strata.report.document as document
import strata.report.training as training
import strata.report.writing as writing
from strata._files import read_json
from strata.cli import main
from strata.report import train
from strata.report.html import render_html
from strata.report.reproducing import shell_command

QUICK = {"hidden_layer_sizes": (8,), "max_iter": 30}
EVIL = ["<script>alert(1)</script>", '"><img src=x onerror=alert(2)>', "</style>", "{{ 7 * 7 }}", "a\x1b[31m\u202eb"]


class Outline(HTMLParser):
    """Tags, attributes and headings of a page."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.headings, self.texts = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if re.fullmatch(r"h[1-6]", tag):
            self.headings.append(int(tag[1]))

    def handle_data(self, data):
        self.texts.append(data)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Three runs: two classes, ten classes, a number."""
    place = tmp_path_factory.mktemp("pages")
    for name in ("infert", "digits", "diabetes"):
        train(name, out=place / name, params=QUICK, seeds=2 if name == "infert" else 1)
    return place


def predictions_of(run):
    with open(run / "predictions.csv", newline="") as file:
        return list(csv.DictReader(file))


def test_every_figure_of_classes_is_that_of_the_saved_predictions(folder):
    for name in ("infert", "digits"):
        report, rows = read_json(folder / name / "report.json"), predictions_of(folder / name)
        true, said = ([row[key] for row in rows] for key in ("target", "prediction"))
        labels = [str(each) for each in report["result"]["classes"]]
        probs = np.array([[float(row[f"p_{label}"]) for label in labels] for row in rows])
        found = report["result"]["metrics"]
        assert found["accuracy"] == pytest.approx(metrics.accuracy_score(true, said), abs=1e-12)
        assert found["balanced_accuracy"] == pytest.approx(metrics.balanced_accuracy_score(true, said), abs=1e-12)
        assert found["f1_macro"] == pytest.approx(metrics.f1_score(true, said, average="macro"), abs=1e-12)
        assert found["log_loss"] == pytest.approx(metrics.log_loss(true, probs, labels=labels), abs=1e-9)
        assert report["result"]["confusion"] == metrics.confusion_matrix(true, said, labels=labels).tolist()
        shown = report["scores"]["rows"][0]["metrics"]
        assert {key: shown[key] for key in found} == found
        single = probs[:, 1] if len(labels) == 2 else probs
        area = metrics.roc_auc_score(true, single, multi_class="ovr", labels=None if len(labels) == 2 else labels)
        assert shown["roc_auc"] == pytest.approx(area, abs=1e-12)
        one_hot = np.array(true)[:, None] == np.array(labels)
        precision = [metrics.average_precision_score(one_hot[:, k], probs[:, k]) for k in range(len(labels))]
        expected = precision[1] if len(labels) == 2 else np.mean(precision)
        assert shown["average_precision"] == pytest.approx(expected, abs=1e-12)
        for row in report["scores"]["rows"]:
            low, high = row["intervals"]["accuracy"]
            assert low <= row["metrics"]["accuracy"] <= high
        p, r, f, n = metrics.precision_recall_fscore_support(true, said, labels=labels, zero_division=np.nan)
        for i, row in enumerate(report["classes"]):
            got = [np.nan if row[key] is None else row[key] for key in ("precision", "recall", "f1")]
            np.testing.assert_allclose(got, [p[i], r[i], f[i]], atol=1e-12)
            assert row["n_rows"] == n[i] and row["label"] == labels[i]


def test_every_figure_of_numbers_is_that_of_the_saved_predictions(folder):
    report, rows = read_json(folder / "diabetes" / "report.json"), predictions_of(folder / "diabetes")
    true, said = (np.array([float(row[key]) for row in rows]) for key in ("target", "prediction"))
    found = report["result"]["metrics"]
    assert found["r2"] == pytest.approx(metrics.r2_score(true, said), abs=1e-12)
    assert found["rmse"] == pytest.approx(metrics.root_mean_squared_error(true, said), abs=1e-9)
    assert found["mae"] == pytest.approx(metrics.mean_absolute_error(true, said), abs=1e-9)
    left = report["residuals"]
    assert left["mean"] == pytest.approx((true - said).mean()) and left["std"] == pytest.approx((true - said).std())
    assert sorted(left["targets"]) == sorted(true)


def test_rows_of_the_predictions_are_those_of_the_data(tmp_path):
    frame = pd.DataFrame({"a": np.arange(60.0), "y": np.arange(60.0) * 3})
    train(frame, target="y", out=tmp_path / "run", params=QUICK, baselines=False)
    rows = predictions_of(tmp_path / "run")
    assert len(rows) == 12 and all(float(row["target"]) == 3 * int(row["row"]) for row in rows)


def test_the_spread_over_seeds_is_that_of_the_trainings(folder):
    spread = read_json(folder / "infert" / "report.json")["seeds"]
    assert [run["seed"] for run in spread["runs"]] == [0, 1]
    values = [run["metrics"]["accuracy"] for run in spread["runs"]]
    assert spread["mean"]["accuracy"] == pytest.approx(np.mean(values))
    assert spread["std"]["accuracy"] == pytest.approx(np.std(values, ddof=1))
    # the second training is the one that its seed gives on the first one's split
    alone = train("infert", params=QUICK, baselines=False, seeds=2)
    assert alone.seeds == spread


def test_other_seeds_leave_the_model_as_it_is(tmp_path):
    once = train("iris", params=QUICK, baselines=False)
    thrice = train("iris", params=QUICK, baselines=False, seeds=3, out=tmp_path / "run", learning_curve=True)
    assert once.loss == thrice.loss and np.array_equal(once.evaluation.predictions, thrice.evaluation.predictions)
    points = read_json(tmp_path / "run" / "report.json")["learning_curve"]["points"]
    assert [point["n_train"] for point in points] == [12, 24, 48, 84, 120]
    assert points[-1]["test"] == thrice.evaluation.score
    losses = {run["metrics"]["log_loss"] for run in thrice.seeds["runs"]}
    assert len(losses) == 3


@pytest.mark.parametrize("name", ["infert", "digits", "diabetes"])
def test_the_page_is_sound(folder, name):
    text = (folder / name / "report.html").read_text()
    outline = Outline(text)
    tags = [tag for tag, _ in outline.tags]
    assert "script" not in tags and not re.search(r"(src|href)=[\"']?(http|//)", text)
    assert tags.count("h1") == tags.count("main") == tags.count("header") == tags.count("footer") == 1
    assert outline.headings[0] == 1 and max(np.diff(outline.headings)) <= 1
    ids = [found["id"] for _, found in outline.tags if "id" in found]
    assert len(ids) == len(set(ids))
    for tag, found in outline.tags:
        if tag == "th":
            assert found["scope"] in ("row", "col")
        if tag == "a":
            assert found["href"][1:] in ids
        if tag == "svg" and found.get("aria-hidden") != "true":
            assert found["role"] == "img" and len(found["aria-label"]) > 10
        if "aria-labelledby" in found:
            assert found["aria-labelledby"] in ids
        assert not any(key.startswith("on") for key in found)
    assert tags.count("caption") == tags.count("table") >= 3
    assert len(text) < 300_000


def test_the_page_is_drawn_from_the_numbers_alone(folder):
    report = read_json(folder / "infert" / "report.json")
    assert render_html(report) == (folder / "infert" / "report.html").read_text()


def test_hostile_names_stay_text(tmp_path):
    random = np.random.RandomState(0)
    n = 80
    frame = pd.DataFrame({name: random.normal(size=n) for name in EVIL})
    frame["words"] = random.choice(EVIL, n)
    frame["<b>target</b>"] = np.array(EVIL[:3])[random.randint(0, 3, n)]
    path = tmp_path / "<img src=x onerror=alert(9)>.csv"
    frame.to_csv(path, index=False)
    train(path, target="<b>target</b>", out=tmp_path / "run", params=QUICK)
    text = (tmp_path / "run" / "report.html").read_text()
    outline = Outline(text)
    assert {tag for tag, _ in outline.tags} & {"script", "img", "b"} == set()
    assert text.count("<style>") == text.count("</style>") == 1
    shown = "".join(outline.texts)
    assert "<script>alert(1)</script>" in shown and "<b>target</b>" in shown and "onerror=alert(9)" in shown
    assert "\x1b" not in text and "\u202e" not in text
    json.loads((tmp_path / "run" / "report.json").read_text())


def test_a_part_that_fails_says_why_and_costs_nothing_else(tmp_path, monkeypatch):
    def broken(*args, **kwargs):
        raise RuntimeError("<i>no</i> luck")

    monkeypatch.setattr(document, "class_errors", broken)
    monkeypatch.setattr(training, "fit_baselines", broken)
    with pytest.warns(RuntimeWarning, match="The report has no") as caught:
        result = train("iris", params=QUICK, out=tmp_path / "run")
    assert sorted(str(each.message).split(".")[0] for each in caught) == [
        "The report has no baselines",
        "The report has no classes",
    ]
    report = read_json(tmp_path / "run" / "report.json")
    assert report["parts"]["classes"]["status"] == "failed" and "luck" in report["parts"]["classes"]["reason"]
    assert report["result"]["metrics"]["accuracy"] == result.evaluation.score and "classes" not in report
    text = (tmp_path / "run" / "report.html").read_text()
    assert "RuntimeError: &lt;i&gt;no&lt;/i&gt; luck" in text
    assert (tmp_path / "run" / "model").is_dir()


def test_a_page_that_fails_leaves_model_and_numbers(tmp_path, monkeypatch):
    def broken(*args, **kwargs):
        raise RuntimeError("no page")

    monkeypatch.setattr(writing, "render_html", broken)
    with pytest.warns(RuntimeWarning, match="The report has no page. RuntimeError: no page"):
        train("iris", params=QUICK, out=tmp_path / "run", baselines=False)
    assert read_json(tmp_path / "run" / "report.json")["headline"]["text"]
    assert not (tmp_path / "run" / "report.html").exists() and (tmp_path / "run" / "model").is_dir()


def test_a_stop_during_the_report_keeps_the_model(tmp_path, monkeypatch):
    def stopped(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(training, "fit_baselines", stopped)
    with pytest.raises(KeyboardInterrupt):
        train("iris", params=QUICK, out=tmp_path / "run")
    assert (tmp_path / "run" / "model").is_dir()
    assert read_json(tmp_path / "run" / "config.json")["status"] == "interrupted"
    monkeypatch.undo()
    again = train("iris", params=QUICK, out=tmp_path / "run", resume=True)
    assert (tmp_path / "run" / "report.html").exists() and again.baselines


def test_no_report_writes_the_figures_alone(tmp_path):
    train("iris", params=QUICK, out=tmp_path / "run", baselines=False, report=False)
    report = read_json(tmp_path / "run" / "report.json")
    assert not (tmp_path / "run" / "report.html").exists()
    assert report["result"]["metrics"] and "scores" not in report


@pytest.mark.parametrize("seeds", [0, -1, 2.5, True, 10**6])
def test_seeds_must_be_a_number_of_trainings(seeds):
    with pytest.raises(ValueError, match="`seeds` must be an integer from 1"):
        train("iris", seeds=seeds)


def test_the_printed_command_repeats_the_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    random = np.random.RandomState(1)
    frame = pd.DataFrame({"a b": random.normal(size=80), "c": random.choice(["x", "y"], 80)})
    frame["what; rm -rf ~"] = np.where(frame["a b"] > 0, "it's", "not")
    frame.to_csv("my data $HOME.csv", index=False)
    words = ["train", "my data $HOME.csv", "--target", "what; rm -rf ~", "--epochs", "20", "--hidden", "6,4", "--seed"]
    words += ["4", "--no-stratify", "--param", "beta_1=0.8", "--no-baselines", "--seeds", "2", "-q", "--out", "first"]
    assert main(words) == 0
    first = read_json("first/report.json")
    command = first["reproduce"]["shell"]
    assert shlex.split(command)[:3] == ["strata", "train", str(tmp_path / "my data $HOME.csv")]
    assert "--out" not in command
    assert main([*shlex.split(command)[1:], "-q", "--out", "second"]) == 0
    second = read_json("second/report.json")
    assert second["result"]["loss"] == first["result"]["loss"] and second["seeds"] == first["seeds"]
    assert second["reproduce"]["shell"] == command
    assert "Over 2 seeds" in capsys.readouterr().out


def test_the_call_in_python_repeats_the_run(tmp_path):
    train("iris", params=QUICK, out=tmp_path / "run", seed=3, scale=False, baselines=False)
    report = read_json(tmp_path / "run" / "report.json")
    call = report["reproduce"]["python"]
    assert call.startswith("strata.train('iris', ") and "out" not in call
    again = eval(call, {"strata": type("room", (), {"train": staticmethod(train)})})  # noqa: S307 - our own text
    assert again.loss == report["result"]["loss"]


def test_flags_are_kept_when_a_run_is_resumed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["train", "iris", "--epochs", "5", "--seeds", "2", "--learning-curve", "-q", "--out", "run"]) == 0
    assert main(["train", "--resume", "run", "--epochs", "8", "-q"]) == 0
    report, config = read_json("run/report.json"), read_json("run/config.json")
    assert len(report["seeds"]["runs"]) == 2 and report["learning_curve"]["points"]
    assert config["report"] == {"baselines": True, "seeds": 2, "learning_curve": True, "report": True}
    assert report["result"]["n_epochs"] == 8


def test_options_that_start_with_a_dash_stay_values():
    command = shell_command({"data": "-x.csv", "target": "-y", "scale": False, "text": ["a", "b c"]})
    words = ["strata", "train", "--target=-y", "--no-scale", "--text", "a", "--text", "b c", "--", "-x.csv"]
    assert shlex.split(command) == words


def test_new_data_gets_a_report_of_its_own(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    random = np.random.RandomState(2)
    frame = pd.DataFrame({"a": random.normal(size=140), "b": random.choice(["x", "y"], 140)})
    frame["<i>kind</i>"] = np.where(frame["a"] + (frame["b"] == "x") > 0.5, "up", "down")
    frame[:80].to_csv("old.csv", index=False)
    frame[80:].to_csv("new.csv", index=False)
    assert main(["train", "old.csv", "--target", "<i>kind</i>", "--epochs", "40", "-q", "--out", "run"]) == 0
    assert main(["evaluate", "run", "new.csv", "-q", "--out", "judged"]) == 0
    names = {each.name for each in (tmp_path / "judged").iterdir()} - {".lock"}
    assert names == {"report.html", "report.json", "predictions.csv", "confusion.png"}
    report, rows = read_json("judged/report.json"), predictions_of(tmp_path / "judged")
    true, said = ([row[key] for row in rows] for key in ("target", "prediction"))
    assert report["schema"] == "strata.evaluate/1" and report["result"]["n_rows"] == len(rows) == 60
    assert report["result"]["metrics"]["accuracy"] == pytest.approx(metrics.accuracy_score(true, said), abs=1e-12)
    assert report["run"]["metrics"] == read_json("run/report.json")["result"]["metrics"]
    text = (tmp_path / "judged" / "report.html").read_text()
    assert "&lt;i&gt;kind&lt;/i&gt;" in text and "<i>" not in text and "60 new rows" in text
    assert main(["evaluate", "run", "new.csv", "-q", "--out", "judged"]) == 2
    assert main(["evaluate", "run", "new.csv", "-q", "--out", "run", "--force"]) == 2
    assert "must be the folder of an evaluation" in capsys.readouterr().err
    words = shlex.split(report["reproduce"]["shell"])
    assert main([*words[1:], "-q", "--out", "judged", "--force"]) == 0
    assert read_json("judged/report.json")["result"] == report["result"]
