"""From a plan, or the folder of a run, to a diagnosis, and from its cure to a new run."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from strata.diagnosis import Diagnosis, diagnose
from strata.errors import DataError, ModelRefusedError
from strata.report.building import build_estimator
from strata.report.held_out import reading_of_run
from strata.report.planning import Plan, plan_training
from strata.report.run_folder import read_run_config

__all__ = ["check_digest", "cured_plan", "diagnose_plan", "plan_of_record", "refuse_pictures"]

#: What a run cannot do to itself: these cures belong in the file.
ROW_ACTIONS = {
    "shift_targets": "move the targets by {} row(s)",
    "drop_duplicates": "take the repeated rows out",
    "drop_non_finite_rows": "take the rows with NaN or infinity out",
}
_SPLITS = ("stratified", "shuffled", "published", "none")


def plan_of_record(folder: str | Path, *, reading: Mapping[str, Any] | None = None) -> Plan:
    """Plan a run again from what its ``config.json`` says of data, model, split and seed.

    Parameters
    ----------
    folder : str or Path
        Folder of a run that Python code made; one of the command has its options as well.
    reading : mapping of str to object, optional
        How to read a text file; by default as the run did.

    Returns
    -------
    plan : Plan
        The same rows on the same sides.

    Raises
    ------
    ModelRefusedError
        If the folder is not one of a run, its data was a table in memory or has changed, or its split needs a column
        that the record does not name.
    """
    config = read_run_config(folder)
    refuse_pictures(config, folder)
    try:
        data, split, model = config["data"], config["split"], config["model"]
        if split["kind"] not in _SPLITS:
            raise ModelRefusedError(f"{folder}: a {split['kind']} split cannot be made again from the record alone.")
        plan = plan_training(
            data["source"],
            target=data["target"],
            task=data["task"],
            model=model["name"],
            params=_parameters(model["parameters"], folder),
            scale=model["scale"],
            test_size=None
            if split["kind"] == "published"
            else split["n_test"] / data["n_rows"] * (split["kind"] != "none"),
            stratify=split["kind"] == "stratified",
            seed=config["seed"],
            reading=reading_of_run(config, reading),
        )
    except (KeyError, TypeError) as error:
        raise ModelRefusedError(f"{folder} is not the folder of a run: its config.json lacks {error}.") from None
    except DataError as error:
        raise ModelRefusedError(
            f"{folder}: the data of the run cannot be read again. {error} Diagnose it in Python with strata.diagnose."
        ) from None
    check_digest(plan, config, folder)
    return plan


def refuse_pictures(config: Mapping[str, Any], folder: str | Path) -> None:
    """Refuse a run on pictures, which is not judged yet.

    Parameters
    ----------
    config : mapping of str to object
        What the run wrote.
    folder : str or Path
        Folder of the run, for the message.

    Raises
    ------
    ModelRefusedError
        If the run learned from pictures.
    """
    data = config.get("data")
    if isinstance(data, Mapping) and data.get("kind") == "pictures":
        raise ModelRefusedError(
            f"{folder} is a run on pictures; only runs on tables are diagnosed as yet. Its report.html shows the worst "
            "pictures and what the network looks at; in Python, strata.diagnose takes a module, loss, optimizer and "
            "loader."
        )


def _parameters(parameters: Mapping[str, Any], folder: str | Path) -> dict[str, Any]:
    described = [name for name, value in parameters.items() if isinstance(value, dict)]
    if described:
        raise ModelRefusedError(
            f"{folder}: the parameter {described[0]!r} was an object, which the record only describes. "
            "Diagnose the network in Python with strata.diagnose."
        )
    return {name: tuple(value) if isinstance(value, list) else value for name, value in parameters.items()}


def check_digest(plan: Plan, config: Mapping[str, Any], folder: str | Path) -> None:
    """Refuse data that is not what the run learned from.

    Parameters
    ----------
    plan : Plan
        As it would be made now.
    config : mapping of str to object
        What the run wrote.
    folder : str or Path
        Folder of the run, for the message.

    Raises
    ------
    ModelRefusedError
        If the digests differ.
    """
    data = config.get("data")
    if not isinstance(data, Mapping) or data.get("digest") != plan.problem.digest:
        raise ModelRefusedError(
            f"{folder} was made from other data: the digest of {plan.problem.source} has changed. "
            "Train again, or diagnose the data itself."
        )


def diagnose_plan(plan: Plan, *, prove: bool = False, n_seeds: int = 3, progress: bool = False) -> Diagnosis:
    """Train what a plan says with an eye on it, and judge.

    Parameters
    ----------
    plan : Plan
        Rows and estimator.
    prove : bool, default=False
        Try the cures as well.
    n_seeds : int, default=3
        Fits of each trial.
    progress : bool, default=False
        Say on the standard error what is being tried.

    Returns
    -------
    diagnosis : Diagnosis
        On the rows that the plan holds out.

    Raises
    ------
    ValueError
        If the plan's model is not a multi-layer perceptron.

    Examples
    --------
    >>> from strata.report import plan_training
    >>> plan = plan_training("iris", params={"hidden_layer_sizes": (8,), "init": "zeros"})
    >>> diagnose_plan(plan).verdicts[0].name
    'symmetric_initialization'
    """
    if plan.recipe.model != "mlp":
        raise ValueError(f"`model` must be 'mlp' to be diagnosed. Received: model={plan.recipe.model!r}.")
    estimator = build_estimator(plan, {"random_state": plan.seed})
    held_out = plan.split != "none"
    return diagnose(
        estimator,
        plan.inputs(plan.X_train),
        plan.y_train,
        X_val=plan.inputs(plan.X_test) if held_out else None,
        y_val=plan.y_test if held_out else None,
        prove=prove,
        n_seeds=n_seeds,
        random_state=plan.seed,
        progress=progress,
    )


def cured_plan(plan: Plan, diagnosis: Diagnosis) -> Plan:
    """Return the plan with the cure in it.

    Parameters
    ----------
    plan : Plan
        What was diagnosed.
    diagnosis : Diagnosis
        What was found.

    Returns
    -------
    plan : Plan
        With other parameters, scaling or columns; the rows and the split are the same.

    Raises
    ------
    DataError
        If the cure is one of the rows, which must be mended where they come from.
    """
    changes, actions = diagnosis.changes, diagnosis.actions
    for name, words in ROW_ACTIONS.items():
        if actions.get(name):
            raise DataError(f"{plan.problem.source}: the cure is one of the data: {words.format(actions[name])}.")
    scale = plan.recipe.scale or bool(actions.get("standardize_inputs") or changes.pop("scale_inputs", False))
    changes.pop("scale_inputs", None)
    recipe = replace(plan.recipe, parameters={**plan.recipe.parameters, **changes}, scale=scale)
    dropped = {str(name) for name in actions.get("drop_columns", ())}
    if not dropped:
        return replace(plan, recipe=recipe)
    kept = [name for name in plan.X_train.columns if str(name) not in dropped]
    problem = replace(plan.problem, X=plan.problem.X[kept])
    return replace(plan, problem=problem, recipe=recipe, X_train=plan.X_train[kept], X_test=plan.X_test[kept])
