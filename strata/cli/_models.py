"""The verb ``models``: list them, show one, convert the weights of one."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from strata._names import unknown_name
from strata._tensors import write_tensors
from strata.cli._console import Console
from strata.errors import ModelRefusedError
from strata.models import build, convert_checkpoint, list_models, load_weights, model_info, pretrained_weights
from strata.report.recipes import MODELS

__all__ = ["run"]

CONVERT = "strata models convert FILE --model NAME --out FILE.safetensors"


def run(options: Mapping[str, Any], console: Console) -> int:
    """List the models, show one, or convert a checkpoint of PyTorch.

    Parameters
    ----------
    options : mapping of str to object
        Words of the command line; ``words`` is empty, a name, or "convert" and a file.
    console : Console
        Where to speak.

    Returns
    -------
    exit_code : int
        0.
    """
    words = list(options.get("words") or ())
    if words and words[0] == "convert":
        return _convert(words[1:], options, console)
    for name in ("model", "out", "force"):
        if options.get(name):
            raise ValueError(f"`--{name}` is for: {CONVERT}")
    if len(words) > 1:
        raise ValueError(f"`NAME` must be one model, or convert and a file. Received: {' '.join(words)}.")
    return _show(words[0], console) if words else _list(console)


def _list(console: Console) -> int:
    tables = [
        {
            "name": entry.name,
            "classification": entry.classification,
            "regression": entry.regression,
            "summary": entry.summary,
        }
        for entry in MODELS.values()
    ]
    networks = [_described(name) for name in list_models()]
    if console.json_output:
        console.emit({"schema": "strata.models/1", "models": tables, "networks": networks})
        return 0
    console.result(console.paint("For tables", "bold"))
    width = max(len(str(row["name"])) for row in tables)
    for row in tables:
        console.result(f"{str(row['name']).ljust(width)}  {row['summary']}")
    console.result("")
    console.result(console.paint("Networks for pictures", "bold"))
    rows = [
        {
            "name": row["name"],
            "parameters": f"{row['n_parameters']:,}",
            "pixels": row["input_size"],
            "channels": row["in_channels"],
            "classes": row["n_classes"],
            "weights": ", ".join(row["weights"]),
            "what": row["summary"],
        }
        for row in networks
    ]
    _align(rows)
    console.result(console.table(rows, ["name", "parameters", "pixels", "channels", "classes", "weights", "what"]))
    console.result("")
    console.result("Layers, blocks and paper of one: strata models NAME")
    return 0


def _align(rows: list[dict[str, Any]]) -> None:
    """Let the numbers of parameters end in one column."""
    width = max(len(row["parameters"]) for row in rows)
    for row in rows:
        row["parameters"] = row["parameters"].rjust(width)


def _described(name: str) -> dict[str, Any]:
    info = model_info(name)
    return {
        "name": info.name,
        "summary": info.summary,
        "source": info.source,
        "n_parameters": info.n_parameters,
        "input_size": info.input_size,
        "min_size": info.min_size,
        "in_channels": info.in_channels,
        "n_classes": info.n_classes,
        "mean": list(info.mean),
        "std": list(info.std),
        "head": info.head,
        "weights": list(pretrained_weights(name)),
    }


def _show(name: str, console: Console) -> int:
    if name in MODELS:
        entry = MODELS[name]
        if console.json_output:
            console.emit({"schema": "strata.model/1", "name": name, "summary": entry.summary})
        else:
            console.result(f"{console.paint(name, 'bold')}  {entry.summary}")
        return 0
    if name not in list_models():
        raise ValueError(unknown_name("model", name, [*MODELS, *list_models()]))
    described = _described(name) | {"blocks": _blocks(name), "layers": _layers(name)}
    if console.json_output:
        console.emit({"schema": "strata.model/1", **described})
        return 0
    console.result(f"{console.paint(name, 'bold')}  {described['summary']}")
    facts = {
        "paper": described["source"],
        "parameters": f"{described['n_parameters']:,}",
        "input": f"{described['in_channels']} x {described['input_size']} x {described['input_size']} "
        f"(at least {described['min_size']})",
        "classes": str(described["n_classes"]),
        "mean, std": f"{_numbers(described['mean'])}; {_numbers(described['std'])}",
        "weights": ", ".join(described["weights"]) or "none; give a file with --weights FILE",
        "last layer": described["head"],
    }
    for key, value in facts.items():
        console.result(f"  {key.ljust(11)} {value}")
    for title, rows in (("Blocks, from the input to the output", "blocks"), ("Layers with weights", "layers")):
        console.result("")
        console.result(console.paint(title, "bold"))
        columns = list(described[rows][0])
        shown = [{**row, "parameters": f"{row['parameters']:,}"} for row in described[rows]]
        _align(shown)
        console.result(console.table(shown, columns))
    return 0


def _numbers(values: list[float]) -> str:
    return " ".join(f"{value:.4g}" for value in values)


def _blocks(name: str) -> list[dict[str, Any]]:
    """Return the groups of layers that are frozen, or learn at a rate of their own, together."""
    network = build(name, seed=0)
    sizes = {key: value.numel() for key, value in network.named_parameters()}
    rows = []
    for number, prefixes in enumerate(model_info(name).blocks):
        own = [n for key, n in sizes.items() if any(key == p or key.startswith(f"{p}.") for p in prefixes)]
        rows.append({"block": number, "layers": ", ".join(prefixes), "parameters": sum(own)})
    return rows


def _layers(name: str) -> list[dict[str, Any]]:
    """Return every layer with weights of its own, in the order in which an image meets them."""
    network = build(name, seed=0).eval()
    info = model_info(name)
    rows: dict[str, dict[str, Any]] = {}

    def note(key: str, kind: str, module: Any) -> Any:
        def hook(_: Any, __: Any, output: Any) -> None:
            rows.setdefault(key, _row(key, kind, module, output))

        return hook

    for key, module in network.named_modules():
        if list(module.parameters(recurse=False)):
            module.register_forward_hook(note(key, type(module).__name__, module))
    with torch.no_grad():
        network(torch.zeros(1, info.in_channels, info.input_size, info.input_size))
    for key, module in network.named_modules():
        if list(module.parameters(recurse=False)) and key not in rows:  # at work while training alone
            rows[key] = _row(key, type(module).__name__, module, None)
    return list(rows.values())


def _row(key: str, kind: str, module: Any, output: Any) -> dict[str, Any]:
    own = list(module.parameters(recurse=False))
    shape = " x ".join(map(str, output.shape[1:])) if isinstance(output, torch.Tensor) else ""
    weights = " ".join("x".join(map(str, each.shape)) for each in own)
    return {
        "layer": key,
        "kind": kind,
        "output": shape,
        "weights": weights,
        "parameters": sum(each.numel() for each in own),
    }


def _convert(words: list[str], options: Mapping[str, Any], console: Console) -> int:
    """Write the weights of a checkpoint that only PyTorch can read as a file that is safe to hand on."""
    model, out = options.get("model"), options.get("out")
    if len(words) != 1 or model is None or out is None:
        raise ValueError(f"`convert` must come as: {CONVERT}")
    if words[0].endswith((".npz", ".safetensors")):
        raise ValueError(
            f"`FILE` must be a checkpoint of PyTorch. Received: {words[0]}, which --weights takes as it is."
        )
    if not str(out).endswith(".safetensors"):
        raise ValueError(f"`--out` must end in .safetensors. Received: {out}.")
    if os.path.lexists(out) and not options.get("force"):
        raise ValueError(f"`--out` must be a new file. Received: {out}, which is there. Give --force to replace it.")
    info = model_info(model)
    tensors = convert_checkpoint(words[0])
    head, first = tensors.get(f"{info.head}.weight"), next((each for each in tensors.values() if each.ndim == 4), None)
    n_classes = info.n_classes if head is None else int(head.shape[0])
    network = build(model, n_classes=n_classes, in_channels=None if first is None else int(first.shape[1]), seed=0)
    try:
        fresh = load_weights(network, tensors)
    except ModelRefusedError as error:
        raise ModelRefusedError(f"{words[0]} {str(error).removeprefix('The mapping ')}") from None
    if fresh:
        console.note(f"not in {words[0]}, and left at random: {', '.join(fresh[:6])}")
    state = {name: value for name, value in network.state_dict().items() if name not in fresh}
    digest = write_tensors(Path(out), state)
    if console.json_output:
        found = {"model": model, "n_classes": n_classes, "fresh": list(fresh), "out": str(out), "sha256": digest}
        console.emit({"schema": "strata.convert/1", **found})
    else:
        console.result(f"{len(state)} tensors of {model}, {n_classes} classes, written to {out}")
    return 0
