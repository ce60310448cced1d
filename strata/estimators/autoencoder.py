"""The autoencoder: a network that gives its inputs back through a code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Self

import numpy as np
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from strata.estimators._autoencoder_base import BaseAutoencoder
from strata.estimators._autoencoder_parameters import CODE_CONSTRAINTS, NETWORK_CONSTRAINTS, TRAINING_CONSTRAINTS
from strata.estimators._autoencoder_saved import SavesAutoencoder
from strata.estimators._decorators import available_when, fitting

__all__ = ["Autoencoder"]


def _is_incremental(estimator: Autoencoder) -> bool:
    if estimator._second_order:
        raise AttributeError(f"partial_fit needs a stochastic solver. Received: solver={estimator.solver!r}.")
    return True


def _is_generative(estimator: Autoencoder) -> bool:
    if not estimator.variational:
        raise AttributeError("sample needs a law of the codes. Use variational=True.")
    return True


class Autoencoder(
    SavesAutoencoder,
    ClassNamePrefixFeaturesOutMixin,  # type: ignore[misc]
    TransformerMixin,  # type: ignore[misc]
    BaseAutoencoder,
):
    r"""Learn codes of rows or images from which they can be given back.

    Dense or convolutional, of any depth, with tied weights or not; undercomplete, denoising, sparse, contractive or
    variational, and any of these together where that has a meaning.

    Parameters
    ----------
    n_components : int or "auto", default="auto"
        Numbers of a code; "auto" is half the features, at most 32.
    hidden_layer_sizes : int or sequence of int, default=(128,)
        Units of the layers before the code; the decoder is the mirror image. Empty: the code comes right after the
        inputs.
    channels : sequence of int, default=()
        Channels of convolutions that come first and halve the image each; empty for a dense network.
    kernel_size : int, default=3
        Side of their kernels in pixels, odd.
    input_shape : tuple of int or None, default=None
        What rows of a matrix are as images: (h, w), (h, w, channels) or (channels, h, w).
    activation : str or sequence of str, default="relu"
        Activation of the hidden layers, one for all or, in a dense network, one for each layer before the code.
    code_activation : str, default="identity"
        Activation of the code.
    out_activation : str, default="auto"
        Activation of the output; "auto" is that of the loss, such as "logistic" of the cross-entropy.
    loss : str, default="squared_error"
        "squared_error" (half the squares, summed over the features), "mse", "mae", "huber", "binary_cross_entropy" (for
        numbers from 0 to 1) or "poisson" (for counts).
    tied : bool, default=False
        Whether the decoder uses the encoder's weights, transposed.
    noise : {"masking", "gaussian", "salt_and_pepper"} or None, default=None
        What is done to the inputs in training; the clean ones are to be given back. Salt and pepper are the greatest
        and the least number of the data.
    noise_level : float, default=0.3
        Probability that a number is hit; of "gaussian" the standard deviation.
    sparsity : float, default=0.0
        Strength of the penalty on activity of the code.
    sparsity_target : float or None, default=0.05
        Mean activity that each unit of a logistic code is held to, by a Kullback-Leibler divergence. None penalizes
        the mean absolute code instead, whatever its activation.
    contraction : float, default=0.0
        Strength of the penalty on the squared Frobenius norm of the encoder's Jacobian: exact for a dense encoder,
        an unbiased estimate for a convolutional one.
    variational : bool, default=False
        Whether a code is a normal law, from which one draw is decoded in training.
    beta : float, default=1.0
        Factor on its divergence from the standard normal law.
    pretrain_iter : int, default=0
        Epochs for which each layer of a dense network is trained alone before the whole, from the inputs on.
    alpha : float, default=0.0
        L2 penalty on the weights (never the biases), ``alpha / 2 * sum(W ** 2)`` over the weight of the batch.
    solver : str, optimizer specification or callable, default="adam"
        Any name or specification of :mod:`strata.rules.optimizers`, "lbfgs" among them for a dense network with free
        codes; or ``callable(params)`` that returns a ``torch.optim.Optimizer``.
    batch_size : int or "auto", default="auto"
        Rows a step; "auto" is ``min(200, n_samples)``, and all rows for "lbfgs" and "rprop".
    learning_rate_init : float, default=0.001
        First learning rate.
    schedule : str, schedule object or None, default=None
        How the rate changes, by name or as an object of :mod:`strata.rules.schedules`.
    max_iter : int, default=200
        Most epochs.
    shuffle : bool, default=True
        Draw a new order of the rows every epoch.
    random_state : int, RandomState or None, default=None
        Where first weights, order, noise and splits come from.
    tol : float, default=1e-4
        Least improvement of the loss, or of the validation score, that counts; of "lbfgs" the largest partial
        derivative at the end.
    n_iter_no_change : int, default=10
        Epochs in a row without improvement that are borne.
    early_stopping : bool, default=False
        Watch held-out rows and keep the best weights: your own ``X_val``, else a part of the training rows.
    validation_fraction : float, default=0.1
        That part.
    restore_best : bool or "auto", default="auto"
        Give the best weights back at the end; "auto" does with ``early_stopping``.
    scale_inputs : bool, default=False
        Standardize every column first. Reconstructions come back in the units of the data.
    init : str, default="auto"
        Scheme of the first weights of dense layers, one of ``strata.nn.INITIALIZERS``; "auto" is "glorot_uniform".
    grad_clip : float or None, default=None
        Bound on the Euclidean norm of the gradient.
    engine : {"auto", "compiled", "autograd"}, default="auto"
        Compiled back-propagation, which serves dense networks with untied weights and free codes, or automatic
        differentiation. "auto" takes the first where it applies.
    device : str, default="auto"
        "cpu", "cuda", ...; "auto" takes an accelerator for steps of many operations.
    precision : {"full", "bfloat16", "float16"}, default="full"
        Number format of the forward pass.
    n_threads : int or None, default=None
        Threads; None chooses by the size of the work.
    warm_start : bool, default=False
        Let ``fit`` go on from the weights of the last one.
    verbose : bool, default=False
        Say the loss of every epoch.
    callbacks : sequence of strata.engine.Callback or None, default=None
        Called while it learns.
    checkpoint : str, Path, Checkpointing or None, default=None
        Where to save the state of the training.
    resume : bool, default=False
        Go on from the checkpoint.
    time_limit : float or None, default=None
        Seconds after which training stops.
    progress : bool, default=False
        Show how far it is.

    Attributes
    ----------
    network_ : nn.Module
        The network, in evaluation mode on the CPU: ``encode(x)``, ``decode(code)``.
    n_components_ : int
        Numbers of a code.
    loss_curve_ : list of float
        Objective of each epoch.
    pretrain_curves_ : list of list of float
        That of each layer while it was trained alone.
    history_ : History
        Figures of the epochs of the last fit.
    validation_scores_ : list of float or None
        Minus the objective of held-out rows, after each epoch.
    best_validation_score_ : float or None
        The best of them.
    n_iter_ : int
        Epochs.
    stop_reason_ : str
        Why it stopped.
    engine_ : str
        What it was trained by.
    input_shape_ : tuple of int or None
        Height, width and channels of images.
    n_features_in_ : int
        Numbers of a row, or of an image.

    See Also
    --------
    AnomalyDetector : Calls rows that are given back badly anomalies.
    strata.rules.ReconstructionDescent : The objective.

    Notes
    -----
    The code of a linear autoencoder spans the subspace of the first principal components of the centred data
    (``strata verify``). With noise :math:`q(\tilde x | x)` the objective is :math:`L(x, g(f(\tilde x)))` (Vincent et
    al., ICML 2008); the contractive penalty is Rifai's (ICML 2011), the variational bound Kingma and Welling's (ICLR
    2014), the training by layers that of Bengio et al. (NIPS 2006).

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> X = load_digits().data / 16
    >>> codes = Autoencoder(8, max_iter=30, random_state=0).fit(X)
    >>> codes.transform(X).shape, codes.inverse_transform(codes.transform(X)).shape
    ((1797, 8), (1797, 64))
    >>> bool(codes.score(X) > -0.025)
    True
    """

    _parameter_constraints = {**NETWORK_CONSTRAINTS, **CODE_CONSTRAINTS, **TRAINING_CONSTRAINTS}

    def __init__(
        self,
        n_components: int | Literal["auto"] = "auto",
        hidden_layer_sizes: int | Sequence[int] = (128,),
        *,
        channels: Sequence[int] = (),
        kernel_size: int = 3,
        input_shape: tuple[int, ...] | None = None,
        activation: str | Sequence[str] = "relu",
        code_activation: str = "identity",
        out_activation: str = "auto",
        loss: str = "squared_error",
        tied: bool = False,
        noise: str | None = None,
        noise_level: float = 0.3,
        sparsity: float = 0.0,
        sparsity_target: float | None = 0.05,
        contraction: float = 0.0,
        variational: bool = False,
        beta: float = 1.0,
        pretrain_iter: int = 0,
        alpha: float = 0.0,
        solver: Any = "adam",
        batch_size: int | Literal["auto"] = "auto",
        learning_rate_init: float = 0.001,
        schedule: Any = None,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        n_iter_no_change: int = 10,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        restore_best: bool | Literal["auto"] = "auto",
        scale_inputs: bool = False,
        init: str = "auto",
        grad_clip: float | None = None,
        engine: Literal["auto", "compiled", "autograd"] = "auto",
        device: str = "auto",
        precision: Literal["full", "bfloat16", "float16"] = "full",
        n_threads: int | None = None,
        warm_start: bool = False,
        verbose: bool = False,
        callbacks: Sequence[Any] | None = None,
        checkpoint: Any = None,
        resume: bool = False,
        time_limit: float | None = None,
        progress: bool = False,
    ) -> None:
        self.n_components = n_components
        self.hidden_layer_sizes = hidden_layer_sizes
        self.channels = channels
        self.kernel_size = kernel_size
        self.input_shape = input_shape
        self.activation = activation
        self.code_activation = code_activation
        self.out_activation = out_activation
        self.loss = loss
        self.tied = tied
        self.noise = noise
        self.noise_level = noise_level
        self.sparsity = sparsity
        self.sparsity_target = sparsity_target
        self.contraction = contraction
        self.variational = variational
        self.beta = beta
        self.pretrain_iter = pretrain_iter
        self.alpha = alpha
        self.solver = solver
        self.batch_size = batch_size
        self.learning_rate_init = learning_rate_init
        self.schedule = schedule
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.n_iter_no_change = n_iter_no_change
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.restore_best = restore_best
        self.scale_inputs = scale_inputs
        self.init = init
        self.grad_clip = grad_clip
        self.engine = engine
        self.device = device
        self.precision = precision
        self.n_threads = n_threads
        self.warm_start = warm_start
        self.verbose = verbose
        self.callbacks = callbacks
        self.checkpoint = checkpoint
        self.resume = resume
        self.time_limit = time_limit
        self.progress = progress

    @fitting
    def fit(
        self,
        X: Any,
        y: Any = None,
        sample_weight: Any = None,
        *,
        X_val: Any = None,
        sample_weight_val: Any = None,
    ) -> Self:
        """Learn codes from rows or images.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features), or array of shape (n_samples, h, w[, c])
            Rows; or images, whole numbers from 0 to 255 or floats. A sparse matrix is made dense a batch at a time.
        y : None
            Not used; there for pipelines.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row, >= 0.
        X_val : array-like, default=None
            Rows of your own to validate on.
        sample_weight_val : array-like, default=None
            Weight of each of them.

        Returns
        -------
        self : Autoencoder
            The fitted estimator.
        """
        self._fit(X, sample_weight, (X_val, sample_weight_val))
        return self

    @available_when(_is_incremental)
    @fitting
    def partial_fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> Self:
        """Learn from more rows, in one epoch that goes on from what was learned before.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features), or array of shape (n_samples, h, w[, c])
            Rows or images.
        y : None
            Not used.
        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row, >= 0.

        Returns
        -------
        self : Autoencoder
            The fitted estimator.
        """
        self._fit(X, sample_weight, (None, None), incremental=True)
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Encode rows.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features), or array of shape (n_samples, h, w[, c])
            Rows or images.

        Returns
        -------
        codes : ndarray of shape (n_samples, n_components)
            Codes, without noise; of a variational autoencoder the means.
        """
        return self._codes(self._ready(X))

    def inverse_transform(self, X: Any) -> np.ndarray:
        """Decode codes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_components)
            Codes.

        Returns
        -------
        reconstructions : ndarray of shape (n_samples, n_features) or (n_samples, h, w[, c])
            Rows in the units of the data, or images of floats, whole numbers from 0 to 255 becoming 0 to 1.
        """
        return self._decoded(X)

    def reconstruct(self, X: Any) -> np.ndarray:
        """Encode rows and decode the codes.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features), or array of shape (n_samples, h, w[, c])
            Rows or images.

        Returns
        -------
        reconstructions : ndarray of shape (n_samples, n_features) or (n_samples, h, w[, c])
            As :meth:`inverse_transform` gives them, block by block.
        """
        return self._in_users_units(self._reconstructed(self._ready(X)))

    def score_samples(self, X: Any) -> np.ndarray:
        """Say how well each row is given back.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features), or array of shape (n_samples, h, w[, c])
            Rows or images.

        Returns
        -------
        scores : ndarray of shape (n_samples,)
            Minus the mean squared error over the features, of the scaled features with ``scale_inputs``. Greater is
            better, 0 perfect.
        """
        return -self._row_errors(self._ready(X))

    def score(self, X: Any, y: Any = None) -> float:
        """Return the mean of :meth:`score_samples`.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features), or array of shape (n_samples, h, w[, c])
            Rows or images.
        y : None
            Not used.

        Returns
        -------
        score : float
            Minus the mean squared error.
        """
        return float(np.mean(self.score_samples(X), dtype=np.float64))

    @available_when(_is_generative)
    def sample(self, n_samples: int = 1, *, random_state: Any = None) -> np.ndarray:
        """Decode draws from the standard normal law; of a variational autoencoder only.

        Parameters
        ----------
        n_samples : int, default=1
            How many.
        random_state : int, RandomState or None, default=None
            Where they come from.

        Returns
        -------
        samples : ndarray of shape (n_samples, n_features) or (n_samples, h, w[, c])
            Means of the output's law, as :meth:`inverse_transform` gives them.
        """
        check_is_fitted(self, "network_")
        return self._decoded(check_random_state(random_state).standard_normal((n_samples, self.n_components_)))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
