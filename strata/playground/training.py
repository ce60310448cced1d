"""The training process: it fits an estimator, waits while paused, and hands out its weights when asked."""

from __future__ import annotations

import ctypes
import io
import multiprocessing
import os
import queue
import signal
import threading
import time
import warnings
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
import torch

from strata.diagnosis import Recorder, evidence_of, from_evidence
from strata.engine import Callback, Run, StopAfter, watching
from strata.playground.models import Model
from strata.playground.weights import Edit, Weights, edited, put_weights, weights_of_model, weights_of_rule

__all__ = ["Job", "Leg", "Link", "Trainer", "TrainingProcess", "fit_leg", "settle"]

FOREVER = 1 << 60
_FIRST_JUDGED = 8  # epochs before the first diagnosis
_REST = 10.0  # seconds between two diagnoses of a run that goes on: each takes a second of a processor
_LOOK_EVERY = 0.5  # seconds between two looks at whether the parent lives, while paused


class _Control(ctypes.Structure):
    """What the room writes and the training process reads, in shared memory."""

    _fields_ = [
        ("until", ctypes.c_int64),  # epoch up to which it may learn
        ("wanted", ctypes.c_int64),  # snapshots asked for
        ("generation", ctypes.c_int64),  # a job of an older number ends
        ("judgements", ctypes.c_int64),  # diagnoses asked for
        ("speed", ctypes.c_double),  # epochs a second, 0 without limit
    ]


@dataclass(frozen=True)
class Leg:
    """One ``fit`` of a run: what it is done with, what was edited by hand before it, and how long it took.

    Attributes
    ----------
    model : Model
        Class and arguments.
    edits : tuple of (layer, from, to, value)
        ``from`` is None for a bias.
    first : int
        Epochs of the run before it.
    last : int or None
        Epochs of the run at its end, None while it goes on.
    ended : bool
        Whether the fit ended by itself there, its best weights restored where the model does so.
    loaded : bool
        Whether it is no fit, but a model that was opened.
    """

    model: Model
    edits: tuple[Edit, ...] = ()
    first: int = 0
    last: int | None = None
    ended: bool = False
    loaded: bool = False


@dataclass(frozen=True)
class Job:
    """What the training process is to do next.

    Attributes
    ----------
    generation : int
        Number of the job.
    leg : Leg
        The fit.
    X, y : ndarray
        Rows to learn from.
    X_val, y_val : ndarray
        Held-out rows, for the diagnosis.
    base : Model or None
        What the run began with; None where this is the beginning.
    weights : Weights or None
        Where the fit goes on from.
    replay : tuple of Leg
        Fits to do first, at full speed, where there is more to a state than the weights.
    """

    generation: int
    leg: Leg
    X: Any
    y: Any
    X_val: Any
    y_val: Any
    base: Model | None = None
    weights: Weights | None = None
    replay: tuple[Leg, ...] = field(default=())


def fit_leg(model: Any, leg: Leg, X: Any, y: Any, *, whole: bool = False) -> Any:
    """Do one leg of a run, as the script that the page hands out does it.

    Parameters
    ----------
    model : estimator or None
        What learned before; None for the first leg.
    leg : Leg
        What to do; it stops where the leg does, unless that ended by itself.
    X, y : ndarray
        Rows to learn from.
    whole : bool, default=False
        Whether to go on to the end that the model plans.

    Returns
    -------
    model : estimator
        Fitted; the same object where one was given.
    """
    if model is None:
        model = leg.model.build()
    else:
        settle(model, leg)
    stops = []
    if leg.last is not None and not leg.ended and not whole:
        stops = [StopAfter(leg.last - leg.first)]
        if leg.model.arguments.get("early_stopping"):
            model.set_params(restore_best=False)
    with watching(*stops), warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return model.fit(X, y)


def settle(model: Any, leg: Leg) -> None:
    """Make a fitted model ready for a leg that goes on from its weights.

    Parameters
    ----------
    model : estimator
        Fitted.
    leg : Leg
        Its arguments are set, its edits done.
    """
    plain = type(model)()
    arguments = {name: leg.model.arguments.get(name, getattr(plain, name)) for name in plain.get_params(deep=False)}
    model.set_params(**{**arguments, "warm_start": True})
    if leg.edits:
        put_weights(model, edited(weights_of_model(model), leg.edits))


class Link(Callback):
    """Looks on in the training process: pauses, stops, hands out weights, judges.

    Parameters
    ----------
    trainer : TrainingProcess
        The process that it looks on in.
    job : Job
        What is trained.
    """

    def __init__(self, trainer: TrainingProcess, job: Job) -> None:
        self.process = trainer
        self.job = job
        self.told = -1
        self.judged = 0
        self.rested = 0.0
        self.begun = time.monotonic()
        self.epochs_begun = 0
        self.limit = 0.0
        self.epoch = 0
        self.judgements = trainer.control.judgements

    def on_fit_begin(self, run: Run) -> None:
        """Show the first weights, and wait until training may begin."""
        self._between(run)

    def on_epoch_end(self, run: Run) -> None:
        """Do what the room asks for between two epochs."""
        self._between(run)

    def _between(self, run: Run) -> None:
        control, process = self.process.control, self.process
        self.epoch = run.epoch
        epoch = self.job.leg.first + run.epoch
        if control.generation != self.job.generation:
            run.stop("callback")
            return
        if run.stop_reason is not None:
            return
        if control.wanted != process.answered:
            process.answered = control.wanted
            process.tell("weights", self.job, epoch, process.snapshot_of_rule(run.rule), self._figures(run))
        self._judge_if_due(run, max(_FIRST_JUDGED, 2 * self.judged) if time.monotonic() >= self.rested else FOREVER)
        if process.in_child:
            return
        if epoch >= control.until:
            self._wait(run, epoch)
        elif control.speed > 0:
            self._keep_pace(run.epoch)

    def _judge_if_due(self, run: Run, due: int) -> None:
        """Begin a diagnosis from an epoch on, or where one is asked for; while another is at work, try again later."""
        asked = self.process.control.judgements
        if (run.epoch >= due or (run.epoch and asked != self.judgements)) and self.process.judge(run):
            self.judged, self.judgements = run.epoch, asked
            self.rested = time.monotonic() + _REST

    def _figures(self, run: Run) -> dict[str, Any]:
        return {"rate": run.rule.rate, "loss": run.figures.get("loss")}

    def _keep_pace(self, epoch: int) -> None:
        """Wait so that no more epochs a second are done than are allowed."""
        control = self.process.control
        if control.speed != self.limit:
            self.limit, self.begun, self.epochs_begun = control.speed, time.monotonic(), epoch
        while True:
            left = self.begun + (epoch - self.epochs_begun) / self.limit - time.monotonic()
            if left < -1.0:  # it cannot keep up: begin to count anew
                self.begun, self.epochs_begun = time.monotonic(), epoch
            if left <= 0 or control.generation != self.job.generation or control.speed != self.limit:
                return
            self.process.wake.wait(min(left, 0.1))
            self.process.wake.clear()

    def _wait(self, run: Run, epoch: int) -> None:
        """Hand out where it stands, and wait until more may be done."""
        control, process = self.process.control, self.process
        state = io.BytesIO()
        torch.save(run.rule.state_dict(), state)
        figures = {**self._figures(run), "state": state.getvalue()}
        process.tell("paused", self.job, epoch, process.snapshot_of_rule(run.rule), figures)
        while epoch >= control.until and control.generation == self.job.generation:
            process.wake.wait(_LOOK_EVERY)
            process.wake.clear()
            self._judge_if_due(run, max(_FIRST_JUDGED, self.judged + 1))
            if process.in_child:
                return
            process.check_parent()
        self.limit = 0.0
        if control.generation != self.job.generation:
            run.stop("callback")


def _step_back() -> None:
    """Let this process run only where a processor has nothing else to do."""
    os.nice(19)
    if hasattr(os, "SCHED_IDLE"):
        with suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


class TrainingProcess:
    """What runs in the training process.

    Parameters
    ----------
    control : ctypes structure
        Shared memory in which the room says what it wants.
    wake : Event
        Set by the room when that has changed.
    link : Connection
        Jobs come in, weights go out.
    verdicts : Connection
        What was judged goes out.
    """

    link_class = Link
    snapshot_of_rule = staticmethod(weights_of_rule)
    snapshot_of_model = staticmethod(weights_of_model)

    def __init__(self, control: Any, wake: Any, link: Connection, verdicts: Connection) -> None:
        self.control, self.wake, self.link, self.verdicts = control, wake, link, verdicts
        self.parent = os.getppid()
        self.answered = 0
        self.recorder: Recorder | None = None
        self.in_child = False
        self.judging: int | None = None
        self.model: Any = None

    def check_parent(self) -> None:
        """End with the room."""
        if os.getppid() != self.parent:
            os._exit(0)

    def tell(self, kind: str, job: Job, epoch: int, weights: Weights | None, more: dict[str, Any]) -> None:
        """Send something to the room; end where it is gone."""
        if self.in_child:
            return
        try:
            self.link.send((kind, job.generation, epoch, weights, more))
        except OSError:
            os._exit(0)

    def go(self) -> None:
        """Do jobs until the room is gone."""
        torch.set_num_threads(1)
        jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        threading.Thread(target=self._receive, args=(jobs,), daemon=True).start()
        while True:
            job = jobs.get()
            while not jobs.empty():
                job = jobs.get()
            if job is None:
                return
            self._do(job)

    def _receive(self, jobs: queue.SimpleQueue[Job | None]) -> None:
        """Take jobs also while this process sends: the room would wait for us to read, and we for the room."""
        with suppress(EOFError, OSError):
            while True:
                jobs.put(self.link.recv())
        jobs.put(None)

    def _do(self, job: Job) -> None:
        watches = job.leg.model.name in ("MLPClassifier", "MLPRegressor")
        self.recorder = Recorder(max_bytes=1 << 24) if watches else None
        link = self.link_class(self, job)
        try:
            self.model = self._before(job)
            with watching(*([self.recorder] if self.recorder else []), link), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                with np.errstate(all="ignore"):
                    self.model.fit(job.X, job.y)
        except Exception as error:  # whatever a fit raises, the process is there for the next one
            self.tell("failed", job, -1, None, {"error": str(error), "epoch": getattr(error, "epoch", None)})
            self._judge_now(job)
            if self.in_child:
                os._exit(0)
            return
        if self.in_child:
            self._judge_now(job)
            os._exit(0)
        if self.control.generation == job.generation:
            self._ended(job, link.epoch)

    def _before(self, job: Job) -> Any:
        """Return the model as it stands before the leg."""
        if job.base is None:
            return job.leg.model.build()
        model = None
        for leg in job.replay:
            model = fit_leg(model, leg, job.X, job.y)
        if model is None:
            model = fit_leg(None, Leg(job.base, last=0), job.X, job.y)
            if job.weights is not None:
                put_weights(model, job.weights)
            if hasattr(model, "coefs_"):
                model.t_ = len(job.y) * job.leg.first
        settle(model, job.leg)
        return model

    def _ended(self, job: Job, epochs: int) -> None:
        """Say why the fit ended by itself, and judge it."""
        more = {"reason": str(getattr(self.model, "stop_reason_", "max_epochs")), "rate": None, "loss": None}
        self.tell("ended", job, job.leg.first + epochs, self.snapshot_of_model(self.model), more)
        self._judge_now(job)

    def judge(self, run: Run) -> bool:
        """Let a copy of this process end the run here and judge it, while training goes on; False while one does."""
        if self.recorder is None or self.in_child:
            return True
        if self.judging is not None:
            with suppress(ChildProcessError):
                if os.waitpid(self.judging, os.WNOHANG) == (0, 0):
                    return False
        self.judging = os.fork()
        if self.judging == 0:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            self.in_child = True
            _step_back()
            run.stop("callback")
        return True

    def _judge_now(self, job: Job) -> None:
        """Send the verdicts on what the recorder has seen."""
        if self.recorder is None:
            return
        if self.judging:  # two writers at a time would mix their words
            with suppress(ChildProcessError):
                os.waitpid(self.judging, 0)
            self.judging = None
        try:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                evidence = evidence_of(
                    self.model, job.X, job.y, X_val=job.X_val, y_val=job.y_val, watcher=self.recorder
                )
                diagnosis = from_evidence(evidence)
            found = [verdict.to_dict() for verdict in (*diagnosis.verdicts, *diagnosis.others)]
            self.verdicts.send((job.generation, found, None))
        except OSError:
            return
        except Exception as error:  # a judge that stumbles must not end the training
            self.verdicts.send((job.generation, [], f"{type(error).__name__}: {error}"))


class Trainer:
    """The room's end of a training process.

    Parameters
    ----------
    close : sequence of Connection, default=()
        Connections of the room that the child must not keep open.
    kind : type, default=TrainingProcess
        What runs in the child.

    Attributes
    ----------
    link, verdicts : Connection
        What the child says: ``(kind, generation, epoch, weights, more)``, and ``(generation, verdicts, error)``.
    generation : int
        Number of the last job.
    """

    def __init__(self, close: tuple[Connection, ...] = (), kind: type[TrainingProcess] = TrainingProcess) -> None:
        self._close, self._kind = close, kind
        context = multiprocessing.get_context("fork")
        self._control: Any = context.RawValue(_Control)
        self._wake = context.Event()
        self.link, theirs = context.Pipe()
        self.verdicts, their_verdicts = context.Pipe()
        inside = (self.link, self.verdicts, *close)
        self.process = context.Process(
            target=_main, args=(kind, self._control, self._wake, theirs, their_verdicts, inside), daemon=True
        )
        self.process.start()
        theirs.close()
        their_verdicts.close()
        self.generation = 0
        self.asked = False

    def another(self) -> Trainer:
        """Return a new process in place of one that ended."""
        return Trainer(self._close, self._kind)

    def begin(self, job_leg: Leg, rows: tuple[Any, Any, Any, Any], **more: Any) -> None:
        """Begin a job, in place of the one that goes on."""
        self.generation += 1
        self._control.generation = self.generation
        self.asked = False
        self._wake.set()
        self.link.send(Job(self.generation, job_leg, *rows, **more))

    def cancel(self) -> None:
        """End the job that goes on."""
        self.generation += 1
        self._control.generation = self.generation
        self._wake.set()

    def allow(self, until: int) -> None:
        """Let it learn up to an epoch."""
        self._control.until = until
        self._wake.set()

    def limit(self, epochs_per_second: float | None) -> None:
        """Limit how fast it learns."""
        self._control.speed = 0.0 if epochs_per_second is None else float(epochs_per_second)
        self._wake.set()

    def ask(self) -> None:
        """Ask for the weights after the present epoch, unless they are on their way."""
        if not self.asked:
            self.asked = True
            self._control.wanted += 1

    def ask_verdicts(self) -> None:
        """Ask for a diagnosis of a paused run."""
        self._control.judgements += 1
        self._wake.set()

    def close(self) -> None:
        """End the process."""
        self.process.terminate()
        self.process.join(2.0)
        self.link.close()
        self.verdicts.close()


def _main(
    kind: type[TrainingProcess], control: Any, wake: Any, link: Connection, verdicts: Connection, inside: Any
) -> None:
    for connection in inside:
        connection.close()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    kind(control, wake, link, verdicts).go()
