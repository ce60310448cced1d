"""What a network of counts keeps when it is saved."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Self

import numpy as np
import torch
from pydantic import Field
from torch import nn

from strata.engine.history import History
from strata.estimators._encoding import encode
from strata.estimators._save import SavedState, SaveMixin

__all__ = ["SavesCounts", "SavesSCVI"]

_Curve = list[float]


class _CountState(SavedState):
    """Learned values of a network of counts; ``network`` is the state of the network, by name."""

    median_total_: Annotated[float, Field(gt=0)]
    n_iter_: Annotated[int, Field(ge=0)]
    loss_curve_: _Curve = []
    validation_scores_: _Curve | None = None
    best_validation_score_: float | None = None
    stop_reason_: str | None = None
    history: dict[str, list[float]]
    network: dict[str, np.ndarray]


class _SCVIState(_CountState):
    """And of a variational network."""

    batches_: np.ndarray | None


class SavesCounts(SaveMixin):
    """Save and load a network of counts; a class says with ``_empty_network`` how the network is made."""

    _saved_state: ClassVar[type[SavedState]] = _CountState

    def _empty_network(self) -> nn.Module:
        """Return the network that the parameters and learned sizes describe."""
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
        if "epoch" not in columns or len({len(column) for column in columns.values()}) != 1:
            raise ValueError("the columns of the history have different lengths")
        self.history_ = History()
        self.history_.load_state_dict(columns)
        self._saved_network: dict[str, np.ndarray] = rest.pop("network")
        super()._adopt_state(rest)

    def _check_saved(self) -> None:
        with torch.device("meta"):
            expected = self._empty_network().state_dict()
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
        with torch.device("meta"):
            network = estimator._empty_network()
        saved = {name: torch.from_numpy(array) for name, array in estimator._saved_network.items()}
        network.load_state_dict(saved, assign=True)
        del estimator._saved_network
        for parameter in network.parameters():
            parameter.requires_grad_(True)
        estimator.network_ = network.eval()  # type: ignore[attr-defined]
        return estimator


class SavesSCVI(SavesCounts):
    """Save and load a variational network of counts."""

    _saved_state: ClassVar[type[SavedState]] = _SCVIState

    def _check_saved(self) -> None:
        batches = vars(self)["batches_"]
        if batches is not None and (batches.ndim != 1 or not len(batches)):
            raise ValueError("`batches_` is no list of batches")
        super()._check_saved()
