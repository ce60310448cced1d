"""What can be asked of a fitted Boltzmann machine: features, draws, energies and likelihoods."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from scipy import sparse
from scipy.special import expit
from sklearn.utils import check_array, check_random_state
from sklearn.utils.extmath import safe_sparse_dot
from sklearn.utils.validation import check_is_fitted, validate_data

from strata.estimators._rbm_parts import machine_of
from strata.estimators._validation import as_tensor, is_sparse
from strata.nn.partition import MOST_UNITS, PartitionEstimate, annealed_log_partition, log_partition
from strata.nn.rbm import RBM

__all__ = ["RBMQueries"]


class RBMQueries:
    """The methods of :class:`BernoulliRBM` that do not learn; scikit-learn's names where it has them."""

    components_: Any
    intercept_hidden_: Any
    intercept_visible_: Any
    h_samples_: Any
    visible: str
    persistent: bool
    random_state: Any

    # -- what it has learned -------------------------------------------------------------------------------------

    def transform(self, X: Any) -> np.ndarray:
        """Compute the probabilities of the hidden units.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        h : ndarray of shape (n_samples, n_components)
            ``p(h = 1 | v = X)``.
        """
        check_is_fitted(self)
        X = validate_data(self, X, accept_sparse="csr", reset=False, dtype=(np.float64, np.float32))
        return self._mean_hiddens(X)

    def inverse_transform(self, X: Any) -> np.ndarray:
        """Compute the expectation of the visible units.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_components)
            Values of the hidden units, or their probabilities.

        Returns
        -------
        v : ndarray of shape (n_samples, n_features)
            ``E[v | h = X]``.
        """
        check_is_fitted(self)
        hidden = check_array(X, dtype=self.components_.dtype, input_name="X", estimator=self)
        if hidden.shape[1] != self.components_.shape[0]:
            raise ValueError(
                f"`X` must have {self.components_.shape[0]} columns, one for each hidden unit. "
                f"Received: {hidden.shape[1]}."
            )
        return np.asarray(self.rbm_.visible_mean(as_tensor(hidden, self.rbm_.weight.dtype)).numpy())

    @property
    def rbm_(self) -> RBM:
        """The machine as a module of torch, a copy."""
        check_is_fitted(self)
        return self._machine(self.components_.dtype)

    def _machine(self, dtype: Any) -> RBM:
        arrays = (self.components_, self.intercept_visible_, self.intercept_hidden_)
        components, visible_bias, hidden_bias = (np.asarray(array, dtype=dtype) for array in arrays)
        return machine_of(components, visible_bias, hidden_bias, visible=self.visible)

    def _mean_hiddens(self, v: Any) -> np.ndarray:
        p = safe_sparse_dot(v, self.components_.T)
        p += self.intercept_hidden_
        return np.asarray(expit(p, out=p))

    def _sample_hiddens(self, v: Any, rng: np.random.RandomState) -> np.ndarray:
        p = self._mean_hiddens(v)
        return np.asarray(rng.uniform(size=p.shape) < p)

    def _sample_visibles(self, h: np.ndarray, rng: np.random.RandomState) -> np.ndarray:
        if self.visible == "binary":
            p = expit(np.dot(h, self.components_) + self.intercept_visible_)
            return np.asarray(rng.uniform(size=p.shape) < p)
        hidden = as_tensor(h, self.rbm_.weight.dtype)
        uniform = torch.from_numpy(rng.uniform(size=(*h.shape[:-1], self.components_.shape[1])))
        return np.asarray(self.rbm_.visible_at(hidden, uniform).numpy())

    def _free_energy(self, v: Any) -> np.ndarray:
        drives = safe_sparse_dot(v, self.components_.T) + self.intercept_hidden_
        if self.visible == "binary":
            own = -safe_sparse_dot(v, self.intercept_visible_)
        else:
            dense = v.toarray() if is_sparse(v) else v
            own = 0.5 * ((dense - self.intercept_visible_) ** 2).sum(axis=1)
        return np.asarray(own - np.logaddexp(0, drives).sum(axis=1))

    def free_energy(self, X: Any) -> np.ndarray:
        """Compute the free energy of rows.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Rows.

        Returns
        -------
        free_energy : ndarray of shape (n_samples,)
            In nats; minus the log-likelihood but for a constant.
        """
        check_is_fitted(self)
        return self._free_energy(
            validate_data(self, X, accept_sparse="csr", reset=False, dtype=(np.float64, np.float32))
        )

    def gibbs(self, v: Any) -> np.ndarray:
        """Draw the hidden and then the visible units once.

        Parameters
        ----------
        v : array-like or sparse matrix of shape (n_samples, n_features)
            Values of the visible units.

        Returns
        -------
        v_new : ndarray of shape (n_samples, n_features)
            Where the chains are after one step.
        """
        check_is_fitted(self)
        if not hasattr(self, "random_state_"):
            self.random_state_ = check_random_state(self.random_state)
        return self._sample_visibles(self._sample_hiddens(v, self.random_state_), self.random_state_)

    def sample(
        self,
        n_samples: int = 1,
        n_steps: int = 1000,
        *,
        means: bool = False,
        start: Any = None,
        random_state: int | np.random.RandomState | None = None,
    ) -> np.ndarray:
        """Draw rows from the machine.

        Parameters
        ----------
        n_samples : int, default=1
            Rows, each from a chain of its own.
        n_steps : int, default=1000
            Gibbs steps from where the chains begin.
        means : bool, default=False
            Whether to return the expectations of the visible units in the last step: smoother pictures.
        start : array-like of shape (n_samples, n_features), default=None
            Where the chains begin; None: at persistent chains, or where there are none at random hidden units.
        random_state : int, RandomState or None, default=None
            Source of the draws.

        Returns
        -------
        v : ndarray of shape (n_samples, n_features)
            Draws from ``p(v)``, the nearer the longer the chains.
        """
        check_is_fitted(self)
        for name, value in (("n_samples", n_samples), ("n_steps", n_steps)):
            if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
                raise ValueError(f"`{name}` must be a whole number >= 1. Received: {name}={value!r}.")
        rng = check_random_state(random_state)
        if start is not None:
            v = validate_data(self, start, accept_sparse="csr", reset=False, dtype=(np.float64, np.float32))
            if v.shape[0] != n_samples:
                raise ValueError(f"`start` must have {n_samples} rows. Received: {v.shape[0]}.")
            hidden = self._sample_hiddens(v, rng)
        elif self.persistent and self.h_samples_.any():
            hidden = self.h_samples_[rng.randint(len(self.h_samples_), size=n_samples)]
        else:
            hidden = rng.uniform(size=(n_samples, self.components_.shape[0])) < 0.5
        machine, generator = self.rbm_, torch.Generator().manual_seed(int(rng.randint(2**31 - 1)))
        h = as_tensor(hidden, machine.weight.dtype)
        with torch.no_grad():
            for _ in range(n_steps - 1):
                h = machine.sample_hidden(machine.sample_visible(h, generator=generator), generator=generator)
            last = machine.visible_mean(h) if means else machine.sample_visible(h, generator=generator)
        return np.asarray(last.numpy())

    # -- how well ------------------------------------------------------------------------------------------------

    def score_samples(self, X: Any) -> np.ndarray:
        """Compute the pseudo-likelihood of rows: how much likelier each is than with one feature flipped.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Rows of 0 and 1.

        Returns
        -------
        pseudo_likelihood : ndarray of shape (n_samples,)
            For binary units a guess of the log-likelihood that draws one feature a row; else minus the free energy.
        """
        check_is_fitted(self)
        v = validate_data(self, X, accept_sparse="csr", reset=False)
        if self.visible != "binary":
            return -self._free_energy(v)
        rng = check_random_state(self.random_state)
        flipped = (np.arange(v.shape[0]), rng.randint(0, v.shape[1], v.shape[0]))
        if is_sparse(v):
            change = np.asarray(-2 * v[flipped] + 1).ravel()
            other = v + type(v)(sparse.csr_array((change, flipped), shape=v.shape))
        else:
            other = v.copy()
            other[flipped] = 1 - other[flipped]
        return np.asarray(-v.shape[1] * np.logaddexp(0, self._free_energy(v) - self._free_energy(other)))

    def log_partition(
        self, *, method: str = "auto", random_state: int | np.random.RandomState | None = None
    ) -> PartitionEstimate:
        """Compute or estimate the logarithm of the partition function.

        Parameters
        ----------
        method : {"auto", "exact", "annealed"}, default="auto"
            Look at every state of the smaller layer, or annealed importance sampling of 100 chains over 10,000
            temperatures; "auto" is exact where a binary layer has at most 25 units.
        random_state : int, RandomState or None, default=None
            Source of the draws of the annealed estimate.

        Returns
        -------
        estimate : PartitionEstimate
            ``log_z`` with ``low`` and ``high``, which are equal to it when exact.
        """
        if method not in ("auto", "exact", "annealed"):
            raise ValueError(f"`method` must be 'auto', 'exact' or 'annealed'. Received: method={method!r}.")
        machine = self.rbm_
        smaller = min(machine.n_hidden, machine.n_visible if self.visible == "binary" else machine.n_hidden)
        if method == "exact" or (method == "auto" and smaller <= MOST_UNITS):
            value = log_partition(machine)
            return PartitionEstimate(value, value, value, 0)
        seed = int(check_random_state(random_state).randint(2**31 - 1))
        base = machine.visible_bias if self.visible == "binary" else None
        return annealed_log_partition(machine, base_bias=base, generator=torch.Generator().manual_seed(seed))

    def log_likelihood(self, X: Any, *, log_z: float | None = None) -> np.ndarray:
        """Compute the log-likelihood of rows.

        Parameters
        ----------
        X : array-like or sparse matrix of shape (n_samples, n_features)
            Rows.
        log_z : float or None, default=None
            Logarithm of the partition function; None lets :meth:`log_partition` find it, from a fixed seed.

        Returns
        -------
        log_likelihood : ndarray of shape (n_samples,)
            ``log p(v)``, in nats.
        """
        constant = self.log_partition(random_state=0).log_z if log_z is None else float(log_z)
        if not math.isfinite(constant):
            raise ValueError(f"`log_z` must be finite. Received: log_z={log_z!r}.")
        return -self.free_energy(X) - constant
