"""How an estimator that wraps an autoencoder becomes data and comes back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

from strata._tensors import Expected
from strata.errors import ModelRefusedError
from strata.estimators._encoding import decode, encode
from strata.estimators._save import RUN_PARAMETERS, SaveMixin
from strata.estimators.autoencoder import Autoencoder

__all__ = ["SavesNested"]

_PREFIX = "autoencoder."


class SavesNested(SaveMixin):
    """Save and load an estimator with the parameter ``autoencoder`` and the learned ``autoencoder_``."""

    def _to_state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        me: Any = self
        check_is_fitted(me, "autoencoder_")
        for given in (me.autoencoder, me.autoencoder_):
            if given is not None and type(given) is not Autoencoder:
                raise TypeError(f"`autoencoder` must be an Autoencoder to be saved. Received: {type(given).__name__}.")
        nothing: dict[str, np.ndarray] = {}
        params = {
            name: encode(value, nothing, where=name, nan=False)
            for name, value in me.get_params(deep=False).items()
            if name != "autoencoder"
        }
        params["autoencoder"] = None if me.autoencoder is None else _described(me.autoencoder)
        inner, inner_arrays = me.autoencoder_._to_state()
        arrays: dict[str, np.ndarray] = {}
        own = {name: encode(value, arrays, where=name) for name, value in self._learned().items()}
        state = {"autoencoder": {"params": inner["params"], "state": inner["state"]}, "own": own}
        return {"params": params, "state": state}, {
            **arrays,
            **{_PREFIX + key: array for key, array in inner_arrays.items()},
        }

    @classmethod
    def _parts(cls, config: Mapping[str, Any]) -> tuple[Any, dict[str, Any], dict[str, Any]]:
        """Return the autoencoder that was given as a parameter, the configuration of the rest, and the inner one."""
        params, state = dict(config["params"]), config["state"]
        if "autoencoder" not in params or set(state) != {"autoencoder", "own"}:
            raise ModelRefusedError("the state holds other fields")
        described, inner = params.pop("autoencoder"), state["autoencoder"]
        if not isinstance(inner, dict) or set(inner) != {"params", "state"} or not isinstance(state["own"], dict):
            raise ModelRefusedError("the autoencoder holds other fields")
        given = None if described is None else _built(described)
        return given, {"params": params, "state": state["own"]}, dict(inner)

    @classmethod
    def _expected_arrays(cls, config: Mapping[str, Any]) -> dict[str, Expected]:
        _, own, inner = cls._parts(config)
        expected = super()._expected_arrays(own)
        if any(key.startswith(_PREFIX) for key in expected):
            raise ModelRefusedError("an array has a name that belongs to the autoencoder")
        return {**expected, **{_PREFIX + key: what for key, what in Autoencoder._expected_arrays(inner).items()}}

    @classmethod
    def _from_state(cls, config: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Self:
        given, own, inner = cls._parts(config)
        estimator = super()._from_state(own, arrays)
        plain = {key.removeprefix(_PREFIX): array for key, array in arrays.items() if key.startswith(_PREFIX)}
        me: Any = estimator
        me.autoencoder = given
        me.autoencoder_ = Autoencoder._from_state(inner, plain)
        if me.autoencoder_.n_features_in_ != me.n_features_in_:
            raise ModelRefusedError("the autoencoder takes rows of another width")
        return estimator


def _described(autoencoder: Autoencoder) -> dict[str, Any]:
    """Return an unfitted autoencoder as plain values."""
    nothing: dict[str, np.ndarray] = {}
    return {
        name: encode(value, nothing, where=f"autoencoder.{name}", nan=False)
        for name, value in autoencoder.get_params(deep=False).items()
        if name not in RUN_PARAMETERS
    }


def _built(described: Any) -> Autoencoder:
    """Return the unfitted autoencoder that was given as a parameter."""
    if not isinstance(described, dict):
        raise ModelRefusedError("`autoencoder` holds other fields")
    params = {name: decode(value, _no_arrays, nan=False) for name, value in described.items()}
    unknown = sorted(set(params) - (set(Autoencoder._get_param_names()) - RUN_PARAMETERS))
    if unknown:
        raise ModelRefusedError(f"Autoencoder has no parameter {unknown[0][:60]!r}")
    return Autoencoder(**params)


def _no_arrays(ref: object) -> Any:
    raise ModelRefusedError("a parameter is an array of the weights file")
