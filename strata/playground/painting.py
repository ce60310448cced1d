"""What the page draws of a model: its answers over the plane, its units, its losses."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import log_loss, mean_squared_error, zero_one_loss

from strata.engine import StopAfter, watching
from strata.estimators._validation import Validation, as_tensor, outputs_of
from strata.functional.penalties import elastic_net
from strata.nn.dense import DenseLoss
from strata.playground.configuration import Configuration
from strata.playground.models import Model
from strata.playground.rows import Rows
from strata.playground.weights import Weights, put_weights, weights_of_model

__all__ = ["Painter", "SMALL", "first_model"]

#: Cells along a side of the small map of a unit.
SMALL = 16
Floats = NDArray[np.float64]
_SINGLE = ("Perceptron", "DeltaRulePerceptron", "McCullochPitts")


def first_model(model: Model, rows: Rows) -> Any:
    """Return the estimator fitted for no epoch: with its first weights.

    Parameters
    ----------
    model : Model
        Class and arguments.
    rows : Rows
        What it will learn from.

    Returns
    -------
    estimator : estimator
        A bag has done one epoch, single neurons too: their first weights come from the training process.
    """
    X, y = rows.part(rows.train)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        if model.name in _SINGLE or model.name.startswith("Bagged"):
            estimator = model.build(**({} if model.name == "McCullochPitts" else {"max_iter": 1}))
            estimator.fit(X, y)
        else:
            estimator = model.build()
            with watching(StopAfter(0)):
                estimator.fit(X, y)
    return estimator.set_params(**model.arguments)


class Painter:
    """Draws one model.

    Parameters
    ----------
    configuration : Configuration
        What is set.
    model : Model
        The estimator that it means.
    rows : Rows
        What it learns from.
    """

    def __init__(self, configuration: Configuration, model: Model, rows: Rows) -> None:
        self.configuration, self.rows = configuration, rows
        self.estimator = first_model(model, rows)
        self.kind = model.name
        self.labels = rows.labels
        self._parts = [rows.part(rows.train), rows.part(rows.test)]
        if model.name in ("Perceptron", "DeltaRulePerceptron"):
            zero = weights_of_model(self.estimator)
            self.put(Weights([np.zeros_like(a) for a in zero.coefs], [np.zeros_like(a) for a in zero.intercepts]))
        self._checks = [self._validation(*part) for part in self._parts] if self.is_network else []
        self._planes: dict[tuple[Any, ...], Floats] = {}

    @property
    def is_network(self) -> bool:
        """Whether it is a single multi-layer perceptron."""
        return self.kind.startswith("MLP")

    @property
    def is_bag(self) -> bool:
        """Whether it is a bag of networks."""
        return self.kind.startswith("Bagged")

    def follow(self, configuration: Configuration, model: Model) -> None:
        """Take arguments that only say how to learn on."""
        self.configuration = configuration
        plain = type(self.estimator)()
        names = plain.get_params(deep=False)
        self.estimator.set_params(**{name: model.arguments.get(name, getattr(plain, name)) for name in names})

    def first_weights(self) -> Weights:
        """Return a copy of the weights that it has now."""
        return weights_of_model(self.estimator)

    def put(self, weights: Weights) -> None:
        """Show these weights from now on."""
        put_weights(self.estimator, weights)

    def _validation(self, X: Floats, y: NDArray[Any]) -> Validation:
        model = self.estimator
        X, targets, _ = model._encode_validation(X, y)
        network = model._current_network()
        return Validation(
            model._scaled(X, reset=False), targets, None, network, DenseLoss(network.spec), model._score_outputs
        )

    def losses(self) -> tuple[dict[str, float | None], dict[str, float | None]]:
        """Return losses (``train``, ``test``, ``penalty``) and scores (``train``, ``test``) of the weights shown."""
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            pairs = [self._judged(place) for place in (0, 1)]
            penalty = self._penalty()
        return (
            {"train": pairs[0][0], "test": pairs[1][0], "penalty": penalty},
            {"train": pairs[0][1], "test": pairs[1][1]},
        )

    def objective(self, weights: Weights) -> float:
        """Return the training loss with its penalty at other weights; those are shown afterwards."""
        self.put(weights)
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            return self._judged(0)[0] + self._penalty()

    def _judged(self, place: int) -> tuple[float, float]:
        if self._checks:
            check = self._checks[place]
            figures = check(None)  # type: ignore[arg-type]
            return figures["val_loss"], figures["val_score"]
        X, y = self._parts[place]
        model = self.estimator
        if not self._finite():
            return float("nan"), float("nan")
        if self.kind == "BaggedMLPClassifier":
            return float(log_loss(y, model.predict_proba(X), labels=model.classes_)), float(model.score(X, y))
        if self.kind == "Perceptron":
            wrong = float(zero_one_loss(y, model.predict(X)))
            return wrong, 1.0 - wrong
        if self.kind == "McCullochPitts":
            wrong = float(zero_one_loss(y == max(self.labels), model.predict(X) == 1)) if self.labels else float("nan")
            return wrong, 1.0 - wrong
        answers = model.predict(X)
        half = 0.5 * float(mean_squared_error(y, answers))
        if self.labels:
            middle = (min(self.labels) + max(self.labels)) / 2
            return half, float(np.mean((answers > middle) == (y > middle)))
        return half, float(model.score(X, y))

    def _finite(self) -> bool:
        weights = weights_of_model(self.estimator)
        return all(np.isfinite(a).all() for a in (*weights.coefs, *weights.intercepts))

    def _penalty(self) -> float:
        c = self.configuration
        if not (c.l1 or c.l2) or self.kind in _SINGLE:
            return 0.0
        coefs = weights_of_model(self.estimator).coefs
        n_networks = len(coefs[0]) if self.is_bag else 1
        return float(elastic_net([torch.from_numpy(a) for a in coefs], l1=c.l1, l2=c.l2)) / n_networks

    def _plane(self, shown: tuple[str, str], grid: int) -> Floats:
        key = (shown, grid)
        if key not in self._planes:
            if len(self._planes) >= 4:
                self._planes.pop(next(iter(self._planes)))
            self._planes[key] = self.rows.plane_rows(shown, grid)
        return self._planes[key]

    def map(self, shown: tuple[str, str], grid: int) -> dict[str, NDArray[np.float32]]:
        """Return ``map``, and for a bag ``spread``: the answers over the plane in picture order.

        Parameters
        ----------
        shown : tuple of two str
            Columns of the two axes.
        grid : int
            Cells along a side.

        Returns
        -------
        arrays : dict of str to ndarray, float32
            ``map`` of shape (grid, grid) in [-1, 1] or (grid, grid, n_classes), ``spread`` of shape (grid, grid) in
            [0, 1].
        """
        X = self._plane(shown, grid)
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            answers = [self._answers(X)] if not self.is_bag else [self._of_outputs(o) for o in self._all_outputs(X)]
        stacked = np.nan_to_num(np.stack(answers))
        square = (grid, grid, *stacked.shape[2:])
        arrays = {"map": stacked.mean(axis=0).reshape(square).astype(np.float32)}
        if self.is_bag:
            spread = stacked.std(axis=0).reshape(square)
            arrays["spread"] = (spread.max(axis=2) if spread.ndim == 3 else spread).astype(np.float32)
        return arrays

    def _all_outputs(self, X: Floats) -> NDArray[Any]:
        outputs: NDArray[Any] = self.estimator._all_outputs(self.estimator._scaled(X, reset=False))
        return outputs

    def _answers(self, X: Floats) -> Floats:
        """Return what is drawn for rows: one number in [-1, 1], or one share a class."""
        model = self.estimator
        if self.is_network:
            outputs = outputs_of(model._current_network(), model._scaled(X, reset=False))[1].numpy()
            return self._of_outputs(outputs)
        if not self._finite():
            return np.zeros(len(X))
        if self.kind == "Perceptron":
            chosen = np.searchsorted(self.labels, model.predict(X))
            return np.asarray(2.0 * chosen - 1.0 if len(self.labels) == 2 else np.eye(len(self.labels))[chosen])
        if self.kind == "McCullochPitts":
            return np.asarray(2.0 * model.predict(X) - 1.0)
        return self._within(model.predict(X))

    def _of_outputs(self, outputs: NDArray[Any]) -> Floats:
        if self.rows.problem == "regression":
            return self._within(outputs[:, 0])
        if outputs.shape[1] == 1:
            squared = self.estimator._cut == 0.5
            return np.clip(2.0 * outputs[:, 0] - 1.0 if squared else outputs[:, 0], -1.0, 1.0)
        return np.clip(outputs.astype(np.float64), 0.0, 1.0)

    def _within(self, values: NDArray[Any]) -> Floats:
        """Scale numbers so that the range of the targets becomes [-1, 1]."""
        low, high = float(self.rows.y.min()), float(self.rows.y.max())
        if low >= -1.0 and high <= 1.0 and self.rows.plane:
            low, high = -1.0, 1.0
        return np.clip(2.0 * (values - low) / ((high - low) or 1.0) - 1.0, -1.0, 1.0)

    def units(self, shown: tuple[str, str]) -> NDArray[np.float32]:
        """Return the activations of all units over the plane: inputs, hidden layers, outputs.

        Parameters
        ----------
        shown : tuple of two str
            Columns of the two axes.

        Returns
        -------
        units : ndarray of shape (n_units, SMALL, SMALL), float32
            Raw activations.
        """
        X = self._plane(shown, SMALL)
        model = self.estimator
        if self.is_network or self.is_bag:
            X = np.asarray(model._scaled(X, reset=False))
            network = model._current_network() if self.is_network else model._members()[0]
            network.eval()
            with torch.no_grad():
                layers = [a.numpy() for _, a in network.activations(as_tensor(X, torch.float64))]
        else:
            weights = weights_of_model(model)
            layers = [X @ weights.coefs[0] + weights.intercepts[0]]
        stacked = np.concatenate([X, *layers], axis=1)
        return np.asarray(np.nan_to_num(stacked.T.reshape(-1, SMALL, SMALL)), dtype=np.float32)

    def layers(self) -> list[dict[str, Any]]:
        """Describe the layers after the inputs, the output last."""
        coefs = weights_of_model(self.estimator).coefs
        sizes = [int(a.shape[-1]) for a in coefs]
        names = [*self.configuration.activations[: len(sizes) - 1], self._output_activation()]
        return [
            {"units": size, "activation": name, "kind": "output" if place == len(sizes) - 1 else "hidden"}
            for place, (size, name) in enumerate(zip(sizes, names, strict=True))
        ]

    def _output_activation(self) -> str:
        if self.kind == "DeltaRulePerceptron":
            return str(self.estimator.activation)
        return str(getattr(self.estimator, "out_activation_", "step"))
