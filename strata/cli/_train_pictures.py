"""What ``train`` does with a folder of pictures, or with a network that looks at pictures."""

import os
from collections.abc import Mapping
from typing import Any

from strata.cli._console import Console
from strata.cli._values import with_assignments
from strata.models import list_models
from strata.report.gallery import are_pictures
from strata.report.image_planning import ImagePlan, plan_image_training

__all__ = ["image_parameters_of", "is_for_pictures", "plan_pictures", "refuse_for_tables", "show_image_plan", "size_of"]

#: Options of the command and the parameter of the image classifier that each sets.
PARAMETERS = {
    "weights": "weights",
    "transfer": "transfer",
    "feature_layer": "feature_layer",
    "augment": "augment",
    "image_size": "image_size",
    "solver": "solver",
    "learning_rate": "learning_rate_init",
    "schedule": "schedule",
    "batch_size": "batch_size",
    "epochs": "max_iter",
    "l2": "alpha",
    "early_stopping": "early_stopping",
    "patience": "n_iter_no_change",
    "class_weight": "class_weight",
}
ONLY_PICTURES = ("labels", "skip_damaged", "weights", "transfer", "feature_layer", "augment", "image_size")
ONLY_TABLES = (
    "target", "formula", "group", "time", "scale", "sep", "encoding", "decimal", "thousands", "text", "hidden",
    "activation", "loss", "l1", "dropout", "threshold", "calibrate", "engine",
)  # fmt: skip


def is_for_pictures(options: Mapping[str, Any]) -> bool:
    """Return whether the words of the command line are about pictures.

    Parameters
    ----------
    options : mapping of str to object
        Words of the command line.

    Returns
    -------
    answer : bool
        True for a folder, and for a network that looks at pictures.
    """
    return are_pictures(options["data"], options["model"], list_models())


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def refuse_for_tables(options: Mapping[str, Any]) -> None:
    """Refuse options that only pictures know.

    Parameters
    ----------
    options : mapping of str to object
        Words of the command line.

    Raises
    ------
    ValueError
        If one of them is given.
    """
    for name in ONLY_PICTURES:
        if options.get(name) not in (None, False):
            raise ValueError(
                f"`{_flag(name)}` is for pictures: a folder, or cifar10, mnist or fashion_mnist with a network such as "
                f"--model resnet20. Received: {options['data']!r} with --model {options['model']}."
            )


def image_parameters_of(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was said about the image classifier.

    Parameters
    ----------
    options : mapping of str to object
        Words of the command line.

    Returns
    -------
    parameters : dict of str to object
        As the estimator takes them.
    """
    said: dict[str, Any] = {}
    for option, parameter in PARAMETERS.items():
        value = options.get(option)
        if value is None:
            continue
        if option == "augment":
            names = [name.strip() for name in value.split(",")]
            value = names[0] if len(names) == 1 else names
        elif option == "image_size":
            value = size_of(value)
        said[parameter] = value
    return with_assignments(said, options["param"] or ())


def size_of(text: str) -> int | tuple[int, int]:
    """Return a side, or height and width of words such as 64x48 (width first, as screens are named)."""
    try:
        numbers = [int(word) for word in text.lower().replace("×", "x").split("x")]
    except ValueError:
        numbers = []
    if len(numbers) not in (1, 2) or min(numbers) < 1:
        raise ValueError(f"`--image-size` must be a side such as 64, or width x height: 64x48. Received: {text!r}.")
    return numbers[0] if len(numbers) == 1 else (numbers[1], numbers[0])


def plan_pictures(options: Mapping[str, Any], console: Console) -> ImagePlan:
    """Find the pictures, look at each, and decide what is done.

    Parameters
    ----------
    options : mapping of str to object
        Words of the command line.
    console : Console
        Where to speak.

    Returns
    -------
    plan : ImagePlan
        Nothing is trained yet.
    """
    for name in ONLY_TABLES:
        if options.get(name) not in (None, False, [], ()):
            raise ValueError(f"`{_flag(name)}` is for tables. Received: {options['data']!r}, which are pictures.")
    if options["task"] not in ("auto", "classification"):
        raise ValueError(f"`--task` must be classification for pictures. Received: {options['task']!r}.")
    if options["learning_curve"]:
        raise ValueError("`--learning-curve` is for tables.")
    say = None if console.quiet else console.note
    plan = plan_image_training(
        options["data"],
        labels=options["labels"],
        model=options["model"],
        test_size=options["test_size"],
        stratify=options["stratify"],
        skip_damaged=options["skip_damaged"],
        params=image_parameters_of(options),
        seed=options["seed"],
        path=options["data_path"],
        say=say,
    )
    for problem in plan.problem.refused:
        console.note(f"left out: {os.fspath(problem.path)}: {problem.message}")
    return plan


def show_image_plan(plan: ImagePlan, kept: Mapping[str, Any], console: Console) -> int:
    """Show what would be done.

    Parameters
    ----------
    plan : ImagePlan
        Everything decided.
    kept : mapping of str to object
        The options that make the run.
    console : Console
        Where to speak.

    Returns
    -------
    exit_code : int
        0.
    """
    if console.json_output:
        console.emit({"schema": "strata.plan/1", **plan.to_dict(), "options": dict(kept)})
        return 0
    console.result(plan.headline())
    for line in (*plan.recipe.notes, *plan.class_lines(), *plan.audit_lines()):
        console.result(line)
    console.result(f"model       {plan.recipe.model} ({plan.recipe.estimator})")
    for name, value in plan.to_dict()["model"]["parameters"].items():
        console.result(f"  {name} = {value}")
    return 0
