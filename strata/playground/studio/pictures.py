"""The room *Pictures*: a digit is drawn, a network answers, and its layers are seen at work, or being learned."""

from __future__ import annotations

import base64
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import train_test_split

from strata.data import load_set
from strata.playground.models import Model
from strata.playground.studio.answering import Answering, Convolutional, Dense, measured, shipped
from strata.playground.studio.drawing import drawing_of
from strata.playground.studio.messages import PictureSettings
from strata.playground.studio.studio import Studio

__all__ = ["Pictures"]

_MOST_EPOCHS = 1000
_N_EXAMPLES = 10


@cache
def _digits() -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Return the bundled digits: pictures to learn from, held-out pictures, and their classes."""
    data = load_set("digits")
    pictures = np.asarray(data.pictures(data.X), dtype=np.float64)
    parts = train_test_split(pictures, np.asarray(data.y), test_size=360, stratify=data.y, random_state=0)
    train, test, y, y_test = (np.asarray(part) for part in parts)
    return train, y, test, y_test


class Pictures(Studio):
    """A digit pad before a network that has learned MNIST, or that learns the bundled digits here.

    Parameters
    ----------
    close : tuple of Connection
        Connections that the training process must not keep open.
    """

    settings_class = PictureSettings
    drawing: NDArray[np.uint8]

    @property
    def live(self) -> bool:
        """Whether the network learns here."""
        return str(self.settings.network).startswith("live_")

    def plan(self) -> Model | None:
        """Return what learns, or None where nothing does."""
        if not self.live:
            return None
        s = self.settings
        basis = {"random_state": s.seed, "max_iter": _MOST_EPOCHS, "batch_size": s.batch_size}
        rate = {"learning_rate_init": float(s.learning_rate)}
        if s.network == "live_mlp":
            return Model(
                "MLPClassifier",
                {"hidden_layer_sizes": (s.hidden, s.hidden), "activation": s.activation, "tol": 0.0,
                 "n_iter_no_change": _MOST_EPOCHS, **basis, **rate},
            )  # fmt: skip
        return Model(
            "ImageClassifier",
            {"model": "lenet5", "model_options": {"activation": s.activation}, "image_size": 28, "resize": "stretch",
             "value_range": (0.0, 16.0), "normalization": ((0.5,), (0.5,)), "schedule": "constant", "augment": "none",
             "compile": False, "n_threads": 1, "device": "cpu", **basis, **rate},
        )  # fmt: skip

    def rows(self) -> tuple[Any, Any]:
        """Return what it learns from."""
        X, y, _, _ = _digits()
        return ((X.reshape(len(X), -1) / 16).astype(np.float32) if self.settings.network == "live_mlp" else X), y

    def start(self) -> None:
        """Begin anew; the drawing stays."""
        if not hasattr(self, "drawing"):
            self.drawing = np.zeros((28, 28), np.uint8)
            self.wish: int | None = None
        super().start()
        self.answering: Answering = self._answering()

    def _answering(self) -> Answering:
        if not self.live:
            return shipped(self.settings.network)
        return Dense(self.model, 8) if self.settings.network == "live_mlp" else Convolutional(self.model, 8)

    def measure(self) -> tuple[float, ...]:
        """Return the share of the held-out and of the training pictures that are answered wrongly."""
        X, y, X_test, y_test = _digits()
        if self.settings.network == "live_mlp":
            X, X_test = (part.reshape(len(part), -1).astype(np.float32) / 16 for part in (X, X_test))
        some = slice(0, 360)  # of the training pictures: as many as are held out
        wrong = [1 - float(self.model.score(*part)) for part in ((X[some], y[some]), (X_test, y_test))]
        return (wrong[0], wrong[1], 0.0)

    # -- what the page says -----------------------------------------------------------------------------

    def own_verb(self, message: Any) -> dict[str, Any]:
        """Take a drawing, or the digit that the page asks about."""
        if message.do == "draw":
            self.drawing = drawing_of(message.pixels, message.side)
        elif message.do == "ask":
            self.wish = message.digit
        else:
            return super().own_verb(message)
        self.dirty = True
        return {}

    def hello(self) -> dict[str, Any]:
        """Return the defaults, what was measured of the shipped networks, and digits to begin with."""
        _, _, test, y_test = _digits()
        chosen = [int(np.flatnonzero(y_test == digit)[0]) for digit in range(_N_EXAMPLES)]
        examples = [
            {
                "digit": int(y_test[at]),
                "side": 8,
                "pixels": base64.b64encode((test[at] * (255 / 16)).astype(np.uint8).tobytes()).decode(),
            }
            for at in chosen
        ]
        return {**super().hello(), "choices": {"measured": measured(), "examples": examples}}

    def view(self) -> dict[str, Any]:
        """Return the settings and what learns from how much."""
        X, _, test, _ = _digits()
        return {**super().view(), "live": self.live, "n_train": len(X), "n_test": len(test)}

    # -- what the page sees -----------------------------------------------------------------------------

    def pictures(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the answer to the drawing, the maps, and what the answer hangs on."""
        answering = self.answering
        picture = answering.picture_of(self.drawing)
        probabilities = answering.probabilities(picture)
        layers = answering.layers(picture)
        blank = not picture.any()
        answer = int(probabilities.argmax())
        arrays: dict[str, Any] = {
            "input": (picture / picture.max() if not blank else picture).astype(np.float32),
            "probabilities": probabilities,
            "filters": answering.filters(),
        }
        if self.wish is not None and self.wish != answer and not blank:
            arrays["wish"] = answering.difference(picture, self.wish, answer)
        elif not blank:
            arrays["saliency"] = answering.saliency(picture, answer)
        for at, layer in enumerate(layers):
            arrays[f"layer.{at}"] = layer.values
        header = {
            "answer": None if blank else answer,
            "wish": self.wish,
            "network": self.settings.network,
            "layers": [layer.name for layer in layers],
        }
        return header, arrays
