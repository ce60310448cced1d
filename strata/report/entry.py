"""The front door: one call from data to a trained network, for tables and for pictures."""

from collections.abc import Mapping, Sequence
from inspect import signature
from pathlib import Path
from typing import Any

from strata.engine import Callback
from strata.models import list_models
from strata.report._running import line_writer
from strata.report.cells import are_cells, fit_cells, plan_cells, refuse_for_cells
from strata.report.code_planning import AUTOENCODER, plan_code_training
from strata.report.code_training import fit_code_plan
from strata.report.executing import Wishes
from strata.report.gallery import are_pictures
from strata.report.image_planning import plan_image_training
from strata.report.image_training import fit_image_plan
from strata.report.planning import plan_training
from strata.report.reproducing import python_call
from strata.report.run_folder import RunFolder
from strata.report.training import TrainResult, fit_plan

__all__ = ["refuse_for_codes", "refuse_for_pictures", "train"]

#: Arguments of `train` that say where to write or how to speak, not what comes out.
NOT_CALLED = ("callbacks", "data", "force", "out", "progress", "resume", "save_every")


def train(
    data: object,
    *,
    target: str | None = None,
    formula: str | None = None,
    model: str = "auto",
    labels: str | Path | None = None,
    skip_damaged: bool = False,
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
    data : path, name of a bundled set, data frame, pair (X, y), or folder of pictures
        What there is. Columns of text, dates, truth values and missing values are encoded; arrays of
        numbers are taken as they are. A folder holds one folder of pictures for each class, or pictures and a
        table ``labels.csv``; if it holds ``train`` and ``test``, that is the split. A .h5ad file holds counts of genes
        in cells.
    target : str, optional
        Column to predict; bundled sets and pairs know theirs. With ``model="autoencoder"`` a column that is not
        learned from.
    formula : str, optional
        Target and inputs at once: ``"y ~ a + b"``.
    model : str, default="auto"
        Name of :data:`strata.report.MODELS` for tables, of :func:`strata.models.list_models` for pictures: such a name
        makes pictures of a bundled set or of arrays; or "autoencoder", which learns codes and takes no target.
        "auto" is "mlp" for tables, and for pictures what :class:`strata.ImageClassifier` chooses by their size and
        number.
    labels : str or Path, optional
        Table of file names and labels, for a folder of pictures.
    skip_damaged : bool, default=False
        Leave out picture files that cannot be read. By default all of them are named, and nothing is trained.
    out : str or Path, optional
        Folder to write the run to: ``model/``, ``report.json``, ``history.csv``, ``config.json``,
        pictures and checkpoints. By default nothing is written.
    force : bool, default=False
        Replace a run that is in ``out``, even one that another process holds.
    task : {"auto", "classification", "regression"}, default="auto"
        What is predicted.
    test_size : float, optional
        Share of the rows (or pictures) to hold out, in [0, 1); 0 trains on all rows and tests on the same. By default
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
        Parameters of the estimator, for pictures of :class:`strata.ImageClassifier`. ``{"solver": "rprop"}`` brings
        the defaults of R's neuralnet.
    threshold : float, optional
        Stop of ``solver="rprop"``: the largest partial derivative of the error; 0.01 by default.
    baselines : bool, default=True
        Fit the majority class or mean, a linear model and a support vector machine as well; for pictures the majority
        class, HOG with a linear machine, and nearest neighbours.
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
    call = python_call(data, {name: value for name, value in given.items() if value != _DEFAULTS[name]})
    wishes = Wishes(
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
        call=call,
    )
    if out is not None:
        RunFolder(out, force=force, resume=resume)  # refuses before anything is read
    if model == AUTOENCODER:
        refuse_for_codes(given)
        codes = plan_code_training(
            data,
            target=target,
            labels=labels,
            test_size=test_size,
            scale=scale,
            skip_damaged=skip_damaged,
            params=params,
            seed=seed,
            reading=reading,
            say=line_writer() if progress else None,
        )
        found: Any = fit_code_plan(codes, wishes)
        return found  # type: ignore[no-any-return]
    if are_pictures(data, model, list_models()):
        refuse_for_pictures(given)
        images = plan_image_training(
            data,
            labels=labels,
            model=model,
            test_size=test_size,
            stratify=stratify,
            skip_damaged=skip_damaged,
            params=params,
            seed=seed,
            path=(reading or {}).get("path"),
            say=line_writer() if progress else None,
        )
        return fit_image_plan(images, wishes)
    if are_cells(data, model):
        refuse_for_cells({name: value for name, value in given.items() if value != _DEFAULTS[name]})
        cells: Any = fit_cells(plan_cells(data, model=model, test_size=test_size, params=params, seed=seed), wishes)
        return cells  # type: ignore[no-any-return]
    if labels is not None or skip_damaged:
        raise ValueError("`labels` and `skip_damaged` are for folders of pictures. Received: a table.")
    plan = plan_training(
        data,
        target=target,
        formula=formula,
        model="mlp" if model == "auto" else model,
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
    return fit_plan(plan, wishes)


#: What `train` does where nothing is said.
_DEFAULTS = {name: parameter.default for name, parameter in signature(train).parameters.items()}

#: Arguments that only tables know.
ONLY_TABLES = ("target", "formula", "group", "time", "scale", "calibrate", "threshold")


def refuse_for_pictures(given: Mapping[str, Any]) -> None:
    """Refuse what only tables know, before any picture is read.

    Parameters
    ----------
    given : mapping of str to object
        Arguments of :func:`train` by name.

    Raises
    ------
    ValueError
        If one of them is given.
    """
    for name in ONLY_TABLES:
        value = given.get(name)
        if value is not None and value is not False:
            raise ValueError(f"`{name}` must be left out for pictures. Received: {name}={value!r}.")
    if given.get("task") not in (None, "auto", "classification"):
        raise ValueError(f"`task` must be 'classification' for pictures. Received: task={given['task']!r}.")


#: What only a training with a target knows, and what it is where nothing is said.
ONLY_TARGETS = {
    "formula": None,
    "task": "auto",
    "group": None,
    "time": None,
    "stratify": True,
    "calibrate": False,
    "threshold": None,
}


def refuse_for_codes(given: Mapping[str, Any]) -> None:
    """Refuse what only a training with a target knows, before anything is read.

    Parameters
    ----------
    given : mapping of str to object
        Arguments of :func:`train` by name.

    Raises
    ------
    ValueError
        If one of them is given.
    """
    for name, idle in ONLY_TARGETS.items():
        if name in given and given[name] != idle:
            raise ValueError(f"`{name}` must be left out for an autoencoder. Received: {name}={given[name]!r}.")
