"""The room *Neurons*: what each verb of the page does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from multiprocessing.connection import Connection
from typing import Any

import pandas as pd
from pydantic import ValidationError

import strata
from strata._names import label_text
from strata.playground.choices import choices
from strata.playground.configuration import DATA_FIELDS, Configuration
from strata.playground.limits import LIMITS
from strata.playground.messages import explain
from strata.playground.proving import cure_of
from strata.playground.reading import fields_of
from strata.playground.rows import OWN, Own, Rows, make_rows
from strata.playground.script import script_of
from strata.playground.side import Side
from strata.playground.training import Trainer
from strata.playground.weights import weights_of_model

__all__ = ["Neurons"]

_GRID = 60


class Neurons:
    """One page's room: one network, or two beside each other, on the same rows.

    Parameters
    ----------
    close : tuple of Connection
        Connections that child processes must not keep open.
    tell : callable
        Takes an event for the page.

    Attributes
    ----------
    sides : dict of str to Side
        "a", and "b" while two are compared.
    """

    def __init__(self, close: tuple[Connection, ...], tell: Callable[[dict[str, Any]], None]) -> None:
        self._close, self._tell = close, tell
        self.own: Own | None = None
        self.uploads: dict[str, pd.DataFrame] = {}
        self.speed: float | None = None
        self.show: dict[str, Any] = {"x": None, "y": None, "grid": _GRID, "discretize": False, "show_test": False}
        configuration = Configuration()
        self.rows: Rows = make_rows(configuration)
        self.sides = {"a": Side("a", configuration, self.rows, Trainer(close))}
        self.warnings: list[str] = []

    @property
    def a(self) -> Side:
        """The side that every verb is about."""
        return self.sides["a"]

    def hello(self) -> dict[str, Any]:
        """Return the version, the defaults, and everything that can be chosen."""
        return {
            "version": strata.__version__,
            "defaults": Configuration().model_dump(),
            "choices": {**choices(), "limits": LIMITS.to_dict()},
        }

    # -- the answers ----------------------------------------------------------------------------------

    def view(self) -> dict[str, Any]:
        """Return everything that the page shows beside the frames."""
        return {
            "configuration": self.a.configuration.model_dump(),
            "data": self._data_view(),
            "network": self.a.network(),
            "warnings": [*self.rows.warnings, *self.warnings],
            "state": {**self.a.state(), "speed": self.speed},
            "show": self.show,
        }

    def shown(self) -> tuple[str, str]:
        """Return the columns of the two axes."""
        columns = self.rows.columns
        x = self.show["x"] if self.show["x"] in columns else columns[0]
        rest = [name for name in columns if name != x] or [x]
        y = self.show["y"] if self.show["y"] in columns else rest[0]
        return x, y

    def _data_view(self) -> dict[str, Any]:
        rows, shown = self.rows, self.shown()
        return {
            "n_train": len(rows.train),
            "n_test": len(rows.test),
            "problem": rows.problem,
            "classes": [label_text(label)[:100] for label in rows.labels],
            "columns": list(rows.columns),
            "shown": list(shown),
            "range": [list(rows.range_of(name)) for name in shown],
            "points": rows.points(shown),
            "source": rows.source,
        }

    # -- verbs ----------------------------------------------------------------------------------------

    def configure(self, changes: dict[str, Any]) -> dict[str, Any]:
        """Change fields; data and weights that they do not touch are kept."""
        try:
            configuration = self.a.configuration.changed(changes)
        except ValidationError as error:
            raise ValueError(explain(error)) from None
        self.warnings = []
        before = self.a.configuration.model_dump()
        changed = {name for name, value in configuration.model_dump().items() if value != before[name]}
        if not changed:
            return self.view()
        if changed & DATA_FIELDS or ("features" in changed or "scale" in changed):
            self._restart(configuration, make_rows(configuration, self.own))
        elif not self.a.relearn(configuration):
            self._restart(configuration, self.rows)
        return self.view()

    def _restart(self, configuration: Configuration, rows: Rows) -> None:
        if configuration.dataset != OWN or rows.plane:
            configuration = configuration.changed({"features": list(rows.features)})
        elif list(rows.features) != configuration.features:
            configuration = configuration.changed({"features": [name[:80] for name in rows.features]})
        self.a.start(configuration, rows)
        self.rows = rows
        if "b" in self.sides:
            other = self.sides["b"].configuration
            kept = {name: getattr(configuration, name) for name in (*DATA_FIELDS, "seed", "features", "scale")}
            self.sides["b"].start(other.changed(kept), rows)

    def play(self) -> dict[str, Any]:
        """Let all sides learn."""
        for side in self.sides.values():
            side.play()
        return {"state": self.a.state()}

    def pause(self) -> dict[str, Any]:
        """Hold all sides."""
        for side in self.sides.values():
            side.pause()
        return {"state": self.a.state()}

    def step(self, epochs: int) -> dict[str, Any]:
        """Let all sides learn for some epochs."""
        for side in self.sides.values():
            side.step(epochs)
        return {"state": self.a.state()}

    def reset(self, *, new_seed: bool) -> dict[str, Any]:
        """Begin again with the same first weights, or with others."""
        configuration = self.a.configuration
        if new_seed:
            configuration = configuration.changed({"seed": (configuration.seed + 1) % 2**31})
        self._restart(configuration, self.rows)
        return self.view()

    def regenerate(self) -> dict[str, Any]:
        """Draw other rows, or another split where the rows are fixed."""
        seed = (self.a.configuration.data_seed + 1) % 2**31
        configuration = self.a.configuration.changed({"data_seed": seed})
        self._restart(configuration, make_rows(configuration, self.own))
        return self.view()

    def limit(self, epochs_per_second: float | None) -> dict[str, Any]:
        """Limit how fast all sides learn."""
        self.speed = epochs_per_second
        for side in self.sides.values():
            side.trainer.limit(epochs_per_second)
        return {"speed": epochs_per_second}

    def edit(self, layer: int, source: int | None, to: int, value: float) -> dict[str, Any]:
        """Set a weight or a bias by hand."""
        self.a.edit(layer, source, to, value)
        return {"state": self.a.state()}

    def seek(self, epoch: int) -> dict[str, Any]:
        """Show an earlier moment; the run is held."""
        self.pause()
        for side in self.sides.values():
            side.seek(epoch)
        return self.view()

    def choose(self, changes: dict[str, Any]) -> dict[str, Any]:
        """Choose what the maps show."""
        for name in ("x", "y"):
            if changes.get(name) is not None and changes[name] not in self.rows.columns:
                raise ValueError(f"`{name}` must be a column of the data. Received: {name}={changes[name]!r}.")
        self.show.update({name: value for name, value in changes.items() if value is not None})
        for side in self.sides.values():
            side.dirty = True
        return self.view()

    def draw(self, points: list[list[float]], problem: str) -> dict[str, Any]:
        """Learn from points that were drawn."""
        if problem == "classification" and any(kind != int(kind) for _, _, kind in points):
            raise ValueError("`points` of classes must have whole class numbers.")
        frame = pd.DataFrame(points, columns=["x1", "x2", "label"], dtype=float)
        if problem == "classification":
            frame["label"] = frame["label"].astype(int)
        return self._use(Own(frame, "label", problem, drawn=True, name="points"), {"features": ["x1", "x2"]})

    def open_data(self, message: Any) -> dict[str, Any]:
        """Learn from a bundled set or an uploaded table."""
        if message.source == "bundled":
            if message.name is None:
                raise ValueError("`name` must be given with the source 'bundled'.")
            changes = {"dataset": message.name, "problem": message.problem, "scale": message.standardize}
            configuration = self.a.configuration.changed({**changes, "features": message.features or []})
            self._restart(configuration, make_rows(configuration))
            return self.view()
        if message.upload not in self.uploads:
            raise ValueError("`upload` must be the number of an uploaded table of this page. Upload the table again.")
        frame = self.uploads[message.upload]
        if message.target not in frame.columns:
            raise ValueError(f"`target` must be a column of the table. Received: target={message.target!r}.")
        if message.features is not None:
            frame = frame[[name for name in frame.columns if name in message.features or name == message.target]]
        own = Own(frame, message.target, message.problem, message.standardize, name=message.upload)
        return self._use(own, {"scale": message.standardize, "problem": message.problem})

    def _use(self, own: Own, changes: dict[str, Any]) -> dict[str, Any]:
        names = [str(name) for name in own.frame.columns if name != own.target][: LIMITS.features]
        given = {"features": [name[:80] for name in names], "scale": None, "problem": "auto", **changes}
        configuration = self.a.configuration.changed({**given, "dataset": OWN})
        rows = make_rows(configuration, own)
        self._restart(configuration, rows)
        self.own = own
        return self.view()

    def compare(self, changes: dict[str, Any] | None) -> dict[str, Any]:
        """Put another configuration beside the first, on the same rows and with the same seed."""
        if changes is None:
            if "b" in self.sides:
                self.sides.pop("b").trainer.close()
            return {"configuration": None}
        kept = {name: getattr(self.a.configuration, name) for name in (*DATA_FIELDS, "seed", "features", "scale")}
        configuration = self.a.configuration.changed({**changes, **kept})
        if "b" not in self.sides:
            self.sides["b"] = Side("b", configuration, self.rows, Trainer(self._close))
            self.sides["b"].trainer.limit(self.speed)
        else:
            self.sides["b"].start(configuration, self.rows)
        self.a.start(self.a.configuration, self.rows)
        return {"configuration": configuration.model_dump(), "network": self.sides["b"].network()}

    def script(self) -> str:
        """Return the run as Python."""
        side = self.a
        return script_of(side.configuration, self.rows, self.own, side.finished_legs())

    def adopt(self, model: Any) -> dict[str, Any]:
        """Show a model that was opened, on the present data."""
        name = type(model).__name__
        if name not in ("MLPClassifier", "MLPRegressor"):
            raise ValueError(f"The page can open multi-layer perceptrons. Received: {name}.")
        if model.n_features_in_ != len(self.rows.features):
            raise ValueError(
                f"The model has {model.n_features_in_} inputs and the data that are shown {len(self.rows.features)}. "
                "Choose the data and the features that it was trained on, and open it again."
            )
        problem = "classification" if name == "MLPClassifier" else "regression"
        if problem != self.rows.problem or (self.rows.labels and list(model.classes_) != self.rows.labels):
            raise ValueError("The model answers another question than the data that are shown. Choose its data first.")
        changes, _ = fields_of(model.get_params(deep=False), self.a.configuration)
        known = {"mode": "network", "early_stopping": False, "schedule": "constant", "schedule_settings": {}}
        try:
            configuration = self.a.configuration.changed({**changes, **known})
        except ValidationError as error:
            raise ValueError(f"The model is larger than the page can show. {explain(error)}") from None
        rows = replace(self.rows, scale=bool(model.scale_inputs))
        self.a.adopt(configuration, rows, weights_of_model(model))
        self.rows = rows
        return self.view()

    def apply(self, code: str) -> dict[str, Any]:
        """Apply the cure of a verdict, and begin anew with it."""
        changes, left = cure_of(self.a, code, self.a.configuration)
        try:
            configuration = self.a.configuration.changed(changes)
        except ValidationError as error:
            raise ValueError(f"The cure does not fit the page. {explain(error)}") from None
        self._restart(configuration, make_rows(configuration, self.own))
        self.warnings = left
        return self.view()

    def acknowledge(self, frame: int) -> None:
        """Note that the page has drawn a frame."""
        for side in self.sides.values():
            side.pace.drawn(frame)

    # -- frames ---------------------------------------------------------------------------------------

    def close(self) -> None:
        """End the training processes."""
        for side in self.sides.values():
            side.trainer.close()

    def gather(self, now: float) -> None:
        """Ask running sides for their weights where it is time."""
        for side in self.sides.values():
            if side.running and not side.trainer.asked and side.pace.may_look(now):
                side.pace.looked(now)
                side.trainer.ask()
