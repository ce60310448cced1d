"""The command on counts of genes in cells: ``strata train counts.h5ad --model scvi``."""

import json
import sys

import numpy as np
import pandas as pd
import pytest

import strata
from strata.cli import main
from strata.data import read_h5ad
from strata.report.html import render_cells

h5py = pytest.importorskip("h5py")
QUICK = ("--epochs", "3", "--batch-size", "32", "--hidden", "8", "-q")


@pytest.fixture(scope="module")
def cells(tmp_path_factory):
    random, path = np.random.RandomState(0), tmp_path_factory.mktemp("cells") / "counts.h5ad"
    programs = random.gamma(0.8, 4.0, (2, 20)) + 0.05
    counts = random.poisson(programs[np.arange(120) % 2]).astype(np.float32)
    with h5py.File(path, "w") as file:
        file.create_dataset("X", data=np.log1p(counts / 3))
        file.create_dataset("layers/counts", data=counts)
        file.create_dataset("obs/_index", data=[f"c{i}" for i in range(120)], dtype=h5py.string_dtype())
        file.create_dataset("obs/day", data=np.arange(120) % 3)
        file.create_dataset("var/_index", data=[f"g{i}" for i in range(20)], dtype=h5py.string_dtype())
    return path


@pytest.mark.parametrize(
    ("model", "words"),
    [("scvi", ("--param", "batch_key=day", "--param", "n_latent=2")), ("dca", ("--dropout", "0.1"))],
)
def test_it_trains_and_leaves_the_codes_beside_the_cells(cells, tmp_path, capsys, model, words):
    out = tmp_path / "run"
    words = ["train", str(cells), "--model", model, "--param", "layer=counts", *words, *QUICK, "--out", str(out)]
    assert main([*words, "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["schema"], result["model"]["name"]) == ("strata.cells/1", model)
    assert (result["n_epochs"], result["split"]["n_train"], result["split"]["n_test"]) == (3, 108, 12)
    assert set(result["figures"]) == {"log_likelihood_per_entry", "one_distribution_per_gene"}
    assert -4 < result["figures"]["one_distribution_per_gene"] < -1
    fitted = strata.load(out / "model")
    codes = pd.read_csv(out / "latent.csv", index_col="cell")
    assert np.allclose(codes, fitted.transform(cells), rtol=1e-4, atol=1e-4)
    with h5py.File(out / "cells.h5ad") as file:
        assert np.array_equal(file[f"obsm/X_{model}"], fitted.transform(cells))
        assert "layers/counts" in file
    report = json.loads((out / "report.json").read_text())
    assert report["figures"] == result["figures"]
    assert {part["status"] for part in report["parts"].values()} == {"done"}
    assert render_cells(report) == (out / "report.html").read_text()
    assert json.loads((out / "config.json").read_text())["status"] == "done"
    assert len(pd.read_csv(out / "history.csv")) == 3
    assert main(["train", "--resume", str(out), "--epochs", "5", "-q"]) == 0
    assert "5 epochs (max epochs)" in capsys.readouterr().out
    assert main([*words, "--force"]) == 0


@pytest.fixture(scope="module")
def hostile(cells, tmp_path_factory):
    """A run on batches with names that a page must survive, more than there are colours."""
    folder = tmp_path_factory.mktemp("hostile")
    path, out = folder / "cells.h5ad", folder / "run"
    path.write_bytes(cells.read_bytes())
    names = [
        "<script>alert(1)</script>",
        "</style><img src=x onerror=alert(2)>",
        "a & b",
        "日本",
        "é\u202egnp",
        "x" * 200,
        "4",
    ]
    with h5py.File(path, "r+") as file:
        labels = np.array(names, dtype=object)[np.minimum(np.arange(120) % 9, 6)]
        file.create_dataset("obs/kind", data=labels, dtype=h5py.string_dtype())
    params = {"layer": "counts", "batch_key": "kind", "n_latent": 2, "max_iter": 2, "hidden_layer_sizes": 8}
    return strata.train(path, out=out, params=params), out


def test_the_page_survives_any_name(hostile):
    result, out = hostile
    page, report = (out / "report.html").read_text(), json.loads((out / "report.json").read_text())
    assert "<script" not in page
    assert "<img" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert "In Python" in page
    assert report["cells"]["batches"][0]["n_cells"] > 0
    assert len(report["cells"]["batches"]) == 7
    assert [group["label"] for group in report["codes"]["points"]][-1] == "others"
    assert len(report["codes"]["points"]) == 6
    assert sum(len(group["x"]) for group in report["codes"]["points"]) == report["codes"]["n_shown"] == 120
    assert result.estimator.batches_.shape == (7,)
    assert strata.load(out / "model").batches_.tolist() == result.estimator.batches_.tolist()


def test_new_cells_are_encoded(hostile, cells, tmp_path, capsys):
    _, out = hostile
    wanted = strata.load(out / "model").transform(cells)
    assert main(["predict", str(out), str(cells), "--out", str(tmp_path / "codes.csv"), "-q"]) == 0
    codes = pd.read_csv(tmp_path / "codes.csv", index_col="cell")
    assert codes.columns.tolist() == ["scvi_1", "scvi_2"]
    assert np.allclose(codes, wanted, rtol=1e-5)
    assert main(["predict", str(out), str(cells), "--out", str(tmp_path / "with.h5ad"), "--json"]) == 0
    with h5py.File(tmp_path / "with.h5ad") as file:
        assert np.array_equal(file["obsm/X_scvi"], wanted)
    capsys.readouterr()
    for words, code, said in (
        (["predict", str(out), str(tmp_path / "codes.csv")], 2, "must be one .h5ad file for a network of counts"),
        (["predict", str(out), str(tmp_path / "no.h5ad")], 3, "there is no such file"),
        (["evaluate", str(out), str(cells)], 2, "must be one that predicts a target. Received: SCVI"),
    ):
        assert main(words) == code
        assert said in capsys.readouterr().err


def test_the_front_door_takes_cells_and_refuses_what_says_nothing_of_them(cells):
    result = strata.train(cells, model="dca", params={"layer": "counts", "max_iter": 2}, baselines=False, test_size=0.5)
    assert (result.folder, result.n_epochs, len(result.plan.test)) == (None, 2, 60)
    with pytest.raises(ValueError, match="`target` must be left out for counts of cells. Received: target='day'"):
        strata.train(cells, target="day")
    with pytest.raises(
        TypeError, match="`data` must be the path of a .h5ad file for the model dca. Received: DataFrame"
    ):
        strata.train(pd.DataFrame({"g": [1, 2]}), model="dca")


def test_the_plan_is_shown_without_training(cells, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["train", str(cells), "--param", "layer=counts", "--epochs", "7", "--dry-run"]) == 0
    out = capsys.readouterr().out
    assert "120 cells of 20 genes, 12 held out" in out
    assert "scvi (SCVI)" in out
    assert "max_iter = 7" in out
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ((), 3, "must hold raw counts, whole numbers of 0 or more. Received: .* as after a logarithm"),
        (("--param", "layer=raw"), 3, "there is no layers/raw. It has the layers 'counts'"),
        (("--param", "layer=counts", "--param", "batch_key=batch"), 3, "obs has no column 'batch'. It has: 'day'"),
        (("--param", "laier=counts"), 2, "Unknown parameter of SCVI 'laier'. Did you mean 'layer'"),
        (("--param", "device=cpu"), 2, "`params` must leave 'device' to the option 'device'"),
        (("--model", "resnet20", "--param", "layer=counts"), 2, "Unknown model for cells 'resnet20'"),
        (("--target", "day"), 2, "`--target` must be left out for counts of cells"),
        (("--param", "layer=counts", "--test-size", "1.5"), 2, "`test_size` must be from 0 to below 1"),
        (("--param", "layer=counts", "--seeds", "2"), 2, "`seeds` and `learning_curve` are for tables and pictures"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(cells, tmp_path, capsys, words, code, said):
    assert main(["train", str(cells), *words, "--out", str(tmp_path / "run")]) == code
    err = capsys.readouterr().err.splitlines()
    assert pd.Series(err[-1]).str.contains(said).all(), err
    assert not (tmp_path / "run").exists()


def test_other_files_are_refused(tmp_path, capsys):
    (tmp_path / "a.csv").write_text("g0,g1\n1,2\n")
    assert main(["train", str(tmp_path / "a.csv"), "--model", "dca"]) == 3
    assert "`DATA` must be a .h5ad file for the model dca" in capsys.readouterr().err


def test_a_missing_extra_is_named(cells, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    assert main(["train", str(cells)]) == 5
    assert "reading .h5ad files needs h5py. Install it with: pip install 'strata[cells]'" in capsys.readouterr().err


def test_all_cells_are_learned_from_where_there_are_few_or_that_is_asked(cells, tmp_path, capsys):
    words = ["train", str(cells), "--param", "layer=counts", *QUICK, "--test-size", "0", "--out", str(tmp_path / "run")]
    assert main([*words, "--no-baselines"]) == 0
    out = capsys.readouterr().out
    assert "On the cells it learned from, per entry:" in out
    assert "one negative binomial" not in out
    assert read_h5ad(tmp_path / "run" / "cells.h5ad", layer="counts").obs.shape == (120, 0)
