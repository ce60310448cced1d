"""What an autoencoder keeps when it is saved."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Self

import numpy as np
import torch
from pydantic import Field
from torch import nn

from strata.engine.history import History
from strata.estimators._autoencoder_rows import column_order
from strata.estimators._encoding import encode
from strata.estimators._save import SavedState, SaveMixin
from strata.estimators._saved_mlp import SavedScaler

__all__ = ["AutoencoderState", "NetworkState", "SavesAutoencoder", "SavesNetwork"]

_Curve = list[float]
_Side = Annotated[int, Field(ge=1, le=1 << 16)]


class NetworkState(SavedState):
    """Learned values of an estimator with one network; ``network`` is its state, by name."""

    loss_: float | None = None
    loss_curve_: _Curve = []
    validation_scores_: _Curve | None = None
    best_validation_score_: float | None = None
    n_iter_: Annotated[int, Field(ge=0)]
    stop_reason_: str | None = None
    history: dict[str, list[float]]
    network: dict[str, np.ndarray]


class AutoencoderState(NetworkState):
    """Learned values of an autoencoder."""

    n_components_: Annotated[int, Field(ge=1, le=1 << 24)]
    input_shape_: tuple[_Side, _Side, _Side] | None
    image_axes_: Annotated[int, Field(ge=0, le=3)]
    pretrain_curves_: list[_Curve] = []
    engine_: str | None = None
    scaler: SavedScaler | None = None


class SavesNetwork(SaveMixin):
    """Save and load an estimator whose learned numbers are those of ``network_``."""

    _saved_state: ClassVar[type[SavedState]] = NetworkState

    def _empty_network(self, dtype: Any) -> nn.Module:
        """Return the network without any memory for its weights."""
        raise NotImplementedError

    def _to_state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        me: Any = self
        data, arrays = super()._to_state()
        data["state"]["network"] = {
            "$dict": [
                [name, encode(tensor.contiguous().numpy(), arrays, where=f"network.{name}")]
                for name, tensor in me.network_.state_dict().items()
            ]
        }
        return data, arrays

    def _learned(self) -> dict[str, Any]:
        history = vars(self)["history_"]
        return super()._learned() | {"history": {name: list(history[name]) for name in history.columns}}

    def _adopt_state(self, state: Mapping[str, Any]) -> None:
        rest = dict(state)
        columns = rest.pop("history")
        if columns and ("epoch" not in columns or len({len(column) for column in columns.values()}) != 1):
            raise ValueError("the columns of the history have different lengths")
        self.history_ = History()
        if columns:
            self.history_.load_state_dict(columns)
        self._saved_network: dict[str, np.ndarray] = rest.pop("network")
        super()._adopt_state(rest)

    def _saved_dtype(self) -> Any:
        kinds = {array.dtype for array in self._saved_network.values() if array.dtype.kind == "f"}
        if len(kinds) != 1 or kinds & {np.dtype("float32"), np.dtype("float64")} == set():
            raise ValueError("the weights are not all of one floating-point dtype")
        return kinds.pop()

    def _check_saved(self) -> None:
        expected = self._empty_network(self._saved_dtype()).state_dict()
        for name in sorted({*expected, *self._saved_network}):
            if name not in expected or name not in self._saved_network:
                where = "the network" if name in expected else "the file"
                raise ValueError(f"only {where} has {name[:80]!r}")
            ours, theirs = expected[name], self._saved_network[name]
            if tuple(ours.shape) != theirs.shape or str(ours.dtype).removeprefix("torch.") != theirs.dtype.name:
                raise ValueError(f"{name[:80]!r} has the shape {theirs.shape} or a type that the network does not have")

    @classmethod
    def _from_state(cls, config: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Self:
        estimator = super()._from_state(config, arrays)
        network = estimator._empty_network(estimator._saved_dtype())
        saved = {name: torch.from_numpy(array) for name, array in estimator._saved_network.items()}
        network.load_state_dict(saved, assign=True)
        del estimator._saved_network
        for parameter in network.parameters():
            parameter.requires_grad_(True)
        vars(estimator)["network_"] = network.eval()
        return estimator


class SavesAutoencoder(SavesNetwork):
    """Save and load an autoencoder."""

    _saved_state: ClassVar[type[SavedState]] = AutoencoderState

    def _empty_network(self, dtype: Any) -> nn.Module:
        me: Any = self
        network: nn.Module = me._build(dtype, None)
        return network

    def _learned(self) -> dict[str, Any]:
        state = super()._learned()
        if "_scaler" in vars(self):
            state["scaler"] = SavedScaler.of(vars(self)["_scaler"])
        return state

    def _adopt_state(self, state: Mapping[str, Any]) -> None:
        rest = dict(state)
        scaler = rest.pop("scaler", None)
        if scaler is not None:
            self._scaler = SavedScaler.restore(scaler, rest["n_features_in_"])
        vars(self)["_trainer"] = None
        super()._adopt_state(rest)

    def _check_saved(self) -> None:
        me: Any = self
        if me.input_shape_ is not None and int(np.prod(me.input_shape_)) != me.n_features_in_:
            raise ValueError("`input_shape_` and `n_features_in_` do not fit each other")
        if me.image_axes_ not in (0, 2, 3) or (me.image_axes_ and me.input_shape_ is None):
            raise ValueError("`image_axes_` and `input_shape_` do not fit each other")
        if bool(me.scale_inputs) != ("_scaler" in vars(self)):
            raise ValueError("`scale_inputs` and the scaler do not fit each other")
        self._order = column_order(self)
        super()._check_saved()
