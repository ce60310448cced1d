"""The networks of counts as estimators: what they learn, what they take, what they refuse, how they go on."""

import subprocess
import sys
import textwrap
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse
from sklearn.metrics import silhouette_score

import strata
from strata import SCVI, CountAutoencoder
from strata.engine import Callback, Checkpointing
from strata.errors import DataError, ModelRefusedError, NonFiniteError
from strata.rules import RMSProp

RANDOM = np.random.RandomState(0)
TYPES, BATCHES = np.arange(240) % 3, np.array(["day 1", "day 2"])[np.arange(240) % 2]
PROGRAMS = RANDOM.gamma(0.8, 4.0, (3, 40)) + 0.05
SHIFT = RANDOM.gamma(2.0, 0.5, (2, 40)) + 0.1
DEPTH = RANDOM.lognormal(0.0, 0.3, (240, 1))
MEANS = PROGRAMS[TYPES] * DEPTH
COUNTS = RANDOM.negative_binomial(2.0, 2.0 / (2.0 + MEANS)).astype(np.uint16)
BATCHED = RANDOM.poisson(MEANS * SHIFT[np.arange(240) % 2])


def autoencoder(**options):
    return CountAutoencoder((16, 4, 16), **{"max_iter": 3, "random_state": 0, **options})


def scvi(**options):
    return SCVI(3, hidden_layer_sizes=16, **{"max_iter": 3, "random_state": 0, "batch_size": 64, **options})


BOTH = [autoencoder, scvi]


def state(model):
    return {name: value.numpy().tobytes() for name, value in model.network_.state_dict().items()}


def annotated(X=COUNTS, **layers):
    names = np.array([f"gene{i}" for i in range(X.shape[1])])
    obs = pd.DataFrame({"day": BATCHES[: X.shape[0]], "type": TYPES[: X.shape[0]]})
    return SimpleNamespace(X=X, obs=obs, var_names=pd.Index(names), layers=layers, obsm={})


# -- what they learn ---------------------------------------------------------------------------------


def test_denoised_counts_are_nearer_to_the_truth_than_raw_ones():
    model = CountAutoencoder((32, 4, 32), max_iter=120, learning_rate_init=0.003, random_state=0).fit(COUNTS)
    denoised = model.denoise(COUNTS)
    raw, clean = (np.mean([np.corrcoef(a, b)[0, 1] for a, b in zip(X, MEANS, strict=True)]) for X in (COUNTS, denoised))
    assert raw < 0.83
    assert clean > 0.92
    mean_alone = COUNTS.mean(axis=0) * model.size_factors(COUNTS)[:, None]
    assert np.mean((denoised - MEANS) ** 2) < 0.5 * np.mean((mean_alone - MEANS) ** 2)
    assert silhouette_score(model.transform(COUNTS), TYPES) > 0.4


def test_the_latent_variable_holds_the_type_and_not_the_batch():
    model = scvi(max_iter=150, learning_rate_init=0.003).fit(BATCHED, batch=BATCHES)
    z = model.transform(BATCHED)
    alone = scvi(max_iter=150, learning_rate_init=0.003).fit(BATCHED).transform(BATCHED)
    assert silhouette_score(z, TYPES) > 0.5
    assert abs(silhouette_score(z, BATCHES)) < 0.03
    assert silhouette_score(alone, BATCHES) > 0.15


def test_an_inferred_library_size_follows_the_total():
    model = scvi(max_iter=60, library="latent", learning_rate_init=0.005).fit(COUNTS)
    totals = COUNTS.sum(axis=1)
    assert np.corrcoef(np.log(model.library_size(COUNTS)), np.log(totals))[0, 1] > 0.85
    assert scvi(max_iter=1).fit(COUNTS).library_size(COUNTS).tolist() == totals.tolist()


def test_size_factors_are_totals_over_their_median():
    model = autoencoder(max_iter=1, early_stopping=False).fit(COUNTS)
    totals = COUNTS.sum(axis=1)
    assert np.allclose(model.size_factors(COUNTS), totals / np.median(totals))
    ratio = model.denoise(COUNTS) / model.denoise(COUNTS, normalised=True)
    assert np.allclose(ratio, model.size_factors(COUNTS)[:, None], rtol=1e-4)


def test_differential_expression_finds_what_was_planted():
    random = np.random.RandomState(3)
    base = random.gamma(2.0, 2.0, 60) + 0.5
    factor = np.ones(60)
    factor[:8] = 4.0
    groups = np.repeat(["a", "b"], 150)
    X = random.poisson(np.where(groups[:, None] == "a", base * factor, base))
    model = SCVI(4, hidden_layer_sizes=32, max_iter=120, random_state=0).fit(X, batch=np.arange(300) % 2)
    table = model.differential_expression(X, groups, first="a", second="b", n_samples=400, delta=0.5, random_state=0)
    assert set(table.index[:8]) == set(range(8))
    assert 0 < table["called"].sum() <= 8
    assert table["called"].is_monotonic_decreasing, "the surest come first"
    changes = table["log2_change"].sort_index().to_numpy()
    truth = np.log2(factor / (base * factor).sum() * base.sum())
    assert np.corrcoef(changes, truth)[0, 1] > 0.95
    assert np.allclose(table["mean_1"].sort_index(), X[groups == "a"].mean(axis=0))
    assert table["probability"].is_monotonic_decreasing
    again = model.differential_expression(X, groups, first="a", n_samples=400, delta=0.5, random_state=0)
    pd.testing.assert_frame_equal(again, table)
    null = model.differential_expression(X[:150], groups[:150] + (np.arange(150) % 2).astype(str), first="a0")
    assert not null["called"].any()


@pytest.mark.parametrize(
    "options",
    [
        {"likelihood": "zinb", "zero_penalty": 0.1},
        {"likelihood": "poisson"},
        {"dispersion": "gene"},
        {"hidden_layer_sizes": 3, "batch_norm": False},
        {"dropout": 0.2, "input_dropout": 0.1, "alpha": 0.01, "solver": "adam"},
    ],
)
def test_every_form_of_the_autoencoder_learns(options):
    model = autoencoder(max_iter=8, early_stopping=False).set_params(**options).fit(COUNTS)
    assert model.loss_curve_[-1] < model.loss_curve_[0]
    assert np.isfinite(model.denoise(COUNTS)).all()


@pytest.mark.parametrize(
    "options",
    [
        {"likelihood": "nb"},
        {"likelihood": "poisson"},
        {"dispersion": "gene-batch"},
        {"dispersion": "gene-cell", "library": "latent"},
        {"hidden_layer_sizes": ()},
    ],
)
def test_every_form_of_scvi_learns(options):
    model = scvi(max_iter=8, kl_warm_up=0).set_params(**options).fit(BATCHED, batch=BATCHES)
    assert model.loss_curve_[-1] < model.loss_curve_[0]
    assert np.isfinite(model.denoise(BATCHED, batch=BATCHES)).all()


def test_the_divergence_comes_to_count_in_full():
    seen = []

    class Look(Callback):
        def on_epoch_end(self, run):
            seen.append(float(run.rule.network.kl_weight))

    scvi(max_iter=6, kl_warm_up=4, callbacks=[Look()]).fit(COUNTS)
    assert seen == [0.0, 0.25, 0.5, 0.75, 1.0, 1.0]
    seen.clear()
    scvi(max_iter=2, kl_warm_up=0, callbacks=[Look()]).fit(COUNTS)
    assert seen == [1.0, 1.0]


def test_expression_is_compared_in_one_batch():
    model = scvi(max_iter=150, learning_rate_init=0.003).fit(BATCHED, batch=BATCHES)
    first, second = (model.denoise(BATCHED, to_batch=label, normalised=True) for label in ("day 1", "day 2"))
    own = model.denoise(BATCHED, batch=BATCHES, normalised=True)
    assert np.allclose(first.sum(axis=1), 1, atol=1e-4)
    assert np.array_equal(np.where((BATCHES == "day 1")[:, None], first, second), own)
    expected = np.log(SHIFT[1] / SHIFT[0])
    assert np.corrcoef(np.log(second / first).mean(axis=0), expected)[0, 1] > 0.95


# -- what they take ----------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:X does not have valid feature names:UserWarning")
@pytest.mark.parametrize("build", BOTH)
def test_cells_in_every_form_give_the_same_bits(build, tmp_path):
    wanted = state(build().fit(COUNTS))
    frame = pd.DataFrame(COUNTS, columns=[f"gene{i}" for i in range(40)])
    forms = [COUNTS.astype(float), sparse.csr_matrix(COUNTS), sparse.csc_array(COUNTS.astype(np.float32)),
             sparse.coo_matrix(COUNTS), frame, annotated(), annotated(sparse.csr_matrix(COUNTS))]  # fmt: skip
    for X in forms:
        model = build().fit(X)
        assert state(model) == wanted
        assert np.array_equal(model.transform(X), build().fit_transform(COUNTS))
    model = build(layer="counts").fit(annotated(np.log1p(COUNTS), counts=COUNTS))
    assert state(model) == wanted
    assert model.feature_names_in_.tolist() == frame.columns.tolist()


@pytest.mark.filterwarnings("ignore:X does not have valid feature names:UserWarning")
def test_files_and_annotations(tmp_path):
    h5py = pytest.importorskip("h5py")
    path, text = tmp_path / "cells.h5ad", h5py.string_dtype()
    data = annotated()
    with h5py.File(path, "w") as file:
        file.create_dataset("X", data=COUNTS)
        file.create_dataset("obs/_index", data=[f"c{i}" for i in range(240)], dtype=text)
        file.create_dataset("obs/day", data=BATCHES.astype(object), dtype=text)
        file.create_dataset("obs/type", data=TYPES.astype(str).astype(object), dtype=text)
        file.create_dataset("var/_index", data=data.var_names.to_numpy(dtype=object), dtype=text)
    model = scvi(batch_key="day").fit(str(path))
    assert state(model) == state(scvi().fit(COUNTS, batch=BATCHES)) == state(scvi(batch_key="day").fit(data))
    assert model.batches_.tolist() == ["day 1", "day 2"]
    assert np.array_equal(model.denoise(path), model.denoise(COUNTS, batch=BATCHES))
    out = model.annotate(path, target=tmp_path / "out.h5ad")
    with h5py.File(out) as file:
        assert np.array_equal(file["obsm/X_scvi"], model.transform(COUNTS))
    assert model.annotate(data) is data
    assert np.array_equal(data.obsm["X_scvi"], model.transform(COUNTS))
    autoencoder().fit(COUNTS).annotate(data, key="X_mine")
    assert list(data.obsm) == ["X_scvi", "X_mine"]
    by_column = model.differential_expression(path, "type", first="1", n_samples=20, random_state=0)
    by_label = model.differential_expression(data, "type", first=1, n_samples=20, random_state=0)
    pd.testing.assert_frame_equal(by_column, by_label)
    with pytest.raises(ValueError, match="`target` must be the copy to write"):
        model.annotate(path)
    with pytest.raises(TypeError, match="`X` must be an AnnData object or a .h5ad file. Received: ndarray"):
        model.annotate(COUNTS)


@pytest.mark.filterwarnings("ignore")  # anndata's own, of what pandas and zarr will no longer have
def test_real_anndata_objects_are_taken(tmp_path):
    anndata = pytest.importorskip("anndata")
    obs, var = (pd.DataFrame(index=pd.Index([f"{i}" for i in range(n)], dtype=object)) for n in COUNTS.shape)
    obs["day"] = pd.Categorical(BATCHES.astype(object))
    data = anndata.AnnData(sparse.csr_matrix(COUNTS.astype(np.float32)), obs=obs, var=var)
    model = scvi(batch_key="day").fit(data)
    assert model.annotate(data).obsm["X_scvi"].shape == (240, 3)
    data.write_h5ad(tmp_path / "a.h5ad")
    backed = anndata.read_h5ad(tmp_path / "a.h5ad", backed="r")
    assert np.array_equal(model.transform(backed), data.obsm["X_scvi"])
    assert np.array_equal(model.transform(tmp_path / "a.h5ad"), data.obsm["X_scvi"])


@pytest.mark.parametrize("build", BOTH)
def test_genes_are_chosen_by_name_number_or_mask(build):
    model = build().fit(annotated())
    whole = model.denoise(annotated())
    mask = np.zeros(40, dtype=bool)
    mask[[3, 39]] = True
    for genes in (["gene3", "gene39"], [3, 39], [3, -1], mask):
        assert np.array_equal(model.denoise(annotated(), genes=genes), whole[:, [3, 39]])
    assert model.denoise(annotated(), genes="gene5").shape == (240, 1)
    for genes, said in ((["gene3", "Gene4"], "'Gene4', which is none"), ([40], "numbers from 0 to 39"), ([], "names")):
        with pytest.raises(ValueError, match=f"`genes` must be .*{said}"):
            model.denoise(annotated(), genes=genes)


@pytest.mark.parametrize("build", BOTH)
def test_entries_of_one_place_are_one_count(build):
    whole = sparse.csr_matrix(COUNTS)
    halves = sparse.csr_matrix(
        (np.repeat(whole.data / 2, 2), np.repeat(whole.indices, 2), 2 * whole.indptr), shape=whole.shape
    )
    assert state(build().fit(halves)) == state(build().fit(whole))
    assert halves.nnz == 2 * whole.nnz, "what was given stays as it is"


@pytest.mark.parametrize("build", BOTH)
def test_cells_without_counts_are_told_of_and_harm_nothing(build):
    X = COUNTS.copy()
    X[[3, 50]] = 0
    with pytest.warns(UserWarning, match=r"2 of 240 cells have no counts and say nothing"):
        model = build().fit(X)
    with pytest.warns(UserWarning, match="have no counts"):
        assert np.isfinite(model.transform(X)).all()


@pytest.mark.parametrize("build", BOTH)
def test_nothing_makes_a_large_sparse_matrix_dense(build):
    """6,000 cells of 8,000 genes: 192 MB as single-precision numbers, 4 MB as they are."""
    code = f"""
        import resource, sys
        import numpy as np
        from scipy import sparse
        from strata import {"CountAutoencoder" if build is autoencoder else "SCVI"} as Kind
        random = np.random.RandomState(0)
        X = sparse.random(6_000, 8_000, density=0.01, format="csr", random_state=random)
        X.data = random.poisson(1.0, X.nnz) + 1.0
        arguments = dict(batch_size=512, max_iter=1, random_state=0, n_threads=1, hidden_layer_sizes=8)
        Kind(**arguments).fit(X[:512])  # what is loaded once
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        model = Kind(early_stopping=True, **arguments).fit(X)
        model.transform(X), model.score(X[:2000]), model.denoise(X, genes=[0, 1])
        print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
    """
    ran = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert int(ran.stdout) < 160, f"{ran.stdout} MB more than for the first cells"


# -- what they refuse --------------------------------------------------------------------------------


@pytest.mark.parametrize("build", BOTH)
@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_matrix])
def test_what_is_no_raw_counts_is_refused_everywhere(build, kind):
    logs = kind(np.log1p(COUNTS / 3.0))
    said = r"must hold raw counts, whole numbers of 0 or more\. Received: .* as after a logarithm\)\. Give the counts"
    with pytest.raises(DataError, match="`X` " + said):
        build().fit(logs)
    with pytest.raises(DataError, match="`X_val` " + said):
        build().fit(COUNTS, X_val=logs)
    model = build().fit(COUNTS)
    for ask in (model.transform, model.denoise, model.score, model.score_samples):
        with pytest.raises(DataError, match="`X` " + said):
            ask(logs)
    with pytest.raises(DataError, match="`X` " + said):
        build().fit(annotated(logs))


def refusals():
    other = annotated()
    other.var_names = other.var_names[::-1]
    fitted = scvi(max_iter=1).fit(annotated(), batch=BATCHES)
    compare = {"first": 0, "n_samples": 10}
    return [
        (lambda: fitted.transform(other), "`X` must have the genes of the training data in their order. "
         "Received: 'gene39' in column 0, where 'gene0' was"),
        (lambda: fitted.denoise(annotated()), r"`batch` must have a label of \['day 1', 'day 2'\]"),
        (lambda: fitted.denoise(annotated(), batch=BATCHES[:9]), "`batch` must have one label for each cell"),
        (lambda: fitted.denoise(annotated(), batch=["day 3"] * 240), "`batch` must hold batches .*'day 3'"),
        (lambda: scvi().fit(COUNTS, batch=np.where(BATCHES == "day 1", None, BATCHES)),
         r"`batch` must have a label for each cell. Received: none for \d+ of 240"),
        (lambda: scvi().fit(COUNTS, batch=np.where(BATCHES == "day 1", 1, BATCHES.astype(object))),
         "`batch` must hold labels of one kind. Received: int, str"),
        (lambda: fitted.denoise(annotated(), to_batch="day 3"), "`to_batch` must be one of .*'day 3'"),
        (lambda: scvi(max_iter=1).fit(COUNTS).score(COUNTS, batch=BATCHES), "`batch` must be None"),
        (lambda: scvi(batch_key="Day").fit(annotated()), "`batch_key` must be a column of obs. .* 'day', 'type'"),
        (lambda: scvi(layer="raw").fit(annotated(a=COUNTS)), "`layer` must be a layer of `X`. .* It has: 'a'"),
        (lambda: scvi().fit(COUNTS, batch_val=BATCHES), "`X_val` and `batch_val` must be given together"),
        (lambda: autoencoder().fit(COUNTS[:3]), "`X` must have at least 4 cells to hold some out. Received: 3 samples"),
        (lambda: scvi(batch_size=1).fit(COUNTS), "The 'batch_size' parameter of SCVI must be an int in the range"),
        (lambda: autoencoder(likelihood="normal").fit(COUNTS), "The 'likelihood' parameter of CountAutoencoder"),
        (lambda: autoencoder(max_iter="auto").fit(COUNTS), "The 'max_iter' parameter of CountAutoencoder"),
        (lambda: fitted.differential_expression(annotated(), "day", first="day 9"), "`first` must be a group"),
        (lambda: fitted.differential_expression(annotated(), "type", first=0, second=9), "`second` must be a group"),
        (lambda: fitted.differential_expression(annotated(), "sex", first=0), "`groups` must be a column of obs"),
        (lambda: fitted.differential_expression(COUNTS, "type", first=0), "`groups` must be labels of cells"),
        (lambda: fitted.differential_expression(annotated(), TYPES[1:], first=0), "`groups` must have one label"),
        (lambda: fitted.differential_expression(annotated(), TYPES, **{**compare, "n_samples": 0}), "`n_samples` must"),
        (lambda: fitted.differential_expression(annotated(), TYPES, delta=-1, **compare), "`delta` must be a number"),
        (lambda: fitted.differential_expression(annotated(), TYPES, pseudocount=np.nan, **compare), "`pseudocount`"),
        (lambda: fitted.differential_expression(annotated(), TYPES, false_discovery_rate=0, **compare),
         "`false_discovery_rate` must be between 0 and 1"),
    ]  # fmt: skip


@pytest.mark.filterwarnings("ignore:X does not have valid feature names:UserWarning")
def test_what_cannot_be_is_refused_by_name():
    for ask, said in refusals():
        with pytest.raises(ValueError, match=said):
            ask()


def test_a_rate_that_is_too_high_is_named():
    with pytest.raises(NonFiniteError, match="Training diverged: .* Try a smaller learning_rate_init than 1e"):
        scvi(learning_rate_init=1e18, solver="sgd").fit(COUNTS)


# -- how they go on ----------------------------------------------------------------------------------


class StopAfter(Callback):
    def __init__(self, n_batches):
        self.n_batches = n_batches

    def on_batch_end(self, run):
        if run.step >= self.n_batches:
            run.stop("callback")


@pytest.mark.parametrize("n_batches", [2, 9])
@pytest.mark.parametrize(
    ("build", "options"),
    [
        (autoencoder, {"dropout": 0.2, "batch_size": 50, "validation_fraction": 0.2}),
        (scvi, {"kl_warm_up": 3, "early_stopping": True, "library": "latent"}),
        (scvi, {"dropout": 0.3}),
    ],
)
def test_a_run_that_was_stopped_ends_with_the_same_bits(tmp_path, build, options, n_batches):
    whole = build(max_iter=4, **options).fit(COUNTS)
    place = Checkpointing(tmp_path / "kept", every_steps=1)
    part = build(max_iter=4, checkpoint=place, callbacks=[StopAfter(n_batches)], **options).fit(COUNTS)
    assert part.stop_reason_ == "callback"
    torch.manual_seed(99)
    resumed = build(max_iter=4, checkpoint=place, resume=True, **options).fit(COUNTS)
    assert state(resumed) == state(whole)
    assert resumed.loss_curve_ == whole.loss_curve_


@pytest.mark.parametrize("build", BOTH)
def test_the_same_seed_gives_the_same_network_and_draws_from_nobody_else(build):
    torch.manual_seed(1)
    first = build(dropout=0.1).fit(COUNTS)
    drawn = torch.rand(1)
    torch.manual_seed(1)
    assert torch.equal(torch.rand(1), drawn)
    assert state(build(dropout=0.1).fit(COUNTS)) == state(first)
    assert state(build(dropout=0.1, random_state=1).fit(COUNTS)) != state(first)


@pytest.mark.parametrize("build", BOTH)
def test_warm_starts_go_on(build):
    model = build(warm_start=True, early_stopping=False).fit(COUNTS)
    before = list(model.loss_curve_)
    model.fit(COUNTS)
    assert model.n_iter_ == 6
    assert model.loss_curve_[:3] == before
    assert model.loss_curve_[-1] < before[-1]
    assert [row["epoch"] for row in model.history_.rows()] == [1, 2, 3, 4, 5, 6]


def test_early_stopping_keeps_the_best_weights():
    train, held_out = COUNTS[:60], COUNTS[60:]
    model = autoencoder(max_iter=80, learning_rate_init=0.02, n_iter_no_change=4, schedule="constant")
    model.fit(train, X_val=held_out)
    assert model.stop_reason_ == "early_stopping"
    assert model.best_validation_score_ == max(model.validation_scores_) > model.validation_scores_[-1]
    assert np.isclose(model.score(held_out), model.best_validation_score_, rtol=1e-6)


def test_the_rate_falls_on_a_plateau():
    model = autoencoder(max_iter=40, learning_rate_init=0.05, early_stopping=True, n_iter_no_change=40)
    rates = model.fit(COUNTS[:60], X_val=COUNTS[60:]).history_["rate"]
    assert rates[0] == 0.05
    assert np.isclose(min(rates), 0.05 * 0.1 ** round(-np.log10(min(rates) / 0.05)))
    assert min(rates) < 0.05


@pytest.mark.parametrize("build", BOTH)
def test_it_comes_back_from_disk(build, tmp_path):
    options = {"solver": RMSProp(0.002)} if build is autoencoder else {"library": "latent", "dispersion": "gene-batch"}
    fit = {} if build is autoencoder else {"batch": BATCHES}
    model = build(**options).fit(annotated(), **fit)
    back = strata.load(model.save(tmp_path / "model"))
    assert state(back) == state(model)
    assert np.array_equal(back.transform(annotated()), model.transform(annotated()))
    assert np.array_equal(back.denoise(annotated(), **fit), model.denoise(annotated(), **fit))
    assert np.array_equal(back.score_samples(annotated(), **fit), model.score_samples(annotated(), **fit))
    assert back.history_["loss"] == model.history_["loss"]
    assert back.get_feature_names_out().tolist() == model.get_feature_names_out().tolist()
    assert model.set_params(warm_start=True).fit(annotated(), **fit).n_iter_ == 6
    text = (tmp_path / "model" / "config.json").read_text()
    (tmp_path / "model" / "config.json").write_text(text.replace('"n_iter_": 3', '"n_iter_": 4'))
    with pytest.raises(ModelRefusedError, match="edited or damaged"):
        strata.load(tmp_path / "model")


def test_large_matrices_learn_the_fast_way_to_the_same_end(monkeypatch):
    model = autoencoder(likelihood="zinb", early_stopping=False).fit(COUNTS)
    monkeypatch.setattr("strata.estimators._count_base.MANY_ENTRIES", 1)
    fast = autoencoder(likelihood="zinb", early_stopping=False).fit(COUNTS)
    assert state(fast) != state(model), "another way to compute it rounds otherwise"
    assert np.allclose(fast.loss_curve_, model.loss_curve_, rtol=1e-4)
    assert fast.network_.log_likelihood is model.network_.log_likelihood


def test_labels_of_another_kind_are_refused_by_name():
    X = np.random.RandomState(0).poisson(3.0, (20, 5))
    model = SCVI(2, hidden_layer_sizes=4, max_iter=1, random_state=0).fit(X, batch=np.array(["a", "b"] * 10))
    with pytest.raises(ValueError, match=r"`batch` must hold batches .* Received: 1\."):
        model.score_samples(X, batch=np.array(["a", 1] * 10, dtype=object))


def test_cells_of_one_depth_have_a_library_size_that_can_be_inferred():
    X = np.random.RandomState(0).multinomial(100, np.full(20, 0.05), size=40)
    model = SCVI(2, hidden_layer_sizes=4, library="latent", max_iter=1, random_state=0).fit(X)
    assert model.loss_curve_[0] < 1e5  # a prior without a width made it some millions
