"""An autoencoder that takes a table as people have it: text, dates and missing values included."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassNamePrefixFeaturesOutMixin, TransformerMixin, clone
from sklearn.utils.validation import check_is_fitted

from strata.data.encoder import TableEncoder
from strata.estimators._table_base import BaseTable
from strata.estimators.autoencoder import Autoencoder

__all__ = ["TableAutoencoder"]


class TableAutoencoder(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseTable):  # type: ignore[misc]
    """Learn codes of the rows of a raw table: numbers, text, truth values, dates, missing values.

    Parameters
    ----------
    network : Autoencoder or None, default=None
        What learns from the encoded columns; None stands for ``Autoencoder()``. It is cloned, never changed, and its
        parameters can be searched as ``network__n_components``.
    scale : bool, default=True
        Bring numbers and dates to mean 0 and standard deviation 1.
    max_categories : int, default=50
        Columns for one categorical column at most; see :class:`strata.data.TableEncoder`.
    random_state : int, RandomState instance or None, default=None
        Takes the place of the network's own where it is given.

    Attributes
    ----------
    encoder_ : TableEncoder
        Fitted.
    network_ : Autoencoder
        Fitted.
    n_features_in_ : int
        Columns of the table.
    feature_names_in_ : ndarray of str of shape (n_features_in_,)
        Their names, where they had any.
    n_iter_ : int
        Epochs.
    loss_curve_ : list of float
        Loss of each epoch.

    See Also
    --------
    Autoencoder : For numbers and images.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"weather": ["sun", "rain", None, "sun"] * 10, "degrees": [25, 12, 8, 21] * 10})
    >>> codes = TableAutoencoder(Autoencoder(2, (8,), max_iter=20), random_state=0).fit(table)
    >>> codes.transform(table).shape
    (40, 2)
    """

    _networks: ClassVar[Mapping[str, type[Any]]] = {"Autoencoder": Autoencoder}

    def __init__(
        self, network: Any = None, *, scale: bool = True, max_categories: int = 50, random_state: Any = None
    ) -> None:
        self.network = network
        self.scale = scale
        self.max_categories = max_categories
        self.random_state = random_state

    def fit(self, X: object, y: object = None, *, X_val: object = None) -> Self:
        """Learn the encoding of the columns, then the codes.

        Parameters
        ----------
        X : pandas or polars frame, or array-like of shape (N, P)
            Rows.
        y : None
            Not used; there for pipelines.
        X_val : pandas or polars frame, or array-like of shape (M, P), optional
            Rows to validate on.

        Returns
        -------
        self : TableAutoencoder
            Fitted.

        Raises
        ------
        DataError
            If a column cannot be used; the message names column and row.
        """
        network = self._default_network() if self.network is None else clone(self.network)
        if self.random_state is not None:
            network.set_params(random_state=self.random_state)
        encoder = TableEncoder(scale=self.scale, max_categories=self.max_categories).fit(X)
        encoded = encoder._encode(X, owner=type(self).__name__)
        held_out = None if X_val is None else encoder._encode(X_val, owner=type(self).__name__)
        self.network_ = network.fit(encoded, X_val=held_out)
        self._take_encoder(encoder)
        self.target_name_ = ""
        return self

    def transform(self, X: object) -> NDArray[Any]:
        """Return the codes of rows.

        Parameters
        ----------
        X : pandas or polars frame, or array-like of shape (N, P)
            Rows with the training columns.

        Returns
        -------
        codes : ndarray of shape (N, n_components)
            Codes, without noise.
        """
        encoded = self._encoded(X)  # first, for it says when nothing was fitted
        return np.asarray(self.network_.transform(encoded))

    def score_samples(self, X: object) -> NDArray[Any]:
        """Say how well each row is given back.

        Parameters
        ----------
        X : pandas or polars frame, or array-like of shape (N, P)
            Rows with the training columns.

        Returns
        -------
        scores : ndarray of shape (N,)
            Minus the mean squared error over the encoded columns.
        """
        encoded = self._encoded(X)
        return np.asarray(self.network_.score_samples(encoded))

    def score(self, X: object, y: object = None) -> float:
        """Return the mean of :meth:`score_samples`.

        Parameters
        ----------
        X : pandas or polars frame, or array-like of shape (N, P)
            Rows with the training columns.
        y : None
            Not used.

        Returns
        -------
        score : float
            Minus the mean squared error.
        """
        return float(np.mean(self.score_samples(X), dtype=np.float64))

    @property
    def _n_features_out(self) -> int:
        check_is_fitted(self, "network_")
        return int(self.network_.n_components_)
