"""One call from data to a trained network, its figures beside its baselines, and a folder with all of it."""

import time as clock
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from inspect import signature
from pathlib import Path
from typing import Any

from sklearn.exceptions import ConvergenceWarning

from strata._threads import limit_threads
from strata.engine import Callback, latest_checkpoint, noting_preparation
from strata.estimators.persistence import save_model
from strata.report._running import check_device, check_same_data, checkpointing, determinism, line_writer, status_of
from strata.report.baselines import Baseline, fit_baselines
from strata.report.building import build_estimator, network_of
from strata.report.evaluation import Evaluation
from strata.report.parts import Parts
from strata.report.planning import Plan, encode_inputs, plan_training
from strata.report.repeats import learning_curve as learning_curve_of
from strata.report.repeats import seed_spread
from strata.report.reproducing import python_call
from strata.report.run_folder import RunFolder
from strata.report.scoring import score_model
from strata.report.watching import recorder_for
from strata.report.writing import write_predictions, write_report

__all__ = ["TrainResult", "fit_plan", "train"]

SCHEMA = "strata.train/1"
MAX_SEEDS = 1000
#: Arguments of `train` that say where to write or how to speak, not what comes out.
NOT_CALLED = ("callbacks", "data", "force", "out", "progress", "resume", "save_every")


@dataclass
class TrainResult:
    """What came out of a training.

    Parameters
    ----------
    plan : Plan
        What was done.
    estimator : estimator
        The fitted model.
    evaluation : Evaluation
        Its figures on the test rows.
    baselines : list of Baseline
        What simpler methods reached on the same rows.
    seconds : float
        Time to fit.
    folder : Path or None
        The run folder.
    seeds : dict or None
        Figures of the trainings with other seeds, and their spread.
    learning_curve : dict or None
        Figures of the trainings on fewer rows.
    parts : Parts
        Which parts of the report were made, and why the others were not.
    watched : bool
        Whether the training was looked at from its start, for the verdicts.
    """

    plan: Plan
    estimator: Any
    evaluation: Evaluation
    baselines: list[Baseline] = field(default_factory=list)
    seconds: float = 0.0
    folder: Path | None = None
    seeds: dict[str, Any] | None = None
    learning_curve: dict[str, Any] | None = None
    parts: Parts = field(default_factory=Parts, repr=False)
    watched: bool = False

    def __repr__(self) -> str:
        """Return the result in one line: the plan holds the whole table."""
        figures = ", ".join(f"{name}={value:.4g}" for name, value in self.evaluation.metrics.items())
        folder = None if self.folder is None else str(self.folder)
        return f"TrainResult({type(network_of(self.estimator)).__name__}: {figures}; folder={folder!r})"

    @property
    def loss(self) -> float | None:
        """Training loss of the last epoch; None for a rule without one."""
        value = getattr(network_of(self.estimator), "loss_", None)
        return None if value is None else float(value)

    @property
    def n_epochs(self) -> int | None:
        """Epochs trained."""
        value = getattr(network_of(self.estimator), "n_iter_", None)
        return None if value is None else int(value)

    @property
    def stop_reason(self) -> str | None:
        """Why training ended."""
        return getattr(network_of(self.estimator), "stop_reason_", None)

    @property
    def temperature(self) -> float | None:
        """By which the logits are divided, where the network is calibrated."""
        value = getattr(network_of(self.estimator), "temperature_", None)
        return None if value is None else float(value)

    def to_dict(self) -> dict[str, Any]:
        """Return everything but the model and the rows, ready for JSON."""
        return {
            "schema": SCHEMA,
            **self.plan.to_dict(),
            "result": {
                **self.evaluation.to_dict(),
                "loss": self.loss,
                "n_epochs": self.n_epochs,
                "stop_reason": self.stop_reason,
                "seconds": round(self.seconds, 4),
                **({} if self.temperature is None else {"temperature": self.temperature}),
            },
            "baselines": [each.to_dict() for each in self.baselines],
            "audit": self.plan.audit.to_dict(),
            "folder": None if self.folder is None else _text(self.folder),
            **{name: getattr(self, name) for name in ("seeds", "learning_curve") if getattr(self, name) is not None},
        }


def _text(path: Path) -> str:
    """Return a path as text that can be written anywhere."""
    return str(path).encode("utf-8", "backslashreplace").decode()


def train(
    data: object,
    *,
    target: str | None = None,
    formula: str | None = None,
    model: str = "mlp",
    out: str | Path | None = None,
    force: bool = False,
    task: str = "auto",
    test_size: float | None = None,
    group: str | None = None,
    time: str | None = None,
    stratify: bool = True,
    scale: bool | None = None,
    calibrate: bool = False,
    params: Mapping[str, Any] | None = None,
    threshold: float | None = None,
    baselines: bool = True,
    seed: int = 0,
    device: str = "auto",
    n_threads: int | None = None,
    deterministic: bool = False,
    time_limit: float | None = None,
    save_every: Mapping[str, float] | None = None,
    resume: bool = False,
    reading: Mapping[str, Any] | None = None,
    progress: bool = False,
    callbacks: Sequence[Callback] = (),
    seeds: int = 1,
    learning_curve: bool = False,
    report: bool = True,
) -> TrainResult:
    """Train a network on data, and score it and its baselines on rows that it has not seen.

    Parameters
    ----------
    data : path, name of a bundled set, data frame, or pair (X, y)
        What there is. Columns of text, dates, truth values and missing values are encoded; arrays of
        numbers are taken as they are.
    target : str, optional
        Column to predict; bundled sets and pairs know theirs.
    formula : str, optional
        Target and inputs at once: ``"y ~ a + b"``.
    model : str, default="mlp"
        Name of :data:`strata.report.MODELS`.
    out : str or Path, optional
        Folder to write the run to: ``model/``, ``report.json``, ``history.csv``, ``config.json``,
        pictures and checkpoints. By default nothing is written.
    force : bool, default=False
        Replace a run that is in ``out``, even one that another process holds.
    task : {"auto", "classification", "regression"}, default="auto"
        What is predicted.
    test_size : float, optional
        Share of the rows to hold out, in [0, 1); 0 trains on all rows and tests on the same. By default
        the published test part where there is one, else 0.2; 0 for fewer than 20 rows and with
        ``solver="rprop"``.
    group : str, optional
        Column whose equal values stay on one side of the split.
    time : str, optional
        Column that orders the rows; the latest are held out.
    stratify : bool, default=True
        Whether every class keeps its share on both sides of the split.
    scale : bool, optional
        Whether numeric inputs are standardised; by default they are, but not with ``solver="rprop"``.
    calibrate : bool, default=False
        Whether the probabilities are calibrated by a temperature, fitted on rows held out from the training rows.
        Only classes have probabilities, and only ``model="mlp"`` calibrates them.
    params : mapping of str to object, optional
        Parameters of the estimator. ``{"solver": "rprop"}`` brings the defaults of R's neuralnet.
    threshold : float, optional
        Stop of ``solver="rprop"``: the largest partial derivative of the error; 0.01 by default.
    baselines : bool, default=True
        Fit the majority class or mean, a linear model and a support vector machine as well.
    seed : int, default=0
        Seed of the split and of the training.
    device : str, default="auto"
        Where to compute.
    n_threads : int, optional
        Threads to compute with; by default one for small networks.
    deterministic : bool, default=False
        Refuse kernels of torch that may differ from run to run.
    time_limit : float, optional
        Seconds of training; then it stops and keeps what was learned.
    save_every : mapping of str to number, optional
        When to save a checkpoint: any of ``epochs``, ``steps``, ``seconds``. By default every 30 s.
    resume : bool, default=False
        Go on from the checkpoint in ``out``, if there is one.
    reading : mapping of str to object, optional
        How to read a text file; see :func:`strata.data.read_table`.
    progress : bool, default=False
        Show on standard error how far the run is.
    callbacks : sequence of Callback, default=()
        Look on while the network learns.
    seeds : int, default=1
        Train so often, with seeds that follow one another and the same split, to show how much of the
        score is luck. The first training is the model that is kept; ``time_limit`` holds for each.
    learning_curve : bool, default=False
        Train on parts of the training rows as well, to show what more rows would bring. About 1.4
        times the training.
    report : bool, default=True
        Write ``report.html`` and everything in it to ``out``; without it ``report.json`` holds the
        figures alone.

    Returns
    -------
    result : TrainResult
        The fitted estimator, its figures and those of the baselines.

    Raises
    ------
    DataError
        If the data cannot be used; nothing is written.
    ValueError
        If an argument makes no sense, or ``out`` holds something and ``force`` and ``resume`` are False.
    NonFiniteError
        If the loss became NaN or infinite; the last good checkpoint stays in ``out``.
    RunLockedError
        If another process writes to ``out``.
    RunInterrupted
        If a signal came; the state was saved in ``out``.

    Examples
    --------
    >>> result = train("iris", params={"hidden_layer_sizes": (16,)}, seed=1)
    >>> result.evaluation.score > 0.8
    True
    """
    given = {name: value for name, value in locals().items() if name not in NOT_CALLED}
    plan = plan_training(
        data,
        target=target,
        formula=formula,
        model=model,
        task=task,
        test_size=test_size,
        group=group,
        time=time,
        stratify=stratify,
        scale=scale,
        calibrate=calibrate,
        params=params,
        threshold=threshold,
        seed=seed,
        reading=reading,
    )
    return fit_plan(
        plan,
        out=out,
        force=force,
        baselines=baselines,
        device=device,
        n_threads=n_threads,
        deterministic=deterministic,
        time_limit=time_limit,
        save_every=save_every,
        resume=resume,
        progress=progress,
        callbacks=callbacks,
        seeds=seeds,
        learning_curve=learning_curve,
        report=report,
        call=python_call(data, {name: value for name, value in given.items() if value != _DEFAULTS[name]}),
    )


#: What `train` does where nothing is said.
_DEFAULTS = {name: parameter.default for name, parameter in signature(train).parameters.items()}


def fit_plan(
    plan: Plan,
    *,
    out: str | Path | None = None,
    force: bool = False,
    baselines: bool = True,
    device: str = "auto",
    n_threads: int | None = None,
    deterministic: bool = False,
    time_limit: float | None = None,
    save_every: Mapping[str, float] | None = None,
    resume: bool = False,
    progress: bool = False,
    callbacks: Sequence[Callback] = (),
    seeds: int = 1,
    learning_curve: bool = False,
    report: bool = True,
    options: Mapping[str, Any] | None = None,
    call: str | None = None,
    say: Callable[[str], None] | None = None,
) -> TrainResult:
    """Do what was planned; see :func:`train` for the arguments that are not here.

    Parameters
    ----------
    plan : Plan
        As :func:`strata.report.planning.plan_training` gives it.
    out : str or Path, optional
        Run folder.
    force : bool, default=False
        Replace a run that is there.
    baselines : bool, default=True
        Fit the baselines as well.
    device : str, default="auto"
        Where to compute.
    n_threads : int, optional
        Threads to compute with.
    deterministic : bool, default=False
        Refuse kernels that may differ from run to run.
    time_limit : float, optional
        Seconds of training.
    save_every : mapping of str to number, optional
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
    options : mapping of str to object, optional
        The command's options, for the record and for ``strata train --resume``.
    call : str, optional
        The Python that does it again, for the record.
    say : callable, optional
        Takes lines of progress about the report; by default they go to standard error with ``progress``.

    Returns
    -------
    result : TrainResult
        What came out.
    """
    if out is None and (resume or save_every):
        raise ValueError("`out` must name the run folder to save to or resume from. Received: out=None.")
    if isinstance(seeds, bool) or not isinstance(seeds, int) or not 1 <= seeds <= MAX_SEEDS:
        raise ValueError(f"`seeds` must be an integer from 1 to {MAX_SEEDS}. Received: seeds={seeds!r}.")
    check_device(device)
    say = say or (line_writer() if progress else None)
    settings: dict[str, Any] = {
        "callbacks": list(callbacks) or None,
        "device": device,
        "n_threads": n_threads,
        "progress": progress,
        "random_state": plan.seed,
        "time_limit": time_limit,
    }
    wishes = {"baselines": baselines, "seeds": seeds, "learning_curve": learning_curve, "report": report}
    with determinism(deterministic), limit_threads(n_threads):
        if out is None:
            result = _fit(plan, settings, say)
            result.parts.say = say
            _compare(result, settings, wishes)
            return result
        folder = RunFolder(out, force=force, resume=resume)
        check_same_data(plan, folder, resume=resume)
        with folder:
            record = {
                **plan.to_dict(),
                "options": dict(options or {}),
                "device": device,
                "n_threads": n_threads,
                "deterministic": deterministic,
                "report": wishes,
                "call": call,
            }
            folder.write_config(record, status="running")
            settings["checkpoint"] = checkpointing(folder, save_every, force=force)
            settings["resume"] = resume and latest_checkpoint(folder.checkpoints) is not None
            with status_of(folder):
                recorder = recorder_for(plan) if report and not settings["resume"] else None
                if recorder is not None:
                    settings["callbacks"] = [*callbacks, recorder]
                result = _fit(plan, settings, say)
                result.watched = recorder is not None
                result.folder, result.parts.say = folder.path, say
                _keep(result, folder)
                _compare(result, settings, wishes)
                write_report(result, folder, page=report)
    return result


def _fit(plan: Plan, settings: Mapping[str, Any], say: Callable[[str], None] | None) -> TrainResult:
    """Train and score; no baselines yet."""
    estimator = build_estimator(plan, settings)
    start = clock.perf_counter()
    with warnings.catch_warnings(), noting_preparation(say) as preparation:
        warnings.simplefilter("ignore", ConvergenceWarning)  # `stop_reason` says it, and the command
        estimator.fit(plan.inputs(plan.X_train), plan.y_train)
    seconds = clock.perf_counter() - start - preparation.seconds
    evaluation = score_model(estimator, plan.inputs(plan.X_test), plan.y_test, task=plan.problem.task)
    return TrainResult(plan, estimator, evaluation, seconds=seconds)


def _keep(result: TrainResult, folder: RunFolder) -> None:
    """Write the model and what it predicted, before anything that may take long or fail."""
    history = getattr(network_of(result.estimator), "history_", None)
    if history is not None:
        history.to_csv(folder.path / "history.csv")
    save_model(result.estimator, folder.path / "model", force=True, data_hash=result.plan.problem.digest)
    write_predictions(result.evaluation, result.plan.X_test.index.tolist(), folder.path / "predictions.csv")


def _compare(result: TrainResult, settings: Mapping[str, Any], wishes: Mapping[str, Any]) -> None:
    """Fit what the network is compared with: simpler methods, itself with other seeds and with fewer rows."""
    plan, parts = result.plan, result.parts
    if wishes["baselines"]:
        result.baselines = parts.add("baselines", lambda: _baselines(plan), saying="fitting the baselines") or []
        parts.content.pop("baselines", None)  # the result itself writes them
    else:
        parts.skip("baselines", "they were left out by baselines=False (--no-baselines)")
    if wishes["seeds"] > 1:
        result.seeds = parts.add("seeds", lambda: seed_spread(result, settings, wishes["seeds"], say=parts.say))
    else:
        parts.skip("seeds", "the network was trained once; seeds=5 (--seeds 5) shows the spread over seeds")
    if wishes["learning_curve"]:
        result.learning_curve = parts.add("learning_curve", lambda: learning_curve_of(result, settings, say=parts.say))
    else:
        parts.skip("learning_curve", "it is made on request: learning_curve=True (--learning-curve)")


def _baselines(plan: Plan) -> list[Baseline]:
    X_train, X_test = encode_inputs(plan)
    return fit_baselines(X_train, plan.y_train, X_test, plan.y_test, task=plan.problem.task, seed=plan.seed)
