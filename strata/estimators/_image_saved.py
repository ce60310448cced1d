"""What an image classifier keeps when it is saved."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Self

import numpy as np
import torch
from pydantic import Field
from torch import nn

from strata.engine.history import History
from strata.errors import ModelRefusedError
from strata.estimators._encoding import encode
from strata.estimators._image_inputs import MAX_CHANNELS
from strata.estimators._image_loss import EXCLUSIVE, SEPARATE
from strata.estimators._save import SavedState, SaveMixin
from strata.models import LinearProbe, build, list_models

__all__ = ["SavesImages"]

_Curve = list[float]
_Side = Annotated[int, Field(ge=1, le=1 << 16)]
_Channels = Annotated[int, Field(ge=1, le=MAX_CHANNELS)]


class _ImageState(SavedState):
    """Learned values of an image classifier; ``network`` is the state of the network, by name."""

    classes_: np.ndarray
    multi_label_: bool
    model_name_: str
    feature_layer_: str | None = None
    loss_name_: str
    image_size_: tuple[_Side, _Side]
    in_channels_: _Channels
    input_shape_: tuple[_Side, _Side, _Channels] | None
    value_limits_: tuple[float, float] | None = None
    mean_: np.ndarray
    std_: np.ndarray
    phases_: list[dict[str, bool | int | float | str | None]] = []
    loss_: float | None = None
    loss_curve_: _Curve = []
    validation_scores_: _Curve | None = None
    validation_loss_curve_: _Curve | None = None
    best_validation_score_: float | None = None
    n_iter_: Annotated[int, Field(ge=0)]
    stop_reason_: str | None = None
    features_cached_: bool = False
    history: dict[str, list[float]]
    network_options: dict[str, bool | int | float | str | None] = {}
    network: dict[str, np.ndarray]


def _named(model_name: str) -> str:
    """Return a name if a network is registered under it; nothing else of a file is ever called."""
    if model_name not in list_models():
        raise ModelRefusedError(
            f"its network {model_name[:60]!r} is not registered here. Import the module that registers it "
            "with strata.models.register_model, then load again"
        )
    return model_name


class SavesImages(SaveMixin):
    """Save and load an image classifier whose network is a registered one."""

    _saved_state: ClassVar[type[SavedState]] = _ImageState

    def _to_state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        me: Any = self
        if isinstance(me.model, nn.Module):
            raise TypeError(
                "`model` must be the name of a registered network to be saved, because a file holds data and no code. "
                f"Received: a {type(me.model).__name__} of your own. Register a function that builds it with "
                "strata.models.register_model and pass its name; or keep the weights alone, "
                "network_.state_dict()."
            )
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
        return super()._learned() | {
            "history": {name: list(history[name]) for name in history.columns},
            "network_options": dict(getattr(vars(self)["network_"], "strata_options", {})),
        }

    def _adopt_state(self, state: Mapping[str, Any]) -> None:
        rest = dict(state)
        columns = rest.pop("history")
        if "epoch" not in columns or len({len(column) for column in columns.values()}) != 1:
            raise ValueError("the columns of the history have different lengths")
        self.history_ = History()
        self.history_.load_state_dict(columns)
        self._network_options = rest.pop("network_options")
        self._saved_network: dict[str, np.ndarray] = rest.pop("network")
        self.problems_: tuple[Any, ...] = ()
        super()._adopt_state(rest)

    def _check_saved(self) -> None:
        me: Any = self
        if me.classes_.ndim != 1 or not len(me.classes_):
            raise ValueError("`classes_` is no list of classes")
        if any(array.shape != (me.in_channels_,) for array in (me.mean_, me.std_)):
            raise ValueError("`mean_` or `std_` has not one number for each channel")
        if (me.value_range == "data") and not hasattr(self, "value_limits_"):
            raise ValueError("`value_limits_` is missing")
        if me.loss_name_ not in (SEPARATE if me.multi_label_ else EXCLUSIVE):
            raise ValueError("`loss_name_` is no loss for its labels")
        if isinstance(me.model, str) and me.model not in ("auto", me.model_name_):
            raise ValueError("`model` and `model_name_` do not fit each other")
        expected = self._empty_network().state_dict()
        for name in sorted({*expected, *self._saved_network}):
            if name not in expected or name not in self._saved_network:
                where = "the network" if name in expected else "the file"
                raise ValueError(f"only {where} has {name[:80]!r}")
            ours, theirs = expected[name], self._saved_network[name]
            if tuple(ours.shape) != theirs.shape or str(ours.dtype).removeprefix("torch.") != theirs.dtype.name:
                raise ValueError(f"{name[:80]!r} has the shape {theirs.shape} or a type that the network does not have")

    def _empty_network(self, device: str = "meta") -> nn.Module:
        """Return the network with weights that mean nothing; on "meta", without any memory for them."""
        me: Any = self
        with torch.device(device):
            network = build(
                _named(me.model_name_),
                n_classes=len(me.classes_),
                in_channels=me.in_channels_,
                options=me._network_options,
                seed=0,
            )
            if me.feature_layer_ is None:
                return network
            image = torch.zeros(1, me.in_channels_, *me.image_size_)
            return LinearProbe(network.eval(), me.feature_layer_, image, len(me.classes_))

    @classmethod
    def _from_state(cls, config: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> Self:
        estimator = super()._from_state(config, arrays)
        estimator._assemble()
        return estimator

    def _assemble(self) -> None:
        """Put the saved numbers into the network."""
        network = self._empty_network()
        if {name for name, _ in network.named_buffers()} - network.state_dict().keys():
            network = self._empty_network("cpu")  # it has buffers that no file holds
        saved = {name: torch.from_numpy(array) for name, array in self._saved_network.items()}
        network.load_state_dict(saved, assign=True)
        del self._saved_network, self._network_options
        for parameter in network.parameters():
            parameter.requires_grad_(True)
        self.network_ = network.eval()
