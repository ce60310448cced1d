"""From a plan to a finished run: the folder, the checkpoints and the order of the steps, whatever is trained."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from strata._threads import limit_threads
from strata.engine import Callback, latest_checkpoint
from strata.report._running import check_device, check_same_data, checkpointing, determinism, line_writer, status_of
from strata.report.run_folder import RunFolder

if TYPE_CHECKING:
    from strata.report.training import TrainResult

__all__ = ["AnyPlan", "Steps", "Wishes", "carry_out"]

MAX_SEEDS = 1000
Say = Callable[[str], None]


class AnyPlan(Protocol):
    """What a run must know of a plan, be it of a table or of pictures.

    Attributes
    ----------
    problem : object
        With ``name``, ``source``, ``digest``, ``target`` and ``task``.
    recipe : object
        With ``model``, its name.
    audit : AuditReport
        What the audit found.
    split : str
        Kind of the split; "none" tests on the rows that are learned from.
    seed : int
        Seed of the split and of the training.
    """

    problem: Any
    recipe: Any
    audit: Any
    split: str
    seed: int

    @property
    def n_train(self) -> int:
        """Rows to learn from."""
        ...

    @property
    def n_parameters(self) -> int | None:
        """Weights and biases; None before the network is built."""
        ...

    def to_dict(self) -> dict[str, Any]:
        """Return the plan without the data, ready for JSON."""
        ...


@dataclass(frozen=True)
class Wishes:
    """What a run is asked for, beside the training itself.

    Parameters
    ----------
    out : str, Path or None, default=None
        Run folder.
    force : bool, default=False
        Replace a run that is there.
    baselines : bool, default=True
        Fit the baselines as well.
    device : str, default="auto"
        Where to compute.
    n_threads : int or None, default=None
        Threads to compute with.
    deterministic : bool, default=False
        Refuse kernels that may differ from run to run.
    time_limit : float or None, default=None
        Seconds of training.
    save_every : mapping of str to number or None, default=None
        When to save a checkpoint.
    resume : bool, default=False
        Go on from the checkpoint in ``out``.
    progress : bool, default=False
        Show how far the run is.
    callbacks : sequence of Callback, default=()
        Look on.
    seeds : int, default=1
        Trainings with seeds that follow one another.
    learning_curve : bool, default=False
        Train on parts of the training rows as well.
    report : bool, default=True
        Write ``report.html``.
    options : mapping of str to object or None, default=None
        The command's options, for the record.
    call : str or None, default=None
        The Python that does it again, for the record.
    say : callable or None, default=None
        Takes lines of progress; by default they go to standard error with ``progress``.
    """

    out: str | Path | None = None
    force: bool = False
    baselines: bool = True
    device: str = "auto"
    n_threads: int | None = None
    deterministic: bool = False
    time_limit: float | None = None
    save_every: Mapping[str, float] | None = None
    resume: bool = False
    progress: bool = False
    callbacks: Sequence[Callback] = ()
    seeds: int = 1
    learning_curve: bool = False
    report: bool = True
    options: Mapping[str, Any] | None = None
    call: str | None = None
    say: Say | None = None

    def check(self) -> None:
        """Refuse what makes no sense, before anything is written."""
        if self.out is None and (self.resume or self.save_every):
            raise ValueError("`out` must name the run folder to save to or resume from. Received: out=None.")
        if isinstance(self.seeds, bool) or not isinstance(self.seeds, int) or not 1 <= self.seeds <= MAX_SEEDS:
            raise ValueError(f"`seeds` must be an integer from 1 to {MAX_SEEDS}. Received: seeds={self.seeds!r}.")
        check_device(self.device)

    def settings(self, seed: int) -> dict[str, Any]:
        """Return what the estimator is told beside the parameters of the plan."""
        return {
            "callbacks": list(self.callbacks) or None,
            "device": self.device,
            "n_threads": self.n_threads,
            "progress": self.progress,
            "random_state": seed,
            "time_limit": self.time_limit,
        }

    def parts(self) -> dict[str, Any]:
        """Return the parts that are wished for, for the record."""
        names = ("baselines", "seeds", "learning_curve", "report")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True)
class Steps:
    """What is done in a run, in this order.

    Parameters
    ----------
    fit : callable
        Takes the plan, the settings of the estimator and ``say``; trains and scores.
    keep : callable
        Takes the result and the folder; writes the model and what it predicted.
    compare : callable
        Takes the result, the settings and the wishes; fits what the network is compared with.
    write : callable
        Takes the result, the folder and whether a page is wanted; writes the report.
    look_on : callable, optional
        Takes the plan; gives the callback that watches a training from its start, or None.
    """

    fit: "Callable[[Any, Mapping[str, Any], Say | None], TrainResult]"
    keep: "Callable[[TrainResult, RunFolder], None]"
    compare: "Callable[[TrainResult, Mapping[str, Any], Wishes], None]"
    write: "Callable[[TrainResult, RunFolder, bool], None]"
    look_on: Callable[[Any], Callback | None] | None = None


def carry_out(plan: AnyPlan, wishes: Wishes, steps: Steps) -> "TrainResult":
    """Train what was planned, and leave a folder with all of it where one is named.

    Parameters
    ----------
    plan : Plan
        Everything decided.
    wishes : Wishes
        Where to, and what else.
    steps : Steps
        How it is done.

    Returns
    -------
    result : TrainResult
        What came out. The model and its predictions are on the disk before anything that may take long or fail.
    """
    wishes.check()
    say = wishes.say or (line_writer() if wishes.progress else None)
    settings = wishes.settings(plan.seed)
    with determinism(wishes.deterministic), limit_threads(wishes.n_threads):
        if wishes.out is None:
            result = steps.fit(plan, settings, say)
            result.parts.say = say
            steps.compare(result, settings, wishes)
            return result
        folder = RunFolder(wishes.out, force=wishes.force, resume=wishes.resume)
        check_same_data(plan, folder, resume=wishes.resume)
        with folder:
            return _in_folder(plan, wishes, steps, folder, settings, say)


def _in_folder(
    plan: AnyPlan, wishes: Wishes, steps: Steps, folder: RunFolder, settings: dict[str, Any], say: Say | None
) -> "TrainResult":
    record = {
        **plan.to_dict(),
        "options": dict(wishes.options or {}),
        "device": wishes.device,
        "n_threads": wishes.n_threads,
        "deterministic": wishes.deterministic,
        "report": wishes.parts(),
        "call": wishes.call,
    }
    folder.write_config(record, status="running")
    settings["checkpoint"] = checkpointing(folder, wishes.save_every, force=wishes.force)
    settings["resume"] = wishes.resume and latest_checkpoint(folder.checkpoints) is not None
    with status_of(folder):
        watched = wishes.report and not settings["resume"]
        recorder = steps.look_on(plan) if watched and steps.look_on is not None else None
        if recorder is not None:
            settings["callbacks"] = [*wishes.callbacks, recorder]
        result = steps.fit(plan, settings, say)
        result.watched = recorder is not None
        result.folder, result.parts.say = folder.path, say
        steps.keep(result, folder)
        steps.compare(result, settings, wishes)
        steps.write(result, folder, wishes.report)
    return result
