"""Semantic hashing: balanced bits in which like rows are near."""

import numpy as np
import pytest
from sklearn.datasets import load_digits

import strata
from strata import SemanticHasher

X, Y = load_digits(return_X_y=True)
X = X / 16


def fit(**options):
    settings = {"hidden_layer_sizes": (64,), "max_iter": 40, "batch_size": 100, "random_state": 0, **options}
    return SemanticHasher(16, loss="binary_cross_entropy", **settings).fit(X[::2])


def precision(bits, queries, k=20):
    index = strata.data.HammingIndex(bits)
    labels = Y[::2]
    pairs = zip(queries, Y[1::2], strict=True)
    return np.mean([(labels[index.nearest(query, k)[0]] == label).mean() for query, label in pairs])


def entropy(bits):
    on = bits.mean(axis=0).clip(1e-9, 1 - 1e-9)
    return -(on * np.log2(on) + (1 - on) * np.log2(1 - on))


def test_codes_beat_random_projections_and_no_bit_is_dead():
    hasher = fit()
    bits = hasher.transform(X)
    assert bits.dtype == np.uint8 and set(np.unique(bits)) == {0, 1} and entropy(bits).min() > 0.9
    learned = precision(bits[::2], bits[1::2])
    random = np.random.RandomState(0)
    drawn = ((X - X.mean(axis=0)) @ random.normal(size=(64, 16)) > 0).astype(int)
    centred = X - X.mean(axis=0)
    principal = (centred @ np.linalg.svd(centred, full_matrices=False)[2][:16].T > 0).astype(int)
    assert learned > 1.25 * precision(drawn[::2], drawn[1::2])
    assert learned > precision(principal[::2], principal[1::2])


def test_the_noise_drives_the_units_to_the_ends():
    def doubt(hasher):
        codes = hasher._codes(hasher._ready(X))
        return np.minimum(codes, 1 - codes).mean()

    assert doubt(fit(code_noise=2.0)) < 0.9 * doubt(fit(code_noise=0.0))


def test_bits_decode_to_something_like_the_row():
    hasher = fit()
    back = hasher.inverse_transform(hasher.transform(X))
    assert np.mean((back - X) ** 2) < 0.6 * np.mean((X - X.mean(axis=0)) ** 2)


def test_search_gives_the_rows_within_the_ball():
    hasher = fit(max_iter=5)
    index = hasher.index(X[::2])
    bits = hasher.transform(X[::2])
    found = hasher.search(index, X[1:7:2], radius=3)
    for rows, query in zip(found, hasher.transform(X[1:7:2]), strict=True):
        assert sorted(rows.tolist()) == np.flatnonzero((bits != query).sum(axis=1) <= 3).tolist()


def test_a_last_batch_of_one_row_is_learned_from():
    SemanticHasher(4, hidden_layer_sizes=(8,), batch_size=10, max_iter=2, random_state=0).fit(X[:21])


def test_it_comes_back_from_a_folder_and_resumes(tmp_path):
    hasher = fit(max_iter=4)
    loaded = strata.load(hasher.save(tmp_path / "model"))
    assert np.array_equal(loaded.transform(X), hasher.transform(X))
    fit(max_iter=2, checkpoint=tmp_path / "run")
    resumed = fit(max_iter=4, checkpoint=tmp_path / "run", resume=True)
    assert np.array_equal(resumed.transform(X), hasher.transform(X))


def test_images_are_hashed_too():
    images = (X * 255).reshape(-1, 8, 8).astype(np.uint8)
    hasher = SemanticHasher(8, channels=(4,), hidden_layer_sizes=(), max_iter=2, random_state=0).fit(images)
    assert hasher.transform(images).shape == (len(images), 8)
    assert hasher.inverse_transform(hasher.transform(images[:3])).shape == (3, 8, 8)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"gain": 0.0}, "The 'gain' parameter of SemanticHasher must be"),
        ({"code_noise": -1.0}, "The 'code_noise' parameter of SemanticHasher must be"),
        ({"solver": "lbfgs"}, "`solver` must be a stochastic one"),
    ],
)
def test_bad_arguments_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        fit(**options)
