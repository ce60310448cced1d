"""What is refused, and where the message says the fault is."""

import gzip

import numpy as np
import pandas as pd
import pytest

from strata.errors import DataError
from strata.report.baselines import fit_baselines
from strata.report.planning import plan_training
from strata.report.problems import MAX_CLASSES, read_problem
from strata.report.recipes import make_recipe
from strata.rules.optimizers import Rprop


def write(folder, text, name="rows.csv"):
    path = folder / name
    if isinstance(text, bytes):
        path.write_bytes(text)
    else:
        path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "rows.csv: the file is empty"),
        ("a,y\n", "rows.csv: line 1 names 2 columns, but no rows follow"),
        ("a,y\n1,u\n2,\n3,v\n", "rows.csv: line 3, column 'y': the target is missing"),
        ("a,y\n1,u\n2,u\n", "rows.csv: column 'y' has one class ('u') in all 2 rows"),
        ("a,y\n1,u\n", "rows.csv: 1 row is not enough"),
        ("a,b\n1,u\n2,v\n", "rows.csv: Unknown column 'y'"),
        ("a,y\n" + "".join(f"{i},{i % 2}\n" for i in range(30)) + "x,1\n", "rows.csv: line 32"),
        (bytes(range(256)), "rows.csv: line"),
    ],
)
def test_the_place_is_named(text, message, tmp_path):
    with pytest.raises(DataError) as caught:
        read_problem(write(tmp_path, text), target="y")
    assert message in str(caught.value)


def test_truncated_gzip(tmp_path):
    path = write(tmp_path, gzip.compress(b"a,y\n" + b"1,2\n" * 500)[:25], "rows.csv.gz")
    with pytest.raises(DataError, match=r"rows.csv.gz: the gzip stream ends too early"):
        read_problem(path, target="y")


def test_too_many_classes():
    n = MAX_CLASSES + 1
    frame = pd.DataFrame({"a": np.arange(2 * n), "y": [f"c{i % n}" for i in range(2 * n)]})
    with pytest.raises(DataError, match=rf"column 'y' has {n} classes in {2 * n} rows"):
        read_problem(frame, target="y")


def test_text_is_no_quantity(tmp_path):
    path = write(tmp_path, "a,y\n1,u\n2,v\n3,u\n4,v\n")
    with pytest.raises(DataError, match=r"rows.csv: line 2, column 'y': the target of a regression must be a finite"):
        read_problem(path, target="y", task="regression")


def test_the_target_must_be_said(tmp_path):
    with pytest.raises(ValueError, match=r"`target` must name the column to predict .* has the columns a, y"):
        read_problem(write(tmp_path, "a,y\n1,2\n3,4\n"))
    with pytest.raises(ValueError, match="Give one of them"):
        read_problem("iris", target="species", formula="species ~ .")


def test_an_unknown_set_is_suggested():
    with pytest.raises(DataError, match="Unknown data set 'irs'. Did you mean 'iris'"):
        read_problem("irs")


def test_formula_and_pair():
    problem = read_problem("infert", formula="case ~ parity + induced + spontaneous")
    assert problem.X.columns.tolist() == ["parity", "induced", "spontaneous"]
    assert problem.task == "classification" and np.bincount(problem.y).tolist() == [165, 83]
    with pytest.raises(DataError, match="infert: Unknown column 'partiy'. Did you mean 'parity'"):
        read_problem("infert", formula="case ~ partiy")
    pair = read_problem((np.zeros((4, 2, 3)), [0, 1, 0, 1]))
    assert pair.X.shape == (4, 6) and pair.is_array
    with pytest.raises(ValueError, match="4 and 3 rows"):
        read_problem((np.zeros((4, 2)), [0, 1, 0]))


def test_the_digest_sees_values_names_and_order():
    frame = pd.DataFrame({"a": [1, 2, 3], "y": [0, 1, 0]})
    digests = {
        read_problem(each, target="y").digest
        for each in (frame, frame[::-1], frame.rename(columns={"a": "b"}), frame.assign(a=[1, 2, 4]))
    }
    assert len(digests) == 4
    assert read_problem(frame.copy(), target="y").digest in digests


def test_rprop_brings_the_defaults_of_neuralnet():
    recipe = make_recipe("mlp", "classification", {"solver": "rprop"}, n_rows=248)
    assert recipe.parameters["solver"] == Rprop(learning_rate=0.1, threshold=0.01)
    assert (recipe.test_size, recipe.scale) == (0.0, False)
    said = {"solver": "rprop", "hidden_layer_sizes": (3,), "activation": "tanh"}
    recipe = make_recipe("mlp", "classification", said, n_rows=248, test_size=0.3, scale=True, threshold=1e-3)
    assert recipe.parameters["solver"].threshold == 1e-3
    assert recipe.parameters["hidden_layer_sizes"] == (3,) and recipe.parameters["activation"] == "tanh"
    assert (recipe.test_size, recipe.scale) == (0.3, True)


def test_other_recipes():
    assert make_recipe("mlp", "regression", n_rows=100).parameters == {}
    assert make_recipe("mlp", "regression", n_rows=5000).parameters == {"early_stopping": True}
    with pytest.raises(ValueError, match="Unknown model 'mpl'. Did you mean 'mlp'"):
        make_recipe("mpl", "regression", n_rows=100)
    with pytest.raises(ValueError, match="able to do a regression. Received: model='perceptron'"):
        make_recipe("perceptron", "regression", n_rows=100)
    with pytest.raises(ValueError, match="`model` must be one that `train` can fit"):
        make_recipe("mcculloch-pitts", "classification", n_rows=100)
    with pytest.raises(ValueError, match="`threshold` must come with solver 'rprop'"):
        make_recipe("mlp", "regression", n_rows=100, threshold=0.1)


def test_plan_keeps_groups_apart_and_time_in_order():
    random = np.random.RandomState(0)
    frame = pd.DataFrame(
        {"a": random.rand(60), "b": random.rand(60), "who": np.repeat(np.arange(12), 5), "when": random.permutation(60)}
    )
    frame["y"] = random.rand(60)
    plan = plan_training(frame, target="y", group="who")
    assert plan.split == "grouped" and "who" not in plan.X_train
    assert not set(frame["who"][plan.X_train.index]) & set(frame["who"][plan.X_test.index])
    plan = plan_training(frame, target="y", time="when", test_size=0.25)
    assert plan.split == "temporal" and len(plan.X_test) == 15
    assert frame["when"][plan.X_train.index].max() < frame["when"][plan.X_test.index].min()


def test_plan_refuses_unknown_and_reserved_parameters():
    with pytest.raises(ValueError, match=r"Unknown parameter of MLPClassifier 'hiden'"):
        plan_training("iris", params={"hiden": 3})
    with pytest.raises(ValueError, match="`params` must not hold 'random_state'; give `seed` instead"):
        plan_training("iris", params={"random_state": 3})
    with pytest.raises(ValueError, match="`seed` must be an integer"):
        plan_training("iris", seed=-1)


def test_baselines_of_infert_are_those_of_r():
    problem = read_problem("infert", formula="case ~ parity + induced + spontaneous")
    x = problem.X.to_numpy(float)
    majority, logistic, _, machine, _ = fit_baselines(x, problem.y, x, problem.y, task="classification")
    assert majority.evaluation.score == 165 / 248
    assert machine.evaluation.confusion.tolist() == [[149, 16], [43, 40]]  # R's e1071, canon B 17
    assert logistic.evaluation.score > majority.evaluation.score
    assert "log_loss" in logistic.evaluation.metrics


def test_a_baseline_of_many_rows_is_fitted_on_some_and_says_so(monkeypatch):
    monkeypatch.setattr("strata.report.baselines.MAX_SVM_ROWS", 50)
    random = np.random.RandomState(0)
    x = random.randn(300, 3)
    y = np.where(np.arange(300) == 7, 2, (x[:, 0] > 0).astype(int))  # class 2 has one row
    machine = fit_baselines(x, y, x, y, task="classification", seed=1)[3]
    assert 50 <= machine.n_train <= 53 and f"fitted on {machine.n_train} of 300 rows" in machine.note
    assert 2 in machine.evaluation.classes
