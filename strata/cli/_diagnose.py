"""The verb ``diagnose``."""

import os
from collections.abc import Mapping
from typing import Any

from strata.cli._config import as_words
from strata.cli._console import Console
from strata.cli._reading import READING, reading_of
from strata.cli._train import PARAMETERS, parameters_of
from strata.engine import noting_preparation
from strata.report.diagnosing import check_digest, cured_plan, diagnose_plan, plan_of_record, refuse_pictures
from strata.report.executing import Wishes
from strata.report.planning import Plan, plan_training
from strata.report.run_folder import RunFolder, read_run_config
from strata.report.training import fit_plan

__all__ = ["run"]

#: Options of ``train`` that say what is planned, and their defaults.
_PLANNED: dict[str, Any] = {
    "target": None,
    "formula": None,
    "model": "mlp",
    "task": "auto",
    "test_size": None,
    "group": None,
    "time": None,
    "stratify": True,
    "scale": None,
    "threshold": None,
    "seed": 0,
    "param": None,
    **dict.fromkeys(PARAMETERS),
    **dict.fromkeys((*READING, "data_path")),
}


def run(options: Mapping[str, Any], console: Console) -> int:
    """Say why a network does not learn; on request prove the cure, and train it.

    Parameters
    ----------
    options : mapping of str to object
        Words of the command line.
    console : Console
        Where to speak.

    Returns
    -------
    exit_code : int
        0, whatever the verdict.
    """
    out = options["fix"]
    if out is not None:
        RunFolder(out, force=options["force"])  # refuses before anything is computed
    plan, said = _plan(options)
    console.note(plan.headline())
    with noting_preparation(console.note):
        diagnosis = diagnose_plan(plan, prove=options["prove"], n_seeds=options["seeds"], progress=not console.quiet)
    fixed = None
    if out is not None and (diagnosis.changes or diagnosis.actions):
        cured = cured_plan(plan, diagnosis)
        wishes = Wishes(
            out=out,
            force=options["force"],
            n_threads=options["threads"],
            progress=not console.quiet,
            options=_options_of(cured, said),
        )
        fixed = fit_plan(cured, wishes)
    if console.json_output:
        described = {"schema": "strata.diagnose/1", "source": options["source"], **diagnosis.to_dict()}
        described["schema"] = "strata.diagnose/1"
        described["fix"] = None if fixed is None else {"folder": str(out), **fixed.evaluation.to_dict()}
        console.emit(described)
        return 0
    console.result(str(diagnosis))
    if fixed is not None:
        figures = ", ".join(f"{name} {value:.4g}" for name, value in list(fixed.evaluation.metrics.items())[:2])
        console.result(f"\nCured run: {out} ({figures})")
    elif out is not None:
        console.note(f"Nothing to change, so no run was written to {out}.")
    return 0


def _plan(options: Mapping[str, Any]) -> tuple[Plan, dict[str, Any]]:
    """Return what to diagnose, and the options of ``train`` that describe it."""
    source = options["source"]
    nothing: tuple[Any, ...] = (None, [], ())
    given = {
        name: options[name] for name in _PLANNED if options.get(name) not in (*nothing, _PLANNED[name])
    }  # what was said on this command line
    if not os.path.isdir(source):
        said = _PLANNED | given
        return _planned(source, said), {"data": _absolute(source), **said}
    config = read_run_config(source)
    refuse_pictures(config, source)
    kept = config.get("options")
    if not isinstance(kept, dict) or not isinstance(kept.get("data"), str):
        return plan_of_record(source, reading=reading_of(options)), {}
    said = _PLANNED | {name: value for name, value in kept.items() if name in _PLANNED} | given
    plan = _planned(kept["data"], said)
    check_digest(plan, config, source)
    return plan, {"data": kept["data"], **said}


def _absolute(source: str) -> str:
    return os.path.abspath(source) if os.path.lexists(source) else source


def _planned(data: str, said: Mapping[str, Any]) -> Plan:
    return plan_training(
        data,
        target=said["target"],
        formula=said["formula"],
        model=said["model"],
        task=said["task"],
        test_size=said["test_size"],
        group=said["group"],
        time=said["time"],
        stratify=said["stratify"],
        scale=said["scale"],
        params=parameters_of(said),
        threshold=said["threshold"],
        seed=said["seed"],
        reading=reading_of(said),
    )


def _options_of(plan: Plan, said: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of ``strata train`` that make the cured run again."""
    if not said:
        return {}
    kept = {name: value for name, value in said.items() if value not in (None, [], ()) and name not in PARAMETERS}
    names = {parameter: option for option, parameter in PARAMETERS.items()}
    words = []
    for name, value in plan.recipe.parameters.items():
        plain = isinstance(value, (str, int, float, bool, tuple, list, type(None)))
        if name not in names and plain:
            words.append(f"{name}={value}")
        elif plain and value is not None:
            kept |= as_words({names[name]: list(value) if isinstance(value, tuple) else value})
    return kept | {"param": words, "scale": plan.recipe.scale}
