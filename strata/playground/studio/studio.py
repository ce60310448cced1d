"""What both rooms have: settings, a training process that is held and released, frames as fast as the page draws."""

from __future__ import annotations

import warnings
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

import strata
from strata.engine import StopAfter, watching
from strata.playground.models import Model
from strata.playground.pace import Pace
from strata.playground.studio.live import Snapshot, adopt, begin, live_trainer
from strata.playground.studio.messages import Settings
from strata.playground.training import FOREVER

__all__ = ["Studio", "first_model"]

_MOST_NEW_ROWS = 2000


def first_model(plan: Model, X: Any, y: Any) -> Any:
    """Return the estimator with its first weights.

    Parameters
    ----------
    plan : Model
        Class and arguments.
    X, y : ndarray
        What it will learn from.

    Returns
    -------
    model : estimator
        Fitted for no epoch.
    """
    with watching(StopAfter(0)), warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return plan.build().fit(X, y)


class Studio:
    """Base of the rooms *Pictures* and *Codes*.

    Parameters
    ----------
    close : tuple of Connection
        Connections that the training process must not keep open.

    Attributes
    ----------
    running : bool
        Whether it learns.
    epoch : int
        Epochs learned by the weights that are shown; ``share`` of the next one is done as well.
    dirty : bool
        Whether there is something new to show.
    """

    settings_class: type[Settings] = Settings

    def __init__(self, close: tuple[Connection, ...]) -> None:
        self.trainer = live_trainer(close)
        self.settings: Any = self.settings_class()
        self.speed: float | None = None
        self.pace = Pace()
        self.dirty = True
        self.start()

    # -- what a room makes of it ----------------------------------------------------------------------

    def plan(self) -> Model | None:
        """Return what learns, or None where nothing does."""
        raise NotImplementedError

    def rows(self) -> tuple[Any, Any]:
        """Return what it learns from."""
        raise NotImplementedError

    def measure(self) -> tuple[float, ...]:
        """Return a row of the curve for the weights that are shown, without the epoch."""
        raise NotImplementedError

    def hello(self) -> dict[str, Any]:
        """Return the version, the defaults and what can be chosen."""
        return {"version": strata.__version__, "defaults": self.settings_class().model_dump()}

    def view(self) -> dict[str, Any]:
        """Return everything that the page shows beside the frames."""
        return {"configuration": self.settings.model_dump(), "state": self.state(), "warnings": []}

    def pictures(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return header and arrays of a frame."""
        raise NotImplementedError

    def own_verb(self, message: Any) -> dict[str, Any]:
        """Do what only one of the rooms can do."""
        raise ValueError(f"`do` {message.do!r} is not available in this room.")

    # -- the run --------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin anew, held before the first epoch."""
        plan = self.plan()
        self.model: Any = first_model(plan, *self.rows()) if plan is not None else None
        self.running = False
        self.over: str | None = None
        self.epoch, self.last_epoch, self.share = 0, 0, 0.0
        self.figures: dict[str, Any] = {}
        self.new_rows: list[tuple[float, ...]] = []
        self._measured = -1
        self.fresh = True  # the page forgets its curve
        self.dirty = True
        if plan is None:
            self.trainer.cancel()
            return
        begin(self.trainer, plan, *self.rows())
        self._record()

    def _record(self) -> None:
        """Measure once an epoch."""
        if self.epoch == self._measured:
            return
        self._measured = self.epoch
        self.new_rows.append((float(self.epoch), *self.measure()))
        if len(self.new_rows) > _MOST_NEW_ROWS:
            self.new_rows = [*self.new_rows[::2], self.new_rows[-1]]

    def state(self) -> dict[str, Any]:
        """Return whether it runs and where it stands."""
        return {
            "running": self.running,
            "epoch": self.epoch,
            "epochs": self.last_epoch,
            "seed": self.settings.seed,
            "mode": self.settings_class.__name__,
            "over": self.over,
            "speed": self.speed,
        }

    def play(self) -> dict[str, Any]:
        """Let it learn; anew where it has come to its end."""
        self._refuse_idle()
        if self.over is not None:
            self.start()
        self.running = True
        self.trainer.allow(FOREVER)
        return {"state": self.state()}

    def pause(self) -> dict[str, Any]:
        """Hold it where it is."""
        if self.running:
            self.trainer.allow(0)
        return {"state": self.state()}

    def step(self, epochs: int) -> dict[str, Any]:
        """Let it learn to the end of so many epochs."""
        self._refuse_idle()
        if self.over is not None:
            self.start()
        self.running = True
        self.trainer.allow(self.epoch + epochs)
        return {"state": self.state()}

    def _refuse_idle(self) -> None:
        if self.model is None:
            raise ValueError("This network has learned already. Choose one that learns here.")

    def reset(self, *, new_seed: bool) -> dict[str, Any]:
        """Begin again with the same first weights, or with others."""
        if new_seed:
            self.settings = self.settings.changed({"seed": (self.settings.seed + 1) % 2**31})
        self.start()
        return self.view()

    def limit(self, epochs_per_second: float | None) -> dict[str, Any]:
        """Limit how fast it learns."""
        self.speed = epochs_per_second
        self.trainer.limit(epochs_per_second)
        return {"speed": epochs_per_second}

    def configure(self, changes: dict[str, Any]) -> dict[str, Any]:
        """Change settings, and begin anew; what ran goes on to run."""
        settings = self.settings.changed(changes)
        if settings != self.settings:
            was_running, before = self.running, self.settings
            self.settings = settings
            try:
                self.start()
            except (ValueError, OSError):
                self.settings = before
                raise
            if was_running and self.model is not None:
                self.play()
        return self.view()

    def revive(self) -> None:
        """Begin anew with another training process."""
        self.trainer.close()
        self.trainer = self.trainer.another()
        self.trainer.limit(self.speed)
        self.start()

    def close(self) -> None:
        """End the training process."""
        self.trainer.close()

    def take(self, message: tuple[str, int, int, Snapshot | None, dict[str, Any]]) -> dict[str, Any] | None:
        """Take a message of the training process; return an event for the page, if there is one."""
        kind, generation, epoch, snapshot, more = message
        if kind == "weights" or generation != self.trainer.generation:
            self.trainer.asked = False
        if generation != self.trainer.generation:
            return None
        if kind == "failed" or snapshot is None:
            self.running, self.over = False, "failed"
            told = "The loss became infinite or not a number: the steps are too large. Lower the learning rate."
            return {"event": "failed", "error": told if more.get("epoch") is not None else more.get("error")}
        adopt(self.model, snapshot)
        self.epoch = self.last_epoch = epoch
        self.share = float(more.get("share", 0.0))
        self.figures = {name: more.get(name) for name in ("rate", "loss")}
        self._record()
        self.dirty = True
        if kind == "paused":
            self.running = False
        if kind == "ended":
            self.running, self.over = False, more["reason"]
            return {"event": "ended", "reason": f"The run ended after {epoch} epochs. Play begins anew."}
        return None

    # -- frames ---------------------------------------------------------------------------------------

    @property
    def busy(self) -> bool:
        """Whether the loop must look at the clock."""
        return self.dirty or self.running

    def gather(self, now: float) -> None:
        """Ask the training process for its weights where it is time."""
        if self.running and not self.trainer.asked and self.pace.may_look(now):
            self.pace.looked(now)
            self.trainer.ask()

    def acknowledge(self, frame: int) -> dict[str, Any]:
        """Note that the page has drawn a frame."""
        self.pace.drawn(frame)
        return {}

    def frame(self, number: int) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the header and the arrays of a frame."""
        header, arrays = self.pictures()
        if self.new_rows:
            arrays["curve"] = np.array(self.new_rows, dtype=np.float64)
        self.new_rows, self.dirty = [], False
        basis = {
            "frame": number,
            "side": "a",
            "epoch": self.epoch,
            "epochs": self.last_epoch,
            "share": self.share,
            "running": self.running,
            "losses": {"train": None, "test": None, "penalty": None},
            "scores": {},
            "fresh": self.fresh,
            **self.figures,
        }
        self.fresh = False
        return {**basis, **header}, arrays
