"""The autoencoder: what its variants promise, and that a fit can be repeated, resumed, saved and refused."""

import copy
import pickle

import numpy as np
import pytest
import torch
from scipy import linalg, sparse
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

import strata
from strata import Autoencoder
from strata.engine import Callback
from strata.errors import ModelRefusedError, NonFiniteError
from strata.rules import LBFGS

X = load_digits().data / 16
HALVES = X[::2], X[1::2]


def fit(rows=X, n=8, **options):
    settings = {"hidden_layer_sizes": (32,), "max_iter": 20, "random_state": 0, **options}
    return Autoencoder(n, **settings).fit(rows)


def mse(autoencoder, rows=X):
    return -autoencoder.score(rows)


# -- what the variants promise ------------------------------------------------------------------------


@pytest.mark.parametrize("tied", [False, True])
def test_a_linear_code_spans_the_first_principal_components(tied):
    pca = PCA(5).fit(X)
    linear = Autoencoder(5, (), tied=tied, init="orthogonal", solver=LBFGS(tol=1e-9), max_iter=600, random_state=0)
    decoder = linear.fit(X).network_.matrices()[1].detach().numpy()
    assert linalg.subspace_angles(decoder.T, pca.components_.T).max() < 1e-3
    best = np.mean((X - pca.inverse_transform(pca.transform(X))) ** 2)
    assert best * (1 - 1e-9) <= mse(linear) <= best * (1 + 1e-5)


def test_a_nonlinear_code_beats_the_principal_components_on_held_out_rows():
    train, test = HALVES
    pca = PCA(6).fit(train)
    linear = np.mean((test - pca.inverse_transform(pca.transform(test))) ** 2)
    for seed in (0, 1):
        code = Autoencoder(6, (128,), max_iter=150, batch_size=64, learning_rate_init=3e-3, random_state=seed)
        assert mse(code.fit(train), test) < 0.9 * linear


@pytest.mark.parametrize(("noise", "level"), [("masking", 0.3), ("gaussian", 0.3), ("salt_and_pepper", 0.2)])
def test_what_is_learned_with_noise_undoes_it(noise, level):
    train, test = HALVES
    denoiser = fit(train, 24, noise=noise, noise_level=level, max_iter=80, batch_size=50, hidden_layer_sizes=(128,))
    spoilt = strata.data.Corruption(noise, level)(test, np.random.default_rng(5))
    plain = fit(train, 24, max_iter=80, batch_size=50, hidden_layer_sizes=(128,))
    restored = np.mean((denoiser.reconstruct(spoilt) - test) ** 2)
    assert restored < 0.6 * np.mean((spoilt - test) ** 2)
    assert restored < np.mean((plain.reconstruct(spoilt) - test) ** 2)


def test_a_sparse_code_is_as_active_as_asked():
    options = {"code_activation": "logistic", "max_iter": 60, "batch_size": 50}
    free = fit(n=32, noise="masking", noise_level=0.1, **options)
    sparse_code = fit(n=32, sparsity=2.0, sparsity_target=0.1, **options)
    activity = sparse_code.transform(X).mean(axis=0)
    assert np.median(np.abs(activity - 0.1)) < 0.03 and free.transform(X).mean() > 0.2


def test_a_penalized_code_is_smaller():
    assert np.abs(fit(sparsity=1.0, sparsity_target=None).transform(X)).mean() < 0.7 * np.abs(fit().transform(X)).mean()


def test_a_contractive_code_changes_less():
    norms = []
    for strength in (0.0, 0.3):
        network = fit(contraction=strength, engine="autograd", activation="tanh").network_
        norms.append(network.squared_jacobian(torch.from_numpy(X)).mean().item())
    assert norms[1] < 0.5 * norms[0]


def test_a_variational_code_is_near_normal_and_can_be_drawn_from():
    options = {"loss": "binary_cross_entropy", "max_iter": 40, "batch_size": 50, "variational": True}
    vae = fit(n=4, **options)
    assert {"code_cost", "reconstruction", "loss"} <= set(vae.history_.columns)
    row = vae.history_.rows()[-1]
    assert row["loss"] == pytest.approx(row["reconstruction"] + row["code_cost"], rel=1e-9)
    codes = vae.transform(X)
    assert np.abs(codes.mean(axis=0)).max() < 0.3 and 0.4 < codes.std(axis=0).max() < 1.3
    samples = vae.sample(50, random_state=0)
    assert samples.shape == (50, 64) and samples.min() >= 0 and samples.max() <= 1
    assert np.array_equal(samples, vae.sample(50, random_state=0))
    free = fit(n=4, beta=0.0, **options)
    assert np.abs(free.transform(X)).mean() > np.abs(codes).mean()


def test_only_a_variational_code_can_be_drawn_from():
    assert not hasattr(fit(max_iter=1), "sample")


@pytest.mark.parametrize("tied", [False, True])
def test_images_are_convolved(tied):
    images = (X.reshape(-1, 8, 8) * 255).round().astype(np.uint8)
    code = fit(images, channels=(8, 16), tied=tied, max_iter=3)
    assert code.input_shape_ == (8, 8, 1) and code.engine_ == "autograd"
    codes = code.transform(images)
    assert codes.dtype == np.float32 and code.inverse_transform(codes).shape == images.shape
    assert code.score(images) > -0.2
    rows = fit((images / np.float32(255)).reshape(-1, 64), channels=(8, 16), tied=tied, max_iter=3, input_shape=(8, 8))
    assert np.array_equal(rows.transform((images / np.float32(255)).reshape(-1, 64)), codes)


def test_rows_with_one_channel_after_the_other_are_the_same_images():
    pictures = np.random.RandomState(0).rand(30, 6, 5, 3).astype(np.float32)
    options = {"channels": (4,), "max_iter": 2, "hidden_layer_sizes": ()}
    last = fit(pictures, **options)
    planes = pictures.transpose(0, 3, 1, 2).reshape(30, -1)
    first = fit(planes, input_shape=(3, 6, 5), **options)
    assert np.array_equal(last.transform(pictures), first.transform(planes))
    back = first.reconstruct(planes).reshape(30, 3, 6, 5).transpose(0, 2, 3, 1)
    np.testing.assert_array_equal(back, last.reconstruct(pictures))


def test_training_by_layers_begins_nearer_the_end():
    options = {"hidden_layer_sizes": (48, 24), "activation": "logistic", "max_iter": 1, "batch_size": 50}
    stacked, plain = fit(pretrain_iter=15, **options), fit(**options)
    assert [len(curve) for curve in stacked.pretrain_curves_] == [15, 15, 15]
    assert all(curve[-1] < curve[0] for curve in stacked.pretrain_curves_)
    assert stacked.loss_curve_[0] < 0.8 * plain.loss_curve_[0]


def test_the_first_layer_trained_alone_is_an_autoencoder_of_one_layer():
    one = fit(n=16, hidden_layer_sizes=(), code_activation="tanh", pretrain_iter=4, max_iter=1, learning_rate_init=1e-3)
    alone = fit(n=16, hidden_layer_sizes=(), code_activation="tanh", max_iter=4, learning_rate_init=1e-3)
    assert one.pretrain_curves_[0][-1] == pytest.approx(alone.loss_curve_[-1], rel=0.05)


# -- how it learns ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"noise": "masking"}, {"loss": "binary_cross_entropy"}, {"alpha": 0.1}])
def test_both_engines_learn_the_same(options):
    compiled, autograd = fit(engine="compiled", **options), fit(engine="autograd", **options)
    np.testing.assert_allclose(compiled.transform(X), autograd.transform(X), rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(compiled.loss_curve_, autograd.loss_curve_, rtol=1e-10)


def test_it_is_a_bare_loop():
    ours = fit(engine="autograd", shuffle=False, max_iter=3, batch_size=100, tied=True, code_activation="tanh")
    network = fit(engine="autograd", max_iter=1, learning_rate_init=1e-30, tied=True, code_activation="tanh").network_
    optimizer = torch.optim.Adam(network.parameters())
    x = torch.from_numpy(X)
    for _ in range(3):
        for rows in x.split(100):
            optimizer.zero_grad()
            (0.5 * (network(rows) - rows).square().sum(dim=1)).mean().backward()
            optimizer.step()
    for one, other in zip(ours.network_.parameters(), network.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-7, atol=1e-10)


@pytest.mark.parametrize("options", [{}, {"noise": "gaussian"}, {"scale_inputs": True}, {"variational": True}])
def test_sparse_rows_are_as_good_as_dense_ones(options):
    rows = np.where(X > 0.4, X, 0.0)
    dense = fit(rows, max_iter=2, shuffle=False, **options)
    thin = fit(sparse.csr_array(rows), max_iter=2, shuffle=False, **options)
    if options in ({}, {"variational": True}):  # noise goes by the row or the batch, scaling leaves the mean alone
        np.testing.assert_allclose(thin.transform(sparse.csc_array(rows)), dense.transform(rows), rtol=1e-9, atol=1e-12)
    assert thin.score_samples(sparse.csr_array(rows)).shape == (len(rows),)


def test_a_time_limit_and_a_callback_end_it():
    class Stop(Callback):
        def on_epoch_end(self, run):
            if run.epoch == 2:
                run.stop()

    assert fit(callbacks=[Stop()]).n_iter_ == 2
    assert fit(max_iter=100_000, tol=0.0, n_iter_no_change=np.inf, time_limit=0.2).stop_reason_ == "time_limit"


def test_own_held_out_rows_stop_it_early_and_the_best_weights_come_back():
    train, held = HALVES
    options = {"early_stopping": True, "max_iter": 400, "n_iter_no_change": 3, "learning_rate_init": 0.02, "tol": 0.0}
    code = Autoencoder(8, (32,), random_state=0, **options).fit(train, X_val=held)
    assert code.stop_reason_ == "early_stopping" and len(code.validation_scores_) == code.n_iter_ < 400
    assert code.best_validation_score_ == max(code.validation_scores_)
    errors = 0.5 * np.square(code.reconstruct(held) - held).sum(axis=1).mean()
    assert -errors == pytest.approx(code.best_validation_score_, rel=1e-6)
    split = fit(early_stopping=True, validation_fraction=0.2)
    assert len(split.validation_scores_) == split.n_iter_


def test_partial_fit_goes_on_and_warm_start_too():
    code = Autoencoder(8, (32,), random_state=0)
    for _ in range(5):
        code.partial_fit(X)
    assert code.n_iter_ == 5 and len(code.loss_curve_) == 5 and code.loss_curve_[-1] < code.loss_curve_[0]
    warm = fit(max_iter=5, warm_start=True)
    before = warm.loss_
    assert warm.fit(X).loss_curve_[5] < before
    with pytest.raises(ValueError, match="`early_stopping` must be False for partial_fit"):
        Autoencoder(early_stopping=True).partial_fit(X)
    assert not hasattr(Autoencoder(solver="lbfgs"), "partial_fit")


@pytest.mark.parametrize(
    "options",
    [
        {"noise": "masking"},
        {"variational": True},
        {"hidden_layer_sizes": (16, 12), "activation": "logistic", "pretrain_iter": 3},
        {"channels": (4,), "input_shape": (8, 8)},
    ],
    ids=["compiled", "variational", "stacked", "convolutional"],
)
def test_a_resumed_fit_is_the_uninterrupted_one(options, tmp_path):
    whole = fit(max_iter=6, **options)
    part = fit(max_iter=3, checkpoint=tmp_path / "run", **options)
    resumed = fit(max_iter=6, checkpoint=tmp_path / "run", resume=True, **options)
    assert part.n_iter_ == 3 and resumed.n_iter_ == 6
    assert np.array_equal(resumed.transform(X), whole.transform(X))


def test_two_fits_are_the_same_and_seeds_differ():
    assert np.array_equal(fit(noise="gaussian").transform(X), fit(noise="gaussian").transform(X))
    assert not np.array_equal(fit().transform(X), fit(random_state=1).transform(X))


def test_rates_that_blow_up_say_so():
    with pytest.raises(NonFiniteError, match=r"in epoch \d+, batch"):
        fit(solver="sgd", learning_rate_init=1e6, engine="autograd")


# -- what it is part of ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"tied": True, "loss": "binary_cross_entropy"},
        {"variational": True},
        {"channels": (4, 8), "input_shape": (8, 8), "tied": True},
        {"scale_inputs": True, "noise": "masking"},
    ],
    ids=["dense", "tied", "variational", "convolutional", "scaled"],
)
def test_it_comes_back_from_a_folder_a_pickle_and_a_copy(options, tmp_path):
    code = fit(max_iter=2, **options)
    loaded = strata.load(code.save(tmp_path / "model"))
    for other in (loaded, pickle.loads(pickle.dumps(code)), copy.deepcopy(code)):
        assert np.array_equal(other.transform(X), code.transform(X))
        assert np.array_equal(other.reconstruct(X[:9]), code.reconstruct(X[:9]))
        other.partial_fit(X)
    assert loaded.get_params()["tied"] == code.tied


def test_images_come_back_from_a_folder_as_images(tmp_path):
    images = (X.reshape(-1, 8, 8) * 255).astype(np.uint8)
    loaded = strata.load(fit(images, max_iter=1, channels=(4,)).save(tmp_path / "model"))
    assert loaded.reconstruct(images[:3]).shape == (3, 8, 8)


def test_a_folder_that_says_other_sizes_is_refused(tmp_path):
    folder = fit(max_iter=1).save(tmp_path / "model")
    bigger = fit(max_iter=1, hidden_layer_sizes=(33,)).save(tmp_path / "other")
    (folder / "config.json").write_bytes((bigger / "config.json").read_bytes())
    with pytest.raises(ModelRefusedError):
        strata.load(folder)


def test_it_is_a_step_of_a_pipeline_and_can_be_searched():
    y = load_digits().target
    classifier = make_pipeline(
        Autoencoder(16, (32,), max_iter=40, batch_size=50, random_state=0), LogisticRegression(max_iter=500)
    )
    assert classifier.fit(X[::2], y[::2]).score(X[1::2], y[1::2]) > 0.85
    search = GridSearchCV(Autoencoder(max_iter=5, random_state=0), {"n_components": [2, 12]}, cv=2).fit(X)
    assert search.best_params_ == {"n_components": 12}
    names = search.best_estimator_.get_feature_names_out()
    assert list(names[:2]) == ["autoencoder0", "autoencoder1"] and len(names) == 12


def test_integer_weights_are_repeated_rows():
    weight = np.random.RandomState(0).randint(0, 4, 200)
    options = {"batch_size": 10_000, "max_iter": 10}
    weighted = Autoencoder(8, (32,), random_state=0, **options).fit(X[:200], sample_weight=weight)
    repeated = fit(np.repeat(X[:200], weight, axis=0), **options)
    np.testing.assert_allclose(weighted.transform(X), repeated.transform(X), rtol=1e-6, atol=1e-8)


# -- what it refuses ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"channels": (4,)}, "`channels` must be empty unless X holds images"),
        ({"input_shape": (7, 9)}, "`input_shape` must hold as many numbers as a row of `X`, 64"),
        ({"variational": True, "tied": True}, "`tied` must be False for a variational autoencoder"),
        ({"variational": True, "code_activation": "tanh"}, "`code_activation` must be 'identity' for a variational"),
        ({"variational": True, "contraction": 1.0}, "`variational` must be False with sparsity, contraction or"),
        ({"sparsity": 1.0}, "`code_activation` must be 'logistic' for a mean activity to be held to"),
        ({"code_activation": "softmax"}, "`code_activation` must be elementwise"),
        ({"engine": "compiled", "tied": True}, "`engine` must be 'auto' or 'autograd' for this network: its weights"),
        ({"engine": "compiled", "contraction": 0.1}, "for this network: its codes are penalized"),
        ({"solver": "lbfgs", "noise": "masking"}, "`noise` must be None with the solver 'lbfgs'"),
        ({"solver": "lbfgs", "variational": True}, "`solver` must be a stochastic one"),
        ({"noise": "masking", "noise_level": 1.5}, r"`level` must be in \[0, 1\]"),
        ({"channels": (4,), "input_shape": (8, 8), "pretrain_iter": 1}, "`pretrain_iter` must be 0 for a conv"),
        ({"channels": (0,), "input_shape": (8, 8)}, "`channels` must be made of whole numbers of at least 1"),
        ({"precision": "bfloat16"}, "`precision` must be 'full' for float64"),
        ({"loss": "hinge"}, "The 'loss' parameter of Autoencoder must be a str among"),
        ({"n_components": 0}, "The 'n_components' parameter of Autoencoder must be"),
    ],
)
def test_arguments_that_do_not_fit_are_refused(options, message):
    n = options.pop("n_components", 8)
    with pytest.raises(ValueError, match=message):
        fit(n=n, **options)


def test_data_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="`X` must hold numbers from 0 to 1 for loss='binary_cross_entropy'"):
        fit(2 * X, loss="binary_cross_entropy")
    with pytest.raises(ValueError, match="`X` must hold numbers of at least 0 for loss='poisson'"):
        fit(X - 1, loss="poisson")
    with pytest.raises(ValueError, match="Input X contains NaN"):
        fit(np.where(X > 0.9, np.nan, X))
    with pytest.raises(ValueError, match="Input X contains NaN"):
        fit(np.full((4, 3, 3), np.nan))
    with pytest.raises(ValueError, match="`X` must hold whole numbers from 0 to 255, or floats"):
        fit(np.full((4, 3, 3), 300))
    with pytest.raises(ValueError, match=r"`X` must be rows of shape \(n, features\), or images"):
        fit(np.zeros((2, 2, 2, 2, 2)))
    code = fit(X.reshape(-1, 8, 8), max_iter=1)
    with pytest.raises(ValueError, match=r"`X` must hold images of the shape that was learned, \(8, 8, 1\)"):
        code.transform(np.zeros((3, 4, 16)))
    with pytest.raises(ValueError, match="`X` must hold codes of 8 numbers"):
        code.inverse_transform(np.zeros((3, 7)))
    with pytest.raises(ValueError, match="`sample_weight_val` needs `X_val`"):
        code.fit(X, sample_weight_val=np.ones(3))
    with pytest.raises(NotFittedError):
        Autoencoder().transform(X)


def test_a_code_that_can_copy_is_warned_of():
    with pytest.warns(UserWarning, match="A code of 64 numbers can copy a row of 64"):
        fit(n=64, max_iter=1)
    fit(n=64, max_iter=1, noise="masking")


def test_salt_and_pepper_are_the_ends_of_the_data():
    model = Autoencoder(2, noise="salt_and_pepper")
    X = np.array([[-3.0, 0.0], [0.0, -1.0]])
    for rows, ends in (
        (X, (-3, 0)),
        (sparse.csr_matrix(X), (-3, 0)),
        (X + 9, (6, 9)),
        (sparse.csr_matrix((2, 2)), (0, 1)),
    ):
        noise = model._corruption(rows)
        assert (noise.low, noise.high) == ends
