"""What counts are, and what is none."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import sparse

from strata.data import check_counts, log_moments, thin_counts, total_counts
from strata.errors import DataError

COUNTS = np.random.RandomState(0).poisson(0.7, (50, 11))


@pytest.mark.parametrize("dtype", ["bool", "uint8", "uint16", "int32", "int64", "uint64", "float32", "float64", ">f4"])
@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_matrix, sparse.csr_array, sparse.csc_matrix])
def test_counts_of_every_type_are_taken(dtype, kind):
    counts = (COUNTS > 0) if dtype == "bool" else COUNTS
    if dtype == ">f4" and kind is not np.asarray:
        return
    check_counts(kind(counts.astype(dtype)))


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_matrix, sparse.csc_array])
@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda x: x - 1,
            r"-1 in row \d+, column \d+ \(Negative values in data: \d+%, as after centring",
        ),
        (lambda x: np.log1p(x / 3), r"not whole, as after a logarithm\)"),
        (lambda x: x * 1000 / x.sum(axis=1, keepdims=True), r"not whole, as after normalisation\)"),
        (lambda x: np.where(x == 2, 2.5, x), r"Received: 2.5 in row 0, column 4\. Give"),
        (lambda x: np.where(x == 2, np.nan, x), r"Received: nan in row 0, column 4\. Give"),
        (lambda x: np.where(x == 2, np.inf, x), r"Received: inf in row 0, column 4\. Give"),
        (lambda x: np.where(x == 2, 2.0**24 + 2, x), r"Received: 1.67772e\+07 in row 0, column 4\. Give"),
        (lambda x: x * 0, "no count above 0 in 50 cells"),
    ],
)
def test_other_numbers_are_refused_by_one_clear_error(kind, change, said):
    if kind is sparse.csc_array:  # goes through the columns first
        said = said.replace("in row 0, column 4", r"in row \d+, column \d+")
    with pytest.raises(DataError, match=r"^`X` must hold raw counts.*" + said):
        check_counts(kind(change(COUNTS.astype(float))))


def test_the_place_of_a_wrong_number_is_right_beyond_the_first_piece(monkeypatch):
    monkeypatch.setattr("strata.data.counts._AT_ONCE", 32)
    wrong = COUNTS.astype(float)
    wrong[31, 4] = 0.5
    for X in (wrong, sparse.csr_matrix(wrong)):
        with pytest.raises(DataError, match=r"`cells` must .* Received: 0.5 in row 31, column 4\. Give"):
            check_counts(X, name="cells")


@pytest.mark.parametrize("dtype", [object, complex])
def test_no_numbers_are_no_counts(dtype):
    with pytest.raises(DataError, match="must hold raw counts.*Received: dtype"):
        check_counts(COUNTS.astype(dtype))


def test_totals_do_not_overflow():
    assert total_counts(np.full((2, 3), 60000, dtype=np.uint16)).tolist() == [180000.0, 180000.0]
    assert total_counts(sparse.csr_matrix(np.full((2, 3), 60000, dtype=np.uint16))).tolist() == [180000.0, 180000.0]


def test_moments_are_numpys(monkeypatch):
    monkeypatch.setattr("strata.data.counts._AT_ONCE", 40)  # several pieces
    sizes = np.random.RandomState(1).uniform(0.5, 2.0, len(COUNTS))
    logs = np.log1p(COUNTS / sizes[:, None])
    for X in (COUNTS, sparse.csr_matrix(COUNTS), sparse.csr_array(COUNTS.astype(np.uint16))):
        mean, std = log_moments(X, sizes)
        assert_allclose(mean, logs.mean(axis=0), rtol=1e-12)
        assert_allclose(std, logs.std(axis=0), rtol=1e-9)


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_matrix])
def test_thinning_keeps_its_share_and_loses_nothing(kind):
    X = kind(np.random.RandomState(0).poisson(5.0, (300, 40)).astype(np.uint16))
    kept, held_out = thin_counts(X, 0.8, random_state=1)
    assert kept.dtype == held_out.dtype == X.dtype
    assert abs(kept + held_out - X).sum() == 0
    assert_allclose(kept.sum() / X.sum(), 0.8, atol=4 * np.sqrt(0.16 / X.sum()))
    dense = [part.toarray() if sparse.issparse(part) else part for part in (kept, held_out)]
    assert abs(np.corrcoef(dense[0].ravel(), dense[1].ravel())[0, 1]) < 0.03, "parts of a Poisson count: independent"
    again, _ = thin_counts(X, 0.8, random_state=1)
    assert abs(again - kept).sum() == 0


@pytest.mark.parametrize("fraction", [0, 1, -0.5, 1.5, float("nan")])
def test_thinning_by_what_is_no_share(fraction):
    with pytest.raises(ValueError, match="`fraction` must be between 0 and 1"):
        thin_counts(COUNTS, fraction)


def test_thinning_what_is_no_counts():
    with pytest.raises(DataError, match="raw counts"):
        thin_counts(np.array([[0.5]]), 0.5)


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix])
def test_booleans_are_counts_to_be_thinned(form):
    X = np.random.RandomState(0).uniform(size=(30, 6)) < 0.5
    kept, held_out = (
        np.asarray(each.todense() if sparse.issparse(each) else each)
        for each in thin_counts(form(X), 0.5, random_state=0)
    )
    assert kept.dtype == held_out.dtype == bool
    assert (kept ^ held_out == X).all()
    assert not (kept & held_out).any()


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix])
def test_a_constant_gene_has_no_deviation(form):
    X = np.c_[np.random.RandomState(0).poisson(9.0, 50), np.full(50, 123)]
    std = log_moments(form(X), np.ones(50))[1]
    assert std[0] > 0.1
    assert std[1] == 0  # and not what rounding makes of it, by which a network would divide
