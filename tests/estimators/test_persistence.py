"""Model folders: what is saved comes back, and everything else is refused without running anything."""

import copy
import hashlib
import json
import os
import pickle
import resource
import shutil
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

import strata.estimators.persistence as persistence
from strata._tensors import read_tensors, write_tensors
from strata.errors import ModelRefusedError
from strata.estimators._encoding import RECORDS
from strata.estimators._folder import CONFIG, WEIGHTS, _digest, _render
from strata.estimators._save import SAVEABLE
from strata.estimators.anomaly import AnomalyDetector
from strata.estimators.autoencoder import Autoencoder
from strata.estimators.bagging import BaggedMLPClassifier, BaggedMLPRegressor
from strata.estimators.compression import ImageCompressor
from strata.estimators.counts import CountAutoencoder
from strata.estimators.dbn import DBNClassifier, DBNRegressor, DeepBeliefNetwork
from strata.estimators.denoising import ImageDenoiser
from strata.estimators.hashing import SemanticHasher
from strata.estimators.image import ImageClassifier
from strata.estimators.mlp import MLPClassifier, MLPRegressor
from strata.estimators.multitask import MultiTaskMLP
from strata.estimators.perceptron import DeltaRulePerceptron, McCullochPitts, Perceptron
from strata.estimators.persistence import CLASSES, load, save_model
from strata.estimators.rbm import BernoulliRBM
from strata.estimators.scvi import SCVI
from strata.estimators.table import TableClassifier, TableRegressor
from strata.estimators.table_autoencoder import TableAutoencoder
from strata.rules.optimizers import Rprop
from strata.rules.schedules import Cosine, Warmup

RNG = np.random.RandomState(0)
X = RNG.normal(size=(40, 3))
LABELS = np.array(["red", "grün", "blå"])[RNG.randint(0, 3, 40)]
NUMBERS = X[:, 0] - 2 * X[:, 1]
BITS = (X > 0).astype(float)
TABLE = pd.DataFrame(
    {
        "degrees": np.where(RNG.rand(40) < 0.2, np.nan, X[:, 0]),
        "weather": RNG.choice(["sun", "rain", "snow"], 40),
        "day": pd.date_range("2021-03-04", periods=40),
    }
)
IMAGES = RNG.randint(0, 256, (40, 12, 14), dtype=np.uint8)
COUNTS = RNG.poisson(3.0, (60, 5)).astype(np.float32)
TASKS = {"colour": LABELS, "size": NUMBERS, "on": BITS[:, :2]}


def fitted() -> dict[str, tuple[Any, Any]]:
    """Return fitted estimators by name, each with inputs to predict from."""
    short = {"max_iter": 3, "random_state": 0}
    made = {
        "MLPClassifier": (MLPClassifier((4,), scale_inputs=True, early_stopping=True, **short), X, LABELS),
        "MLPClassifier-two": (MLPClassifier((4, 3), ("tanh", "relu"), dropout=0.2, **short), X, LABELS == "red"),
        "MLPClassifier-labels": (MLPClassifier((4,), solver="lbfgs", **short), X, BITS.astype(int)),
        "MLPRegressor": (
            MLPRegressor(hidden_layer_sizes=(4,), solver=Rprop(threshold=0.5), schedule=Warmup(then=Cosine()), **short),
            X.astype(np.float32),
            NUMBERS.astype(np.float32),
        ),
        "MLPRegressor-many": (MLPRegressor(hidden_layer_sizes=(), **short), X, np.column_stack([NUMBERS, X[:, 2]])),
        "BaggedMLPClassifier": (BaggedMLPClassifier(3, (4,), **short), X, LABELS),
        "BaggedMLPRegressor": (BaggedMLPRegressor(2, (4,), scale_inputs=True, **short), X, NUMBERS),
        "MultiTaskMLP": (MultiTaskMLP((4,), task_weights={"size": 2.0}, **short), X, TASKS),
        "ImageClassifier": (ImageClassifier("lenet5", batch_size=8, **short), IMAGES, LABELS),
        "ImageClassifier-labels": (
            ImageClassifier("resnet20", value_range="data", early_stopping=True, **short),
            IMAGES / 100.0,
            BITS.astype(int),
        ),
        "BernoulliRBM": (BernoulliRBM(4, n_iter=2, random_state=0), BITS, None),
        "DBNClassifier": (DBNClassifier((4, 3), pretraining_iter=2, **short), BITS, LABELS),
        "DBNClassifier-up-down": (
            DBNClassifier((4, 3), pretraining_iter=2, fine_tuning="up_down", **short),
            BITS,
            LABELS,
        ),
        "DBNRegressor": (DBNRegressor((4,), pretraining_iter=2, **short), BITS, NUMBERS),
        "DeepBeliefNetwork": (DeepBeliefNetwork((4, 3), pretraining_iter=2, random_state=0), BITS, None),
        "DeepBeliefNetwork-refined": (
            DeepBeliefNetwork((4, 3), pretraining_iter=2, up_down_iter=2, random_state=0),
            BITS,
            None,
        ),
        "Autoencoder": (Autoencoder(2, (4,), scale_inputs=True, early_stopping=True, **short), X, None),
        "Autoencoder-images": (Autoencoder(2, (), channels=(2,), variational=True, **short), IMAGES, None),
        "AnomalyDetector": (
            AnomalyDetector(Autoencoder(1, (4,), tied=True, max_iter=3), calibration_fraction=0.3, random_state=0),
            X,
            None,
        ),
        "SemanticHasher": (SemanticHasher(4, hidden_layer_sizes=(4,), **short), X.astype(np.float32), None),
        "ImageDenoiser": (ImageDenoiser(channels=(2, 3), **short), IMAGES, None),
        "ImageCompressor": (ImageCompressor(channels=(3, 2), **short), IMAGES, None),
        "CountAutoencoder": (CountAutoencoder((4, 2, 4), **short), COUNTS, None),
        "SCVI": (SCVI(2, hidden_layer_sizes=4, **short), COUNTS, None),
        "TableAutoencoder": (TableAutoencoder(Autoencoder(2, (3,), **short)), TABLE, None),
        "Perceptron": (Perceptron(random_state=np.random.RandomState(3)), X, LABELS),
        "McCullochPitts": (McCullochPitts(np.array([1.0, 2.0, -1.0]), 0.5), BITS, None),
        "DeltaRulePerceptron": (DeltaRulePerceptron(max_iter=5), X, NUMBERS),
        "TableClassifier": (TableClassifier(MLPClassifier((3,), **short)), TABLE, LABELS),
        "TableRegressor": (TableRegressor(MLPRegressor(hidden_layer_sizes=(3,), **short)), TABLE, NUMBERS),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return {name: (estimator.fit(x, y), x) for name, (estimator, x, y) in made.items()}


def read(folder: Path) -> dict[str, Any]:
    """Return the configuration of a folder."""
    config: dict[str, Any] = json.loads((folder / CONFIG).read_bytes())
    return config


def forge(folder: Path, config: dict[str, Any]) -> None:
    """Write a configuration with a digest that fits, as somebody who knows the format would."""
    forged = dict(config)
    forged.pop("digest", None)
    forged["digest"] = _digest(forged)
    (folder / CONFIG).write_bytes(_render(forged))


def weights_of(folder: Path) -> Path:
    """Return the path of the weights."""
    return folder / WEIGHTS


MODELS = fitted()


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("models")
    return {name: estimator.save(root / name) for name, (estimator, _) in MODELS.items()}


@pytest.fixture
def folder(folders, tmp_path):
    """A copy of one saved classifier, to be damaged."""
    return Path(shutil.copytree(folders["MLPClassifier"], tmp_path / "model"))


def refused(folder, match="is refused: ", **options):
    with pytest.raises(ModelRefusedError, match=match) as caught:
        load(folder, **options)
    assert len(str(caught.value)) < 1500
    return str(caught.value)


# -- there and back ----------------------------------------------------------------------------------


def test_every_class_is_tried_and_the_two_lists_of_classes_agree():
    assert {name.split("-")[0] for name in MODELS} == set(CLASSES)
    assert set(CLASSES) <= SAVEABLE


def equal(a, b):
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(equal(a[key], b[key]) for key in a)
    return np.array_equal(a, b) and np.asarray(a).dtype == np.asarray(b).dtype


@pytest.mark.parametrize("name", MODELS)
def test_what_is_saved_comes_back(folders, name):
    estimator, x = MODELS[name]
    back = load(folders[name])
    assert type(back) is type(estimator)
    for method in ("predict", "predict_proba", "decision_function", "transform", "reconstruct"):
        if hasattr(estimator, method):
            assert equal(getattr(back, method)(x), getattr(estimator, method)(x)), method
    learned = {key for key in vars(estimator) if key.endswith("_") and not key.startswith("_")}
    assert learned <= set(vars(back)), learned - set(vars(back))
    for key in learned:
        assert repr(getattr(back, key)) == repr(getattr(estimator, key)), key


@pytest.mark.parametrize("name", MODELS)
def test_a_loaded_model_is_an_estimator_like_another(folders, name, tmp_path):
    back = load(folders[name])
    before = {
        key: repr(value) for key, value in MODELS[name][0].get_params().items() if "RandomState" not in repr(value)
    }
    assert {key: repr(value) for key, value in back.get_params().items() if key in before} == before
    clone(back)
    pickle.loads(pickle.dumps(back))
    again = back.save(tmp_path / "again")
    assert (again / "weights.safetensors").read_bytes() == (folders[name] / "weights.safetensors").read_bytes()
    assert (again / "config.json").read_bytes() == (folders[name] / "config.json").read_bytes()


def test_training_can_go_on_after_loading(folders):
    back = load(folders["MLPClassifier-two"])
    back.partial_fit(X, LABELS == "red")
    assert back.n_iter_ == 1 and back.t_ == 4 * len(X)
    regressor = load(folders["MLPRegressor-many"]).set_params(warm_start=True, max_iter=1)
    with pytest.warns(match="Maximum iterations"):
        regressor.fit(X, np.column_stack([NUMBERS, X[:, 2]]))


def test_a_file_of_another_process_gives_the_same_predictions(folders):
    code = (
        "import sys, numpy as np; from strata.estimators.persistence import load;"
        "print(load(sys.argv[1]).predict_proba(np.ones((1, 3))).tolist())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, folders["MLPClassifier"]], capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == MODELS["MLPClassifier"][0].predict_proba(np.ones((1, 3))).tolist()


def test_the_folder_holds_three_files_and_the_card_says_what_it_is(folders):
    folder = folders["MLPClassifier"]
    assert sorted(path.name for path in folder.iterdir()) == ["README.md", "config.json", "weights.safetensors"]
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert card.startswith("# MLPClassifier\n")
    assert "| classes | `blå, grün, red` |" in card
    assert "- `scale_inputs`: `True`" in card and "`alpha`" not in card


def test_the_card_cannot_be_broken_by_labels(tmp_path):
    labels = np.where(NUMBERS > 0, "a|b`\n# [x](http://x)", "c")
    model = Perceptron().fit(X, labels)
    card = (model.save(tmp_path / "m") / "README.md").read_text()
    assert "| classes | `a/b' # [x](http://x), c` |" in card
    assert load(tmp_path / "m").classes_.tolist() == ["a|b`\n# [x](http://x)", "c"]


def test_run_parameters_are_not_saved(tmp_path):
    model = MLPRegressor(hidden_layer_sizes=(), max_iter=500, checkpoint=str(tmp_path / "run"), tol=1.0, random_state=0)
    model.fit(X, NUMBERS).save(tmp_path / "m")
    assert str(tmp_path) not in (tmp_path / "m" / "config.json").read_text()
    assert load(tmp_path / "m").checkpoint is None


def test_data_hash_is_kept(tmp_path):
    save_model(McCullochPitts.gate("and"), tmp_path / "m", data_hash="sha256:abc")
    assert read(tmp_path / "m")["data_hash"] == "sha256:abc"
    with pytest.raises(ValueError, match="`data_hash` must be text of at most 200 characters"):
        save_model(McCullochPitts.gate("and"), tmp_path / "n", data_hash="x" * 201)
    assert not (tmp_path / "n").exists()


# -- saving: refusals and replacements -----------------------------------------------------------------


def test_unfitted_estimators_are_not_saved(tmp_path):
    with pytest.raises(NotFittedError):
        MLPClassifier().save(tmp_path / "m")
    assert list(tmp_path.iterdir()) == []


def test_functions_are_not_saved(tmp_path):
    model = DeltaRulePerceptron(bias_rate=lambda step: 0.01, weight_rate=0.01, tol=None).fit(X, NUMBERS)
    with pytest.raises(TypeError, match="`bias_rate` must be data to be saved, and a function is code"):
        model.save(tmp_path / "m")
    assert list(tmp_path.iterdir()) == []


def test_classes_of_others_are_not_saved(tmp_path):
    class Mine(McCullochPitts):
        pass

    with pytest.raises(TypeError, match="`estimator` must be one of strata's own estimators. Received: Mine"):
        Mine().save(tmp_path / "m")


def test_changed_parameters_are_not_saved(tmp_path):
    model = copy.deepcopy(MODELS["MLPClassifier"][0]).set_params(hidden_layer_sizes=(9,))
    with pytest.raises(ValueError, match="`estimator` must be consistent to be saved.*Fit it again"):
        model.save(tmp_path / "m")
    assert list(tmp_path.iterdir()) == []


def test_nothing_but_an_older_model_is_replaced(tmp_path):
    gate = McCullochPitts.gate("and")
    gate.save(tmp_path / "m")
    with pytest.raises(FileExistsError, match=r"holds a model already. Pass force=True \(--force\)"):
        gate.save(tmp_path / "m")
    McCullochPitts.gate("or").save(tmp_path / "m", force=True)
    assert load(tmp_path / "m").predict([[0, 1]]) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["m"]
    (tmp_path / "m" / "thesis.tex").touch()
    with pytest.raises(FileExistsError, match=r"must be new, empty or an older model.*'thesis.tex'"):
        gate.save(tmp_path / "m", force=True)
    with pytest.raises(FileExistsError, match="a file"):
        gate.save(tmp_path / "m" / "thesis.tex", force=True)
    (tmp_path / "empty").mkdir()
    gate.save(tmp_path / "empty")


@pytest.mark.parametrize("what", ["write_tensors", "_write_bytes", "_swap"])
def test_a_full_disk_leaves_the_older_model(tmp_path, monkeypatch, what):
    """Row 17."""
    import strata.estimators._folder as module

    McCullochPitts.gate("and").save(tmp_path / "m")
    before = {path.name: path.read_bytes() for path in (tmp_path / "m").iterdir()}

    def fail(*_args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, what, fail)
    with pytest.raises(OSError, match="No space left"):
        McCullochPitts.gate("or").save(tmp_path / "m", force=True)
    assert {path.name: path.read_bytes() for path in (tmp_path / "m").iterdir()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["m"]


def test_a_failed_swap_puts_the_older_model_back(tmp_path, monkeypatch):
    McCullochPitts.gate("and").save(tmp_path / "m")
    rename, calls = os.rename, []

    def second_fails(source, target):
        calls.append(target)
        if len(calls) == 2:
            raise OSError(5, "Input/output error")
        rename(source, target)

    monkeypatch.setattr(os, "rename", second_fails)
    with pytest.raises(OSError, match="Input/output"):
        McCullochPitts.gate("or").save(tmp_path / "m", force=True)
    assert load(tmp_path / "m").predict([[0, 1]]) == 0
    assert [path.name for path in tmp_path.iterdir()] == ["m"]


def test_a_read_only_folder_is_an_os_error(tmp_path):
    if os.geteuid() == 0:
        pytest.skip("root writes everywhere")
    tmp_path.chmod(0o500)
    with pytest.raises(PermissionError):
        McCullochPitts.gate("and").save(tmp_path / "m")


# -- rows 1 and 2: truncation and flipped bytes --------------------------------------------------------


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("file", ["config.json", "weights.safetensors"])
def test_truncation_at_every_sixteenth_is_refused(folders, tmp_path, name, file):
    folder = Path(shutil.copytree(folders[name], tmp_path / "m"))
    data = (folder / file).read_bytes()
    for part in range(16):
        (folder / file).write_bytes(data[: len(data) * part // 16])
        refused(folder)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("file", ["config.json", "weights.safetensors"])
def test_one_flipped_byte_is_refused(folders, tmp_path, name, file):
    folder = Path(shutil.copytree(folders[name], tmp_path / "m"))
    data = bytearray((folder / file).read_bytes())
    rng = np.random.RandomState(1)
    for offset in rng.randint(0, len(data), 50):
        old = data[offset]
        data[offset] ^= rng.randint(1, 256)
        (folder / file).write_bytes(data)
        refused(folder)
        data[offset] = old
    (folder / file).write_bytes(data)
    load(folder)


@pytest.mark.parametrize(
    "edit", [lambda d: d + b"\n", lambda d: d.replace(b"  ", b" \t", 1), lambda d: b"\xef\xbb\xbf" + d]
)
def test_even_harmless_edits_of_the_configuration_are_refused(folder, edit):
    path = folder / "config.json"
    path.write_bytes(edit(path.read_bytes()))
    refused(folder)


def test_weights_of_another_model_are_refused(folders, folder):
    shutil.copy(folders["MLPClassifier-two"] / "weights.safetensors", folder)
    refused(folder)


# -- rows 4, 5 and 7: forged configurations ------------------------------------------------------------


def changed(folder, path, value):
    config = read(folder)
    place = config
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    forge(folder, config)


FORGED = {
    "unknown class": (["class"], "Sequential", "Unknown class 'Sequential'"),
    "os.system": (["class"], "os.system", "Unknown class 'os.system'"),
    "dotted import": (["class"], "strata.estimators.mlp.MLPClassifier", "Unknown class"),
    "dunder": (["class"], "__class__", "Unknown class"),
    "class of other type": (["class"], 3, "class: Input should be a valid string"),
    "another class": (["class"], "Perceptron", "has no parameter|Extra inputs|Field required"),
    "unknown field": (["code"], "lambda x: x", "code: Extra inputs are not permitted"),
    "missing field": (["versions"], {}, "versions.strata: Field required"),
    "unknown parameter": (["params", "evil"], 1, "MLPClassifier has no parameter 'evil'"),
    "checkpoint path": (["params", "checkpoint"], "/etc", "has no parameter 'checkpoint'"),
    "callbacks": (["params", "callbacks"], [], "has no parameter 'callbacks'"),
    "lambda source": (["params", "activation"], "lambda z: z", "'activation'|`activation`"),
    "imported activation": (["params", "activation"], "os.system", "'activation'|`activation`"),
    "NaN hyperparameter": (["params", "alpha"], {"$float": "nan"}, "a parameter is NaN"),
    "infinite hyperparameter": (["params", "learning_rate_init"], {"$float": "-inf"}, "learning_rate_init"),
    "text hyperparameter": (["params", "max_iter"], "3", "max_iter"),
    "unknown mark": (["params", "solver"], {"$import": "os.system"}, "is no value of a model"),
    "unknown record": (["params", "solver"], {"$record": ["Popen", []]}, "is no value of a model"),
    "record with other fields": (["params", "solver"], {"$record": ["SGD", [["evil", 1]]]}, "is no value of a model"),
    "record out of range": (["params", "solver"], {"$record": ["SGD", [["momentum", 7.0]]]}, "is no value of a model"),
    "array as parameter": (
        ["params", "alpha"],
        {"$array": ["coefs_.0", [3, 4], "float64"]},
        "a parameter is the array",
    ),
    "width 1e9": (["params", "hidden_layer_sizes"], {"$tuple": [10**9]}, "is refused"),
    "width 1e30": (["params", "hidden_layer_sizes"], {"$tuple": [10**30]}, "is refused"),
    "deep": (["params", "hidden_layer_sizes"], {"$tuple": [4] * 100_000}, "is refused"),
    "unknown learned value": (["state", "__class__"], 1, "Extra inputs are not permitted"),
    "learned method": (["state", "predict"], 1, "Extra inputs are not permitted"),
    "no weights": (["state", "coefs_"], [], "coefs_"),
    "weights as text": (["state", "coefs_"], "coefs", "coefs_"),
    "zero inputs": (["state", "n_features_in_"], 0, "n_features_in_"),
    "many inputs": (["state", "n_features_in_"], 10**9, "is refused"),
    "other output": (["state", "out_activation_"], "identity", "`out_activation_` does not fit"),
    "other classes": (["state", "classes_"], {"$inline": ["int64", [3], [1, 2, 3]]}, "given twice, and not the same"),
    "two classes": (["state", "labels"], {"$dict": [["classes_", {"$inline": ["text", [1], ["a"]]}]]}, "is refused"),
    "inline of wrong size": (["state", "classes_"], {"$inline": ["int64", [10**9], [1]]}, "is no value of a model"),
    "inline of objects": (["state", "classes_"], {"$inline": ["object", [1], [[]]]}, "is refused"),
    "inline of dtype": (["state", "classes_"], {"$inline": ["datetime64[s]", [1], [1]]}, "is no value of a model"),
    "history": (["state", "history"], {"$dict": [["epoch", [1.0]], ["loss", []]]}, "different lengths"),
    "no scaler": (["state", "scaler"], None, "`scale_inputs` and the scaler do not fit"),
    "digest of weights": (["weights", "sha256"], "0" * 64, "its SHA-256 digest is not the recorded one"),
    "digest of other form": (["weights", "sha256"], "abc", "weights.sha256"),
    "long text": (["data_hash"], "x" * 1_000_000, "data_hash"),
}


@pytest.mark.parametrize("case", FORGED)
def test_forged_configurations_are_refused(folder, case):
    path, value, message = FORGED[case]
    changed(folder, path, value)
    modules, start = set(sys.modules), time.process_time()
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    refused(folder, match=message)
    assert set(sys.modules) == modules
    assert time.process_time() - start < 1
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory < 50_000  # kB
    assert sorted(os.listdir(folder)) == ["README.md", "config.json", "weights.safetensors"]


def claim_shape(folder, shape):
    changed(folder, ["state", "coefs_", 0], {"$array": ["coefs_.0", shape, "float64"]})


@pytest.mark.parametrize(
    "shape", [[3, 5], [4, 3], [3], [3, 4, 1], [0, 4], [10**9, 10**9], [3, 2**40], [-3, 4], [3.0, 4], "x"]
)
def test_shapes_that_do_not_fit_are_refused_before_allocation(folder, shape):
    claim_shape(folder, shape)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    refused(folder)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory < 50_000


def test_a_consistent_but_huge_model_is_refused_by_the_header_of_its_file(folder):
    config = read(folder)
    config["params"]["hidden_layer_sizes"] = {"$tuple": [10**9]}
    for name, index, shape in (("coefs_", 0, [3, 10**9]), ("coefs_", 1, [10**9, 3]), ("intercepts_", 0, [10**9])):
        config["state"][name][index] = {"$array": [f"{name}.{index}", shape, "float64"]}
    forge(folder, config)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    refused(folder, match="and this model needs")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory < 50_000


@pytest.mark.parametrize("dtype", ["float16", "int64", "O", "object", "datetime64[s]", "float32"])
def test_other_dtypes_are_refused(folder, dtype):
    changed(folder, ["state", "coefs_", 0], {"$array": ["coefs_.0", [3, 4], dtype]})
    refused(folder)


def test_an_array_is_used_once(folder):
    config = read(folder)
    config["state"]["intercepts_"][1] = {"$array": ["intercepts_.0", [3], "float64"]}
    forge(folder, config)
    refused(folder, match="is used twice")


@pytest.mark.parametrize("version", [2, 99])
def test_a_newer_format_is_refused_with_a_hint(folder, version):
    config = read(folder)
    config["format_version"], config["novelty"] = version, 1
    config["versions"]["strata"] = "9.9.9"
    forge(folder, config)
    refused(
        folder, match=rf"its format version {version} is newer \(strata 9.9.9\) than .*pip install --upgrade strata"
    )


@pytest.mark.parametrize("version", [0, -1, True, None, "1", 1.0])
def test_an_impossible_version_is_refused(folder, version):
    changed(folder, ["format_version"], version)
    refused(folder, match="its format version is")


def test_every_record_is_known_by_its_own_name():
    assert all(name == kind.__name__ and kind.__module__.startswith("strata.rules.") for name, kind in RECORDS.items())


# -- row 8: NaN among the weights ----------------------------------------------------------------------


def test_non_finite_weights_are_refused_unless_allowed(folder):
    tensors = read_tensors(weights_of(folder))
    tensors["coefs_.0"][0, 0] = float("nan")
    digest = write_tensors(weights_of(folder), tensors)
    changed(folder, ["weights", "sha256"], digest)
    refused(folder, match="'coefs_.0' holds NaN or infinity")
    assert np.isnan(load(folder, allow_nonfinite=True).coefs_[0][0, 0])


# -- row 9: files of others ----------------------------------------------------------------------------


class Bomb:
    def __reduce__(self):
        return os.mkdir, ("exploded",)


def test_pickles_are_refused_and_never_read(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    paths = [tmp_path / f"m{s}" for s in (".pt", ".pkl", ".pickle", ".joblib", ".h5", ".keras", ".bin", "")]
    for path in paths:
        path.write_bytes(pickle.dumps(Bomb()))
    code = """
import sys
from strata.errors import ModelRefusedError
from strata.estimators.persistence import load
seen = []
sys.addaudithook(lambda event, args: seen.append((event, str(args[0]))) if event.startswith(("pickle", "open")) else 0)
for path in sys.argv[1:]:
    try:
        load(path)
    except ModelRefusedError as error:
        print(error)
print(seen)
"""
    done = subprocess.run([sys.executable, "-c", code, *paths], capture_output=True, text=True, check=True)
    *messages, events = done.stdout.splitlines()
    assert len(messages) == 8 and all("Pickles run code when they are read" in message for message in messages)
    assert events == "[]"
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize("name", ["weights.safetensors", "config.json"])
def test_a_pickle_in_the_place_of_a_file_is_refused(folder, name, monkeypatch):
    monkeypatch.chdir(folder.parent)
    (folder / name).write_bytes(pickle.dumps(Bomb()))
    refused(folder)
    torch.save({"a": torch.ones(1)}, folder / name)
    refused(folder)
    assert not (folder.parent / "exploded").exists()


def test_loading_opens_nothing_but_the_two_files_and_unpickles_nothing(folders):
    code = """
import sys
from strata.estimators.persistence import load
load(sys.argv[1])
seen = []
sys.addaudithook(lambda event, args: seen.append((event, str(args[0]))) if event in WATCHED else None)
WATCHED = {"open", "pickle.find_class", "import", "exec", "compile", "subprocess.Popen", "os.system", "socket.connect"}
load(sys.argv[1])
print(sorted(set(seen)))
"""
    folder = folders["TableClassifier"]
    done = subprocess.run([sys.executable, "-c", code, folder], capture_output=True, text=True, check=True)
    wanted = [("open", str(folder / "config.json")), ("open", str(folder / "weights.safetensors"))]
    seen = [event for event in eval(done.stdout) if event[0] != "exec" or "<" not in event[1]]
    assert [event for event in seen if event[0] not in ("compile", "exec", "import")] == wanted


def test_missing_parts_are_refused(folder, tmp_path):
    refused(tmp_path / "none", match="there is no such model folder")
    (folder / "weights.safetensors").unlink()
    refused(folder, match="it has no weights.safetensors")
    (folder / "weights.safetensors").mkdir()
    refused(folder, match="its weights.safetensors is no regular file")
    (folder / "config.json").unlink()
    os.mkfifo(folder / "config.json")
    refused(folder, match="its config.json is no regular file")


def test_an_interrupted_replacement_says_where_the_older_model_is(folder):
    folder.rename(folder.with_name(".model.previous-77"))
    assert ".model.previous-77" in refused(folder)


# -- row 11 --------------------------------------------------------------------------------------------


def test_predictions_do_not_depend_on_the_file_any_more(folder):
    back = load(folder)
    before = back.predict_proba(X)
    with open(weights_of(folder), "r+b") as file:
        file.truncate(10)
    np.testing.assert_array_equal(back.predict_proba(X), before)
    shutil.rmtree(folder)
    np.testing.assert_array_equal(back.predict_proba(X), before)


# -- fuzz ------------------------------------------------------------------------------------------------

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=6)
    | st.sampled_from(["nan", "float64", "object", "coefs_.0", "SGD", "binary"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["$array", "$dict", "$float", "$inline", "$random_state", "$record", "$tuple", "x"]),
            inner,
            max_size=2,
        )
    ),
    max_leaves=8,
)


def paths(tree, prefix=()):
    """Return every place in a tree."""
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    found = [prefix] if prefix else []
    for key, value in items:
        found += paths(value, (*prefix, key))
    return found


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
@pytest.mark.parametrize("name", ["MLPClassifier", "MLPRegressor", "MultiTaskMLP", "Perceptron", "TableClassifier"])
def test_nothing_but_a_refusal_escapes_from_a_forged_configuration(folders, tmp_path, name, data):
    folder = tmp_path / "m"
    if not folder.exists():
        shutil.copytree(folders[name], folder)
    config = read(folders[name])
    places = [place for place in paths(config) if place[0] in ("params", "state", "preprocessing")]
    changed_place = data.draw(st.sampled_from(places))
    tree = config
    for key in changed_place[:-1]:
        tree = tree[key]
    tree[changed_place[-1]] = data.draw(values)
    forge(folder, config)
    try:
        back = load(folder)
    except ModelRefusedError:
        return
    assert type(back).__name__ == name  # a value that the class can have


@settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=300))
def test_nothing_but_a_refusal_escapes_from_any_bytes(folders, tmp_path, data):
    folder = tmp_path / "m"
    if not folder.exists():
        shutil.copytree(folders["Perceptron"], folder)
    (folder / "config.json").write_bytes(data)
    refused(folder)


def test_the_weights_digest_is_that_of_the_file(folders):
    for folder in folders.values():
        assert read(folder)["weights"]["sha256"] == hashlib.sha256(weights_of(folder).read_bytes()).hexdigest()


def test_the_module_says_what_it_has():
    assert persistence.__all__ == sorted(persistence.__all__)
    assert BITS.shape == X.shape
