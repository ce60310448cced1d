"""One network of the room: its configuration, its training process, its run so far."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import numpy as np

from strata.playground.configuration import LEARNING_FIELDS, Configuration
from strata.playground.history import History, Moment
from strata.playground.models import model_for
from strata.playground.pace import Pace
from strata.playground.painting import Painter
from strata.playground.rows import Rows
from strata.playground.training import FOREVER, Leg, Trainer
from strata.playground.weights import Edit, Weights, edited, put_weights

__all__ = ["Side"]

_MOST_NEW_ROWS = 2000


class Side:
    """A network that learns, seen from the room.

    Parameters
    ----------
    name : str
        "a" or "b".
    configuration : Configuration
        What is set.
    rows : Rows
        What it learns from.
    trainer : Trainer
        Its training process.

    Attributes
    ----------
    running : bool
        Whether it learns now.
    epoch : int
        Epochs of the weights that are shown.
    last_epoch : int
        Epochs of the newest weights that are known.
    legs : list of Leg
        The run so far, for the script.
    """

    def __init__(self, name: str, configuration: Configuration, rows: Rows, trainer: Trainer) -> None:
        self.name, self.trainer = name, trainer
        self.running = False
        self.verdicts: list[dict[str, Any]] = []
        self.pace = Pace()
        self.dirty = True
        self.start(configuration, rows)

    # -- the run --------------------------------------------------------------------------------------

    def start(self, configuration: Configuration, rows: Rows) -> None:
        """Begin anew: first weights, no history. What cannot be is refused before anything changes."""
        model = model_for(configuration, rows)
        painter = Painter(configuration, model, rows)
        self.configuration, self.rows, self.model, self.painter = configuration, rows, model, painter
        self.history = History()
        self.new_rows: list[tuple[float, float, float, float]] = []
        self.legs = [Leg(model)]
        self.epoch = self.last_epoch = 0
        self.live = True  # whether what is shown is where the training process stands
        self.over: str | None = None  # why the last fit ended
        self.running = False
        self.rate: float | None = None
        self.rule_state: bytes | None = None
        self.verdicts = []
        self.told: str | None = None
        self.weights = painter.first_weights()
        if self.learns:
            self._allow(0)
            self.trainer.begin(self.legs[0], self._data())
        else:
            self.trainer.cancel()
        if model.name.startswith("Bagged"):
            self.trainer.ask()
        else:
            self._record(Moment(0, self.weights, (0.0, 0.0, 0.0)))

    @property
    def learns(self) -> bool:
        """Whether there is something to learn: a gate is as it is."""
        return self.model.name != "McCullochPitts"

    @property
    def goes_on(self) -> bool:
        """Whether a fit of it can go on from weights that it is given."""
        return self.model.name in ("MLPClassifier", "MLPRegressor", "Perceptron")

    def _data(self) -> tuple[Any, Any, Any, Any]:
        return (*self.rows.part(self.rows.train), *self.rows.part(self.rows.test))

    def play(self) -> None:
        """Let it learn on; from an earlier moment as a new branch."""
        self._refuse_idle()
        if not self.live or self.over is not None:
            self.branch()
        self.running = True
        self._allow(FOREVER)

    def step(self, epochs: int) -> None:
        """Let it learn for some epochs."""
        self._refuse_idle()
        if not self.live or self.over is not None:
            self.branch()
        self.running = True
        self._allow(self.epoch + epochs)

    def _refuse_idle(self) -> None:
        if not self.learns:
            raise ValueError(
                "A McCulloch–Pitts neuron has fixed weights: it does not learn. Edit them, or choose another mode."
            )

    def revive(self) -> None:
        """Begin anew with another training process, after one that died."""
        self.trainer.close()
        self.trainer = self.trainer.another()
        self.start(self.configuration, self.rows)

    def _allow(self, until: int) -> None:
        """Let it learn up to an epoch, and remember that it was allowed to."""
        self.allowed = until
        self.trainer.allow(until)

    def halt(self) -> None:
        """End the fit that goes on, after a fault."""
        self.trainer.cancel()
        self.running, self.over = False, "failed"

    def pause(self) -> None:
        """Hold it where it is; the exact weights follow as a message of the training process."""
        if self.running:
            self._allow(0)

    def branch(self, edits: tuple[Edit, ...] = (), configuration: Configuration | None = None) -> None:
        """End the present leg where the weights shown stand, and begin another there.

        Parameters
        ----------
        edits : tuple of Edit, default=()
            Weights that were set by hand.
        configuration : Configuration or None, default=None
            How to learn from here on; None as before.

        Raises
        ------
        ValueError
            If what learns cannot go on from given weights.
        """
        configuration = configuration or self.configuration
        if not self.goes_on:
            raise ValueError(f"{self.model.name} always learns from the beginning. Use reset.")
        model = model_for(configuration, self.rows)
        was_running = self.running
        self._cut()
        weights = edited(self.weights, edits)
        more: dict[str, Any] = {"base": self.legs[0].model, "weights": weights}
        if self.configuration.early_stopping:
            more["replay"] = tuple(self.legs)
        self.legs.append(Leg(model, edits, self.epoch))
        self.model, self.configuration = model, configuration
        self.painter.follow(configuration, model)
        self.live, self.over, self.rule_state = True, None, None
        self._allow(FOREVER if was_running else self.epoch)
        self.trainer.begin(self.legs[-1], self._data(), **more)
        self._record(Moment(self.epoch, weights, (0.0, 0.0, 0.0)))

    def _cut(self) -> None:
        """Forget what lies after the weights shown."""
        self.legs = [leg for leg in self.legs if leg.first <= self.epoch]
        while len(self.legs) > 1 and self.legs[-1].first == self.epoch and not self.legs[-1].edits:
            self.legs.pop()  # nothing was learned in it
        last = self.legs[-1]
        ended = self.over is not None and self.live
        self.legs[-1] = replace(last, last=self.epoch, ended=ended)
        self.history.cut(self.epoch)
        self.last_epoch = self.epoch

    def edit(self, layer: int, source: int | None, to: int, value: float) -> None:
        """Set one weight or bias by hand."""
        arrays = self.weights.intercepts if source is None else self.weights.coefs
        if layer >= len(arrays):
            raise ValueError(f"`layer` must be below {len(arrays)}. Received: layer={layer}.")
        place: Any = to if source is None else (source, to)
        shape = arrays[layer].shape
        if len(shape) != (1 if source is None else 2):
            raise ValueError("A bag has many networks; their weights cannot be edited. Choose the mode 'network'.")
        if to >= shape[-1] or (source is not None and source >= shape[0]):
            raise ValueError(f"Layer {layer} has weights of shape {shape}. Received: from={source}, to={to}.")
        if not self.learns:
            arrays[layer][place] = value
            self._record(Moment(0, self.weights, (0.0, 0.0, 0.0)))
            return
        self.branch(((layer, source, to, float(value)),))

    def relearn(self, configuration: Configuration) -> bool:
        """Take a configuration that only says how to learn; False where that needs a new beginning."""
        before, after = self.configuration.model_dump(), configuration.model_dump()
        changed = {name for name in after if after[name] != before[name]}
        if not changed <= LEARNING_FIELDS or not self.goes_on or (self.epoch == 0 and len(self.legs) == 1):
            return False
        self.branch(configuration=configuration)
        return True

    def finished_legs(self) -> list[Leg]:
        """Return the run up to the weights that are shown."""
        legs = [leg for leg in self.legs if leg.first <= self.epoch]
        while len(legs) > 1 and legs[-1].first == self.epoch and not legs[-1].edits and legs[-1].last is None:
            legs.pop()
        ended = legs[-1].ended if legs[-1].last is not None else self.over not in (None, "failed")
        at_end = self.live and self.epoch == self.last_epoch
        if legs[-1].last is not None and legs[-1].last == self.epoch:
            return legs
        return [*legs[:-1], replace(legs[-1], last=self.epoch, ended=ended and at_end)]

    def finished_model(self) -> Any:
        """Return a fitted copy of the model with the weights that are shown."""
        model = copy.deepcopy(self.painter.estimator)
        put_weights(model, self.weights)
        if hasattr(model, "n_iter_"):
            model.n_iter_ = max(model.n_iter_, self.epoch)
        return model

    def adopt(self, configuration: Configuration, rows: Rows, weights: Weights) -> None:
        """Go on from the weights of a model that was opened."""
        self.start(configuration, rows)
        expected = [a.shape for a in (*self.weights.coefs, *self.weights.intercepts)]
        if [a.shape for a in (*weights.coefs, *weights.intercepts)] != expected:
            raise ValueError("The model does not fit the data that are shown: choose data with as many features.")
        self._record(Moment(0, weights, (0.0, 0.0, 0.0)))
        self.legs = [replace(self.legs[0], last=0, loaded=True), Leg(self.model)]
        self.trainer.begin(self.legs[-1], self._data(), base=self.model, weights=weights)

    def seek(self, epoch: int) -> None:
        """Show the weights of an earlier moment."""
        moment = self.history.at(epoch)
        self.live = self.live and moment.epoch == self.last_epoch
        self._show(moment.epoch, moment.weights)

    # -- what the training process says ------------------------------------------------------------------

    def take(self, message: tuple[str, int, int, Weights | None, dict[str, Any]]) -> str | None:
        """Take a message of the training process; return what the page is to be told about, if anything."""
        kind, generation, epoch, weights, more = message
        if kind == "weights" or generation != self.trainer.generation:
            self.trainer.asked = False
        if generation != self.trainer.generation:
            return None
        if kind == "failed" or weights is None:
            self.running, self.over = False, "failed"
            self.told = _explained(more["error"], more["epoch"])
            return "failed"
        self.live = True
        self.rate = more.get("rate") if more.get("rate") is not None else self.rate
        self._record(Moment(epoch, weights, (0.0, 0.0, 0.0)))
        self.rule_state = more.get("state")
        if kind == "weights" or (kind == "paused" and epoch < self.allowed):
            return None  # it paused before it heard that it may go on
        was_running, self.running = self.running, False
        if kind == "ended":
            self.over = more["reason"]
            self.told = _reason(more["reason"], epoch)
            return "ended"
        return "state" if was_running else None

    def _record(self, moment: Moment) -> None:
        self._show(moment.epoch, moment.weights)
        losses, self.scores = self.painter.losses()
        first, second, third = (float("nan") if loss is None else float(loss) for loss in losses.values())
        self.history.add(Moment(moment.epoch, moment.weights.copy(), (first, second, third)))
        self.last_epoch = moment.epoch
        self.new_rows = [row for row in self.new_rows if row[0] < moment.epoch]
        self.new_rows.append((float(moment.epoch), first, second, third))
        if len(self.new_rows) > _MOST_NEW_ROWS:
            self.new_rows = [*self.new_rows[::2], self.new_rows[-1]]

    def _show(self, epoch: int, weights: Weights) -> None:
        self.epoch, self.weights = epoch, weights.copy()
        self.painter.put(weights)
        self.dirty = True

    # -- what the page sees ---------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """Return whether it runs and where it stands."""
        return {
            "running": self.running,
            "epoch": self.epoch,
            "epochs": self.last_epoch,
            "seed": self.configuration.seed,
            "mode": self.configuration.mode,
            "over": self.over,
        }

    def network(self) -> dict[str, Any]:
        """Describe the inputs and the layers."""
        return {
            "inputs": [{"name": name, "label": name} for name in self.rows.features],
            "layers": self.painter.layers(),
            "editable": self.goes_on or not self.learns,
        }

    def frame(self, number: int, show: dict[str, Any], shown: tuple[str, str]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the header and the arrays of a frame of the weights shown."""
        losses, scores = self.painter.losses()
        arrays: dict[str, Any] = {**self.painter.map(shown, show["grid"]), "units": self.painter.units(shown)}
        for layer, (coef, bias) in enumerate(zip(self.weights.coefs, self.weights.intercepts, strict=True)):
            arrays[f"weights.{layer}"] = coef.mean(axis=0) if coef.ndim == 3 else coef
            arrays[f"biases.{layer}"] = bias.mean(axis=0) if bias.ndim == 2 else bias
        arrays["curve"] = np.array(self.new_rows, dtype=np.float64).reshape(-1, 4)
        self.new_rows = []
        self.dirty = False
        header = {
            "frame": number,
            "side": self.name,
            "epoch": self.epoch,
            "epochs": self.last_epoch,
            "running": self.running,
            "losses": losses,
            "scores": scores,
            "rate": self.rate,
        }
        return header, arrays


def _reason(reason: str, epoch: int) -> str:
    texts = {
        "max_epochs": f"The run ended after {epoch} epochs, as many as were set. Play goes on from here.",
        "early_stopping": "The run ended early: the held-out score no longer improved. The best weights are shown.",
        "converged": "The run ended: there is nothing left to learn by this rule.",
    }
    return texts.get(reason, f"The run ended: {reason}.")


def _explained(error: str, epoch: int | None) -> str:
    """Say what a run that failed means, in words for a student."""
    if epoch is None:
        return error
    return (
        f"In epoch {epoch} the loss became infinite or not a number: each step was so large that the weights grew with "
        "every update instead of settling. Lower the learning rate, clip the gradient, or reset."
    )
