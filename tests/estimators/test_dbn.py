"""Deep belief networks: each way to train the layers, what it changes, and what is kept."""

import copy
import pickle

import numpy as np
import pytest
import torch
from scipy import sparse
from sklearn.datasets import load_diabetes, load_digits
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

import strata
from strata import DBNClassifier, DBNRegressor, DeepBeliefNetwork, MLPClassifier
from strata.nn import RBM

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, Y = load_digits(return_X_y=True)
X = X / 16
X_TRAIN, X_TEST, Y_TRAIN, Y_TEST = train_test_split(X, Y, random_state=0, stratify=Y)
SMALL = {
    "hidden_layer_sizes": (40, 30),
    "pretraining_iter": 5,
    "max_iter": 5,
    "learning_rate_init": 0.3,
    "random_state": 0,
}


@pytest.mark.parametrize("pretraining", ["rbm", "autoencoder", "supervised"])
def test_layers_that_learned_before_beat_layers_that_did_not(pretraining):
    """With few epochs of the whole, a deep network of logistic units from random weights is still at chance."""
    how = {"hidden_layer_sizes": (60, 60, 60), "max_iter": 15, "learning_rate_init": 0.3, "random_state": 0}
    plain = DBNClassifier(**how, pretraining=None).fit(X_TRAIN, Y_TRAIN).score(X_TEST, Y_TEST)
    model = DBNClassifier(**how, pretraining=pretraining).fit(X_TRAIN, Y_TRAIN)
    assert model.score(X_TEST, Y_TEST) > 0.9 > 0.5 > plain
    assert len(model.pretraining_history_) == 3 and len(model.pretraining_history_[0]) == 20
    assert [coef.shape for coef in model.coefs_] == [(64, 60), (60, 60), (60, 60), (60, 10)]


def test_the_layers_are_those_of_machines_trained_one_upon_the_other():
    from strata.data import ArraySource
    from strata.engine import train
    from strata.rules import ContrastiveDivergence

    model = DBNClassifier(**{**SMALL, "learning_rate_init": 1e-12}).fit(X_TRAIN, Y_TRAIN)
    random = np.random.RandomState(0)
    strata.estimators._training.build_network(  # the draws of the network's own first weights
        model._network.spec, np.float64, scheme="auto", sigma=0.01, activation="logistic", random_state=random
    )
    values = X_TRAIN
    for level, size in enumerate((40, 30)):
        rbm = RBM(values.shape[1], size, dtype=torch.float64, random_state=random)
        rule = ContrastiveDivergence(
            rbm, sampling="hidden", momentum=(0.5, 0.9), weight_decay=2e-4, random_state=random
        )
        source = ArraySource(values, batch_size=100, random_state=int(random.randint(2**31 - 1)))
        train(rule, source, max_epochs=5)
        assert np.allclose(model.coefs_[level], rbm.weight.numpy(), atol=1e-8)
        values = rbm.hidden_probs(torch.from_numpy(values)).numpy()


def test_without_greedy_training_it_is_a_multi_layer_perceptron():
    dbn = DBNClassifier(**SMALL, pretraining=None, momentum=0.5).fit(X_TRAIN, Y_TRAIN)
    mlp = MLPClassifier(
        (40, 30), "logistic", solver="sgd", momentum=0.5, nesterovs_momentum=False, alpha=0.0, batch_size=100,
        max_iter=5, learning_rate_init=0.3, random_state=0,
    ).fit(X_TRAIN, Y_TRAIN)  # fmt: skip
    assert all(np.array_equal(a, b) for a, b in zip(dbn.coefs_, mlp.coefs_, strict=True))


@pytest.mark.parametrize(
    "options",
    [
        {"hidden_values": "samples"},
        {"persistent": True, "n_gibbs_steps": 2},
        {"pretraining_iter": (2, 4), "pretraining_rate": (0.1, 0.05)},
        {"pretraining": "autoencoder", "corruption": 0.3},
        {"dropout": 0.2, "input_dropout": 0.1, "max_norm": 3.0},
        {"visible": "gaussian", "scale_inputs": True, "pretraining_rate": 0.01},
        {"solver": "adam", "learning_rate_init": 0.01, "schedule": "cosine"},
    ],
    ids=str,
)
def test_each_option_changes_the_result_and_repeats(options):
    how = {**SMALL, "max_iter": 10, "batch_size": 20, "pretraining_batch_size": 20}
    first, again = (DBNClassifier(**{**how, **options}).fit(X_TRAIN, Y_TRAIN) for _ in range(2))
    plain = DBNClassifier(**how).fit(X_TRAIN, Y_TRAIN)
    assert np.array_equal(first.predict_proba(X_TEST), again.predict_proba(X_TEST))
    assert not np.allclose(first.predict_proba(X_TEST), plain.predict_proba(X_TEST), atol=1e-4)
    assert first.score(X_TRAIN, Y_TRAIN) > 0.5


def test_rows_for_validation_are_seen_by_no_layer():
    """Held-out labels may be anything: supervised layers and the weights stay the same."""
    how = {**SMALL, "pretraining": "supervised", "early_stopping": True, "restore_best": False, "n_iter_no_change": 99}
    found = []
    for seed in (0, 1):
        held_out = np.random.RandomState(seed).permutation(Y_TEST)
        found.append(DBNClassifier(**how).fit(X_TRAIN, Y_TRAIN, X_val=X_TEST, y_val=held_out))
    assert np.array_equal(found[0].coefs_[0], found[1].coefs_[0])
    assert found[0].validation_scores_ != found[1].validation_scores_
    inside = DBNClassifier(**{**SMALL, "early_stopping": True, "verbose": False}).fit(X_TRAIN, Y_TRAIN)
    assert len(inside.validation_scores_) == 5


def test_sparse_rows_two_classes_words_and_weights():
    names = np.where(Y_TRAIN < 5, "low", "high")
    dense = DBNClassifier(**SMALL).fit(X_TRAIN, names)
    thin = DBNClassifier(**SMALL).fit(sparse.csr_matrix(X_TRAIN), names)
    assert np.allclose(dense.predict_proba(X_TEST), thin.predict_proba(sparse.csr_matrix(X_TEST)), atol=1e-6)
    assert set(dense.predict(X_TEST)) <= {"low", "high"} and dense.predict_proba(X_TEST).shape == (len(X_TEST), 2)
    weighted = DBNClassifier(**SMALL, class_weight={"low": 100.0, "high": 1.0}).fit(X_TRAIN, names)
    assert (weighted.predict(X_TEST) == "low").mean() > (dense.predict(X_TEST) == "low").mean()
    labels = np.stack([Y_TRAIN < 5, Y_TRAIN % 2], 1).astype(int)
    assert DBNClassifier(**SMALL).fit(X_TRAIN, labels).predict(X_TEST).shape == (len(X_TEST), 2)


@pytest.mark.parametrize("n_classes", [2, 10])
def test_the_up_down_algorithm(n_classes, tmp_path):
    rows, test = n_classes > Y_TRAIN, n_classes > Y_TEST
    model = DBNClassifier(
        (60, 80), fine_tuning="up_down", learning_rate_init=0.05, max_iter=15, up_down_steps=((0, 1), (8, 3)),
        early_stopping=True, n_iter_no_change=99, random_state=0,
    )  # fmt: skip
    model.fit(X_TRAIN[rows], Y_TRAIN[rows], X_val=X_TEST[test], y_val=Y_TEST[test])
    assert model.score(X_TEST[test], Y_TEST[test]) > 0.88
    probs = model.predict_proba(X_TEST[test])
    assert probs.shape[1] == n_classes and np.allclose(probs.sum(1), 1)
    scores = model.belief_.label_scores(torch.from_numpy(X_TEST[test])).softmax(1).numpy()
    assert np.allclose(scores, probs, atol=1e-6)
    assert model.engine_ == "up_down" and len(model.validation_scores_) == 15
    drawn = model.belief_.sample(5, 20, label=1, generator=torch.Generator().manual_seed(0))
    assert drawn.shape == (5, 64)
    for other in (strata.load(model.save(tmp_path / "m")), pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):
        assert np.array_equal(other.predict_proba(X_TEST), model.predict_proba(X_TEST))


def test_saved_and_copied(tmp_path):
    for model in (
        DBNClassifier(**SMALL).fit(X_TRAIN, Y_TRAIN),
        DBNRegressor(**SMALL).fit(X_TRAIN, Y_TRAIN / 10.0),
    ):
        loaded = strata.load(model.save(tmp_path / type(model).__name__))
        for other in (loaded, pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):
            assert np.array_equal(other.predict(X_TEST), model.predict(X_TEST))


def test_numbers():
    data, target = load_diabetes(return_X_y=True)
    data, target = StandardScaler().fit_transform(data), (target - target.mean()) / target.std()
    a, b, c, d = train_test_split(data, target, random_state=0)
    model = DBNRegressor(
        (30, 20), visible="gaussian", pretraining_rate=0.01, learning_rate_init=0.05, max_iter=60, random_state=0
    ).fit(a, c)
    assert model.score(b, d) > 0.25 and model.predict(b).shape == (len(b),)
    two = DBNRegressor(**SMALL, visible="gaussian").fit(a, np.stack([c, -c], 1))
    assert two.predict(b).shape == (len(b), 2)
    with pytest.raises(AttributeError):
        model.partial_fit(a, c)


def test_the_transformer(tmp_path):
    model = DeepBeliefNetwork((50, 20), pretraining_iter=8, random_state=0).fit(X_TRAIN)
    features = model.transform(X_TEST)
    assert features.shape == (len(X_TEST), 20) and ((features >= 0) & (features <= 1)).all()
    values = torch.from_numpy(X_TEST)
    for machine in model.rbms_:
        values = machine.hidden_probs(values)
    assert np.allclose(values.numpy(), features, atol=1e-12)
    assert np.allclose(model.transform(sparse.csr_matrix(X_TEST)), features, atol=1e-12)
    assert list(model.get_feature_names_out())[:2] == ["deepbeliefnetwork0", "deepbeliefnetwork1"]
    error = ((model.inverse_transform(features) - X_TEST) ** 2).mean()
    assert error < 0.8 * X_TEST.var(axis=0).mean()
    drawn = model.sample(6, 30, random_state=0)
    assert drawn.shape == (6, 64) and np.array_equal(drawn, model.sample(6, 30, random_state=0))
    assert len(model.histories_) == 2
    loaded = strata.load(model.save(tmp_path / "m"))
    assert np.array_equal(loaded.transform(X_TEST), features)
    assert np.array_equal(loaded.sample(6, 30, random_state=0), drawn)


def test_the_transformer_refined(tmp_path):
    how = {"hidden_layer_sizes": (30, 20), "pretraining_iter": 5, "random_state": 0}
    plain = DeepBeliefNetwork(**how).fit(X_TRAIN)
    model = DeepBeliefNetwork(**how, up_down_iter=3, up_down_steps=2).fit(X_TRAIN)
    assert not np.allclose(plain.transform(X_TEST), model.transform(X_TEST), atol=1e-4)
    assert np.allclose(model.belief_(torch.from_numpy(X_TEST)).numpy(), model.transform(X_TEST), atol=1e-10)
    assert len(model.histories_) == 3
    loaded = strata.load(model.save(tmp_path / "m"))
    assert np.array_equal(loaded.sample(3, 5, random_state=0), model.sample(3, 5, random_state=0))
    assert np.allclose(loaded.inverse_transform(model.transform(X_TEST)).mean(), X_TEST.mean(), atol=0.1)


def test_what_is_refused():
    with pytest.raises(ValueError, match="`pretraining` must be 'rbm' for fine_tuning='up_down'"):
        DBNClassifier(pretraining=None, fine_tuning="up_down").fit(X_TRAIN, Y_TRAIN)
    with pytest.raises(ValueError, match="`visible` must be 'binary' for fine_tuning='up_down'"):
        DBNClassifier(visible="gaussian", fine_tuning="up_down").fit(X_TRAIN, Y_TRAIN)
    with pytest.raises(ValueError, match="`fine_tuning` must be 'backprop' for several labels"):
        DBNClassifier(**SMALL, fine_tuning="up_down").fit(X_TRAIN, Y_TRAIN, sample_weight=np.ones(len(Y_TRAIN)))
    with pytest.raises(ValueError, match="must be one number, or one for each of 2 layers"):
        DBNClassifier(**{**SMALL, "pretraining_iter": (1, 2, 3)}).fit(X_TRAIN, Y_TRAIN)
    with pytest.raises(ValueError, match="The 'pretraining' parameter of DBNClassifier must be"):
        DBNClassifier(pretraining="gan").fit(X_TRAIN, Y_TRAIN)
    with pytest.raises(ValueError, match="`up_down_iter` must be 0 unless visible='binary'"):
        DeepBeliefNetwork(visible="gaussian", up_down_iter=1).fit(X_TRAIN)
    for model in (DBNClassifier((), fine_tuning="up_down"), DeepBeliefNetwork(())):
        with pytest.raises(ValueError, match="`hidden_layer_sizes` must name at least one layer"):
            model.fit(X_TRAIN, Y_TRAIN)
    model = DeepBeliefNetwork((5,), pretraining_iter=1).fit(X_TRAIN)
    with pytest.raises(ValueError, match="`X` must have 5 columns, one for each top unit. Received: 4"):
        model.inverse_transform(np.zeros((1, 4)))
    with pytest.raises(ValueError, match="`n_samples` must be a whole number >= 1"):
        model.sample(0)


def test_verbose_says_each_layer(capsys):
    DBNClassifier(**SMALL, verbose=True).fit(X_TRAIN, Y_TRAIN)
    out = capsys.readouterr().out
    assert "Layer 1 of 2, 5 epochs: loss" in out and "Iteration 5, loss" in out


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [
        ("pretraining_iter", (1, 2, 3), ValueError),
        ("pretraining_iter", (1, 1.5), TypeError),
        ("pretraining_rate", (0.1, 0.0), ValueError),
        ("pretraining_momentum", (0.5,), ValueError),
        ("pretraining_momentum", (0.1, 0.2, 0.3), ValueError),
        ("up_down_steps", [3], ValueError),
        ("up_down_steps", [(0, 0)], ValueError),
    ],
)
def test_lists_are_refused_by_their_own_names(name, value, error):
    with pytest.raises(error, match=f"`{name}` must be"):
        DeepBeliefNetwork((4, 3), up_down_iter=1, **{name: value}).fit(np.eye(6))
    with pytest.raises(error, match=f"`{name}` must be"):
        DBNClassifier((4, 3), fine_tuning="up_down", **{name: value}).fit(np.eye(6), [0, 1] * 3)


def test_inverse_transform_refuses_what_is_no_row():
    model = DeepBeliefNetwork((4, 3), pretraining_iter=1, random_state=0).fit(np.eye(6))
    for wrong, message in ((np.full((1, 3), np.nan), "NaN"), (np.zeros((2, 3, 3)), "dim 3")):
        with pytest.raises(ValueError, match=message):
            model.inverse_transform(wrong)
