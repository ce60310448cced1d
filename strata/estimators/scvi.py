"""Single-cell variational inference: a latent variable for each cell, corrected for its batch and its depth."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from typing import Any, Self

import numpy as np
import pandas as pd
import torch
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from torch import Tensor, nn

from strata import models
from strata.engine import Callback
from strata.estimators._count_base import BaseCounts, KLWarmUp
from strata.estimators._count_changes import ChangeSettings, expression_changes
from strata.estimators._count_inputs import Cells, number_of_batch, subset
from strata.estimators._count_parameters import COUNT_CONSTRAINTS, chosen_optimizer
from strata.estimators._count_saved import SavesSCVI
from strata.estimators._decorators import fitting
from strata.estimators._parameters import hidden_sizes
from strata.rules.schedules import Schedule

__all__ = ["SCVI"]

_COUNT = Interval(Integral, 1, None, closed="left")
#: Steps of cells that "auto" epochs come to, and the most epochs.
_CELLS_SEEN, _MOST_EPOCHS = 8_000_000, 400


class SCVI(SavesSCVI, BaseCounts):
    r"""Infer a latent variable for each cell from its counts of genes, freed of its batch and its depth (scVI).

    Takes raw counts: arrays, SciPy sparse matrices, tables, AnnData objects, or the path of a ``.h5ad`` file. What is
    no raw counts is refused. A sparse matrix is made dense a batch at a time.

    Parameters
    ----------
    n_latent : int, default=10
        Axes of the latent variable.
    hidden_layer_sizes : int or sequence of int, default=(128,)
        Units of the encoder's hidden layers; the decoder has them in reverse.
    likelihood : {"zinb", "nb", "poisson"}, default="zinb"
        Distribution of a count: negative binomial with extra zeros, that without them, or Poisson.
    dispersion : {"gene", "gene-batch", "gene-cell"}, default="gene"
        Whether the dispersion is learned for each gene, each gene of a batch, or decoded for each count.
    library : {"observed", "latent"}, default="observed"
        Whether the library size of a cell is the total of its counts, or inferred as in the paper.
    batch_key : str or None, default=None
        Column of ``obs`` that names the batches, for AnnData objects and files.
    batch_norm : bool, default=True
        Batch normalization of the hidden layers.
    dropout : float, default=0.1
        Share of the encoder's hidden units that are dropped in training.
    kl_warm_up : int or "auto", default="auto"
        Epochs over which the divergence of the latent variable comes to count in full; "auto" is 400, or all epochs
        if they are fewer.
    solver : str, optimizer specification or callable, default="adam"
        A name or specification of :mod:`strata.rules.optimizers`, or ``callable(params)``. By name, "adam" has the
        constant 0.01.
    learning_rate_init : float, default=0.001
        Learning rate at the beginning.
    schedule : str or Schedule, default="auto"
        Schedule of the rate; "auto" keeps it.
    alpha : float, default=1e-6
        L2 penalty ``alpha / 2 * sum(W ** 2)`` on the weights.
    clip_value : float or None, default=None
        Bound on the size of each partial derivative.
    batch_size : int, default=128
        Cells a step, at least 2.
    max_iter : int or "auto", default="auto"
        Epochs; "auto" is 400, or fewer for more than 20,000 cells: ``8e6 / n_cells``.
    shuffle : bool, default=True
        Whether to draw a new order of the cells before every epoch.
    early_stopping : bool, default=False
        Whether the bound of held-out cells decides when to stop, and the best weights are kept.
    validation_fraction : float, default=0.1
        Part of the cells held out for that when ``fit`` is given none.
    n_iter_no_change : int, default=45
        Epochs without progress that early stopping bears.
    tol : float, default=0.0
        Smallest gain of the bound of an entry that counts as progress.
    restore_best : "auto" or bool, default="auto"
        Whether the weights of the best epoch are kept; "auto" does so with early stopping.
    layer : str or None, default=None
        Layer of AnnData objects and files that holds the counts; None is ``X``.
    random_state : int, RandomState or None, default=None
        Source of the first weights, the held-out cells, the order, the dropout and the latent draws.
    warm_start : bool, default=False
        Whether ``fit`` goes on from the network that is there.
    device : str, default="auto"
        "cpu", "cuda", ...; "auto" takes an accelerator where there is one and the work is worth it.
    n_threads : int or None, default=None
        Threads; None decides by the size of a step.
    verbose : bool or int, default=False
        Whether to write a line an epoch to the standard output.
    callbacks : sequence of Callback or None, default=None
        Callbacks of :mod:`strata.engine`. scikit-learn's own go through ``set_callbacks``.
    checkpoint : str, path, Checkpointing or None, default=None
        Folder for checkpoints.
    resume : bool, default=False
        Whether ``fit`` goes on from the last checkpoint.
    time_limit : float or None, default=None
        Seconds after which training ends, weights kept.
    progress : bool, default=False
        Whether to show progress on the standard error.

    Attributes
    ----------
    network_ : strata.models.SCVI
        The network, in evaluation mode on the CPU.
    batches_ : ndarray of shape (n_batches,) or None
        Labels of the batches, sorted; None where there were none.
    median_total_ : float
        Median of the counts of a cell over the training cells.
    n_features_in_ : int
        Genes.
    feature_names_in_ : ndarray of str
        Their names, where the input had some.
    loss_curve_ : list of float
        Training loss of every epoch: minus the weighted bound, a mean over cells, with penalties.
    validation_scores_ : list of float or None
        Evidence lower bound of held-out cells after every epoch, per entry.
    best_validation_score_ : float or None
        The largest of them.
    history_ : History
        The figures of every epoch.
    n_iter_ : int
        Epochs.
    stop_reason_ : str
        Why training ended.

    Raises
    ------
    ValueError
        If a parameter is outside its range, or the labels of the batches do not fit.
    DataError
        If the input holds no raw counts, or a file cannot be read (also a ``ValueError``).
    NonFiniteError
        If the loss became infinite or NaN (also a ``ValueError``).

    See Also
    --------
    CountAutoencoder : Denoised counts without a probabilistic code.
    strata.models.SCVI : The network and its equations.

    Notes
    -----
    Lopez et al. [1]_. A cell with latent variable :math:`z` in batch s expresses genes in the shares
    :math:`\rho = \mathrm{softmax}(f(z, s))`, and its counts are drawn around :math:`\ell \rho`. Since the decoder is
    told the batch, the latent variable need not hold it. Defaults are those of the reference implementation of today;
    the paper infers the library size (``library="latent"``).

    The same ``random_state``, machine and number of threads give the same network, bit by bit.

    References
    ----------
    .. [1] R. Lopez, J. Regier, M. B. Cole, M. I. Jordan, N. Yosef, "Deep generative modeling for single-cell
       transcriptomics", Nature Methods 15:1053-1058, 2018.

    Examples
    --------
    >>> random = np.random.RandomState(0)
    >>> programs = random.gamma(1.0, 3.0, (2, 40))
    >>> X = random.poisson(programs[np.arange(200) % 2])
    >>> model = SCVI(2, hidden_layer_sizes=16, max_iter=20, random_state=0).fit(X, batch=np.arange(200) % 4 // 2)
    >>> model.transform(X).shape, model.denoise(X, to_batch=0).shape
    ((200, 2), (200, 40))
    """

    _parameter_constraints = COUNT_CONSTRAINTS | {
        "n_latent": [_COUNT],
        "dispersion": [StrOptions({"gene", "gene-batch", "gene-cell"})],
        "library": [StrOptions({"observed", "latent"})],
        "batch_key": [str, None],
        "kl_warm_up": [StrOptions({"auto"}), Interval(Integral, 0, None, closed="left")],
        "max_iter": [StrOptions({"auto"}), _COUNT],
    }
    _key = "X_scvi"

    def __init__(
        self,
        n_latent: int = 10,
        *,
        hidden_layer_sizes: int | Sequence[int] = (128,),
        likelihood: str = "zinb",
        dispersion: str = "gene",
        library: str = "observed",
        batch_key: str | None = None,
        batch_norm: bool = True,
        dropout: float = 0.1,
        kl_warm_up: int | str = "auto",
        solver: Any = "adam",
        learning_rate_init: float = 0.001,
        schedule: str | Schedule = "auto",
        alpha: float = 1e-6,
        clip_value: float | None = None,
        batch_size: int = 128,
        max_iter: int | str = "auto",
        shuffle: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 45,
        tol: float = 0.0,
        restore_best: str | bool = "auto",
        layer: str | None = None,
        random_state: int | np.random.RandomState | None = None,
        warm_start: bool = False,
        device: str = "auto",
        n_threads: int | None = None,
        verbose: bool | int = False,
        callbacks: Sequence[Any] | None = None,
        checkpoint: Any = None,
        resume: bool = False,
        time_limit: float | None = None,
        progress: bool = False,
    ) -> None:
        self.n_latent = n_latent
        self.hidden_layer_sizes = hidden_layer_sizes
        self.likelihood = likelihood
        self.dispersion = dispersion
        self.library = library
        self.batch_key = batch_key
        self.batch_norm = batch_norm
        self.dropout = dropout
        self.kl_warm_up = kl_warm_up
        self.solver = solver
        self.learning_rate_init = learning_rate_init
        self.schedule = schedule
        self.alpha = alpha
        self.clip_value = clip_value
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.restore_best = restore_best
        self.layer = layer
        self.random_state = random_state
        self.warm_start = warm_start
        self.device = device
        self.n_threads = n_threads
        self.verbose = verbose
        self.callbacks = callbacks
        self.checkpoint = checkpoint
        self.resume = resume
        self.time_limit = time_limit
        self.progress = progress

    @fitting
    def fit(self, X: Any, y: Any = None, *, batch: Any = None, X_val: Any = None, batch_val: Any = None) -> Self:
        """Learn from raw counts.

        Parameters
        ----------
        X : array-like, sparse matrix, AnnData or path of shape (n_cells, n_genes)
            Raw counts, cells by genes.
        y : None
            Ignored.
        batch : array-like of shape (n_cells,), default=None
            Label of each cell's batch; None is the column ``batch_key``, or one batch.
        X_val : as X, default=None
            Cells to be judged by after every epoch; without them early stopping sets some of the training cells
            aside.
        batch_val : array-like, default=None
            Their batches.

        Returns
        -------
        self : SCVI
            The fitted estimator.
        """
        self._fit(X, batch, X_val, batch_val)
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Infer the latent variable of each cell.

        Parameters
        ----------
        X : array-like, sparse matrix, AnnData or path of shape (n_cells, n_genes)
            Raw counts.

        Returns
        -------
        means : ndarray of shape (n_cells, n_latent), float32
            Means of the posterior.
        """
        with self._looking(self._cells(X, told=False)) as (network, batches):
            return torch.cat([network.encode(each.x)[0].cpu() for each in batches]).numpy()

    def library_size(self, X: Any) -> np.ndarray:
        """Return the library size of each cell: observed, or the median of its posterior.

        Parameters
        ----------
        X : array-like, sparse matrix, AnnData or path of shape (n_cells, n_genes)
            Raw counts.

        Returns
        -------
        sizes : ndarray of shape (n_cells,), float64
            In counts.
        """
        cells = self._cells(X, told=False)
        if self.network_.library is None:
            return cells.totals
        with self._looking(cells) as (network, batches):
            logs = [network.encode_library(each.x)[0][:, 0].double().cpu() for each in batches]
        return torch.cat(logs).exp().numpy()

    def denoise(
        self, X: Any, *, batch: Any = None, to_batch: Any = None, genes: Any = None, normalised: bool = False
    ) -> np.ndarray:
        """Compute the mean of each count at the mean of the cell's latent variable.

        Parameters
        ----------
        X : array-like, sparse matrix, AnnData or path of shape (n_cells, n_genes)
            Raw counts.
        batch : array-like of shape (n_cells,), default=None
            Batch of each cell, as in ``fit``.
        to_batch : label, default=None
            Batch to decode all cells into, so that they compare; then ``batch`` is not needed.
        genes : names, numbers or mask, default=None
            Genes to return; None is all of them. The result is dense: of a large matrix ask for the genes of
            interest.
        normalised : bool, default=False
            Whether to give the shares of the cell's counts, which add up to 1 over all genes.

        Returns
        -------
        means : ndarray of shape (n_cells, n_genes), float32
            Denoised counts, without extra zeros.
        """
        cells = self._cells(X, batch, told=to_batch is None)
        columns = subset(genes, self)
        code = None if to_batch is None else number_of_batch(self, to_batch)
        parts = []
        with self._looking(cells) as (network, batches):
            for each in batches:
                codes = each.y[:, 1].long() if code is None else torch.full_like(each.y[:, 1], code).long()
                log_library = each.y[:, 0] if network.library is None else network.encode_library(each.x)[0][:, 0]
                log_library = torch.zeros_like(log_library) if normalised else log_library
                log_mean = network.decode(network.encode(each.x)[0], log_library, codes).log_mean
                parts.append((log_mean if columns is None else log_mean[:, torch.from_numpy(columns)]).exp().cpu())
        return torch.cat(parts).numpy()

    def score_samples(self, X: Any, *, batch: Any = None) -> np.ndarray:
        """Estimate the evidence lower bound of each cell's log-likelihood, by ten draws of the latent variable.

        Parameters
        ----------
        X : array-like, sparse matrix, AnnData or path of shape (n_cells, n_genes)
            Raw counts.
        batch : array-like of shape (n_cells,), default=None
            Batch of each cell, as in ``fit``.

        Returns
        -------
        bound : ndarray of shape (n_cells,)
            Sum over the genes, in nats; the draws are the same for every cell and every call.
        """
        return self._score_samples(X, batch)

    def score(self, X: Any, y: Any = None, *, batch: Any = None) -> float:
        """Return the evidence lower bound per entry.

        Parameters
        ----------
        X : array-like, sparse matrix, AnnData or path of shape (n_cells, n_genes)
            Raw counts.
        y : None
            Ignored.
        batch : array-like of shape (n_cells,), default=None
            Batch of each cell, as in ``fit``.

        Returns
        -------
        score : float
            In nats; larger is better.
        """
        return float(self._score_samples(X, batch).mean() / self.n_features_in_)

    def differential_expression(
        self,
        X: Any,
        groups: Any,
        *,
        first: Any,
        second: Any = None,
        n_samples: int = 2000,
        delta: float = 0.25,
        pseudocount: float = 0.01,
        false_discovery_rate: float = 0.05,
        random_state: int | np.random.RandomState | None = None,
    ) -> pd.DataFrame:
        """Compare the expression of genes between two groups of cells by samples of the posterior.

        Parameters
        ----------
        X : array-like, sparse matrix, AnnData or path of shape (n_cells, n_genes)
            Raw counts.
        groups : array-like of shape (n_cells,) or str
            Label of each cell's group, or the column of ``obs`` that has it.
        first : label
            The group of interest.
        second : label, default=None
            The group to compare with; None is all other cells.
        n_samples : int, default=2000
            Pairs of samples.
        delta : float, default=0.25
            Change of the binary logarithm from which a gene counts as changed.
        pseudocount : float, default=0.01
            Counts in a cell of median depth that are added to both groups before the logarithm.
        false_discovery_rate : float, default=0.05
            Bound on the expected share of false ones among the genes that are called.
        random_state : int, RandomState or None, default=None
            Source of the samples.

        Returns
        -------
        table : DataFrame of shape (n_genes, 10)
            One row a gene, the surest first: ``probability`` that it is changed, ``bayes_factor`` (natural logarithm
            of the odds), ``log2_change`` and its ``std``, ``called``, the mean shares ``share_1`` and ``share_2`` of
            the counts, the raw means ``mean_1`` and ``mean_2``, and the ``higher`` probability that the first group
            expresses it more.

        Notes
        -----
        See :class:`strata.functional.ExpressionChange`. Cells are drawn from both groups with replacement, their latent
        variables from the posterior, and both cells of a pair are decoded into the same batch, each batch in turn, so
        that what is compared is not the batches.
        """
        return expression_changes(
            self,
            X,
            groups,
            first=first,
            second=second,
            settings=ChangeSettings(n_samples, delta, pseudocount, false_discovery_rate),
            random_state=check_random_state(random_state),
        )

    @property
    def _n_features_out(self) -> int:
        return int(self.network_.n_latent)

    def _empty_network(self) -> models.SCVI:
        return models.SCVI(
            int(self.n_features_in_),
            n_batches=1 if self.batches_ is None else len(self.batches_),
            n_latent=int(self.n_latent),
            hidden_sizes=hidden_sizes(self.hidden_layer_sizes),
            likelihood=self.likelihood,
            dispersion=self.dispersion,
            latent_library=self.library == "latent",
            batch_norm=bool(self.batch_norm),
            dropout=float(self.dropout),
        )

    def _new_network(self, cells: Cells) -> nn.Module:
        self.median_total_ = float(np.median(cells.sizes))
        network = self._empty_network()
        codes = torch.from_numpy(self._codes(cells))
        network.expect_library(*models.library_prior(torch.from_numpy(cells.sizes), codes, n_batches=network.n_batches))
        return network

    def _codes(self, cells: Cells) -> np.ndarray:
        return np.zeros(len(cells), dtype=np.int64) if cells.batch is None else cells.batch

    def _covariates(self, cells: Cells) -> np.ndarray:
        return np.stack([np.log(cells.sizes), self._codes(cells)], axis=1).astype(np.float32)

    def _optimizer(self) -> Any:
        return chosen_optimizer(self.solver, float(self.learning_rate_init), adam_eps=0.01)

    def _schedule(self) -> Any:
        return "constant" if self.schedule == "auto" else self.schedule

    def _n_epochs(self, n_cells: int) -> int:
        if self.max_iter != "auto":
            return int(self.max_iter)
        return max(1, min(_MOST_EPOCHS, round(_CELLS_SEEN / n_cells)))

    def _own_callbacks(self, n_cells: int) -> list[Callback]:
        n_epochs = self._n_epochs(n_cells)
        return [KLWarmUp(min(_MOST_EPOCHS, n_epochs) if self.kl_warm_up == "auto" else int(self.kl_warm_up))]

    def _log_evidence(self, network: Any, batch: Any, noise: Tensor | None = None) -> Any:
        found, kl_latent, kl_library = network.bound(batch.x, batch.y[:, 0], batch.y[:, 1].long(), noise=noise)
        return found - kl_latent - kl_library

    def _evidence_of(self, network: Any, batch: Any) -> Any:
        draws = torch.randn(10, network.n_latent + 1, generator=torch.Generator().manual_seed(0)).to(batch.x.device)
        return torch.stack([self._log_evidence(network, batch, noise[None]) for noise in draws]).mean(dim=0)
