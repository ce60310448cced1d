"""BernoulliRBM: the same machine as scikit-learn's for the same seed, and what it has beyond that."""

import copy
import pickle

import numpy as np
import pytest
import torch
from scipy import sparse
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.neural_network import BernoulliRBM as PeerRBM
from sklearn.pipeline import make_pipeline

import strata
from strata import BernoulliRBM
from strata.errors import NonFiniteError
from strata.nn import log_partition

DIGITS = load_digits().data / 16


@pytest.fixture(scope="module")
def digits():
    return train_test_split(DIGITS, load_digits().target, random_state=0, stratify=load_digits().target)


@pytest.mark.parametrize("make", [np.asarray, np.asfortranarray, sparse.csr_matrix, sparse.csc_array])
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_the_same_seed_gives_scikit_learns_machine(make, dtype):
    X = DIGITS[:113].astype(dtype)  # a last batch of another size
    how = {"n_components": 20, "batch_size": 10, "n_iter": 5, "random_state": 3, "learning_rate": 0.05}
    ours, peer = BernoulliRBM(**how).fit(make(X)), PeerRBM(**how).fit(make(X))
    tolerance = 1e-11 if dtype == np.float64 else 2e-5
    for name in ("components_", "intercept_hidden_", "intercept_visible_", "h_samples_"):
        assert np.allclose(getattr(ours, name), getattr(peer, name), atol=tolerance), name
        assert getattr(ours, name).dtype == getattr(peer, name).dtype
    assert ours.components_.flags.f_contiguous == peer.components_.flags.f_contiguous
    assert np.allclose(ours.transform(X), peer.transform(X), atol=tolerance)
    assert np.allclose(ours.score_samples(X), peer.score_samples(X), atol=1e-3 if dtype == np.float32 else 1e-9)
    assert np.array_equal(ours.gibbs(X), peer.gibbs(X))
    assert list(ours.get_feature_names_out()) == list(peer.get_feature_names_out())


def test_partial_fit_is_scikit_learns_too():
    ours, peer = (kind(8, batch_size=10, random_state=0, learning_rate=0.05) for kind in (BernoulliRBM, PeerRBM))
    for start in range(0, 95, 15):  # batches of another size than the chains
        assert ours.partial_fit(DIGITS[start : start + 15]) is ours
        peer.partial_fit(DIGITS[start : start + 15])
    assert np.allclose(ours.components_, peer.components_, atol=1e-12)
    ours.components_ = peer.components_.copy()  # somebody replaces what was learned
    ours.partial_fit(DIGITS[:10])
    peer.partial_fit(DIGITS[:10])
    assert np.allclose(ours.components_, peer.components_, atol=1e-12)
    assert np.allclose(ours.transform(DIGITS), peer.transform(DIGITS))


def test_a_random_state_goes_on_where_scikit_learns_does():
    ours, peer = np.random.RandomState(7), np.random.RandomState(7)
    BernoulliRBM(5, n_iter=2, random_state=ours).fit(DIGITS[:50])
    PeerRBM(5, n_iter=2, random_state=peer).fit(DIGITS[:50])
    assert ours.random_sample() == peer.random_sample()


def test_no_epoch_leaves_the_first_weights():
    ours, peer = (kind(5, n_iter=0, random_state=0).fit(DIGITS) for kind in (BernoulliRBM, PeerRBM))
    assert np.array_equal(ours.components_, peer.components_) and ours.n_iter_ == 0


def test_features_help_a_linear_classifier(digits):
    """Digits moved by a pixel, as in scikit-learn's example: what is linear in the pixels no longer tells them."""
    X, X_test, y, y_test = digits

    def moved(rows):
        images = rows.reshape(-1, 8, 8)
        return np.concatenate([rows, *(np.roll(images, by, axis).reshape(-1, 64) for by in (-1, 1) for axis in (1, 2))])

    X, X_test, y, y_test = moved(X), moved(X_test), np.tile(y, 5), np.tile(y_test, 5)
    plain = LogisticRegression(tol=0.01, max_iter=1000).fit(X, y).score(X_test, y_test)
    rbm = BernoulliRBM(100, learning_rate=0.06, n_iter=10, random_state=0)
    features = make_pipeline(rbm, LogisticRegression(C=100, tol=0.001, max_iter=300)).fit(X, y).score(X_test, y_test)
    assert features > plain + 0.05


def test_the_history_says_how_it_went(digits):
    X, X_val, *_ = digits
    model = BernoulliRBM(40, n_iter=6, persistent=False, momentum=(0.5, 0.9), momentum_epochs=2, random_state=0)
    model.fit(X, X_val=X_val)
    assert {"loss", "reconstruction", "val_free_energy_gap", "val_reconstruction"} <= set(model.history_.columns)
    assert model.history_["reconstruction"][-1] < model.history_["reconstruction"][0]
    gap = model.free_energy(X_val).mean() - model.free_energy(X[: len(X_val)]).mean()
    assert model.history_["val_free_energy_gap"][-1] == pytest.approx(gap)
    again = model.inverse_transform(model.transform(X_val))
    assert model.history_["val_reconstruction"][-1] == pytest.approx(((again - X_val) ** 2).mean())
    assert model.n_iter_ == 6 and model.stop_reason_ == "max_epochs"


def test_first_biases_from_the_data():
    X = (DIGITS > 0.5).astype(float)
    model = BernoulliRBM(5, n_iter=0, visible_bias_init="data", hidden_bias_init=-4.0, random_state=0).fit(X)
    shown = model.inverse_transform(np.zeros((1, 5)))[0]
    inside = (X.mean(0) > 0.001) & (X.mean(0) < 0.999)
    assert np.allclose(shown[inside], X.mean(0)[inside])
    assert (model.intercept_hidden_ == -4).all() and np.isfinite(model.intercept_visible_).all()


@pytest.mark.parametrize("visible", ["gaussian", "rectified"])
def test_real_visible_units(visible):
    random = np.random.RandomState(0)
    X = random.normal(size=(300, 6)) + 3 * random.randint(2, size=(300, 1))
    X = np.maximum(X, 0) if visible == "rectified" else (X - X.mean(0)) / X.std(0)
    model = BernoulliRBM(
        4, visible=visible, learning_rate=0.01, n_iter=40, shuffle=True, visible_bias_init="data", random_state=0
    ).fit(X)
    drawn = model.sample(2000, 50, random_state=0)
    assert np.allclose(drawn.mean(0), X.mean(0), atol=0.5)
    assert (drawn >= 0).all() == (visible == "rectified")
    assert np.allclose(model.score_samples(X), -model.free_energy(X))
    assert model.gibbs(X).shape == X.shape
    exact = log_partition(model.rbm_)
    assert model.log_partition().log_z == exact
    assert np.allclose(model.log_likelihood(X), -model.free_energy(X) - exact)


def test_likelihoods_and_partition_functions():
    X = (DIGITS[:200, 20:36] > 0.4).astype(float)
    model = BernoulliRBM(10, n_iter=30, random_state=0).fit(X)
    exact = model.log_partition()
    assert exact.low == exact.log_z == exact.high and exact.n_chains == 0
    found = model.log_partition(method="annealed", random_state=0)
    assert found.low < exact.log_z < found.high
    assert model.log_likelihood(X).mean() > -16 * np.log(2)
    assert np.allclose(model.log_likelihood(X, log_z=1.5), -model.free_energy(X) - 1.5)
    with pytest.raises(ValueError, match="`method` must be 'auto', 'exact' or 'annealed'"):
        model.log_partition(method="guess")
    with pytest.raises(ValueError, match="`log_z` must be finite"):
        model.log_likelihood(X, log_z=np.inf)


def test_samples_have_the_statistics_of_the_data():
    random = np.random.RandomState(0)
    X = np.eye(3)[random.randint(3, size=500)].repeat(4, axis=1)
    model = BernoulliRBM(12, n_iter=60, batch_size=20, random_state=0).fit(X)
    drawn = model.sample(3000, 200, random_state=0)
    assert drawn.dtype == X.dtype and set(np.unique(drawn)) <= {0.0, 1.0}
    clean = (drawn[:, None] == np.eye(3).repeat(4, axis=1)).all(2).any(1)
    assert clean.mean() > 0.5  # 3 of 4096 states
    shown = model.sample(10, 20, means=True, random_state=0)
    assert ((shown > 0) & (shown < 1)).all()
    assert np.array_equal(model.sample(5, 3, random_state=1), model.sample(5, 3, random_state=1))
    begun = model.sample(3, 1, start=X[:3], random_state=0)
    assert begun.shape == (3, 12)
    for name, value in (("n_samples", 0), ("n_steps", 2.5)):
        with pytest.raises(ValueError, match=f"`{name}` must be a whole number >= 1. Received: {name}={value}"):
            model.sample(**{name: value})
    with pytest.raises(ValueError, match="`start` must have 3 rows"):
        model.sample(3, 1, start=X[:2])


def test_it_learns_from_where_it_was_interrupted(tmp_path):
    how = {"n_components": 10, "n_iter": 5, "random_state": 0, "momentum": 0.5, "shuffle": True}
    whole = BernoulliRBM(**how).fit(DIGITS)
    BernoulliRBM(**{**how, "n_iter": 2}, checkpoint=tmp_path).fit(DIGITS)
    resumed = BernoulliRBM(**how, checkpoint=tmp_path, resume=True).fit(DIGITS)
    assert np.array_equal(resumed.components_, whole.components_)
    assert np.array_equal(resumed.h_samples_, whole.h_samples_) and len(resumed.history_) == 5


def test_saved_copied_and_pickled(tmp_path):
    model = BernoulliRBM(10, n_iter=2, random_state=0).fit(DIGITS)
    loaded = strata.load(model.save(tmp_path / "model"))
    for other in (loaded, pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):
        assert np.array_equal(other.transform(DIGITS), model.transform(DIGITS))
        assert list(other.get_feature_names_out()) == list(model.get_feature_names_out())
        assert other.history_["loss"] == model.history_["loss"]
    model.intercept_hidden_ = np.zeros(3)
    with pytest.raises(ValueError, match="`estimator` must be consistent"):
        model.save(tmp_path / "other")


def test_output_is_the_same_in_a_data_frame_and_a_search():
    model = BernoulliRBM(4, n_iter=1, random_state=0).set_output(transform="pandas")
    frame = model.fit_transform(DIGITS[:50])
    assert list(frame.columns) == [f"bernoullirbm{i}" for i in range(4)]
    search = GridSearchCV(BernoulliRBM(4, n_iter=1, random_state=0), {"learning_rate": [0.1, 0.01]}, cv=2,
                          scoring=lambda est, X, y=None: est.score_samples(X).mean())  # fmt: skip
    assert search.fit(DIGITS[:60]).best_params_["learning_rate"] in (0.1, 0.01)


def test_values_out_of_range_are_warned_of():
    with pytest.warns(UserWarning, match="`X` should hold values from 0 to 1 for binary visible units.*-1 to 2"):
        BernoulliRBM(3, n_iter=1).fit(np.array([[-1.0, 2.0], [0.0, 1.0]]))
    with pytest.warns(UserWarning, match="of at least 0 for rectified"):
        BernoulliRBM(3, n_iter=1, visible="rectified").fit(np.array([[-1.0, 2.0], [0.0, 1.0]]))


def test_what_is_refused(digits):
    X = digits[0]
    for name, value in (("n_gibbs_steps", 0), ("visible", "rgb"), ("momentum", 1.0), ("sparsity_target", 1.5)):
        with pytest.raises(ValueError, match=f"The '{name}' parameter of BernoulliRBM must be"):
            BernoulliRBM(**{name: value}).fit(X)
    with pytest.raises(ValueError, match="`momentum` must be a number or a pair"):
        BernoulliRBM(3, momentum=(0.1, 0.2, 0.3)).fit(X)
    with pytest.raises(ValueError, match="X has 3 features, but BernoulliRBM is expecting 64"):
        BernoulliRBM(3, n_iter=1).fit(X, X_val=X[:, :3])
    model = BernoulliRBM(3, n_iter=1).fit(X)
    with pytest.raises(ValueError, match="`X` must have 3 columns, one for each hidden unit. Received: 2"):
        model.inverse_transform(np.zeros((1, 2)))
    with pytest.raises(NonFiniteError):
        BernoulliRBM(3, visible="gaussian", learning_rate=1e6, n_iter=20).fit(1e3 * X)


def test_the_machine_as_a_module():
    model = BernoulliRBM(6, n_iter=1, random_state=0).fit(DIGITS)
    module = model.rbm_
    assert np.allclose(module(torch.from_numpy(DIGITS)).numpy(), model.transform(DIGITS), atol=1e-12)
    module.weight.zero_()
    assert model.components_.any()


def test_partial_fit_obeys_changed_arguments_as_scikit_learn_does():
    X = (np.random.RandomState(0).uniform(size=(40, 9)) < 0.4).astype(float)
    ours, theirs = (kind(5, batch_size=20, random_state=0, n_iter=1).fit(X) for kind in (BernoulliRBM, PeerRBM))
    for model in (ours, theirs):
        model.partial_fit(X[:20])
        model.set_params(learning_rate=0.01, batch_size=7)
        model.partial_fit(X[20:])
    assert np.allclose(ours.components_, theirs.components_, rtol=0, atol=1e-12)
    assert ours.h_samples_.shape == theirs.h_samples_.shape == (20, 5)


@pytest.mark.parametrize("changed", [{}, {"learning_rate": 0.05}])
def test_what_partial_fit_has_gathered_goes_through_a_pickle(changed):
    X = (np.random.RandomState(0).uniform(size=(40, 9)) < 0.4).astype(float)
    model = BernoulliRBM(5, momentum=0.9, sparsity_target=0.1, random_state=0).partial_fit(X[:20])
    copy = pickle.loads(pickle.dumps(model))
    for each in (model, copy):
        each.set_params(**changed).partial_fit(X[20:])
    assert np.array_equal(copy.components_, model.components_)
    fresh = BernoulliRBM(5, sparsity_target=0.1, random_state=0).partial_fit(X[:20]).set_params(**changed)
    assert not np.array_equal(fresh.partial_fit(X[20:]).components_, model.components_)  # the momentum counts


def test_inverse_transform_refuses_what_is_no_row():
    model = BernoulliRBM(2, n_iter=1, random_state=0).fit(np.eye(4))
    for wrong, message in ((np.full((1, 2), np.nan), "NaN"), (np.zeros((2, 2, 3)), "dim 3")):
        with pytest.raises(ValueError, match=message):
            model.inverse_transform(wrong)
