"""The deep count autoencoder: denoised counts of genes in cells, and a code for each cell."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from typing import Any, Self

import numpy as np
import torch
from sklearn.utils._param_validation import Interval, StrOptions
from torch import nn

from strata.data import log_moments
from strata.estimators._count_base import BaseCounts
from strata.estimators._count_inputs import Cells, subset
from strata.estimators._count_parameters import COUNT_CONSTRAINTS, chosen_optimizer
from strata.estimators._count_saved import SavesCounts
from strata.estimators._decorators import fitting
from strata.estimators._parameters import hidden_sizes
from strata.models import DCA
from strata.rules.schedules import ReduceOnPlateau, Schedule

__all__ = ["CountAutoencoder"]

_SHARE, _NOT_NEGATIVE = COUNT_CONSTRAINTS["dropout"], COUNT_CONSTRAINTS["alpha"]


class CountAutoencoder(SavesCounts, BaseCounts):
    r"""Denoise counts of genes in cells with an autoencoder whose loss is the likelihood of counts (DCA).

    Takes raw counts: arrays, SciPy sparse matrices, tables, AnnData objects, or the path of a ``.h5ad`` file. What is
    no raw counts is refused. A sparse matrix is made dense a batch at a time.

    Parameters
    ----------
    hidden_layer_sizes : int or sequence of int, default=(64, 32, 64)
        Units of the hidden layers; the middle one is the code.
    likelihood : {"nb", "zinb", "poisson"}, default="nb"
        Distribution of a count: negative binomial, that with extra zeros, or Poisson. Counts of molecules (UMI) seldom
        have extra zeros.
    dispersion : {"gene-cell", "gene"}, default="gene-cell"
        Whether the dispersion is decoded for each gene of each cell, or one constant is learned for each gene.
    batch_norm : bool, default=True
        Batch normalization of the hidden layers.
    dropout : float, default=0.0
        Share of the hidden units that are dropped in training.
    input_dropout : float, default=0.0
        Share of the inputs that are dropped in training.
    zero_penalty : float, default=0.0
        Weight of the mean of the squared probabilities of extra zeros, with ``likelihood="zinb"``.
    solver : str, optimizer specification or callable, default="rmsprop"
        A name or specification of :mod:`strata.rules.optimizers`, or ``callable(params)``. By name, "rmsprop" has the
        decay 0.9 and the constant 1e-7.
    learning_rate_init : float, default=0.001
        Learning rate at the beginning.
    schedule : str or Schedule, default="auto"
        Schedule of the rate; "auto" takes a tenth of it after 10 epochs without progress.
    alpha : float, default=0.0
        L2 penalty ``alpha / 2 * sum(W ** 2)`` on the weights.
    clip_value : float or None, default=5.0
        Bound on the size of each partial derivative.
    batch_size : int, default=32
        Cells a step, at least 2.
    max_iter : int, default=300
        Epochs.
    shuffle : bool, default=True
        Whether to draw a new order of the cells before every epoch.
    early_stopping : bool, default=True
        Whether the likelihood of held-out cells decides when to stop, and the best weights are kept.
    validation_fraction : float, default=0.1
        Part of the cells held out for that when ``fit`` is given none.
    n_iter_no_change : int, default=15
        Epochs without progress that early stopping bears.
    tol : float, default=0.0
        Smallest gain of the log-likelihood of an entry that counts as progress.
    restore_best : "auto" or bool, default="auto"
        Whether the weights of the best epoch are kept; "auto" does so with early stopping.
    layer : str or None, default=None
        Layer of AnnData objects and files that holds the counts; None is ``X``.
    random_state : int, RandomState or None, default=None
        Source of the first weights, the held-out cells, the order and the dropout.
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
    network_ : strata.models.DCA
        The network, in evaluation mode on the CPU.
    median_total_ : float
        Median of the counts of a cell over the training cells; the size factor of a cell is its total over it.
    n_features_in_ : int
        Genes.
    feature_names_in_ : ndarray of str
        Their names, where the input had some.
    loss_curve_ : list of float
        Training loss of every epoch: mean of the negative log-likelihood of an entry, with penalties.
    validation_scores_ : list of float or None
        Mean log-likelihood of an entry of held-out cells after every epoch.
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
        If a parameter is outside its range.
    DataError
        If the input holds no raw counts, or a file cannot be read (also a ``ValueError``).
    NonFiniteError
        If the loss became infinite or NaN (also a ``ValueError``).

    See Also
    --------
    SCVI : A latent variable for each cell, with its uncertainty and without the batch that it comes from.
    strata.models.DCA : The network.
    strata.data.thin_counts : Holds out counts to judge a denoiser by.

    Notes
    -----
    Eraslan et al. [1]_. The network sees :math:`\log(1 + x / s)`, standardised gene by gene, where :math:`s` is the
    size factor of the cell, and gives the parameters of the distribution of each count:

    .. math:: x_{ig} \sim \mathrm{NB}(s_i \mu_{ig}, \theta_{ig}) \quad\text{or}\quad
              \pi_{ig} \delta_0 + (1 - \pi_{ig}) \mathrm{NB}(s_i \mu_{ig}, \theta_{ig})

    The denoised count is the mean :math:`s_i \mu_{ig}`, without extra zeros. Defaults are those of the paper's code.

    The same ``random_state``, machine and number of threads give the same network, bit by bit.

    References
    ----------
    .. [1] G. Eraslan, L. M. Simon, M. Mircea, N. S. Mueller, F. J. Theis, "Single-cell RNA-seq denoising using a deep
       count autoencoder", Nature Communications 10:390, 2019.

    Examples
    --------
    >>> random = np.random.RandomState(0)
    >>> programs = random.gamma(1.0, 3.0, (2, 40))
    >>> X = random.poisson(programs[np.arange(200) % 2])
    >>> model = CountAutoencoder((16, 2, 16), max_iter=30, random_state=0).fit(X)
    >>> model.transform(X).shape, model.denoise(X, genes=[0, 1]).shape
    ((200, 2), (200, 2))
    """

    _key = "X_dca"
    _parameter_constraints = COUNT_CONSTRAINTS | {
        "dispersion": [StrOptions({"gene", "gene-cell"})],
        "input_dropout": _SHARE,
        "zero_penalty": _NOT_NEGATIVE,
        "max_iter": [Interval(Integral, 1, None, closed="left")],
    }

    def __init__(
        self,
        hidden_layer_sizes: int | Sequence[int] = (64, 32, 64),
        *,
        likelihood: str = "nb",
        dispersion: str = "gene-cell",
        batch_norm: bool = True,
        dropout: float = 0.0,
        input_dropout: float = 0.0,
        zero_penalty: float = 0.0,
        solver: Any = "rmsprop",
        learning_rate_init: float = 0.001,
        schedule: str | Schedule = "auto",
        alpha: float = 0.0,
        clip_value: float | None = 5.0,
        batch_size: int = 32,
        max_iter: int = 300,
        shuffle: bool = True,
        early_stopping: bool = True,
        validation_fraction: float = 0.1,
        n_iter_no_change: int = 15,
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
        self.hidden_layer_sizes = hidden_layer_sizes
        self.likelihood = likelihood
        self.dispersion = dispersion
        self.batch_norm = batch_norm
        self.dropout = dropout
        self.input_dropout = input_dropout
        self.zero_penalty = zero_penalty
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
    def fit(self, X: Any, y: Any = None, *, X_val: Any = None) -> Self:
        """Learn from raw counts.

        Parameters
        ----------
        X : array-like, sparse matrix, AnnData or path of shape (n_cells, n_genes)
            Raw counts, cells by genes.
        y : None
            Ignored.
        X_val : as X, default=None
            Cells to be judged by after every epoch; without them early stopping sets some of the training cells
            aside.

        Returns
        -------
        self : CountAutoencoder
            The fitted estimator.
        """
        self._fit(X, None, X_val, None)
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Encode cells.

        Parameters
        ----------
        X : array-like, sparse matrix, AnnData or path of shape (n_cells, n_genes)
            Raw counts.

        Returns
        -------
        codes : ndarray of shape (n_cells, n_latent), float32
            Units of the middle layer, before their activation.
        """
        with self._looking(self._cells(X)) as (network, batches):
            return torch.cat([network.encode(each.x, each.y[:, 0]).cpu() for each in batches]).numpy()

    def denoise(self, X: Any, *, genes: Any = None, normalised: bool = False) -> np.ndarray:
        """Compute the mean of each count, given what the network saw of its cell.

        Parameters
        ----------
        X : array-like, sparse matrix, AnnData or path of shape (n_cells, n_genes)
            Raw counts.
        genes : names, numbers or mask, default=None
            Genes to return; None is all of them. The result is dense: of a large matrix ask for the genes of
            interest.
        normalised : bool, default=False
            Whether to give the means of cells of size factor 1, which compare between cells.

        Returns
        -------
        means : ndarray of shape (n_cells, n_genes), float32
            Denoised counts.
        """
        columns = subset(genes, self) if hasattr(self, "n_features_in_") else None
        parts = []
        with self._looking(self._cells(X)) as (network, batches):
            for each in batches:
                log_mean = network(each.x, each.y[:, 0]).log_mean
                log_mean = log_mean if columns is None else log_mean[:, torch.from_numpy(columns)]
                parts.append((log_mean - each.y.log() if normalised else log_mean).exp().cpu())
        return torch.cat(parts).numpy()

    def size_factors(self, X: Any) -> np.ndarray:
        """Return the size of each cell beside that of the median training cell.

        Parameters
        ----------
        X : array-like, sparse matrix, AnnData or path of shape (n_cells, n_genes)
            Raw counts.

        Returns
        -------
        size_factors : ndarray of shape (n_cells,), float64
            Total of the counts over ``median_total_``.
        """
        cells = self._cells(X)
        return np.asarray(cells.totals / self.median_total_)

    def score_samples(self, X: Any) -> np.ndarray:
        """Compute the log-likelihood of each cell under the distributions that the network gives it.

        Parameters
        ----------
        X : array-like, sparse matrix, AnnData or path of shape (n_cells, n_genes)
            Raw counts.

        Returns
        -------
        log_likelihood : ndarray of shape (n_cells,)
            Sum over the genes, in nats.
        """
        return self._score_samples(X)

    def score(self, X: Any, y: Any = None) -> float:
        """Return the mean log-likelihood of an entry.

        Parameters
        ----------
        X : array-like, sparse matrix, AnnData or path of shape (n_cells, n_genes)
            Raw counts.
        y : None
            Ignored.

        Returns
        -------
        score : float
            In nats; larger is better.
        """
        return float(self._score_samples(X).mean() / self.n_features_in_)

    @property
    def _n_features_out(self) -> int:
        return int(self.network_.n_latent)

    def _empty_network(self) -> DCA:
        return DCA(
            int(self.n_features_in_),
            hidden_sizes=hidden_sizes(self.hidden_layer_sizes),
            likelihood=self.likelihood,
            dispersion=self.dispersion,
            batch_norm=bool(self.batch_norm),
            dropout=float(self.dropout),
            input_dropout=float(self.input_dropout),
            zero_penalty=float(self.zero_penalty),
        )

    def _new_network(self, cells: Cells) -> nn.Module:
        self.median_total_ = float(np.median(cells.sizes))
        network = self._empty_network()
        center, scale = log_moments(cells.counts, self._covariates(cells)[:, 0].astype(np.float64))
        network.center.copy_(torch.from_numpy(center))
        network.scale.copy_(torch.from_numpy(np.where(scale > 0, scale, 1.0)))
        return network

    def _covariates(self, cells: Cells) -> np.ndarray:
        return (cells.sizes / self.median_total_).astype(np.float32)[:, None]

    def _optimizer(self) -> Any:
        return chosen_optimizer(self.solver, float(self.learning_rate_init))

    def _schedule(self) -> Any:
        return ReduceOnPlateau(patience=9) if self.schedule == "auto" else self.schedule

    def _n_epochs(self, n_cells: int) -> int:
        return int(self.max_iter)

    def _log_evidence(self, network: Any, batch: Any) -> Any:
        counts = batch.x.to(torch.float32)
        return network.log_likelihood(counts, network(counts, batch.y[:, 0]))
