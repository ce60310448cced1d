"""What the two table estimators share: the encoder, the target, and the way to a folder and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, clone
from sklearn.utils import Tags
from sklearn.utils.validation import _check_sample_weight, check_consistent_length, check_is_fitted

from strata._names import unknown_name
from strata._tensors import Expected
from strata.data._kinds import row_place
from strata.data.encoder import TableEncoder
from strata.data.frames import as_frame
from strata.errors import ModelRefusedError
from strata.estimators._encoding import decode, encode
from strata.estimators._save import RUN_PARAMETERS, SaveMixin

__all__ = ["BaseTable", "FREE_LOSSES", "checked_target", "numbers", "plain_numbers"]

#: Losses of quantities that may be moved and stretched; the others mean counts or shares.
FREE_LOSSES = ("auto", "squared_error", "half_squared", "mse", "rss", "mae", "huber")
_PREFIX = "network."


class BaseTable(SaveMixin, BaseEstimator):  # type: ignore[misc]
    """An encoder, then a network; a subclass says which network and what is done to the target."""

    _networks: ClassVar[Mapping[str, type[Any]]]

    def _default_network(self) -> Any:
        """Return the network that stands for ``network=None``."""
        return next(iter(self._networks.values()))()

    def _encode_target(self, y: NDArray[Any], weight: NDArray[np.float64] | None) -> NDArray[Any]:
        """Return the target as the network learns it."""
        return y

    def _fit(self, X: object, y: Any, sample_weight: Any, validation: tuple[Any, Any, Any]) -> Self:
        if y is None:
            raise ValueError(f"{type(self).__name__} requires y to be passed, but the target y is None")
        frame = as_frame(X)
        target = checked_target(y)
        check_consistent_length(frame, target)
        weight = None
        if sample_weight is not None:
            weight = np.asarray(_check_sample_weight(sample_weight, target, dtype=np.float64, ensure_non_negative=True))
        network = self._default_network() if self.network is None else clone(self.network)
        if self.random_state is not None and "random_state" in network.get_params(deep=False):
            network.set_params(random_state=self.random_state)
        encoder = TableEncoder(scale=self.scale, max_categories=self.max_categories)
        encoder.fit(X, sample_weight=weight)
        encoded = encoder._encode(X, owner=type(self).__name__)
        options: dict[str, Any] = {} if weight is None else {"sample_weight": weight}
        learned_target = self._encode_target(target, weight)
        X_val, y_val, weight_val = validation
        if X_val is not None:
            options["X_val"] = encoder._encode(X_val, owner=type(self).__name__)
        if y_val is not None:
            options["y_val"] = self._transform_target(checked_target(y_val))
        if weight_val is not None:
            options["sample_weight_val"] = weight_val
        self.network_ = network.fit(encoded, learned_target, **options)
        self._take_encoder(encoder)
        name = getattr(y, "name", None)
        self.target_name_ = name if isinstance(name, str) else "y"
        return self

    def _transform_target(self, y: NDArray[Any]) -> NDArray[Any]:
        """Apply what :meth:`_encode_target` learned."""
        return y

    def _take_encoder(self, encoder: TableEncoder) -> None:
        self.encoder_ = encoder
        self.n_features_in_ = encoder.n_features_in_
        if hasattr(encoder, "feature_names_in_"):
            self.feature_names_in_ = encoder.feature_names_in_
        elif hasattr(self, "feature_names_in_"):
            del self.feature_names_in_

    def _encoded(self, X: object) -> NDArray[np.float64]:
        check_is_fitted(self, "network_")
        return self.encoder_._encode(X, owner=type(self).__name__)

    @property
    def n_iter_(self) -> int:
        """Epochs that the network learned for."""
        check_is_fitted(self, "network_")
        return int(self.network_.n_iter_)

    @property
    def loss_curve_(self) -> list[float]:
        """Loss of each epoch; in the units of the scaled target where that was scaled."""
        check_is_fitted(self, "network_")
        return list(self.network_.loss_curve_)

    def __sklearn_tags__(self) -> Tags:
        """Say what the estimator takes: text, categories and missing values."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.string = True
        tags.input_tags.categorical = True
        tags.input_tags.sparse = False
        return tags

    # To a model folder and back: the encoder is the preprocessing, the network a state within the state.

    def _extra_state(self) -> dict[str, Any]:
        """Return what a subclass keeps besides encoder and network, as plain values."""
        return {"target_name": self.target_name_}

    def _take_extra(self, extra: Mapping[str, Any]) -> None:
        """Take :meth:`_extra_state` back; ValueError where it is not what it must be."""
        if set(extra) != {"target_name"} or not isinstance(extra["target_name"], str):
            raise ValueError("the state of a table estimator holds other fields")
        self.target_name_ = extra["target_name"]

    def _to_state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        check_is_fitted(self, "network_")
        if type(self.network_).__name__ not in self._networks:
            raise TypeError(
                f"`network` must be one of {', '.join(self._networks)} to be saved. "
                f"Received: {type(self.network_).__name__}."
            )
        nothing: dict[str, np.ndarray] = {}
        params = {
            name: encode(value, nothing, where=name, nan=False)
            for name, value in self.get_params(deep=False).items()
            if name != "network"
        }
        params["network"] = None if self.network is None else _describe(self.network)
        config, arrays = self.network_._to_state()
        inner = {"class": type(self.network_).__name__, "params": config["params"], "state": config["state"]}
        state = {"network": inner, "extra": self._extra_state()}
        named = {_PREFIX + key: array for key, array in arrays.items()}
        return {"params": params, "state": state, "preprocessing": self.encoder_.to_config()}, named

    @classmethod
    def _parts(cls, config: Mapping[str, Any]) -> tuple[Self, type[Any], Mapping[str, Any]]:
        """Check a configuration; return the estimator without its network, the network's class and configuration."""
        params = dict(config["params"])
        unknown = sorted(set(params) ^ set(cls._get_param_names()))
        if unknown:
            raise ModelRefusedError(
                f"The configuration is refused: parameter {unknown[0][:60]!r} is unknown or absent."
            )
        described = params.pop("network")
        values = {name: decode(value, _no_arrays, nan=False) for name, value in params.items()}
        network = None if described is None else cls._build(described)
        estimator = cls(network, **values)
        state = config["state"]
        if set(state) != {"network", "extra"}:
            raise ModelRefusedError("The configuration is refused: the state holds other fields.")
        inner = state["network"]
        if not isinstance(inner, dict) or set(inner) != {"class", "params", "state"}:
            raise ModelRefusedError("The configuration is refused: the network holds other fields.")
        kind = cls._network_class(inner["class"])
        estimator._take_encoder(TableEncoder.from_config(config.get("preprocessing")))
        estimator._take_extra(state["extra"])
        return estimator, kind, {"params": inner["params"], "state": inner["state"], "preprocessing": None}

    @classmethod
    def _network_class(cls, name: object) -> type[Any]:
        if name not in cls._networks:
            raise ModelRefusedError(unknown_name("network", str(name)[:60], cls._networks))
        return cls._networks[str(name)]

    @classmethod
    def _build(cls, described: Any) -> Any:
        """Return the unfitted network that was given as a parameter."""
        if not isinstance(described, dict) or set(described) != {"class", "params"}:
            raise ModelRefusedError("The configuration is refused: `network` holds other fields.")
        kind = cls._network_class(described["class"])
        params = {name: decode(value, _no_arrays, nan=False) for name, value in described["params"].items()}
        unknown = sorted(set(params) - set(kind._get_param_names()) | set(params) & RUN_PARAMETERS)
        if unknown:
            raise ModelRefusedError(
                f"The configuration is refused: {kind.__name__} has no parameter {unknown[0][:60]!r}."
            )
        return kind(**params)

    @classmethod
    def _expected_arrays(cls, config: Mapping[str, Any]) -> dict[str, Expected]:
        """Return the shape and dtype of every array of the weights file."""
        _, kind, inner = cls._parts(config)
        return {_PREFIX + key: expected for key, expected in kind._expected_arrays(inner).items()}

    @classmethod
    def _from_state(cls, config: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Self:
        """Return the fitted estimator of a configuration and its arrays."""
        estimator, kind, inner = cls._parts(config)
        plain = {key.removeprefix(_PREFIX): array for key, array in arrays.items()}
        estimator.network_ = kind._from_state(inner, plain)
        if estimator.network_.n_features_in_ != estimator.encoder_.n_features_out_:
            raise ModelRefusedError(
                f"The configuration is refused: the encoder makes {estimator.encoder_.n_features_out_} columns, the "
                f"network takes {estimator.network_.n_features_in_}."
            )
        estimator._restored()
        return estimator

    def _restored(self) -> None:
        """Build what is not saved from what is."""


def checked_target(y: Any) -> NDArray[Any]:
    """Return the target as an array without missing values; labels of pandas' own types become plain ones."""
    if isinstance(y, pd.DataFrame) and y.shape[1] == 1:
        y = y.iloc[:, 0]
    if isinstance(y, pd.Series) and isinstance(y.dtype, pd.api.extensions.ExtensionDtype):
        values = y.to_numpy(dtype=object)
        values = values if pd.isna(values).any() else np.array(values.tolist())
    else:
        values = np.asarray(y)
    missing = np.asarray(pd.isna(values))
    if values.ndim and missing.any():
        row = int(missing.reshape(len(values), -1).any(axis=1).argmax())
        place = row_place(y, row) if isinstance(y, pd.Series) else f"row {row}"
        raise ValueError(f"Input y contains NaN: the target has no value in {place}. Leave such rows out of training.")
    return values


def numbers(y: NDArray[Any]) -> NDArray[np.float64]:
    """Return the target of a regression as float64."""
    if y.dtype.kind == "c":
        raise ValueError("Complex data not supported by a table: the target is complex.")
    try:
        return np.asarray(y, dtype=np.float64)
    except (TypeError, ValueError):
        first = next(value for value in y.ravel().tolist() if not isinstance(value, int | float))
        raise ValueError(f"The target of a regression must be numbers. Received: {first!r}.") from None


def plain_numbers(value: object) -> NDArray[np.float64]:
    """Read a number or a list of them from a configuration."""
    items = value if isinstance(value, list) else [value]
    if not all(isinstance(item, float) and np.isfinite(item) for item in items) or len(items) > 1_000_000:
        raise ValueError("the mean and scale of the target must be finite numbers")
    return np.asarray(value, dtype=np.float64)


def _describe(network: Any) -> dict[str, Any]:
    """Return an unfitted network as plain values."""
    nothing: dict[str, np.ndarray] = {}
    params = {
        name: encode(value, nothing, where=f"network.{name}", nan=False)
        for name, value in network.get_params(deep=False).items()
        if name not in RUN_PARAMETERS
    }
    return {"class": type(network).__name__, "params": params}


def _no_arrays(ref: object) -> Any:
    raise ModelRefusedError("The configuration is refused: a parameter is an array of the weights file.")
