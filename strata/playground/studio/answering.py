"""Networks that answer a digit: what goes in, what each layer makes of it, what the answer hangs on."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from strata.estimators import load
from strata.explain import feature_maps, first_layer_filters, input_gradient, saliency
from strata.playground.studio.drawing import Pixels, as_blocks, as_mnist
from strata.playground.studio.live import network_of_model

__all__ = ["Answering", "Convolutional", "Dense", "Layer", "measured", "shipped"]

SHIPPED = Path(__file__).parent.parent / "digits"
Floats = NDArray[np.float32]
#: Layers of LeNet-5 that are shown, with their names for the page.
_LAYERS = (
    ("act1", "conv1"),
    ("pool1", "pool1"),
    ("act2", "conv2"),
    ("pool2", "pool2"),
    ("act3", "fc1"),
    ("act4", "fc2"),
)


class Layer(NamedTuple):
    """What a layer makes of the picture.

    Attributes
    ----------
    name : str
        Of the layer.
    values : ndarray of shape (n, h, w) or (n,)
        Maps, or units.
    """

    name: str
    values: Floats


class Answering(Protocol):
    """What the room asks of a network."""

    model: Any

    def picture_of(self, drawing: Pixels) -> NDArray[Any]:
        """Bring a drawing into the form that the network knows."""

    def probabilities(self, picture: NDArray[Any]) -> Floats:
        """Return the probability of each digit."""

    def layers(self, picture: NDArray[Any]) -> list[Layer]:
        """Return what each layer makes of a picture, input side first."""

    def filters(self) -> Floats:
        """Return the weights of the first layer as pictures (n, h, w)."""

    def saliency(self, picture: NDArray[Any], digit: int) -> Floats:
        """Return how strongly the score of a digit reacts to each pixel."""

    def difference(self, picture: NDArray[Any], wanted: int, given: int) -> Floats:
        """Return how more ink at each pixel would raise the score of one digit over that of another."""


class _Base:
    def __init__(self, model: Any, side: int) -> None:
        self.model, self.side = model, side

    def picture_of(self, drawing: Pixels) -> NDArray[Any]:
        """Bring a drawing into the form that the network knows."""
        return as_mnist(drawing) if self.side == 28 else as_blocks(drawing)

    def _module(self) -> tuple[nn.Module, Any]:
        raise NotImplementedError

    def saliency(self, picture: NDArray[Any], digit: int) -> Floats:
        """Return how strongly the score of a digit reacts to each pixel."""
        module, x = self._seen(picture)
        return _array(saliency(module, x, target=digit)[0])

    def difference(self, picture: NDArray[Any], wanted: int, given: int) -> Floats:
        """Return how more ink at each pixel would raise the score of one digit over that of another."""
        module, x = self._seen(picture)
        up, down = (input_gradient(module, x, target=digit)[0, 0] for digit in (wanted, given))
        return _array(up - down)

    def _seen(self, picture: NDArray[Any]) -> tuple[nn.Module, Tensor]:
        raise NotImplementedError


class Convolutional(_Base):
    """LeNet-5 as an image classifier.

    Parameters
    ----------
    model : ImageClassifier
        Fitted.
    side : int
        Pixels of a side of the pictures that it learned from.
    """

    def _seen(self, picture: NDArray[Any]) -> tuple[nn.Module, Tensor]:
        return self.model.network_, self.model.prepare(picture[None])

    def probabilities(self, picture: NDArray[Any]) -> Floats:
        """Return the probability of each digit."""
        return np.asarray(self.model.predict_proba(picture[None])[0], dtype=np.float32)

    def layers(self, picture: NDArray[Any]) -> list[Layer]:
        """Return what each layer makes of a picture, input side first."""
        module, x = self._seen(picture)
        found = feature_maps(module, x, [layer for layer, _ in _LAYERS])
        return [Layer(name, _array(found[layer][0])) for layer, name in _LAYERS]

    def filters(self) -> Floats:
        """Return the weights of the first layer as pictures (n, h, w)."""
        return _array(first_layer_filters(self.model.network_)[:, 0])


class Dense(_Base):
    """A multi-layer perceptron on the pixels, row by row.

    Parameters
    ----------
    model : MLPClassifier
        Fitted.
    side : int
        Pixels of a side of the pictures that it learned from.
    """

    def row_of(self, picture: NDArray[Any]) -> Floats:
        """Return the numbers that go in."""
        return (picture.reshape(1, -1) / (255.0 if self.side == 28 else 16.0)).astype(np.float32)

    def _seen(self, picture: NDArray[Any]) -> tuple[nn.Module, Tensor]:
        network = network_of_model(self.model)
        row = torch.from_numpy(self.row_of(picture)).to(network.biases[0].dtype)
        return nn.Sequential(nn.Flatten(), network), row.reshape(1, 1, self.side, self.side)

    def probabilities(self, picture: NDArray[Any]) -> Floats:
        """Return the probability of each digit."""
        return np.asarray(self.model.predict_proba(self.row_of(picture))[0], dtype=np.float32)

    def layers(self, picture: NDArray[Any]) -> list[Layer]:
        """Return what each layer makes of a picture, input side first."""
        module, x = self._seen(picture)
        network: Any = module[1]  # type: ignore[index]
        with torch.no_grad():
            pairs = network.activations(x.flatten(1))[:-1]
        return [Layer(f"hidden{at + 1}", _array(a[0])) for at, (_, a) in enumerate(pairs)]

    def filters(self) -> Floats:
        """Return the weights of the first layer as pictures (n, h, w)."""
        return np.asarray(self.model.coefs_[0].T.reshape(-1, self.side, self.side), dtype=np.float32)


def _array(tensor: Tensor) -> Floats:
    return np.ascontiguousarray(tensor.detach().cpu().numpy(), dtype=np.float32)


@cache
def shipped(name: str) -> Convolutional | Dense:
    """Return a network that ships with the package, learned on MNIST.

    Parameters
    ----------
    name : {"lenet5", "mlp"}
        Which.

    Returns
    -------
    answering : Answering
        Read once.
    """
    model = load(SHIPPED / name)
    return Convolutional(model, 28) if name == "lenet5" else Dense(model, 28)


@cache
def measured() -> dict[str, Any]:
    """Return what was measured of the networks that ship, by their names.

    Returns
    -------
    facts : dict
        ``accuracy``, ``n_parameters``, ``date`` and ``machine``.
    """
    facts: dict[str, Any] = json.loads((SHIPPED / "measured.json").read_text(encoding="utf-8"))
    return facts
