"""Check the docstrings of everything public against the signatures, with numpydoc."""

import dataclasses
import importlib
import inspect
import pkgutil
import sys
from collections.abc import Iterator

from numpydoc.docscrape import ClassDoc
from numpydoc.validate import validate
from pydantic import BaseModel

import strata

#: numpydoc codes that must not appear: no docstring, no summary, sections or parameters that are missing, unknown, out
#: of order or undescribed.
CODES = {"GL07", "GL08", "SS01", "PR01", "PR02", "PR03", "PR04", "PR07", "RT03"}


def public() -> Iterator[tuple[str, object]]:
    """Yield the dotted name and the object of every public class, function and method."""
    names = ["strata", *(info.name for info in pkgutil.walk_packages(strata.__path__, "strata."))]
    seen = set()
    for name in sorted(names):
        if any(part.startswith("_") for part in name.split(".")):
            continue
        module = importlib.import_module(name)
        for attribute in module.__all__:
            thing = getattr(module, attribute)
            if not (inspect.isclass(thing) or inspect.isfunction(thing)) or id(thing) in seen:
                continue
            if not getattr(thing, "__module__", "").startswith("strata"):
                continue
            seen.add(id(thing))
            dotted = f"{thing.__module__}.{thing.__qualname__}"
            yield dotted, thing
            if inspect.isclass(thing):
                for method, member in vars(thing).items():
                    if not method.startswith("_") and inspect.isfunction(member):
                        yield f"{dotted}.{method}", member


def is_record(thing: type) -> bool:
    """Return whether a class is a dataclass, a named tuple or a pydantic model: its fields are its arguments."""
    return dataclasses.is_dataclass(thing) or hasattr(thing, "_fields") or issubclass(thing, BaseModel)


def record_faults(thing: type) -> list[tuple[str, str]]:
    """Return what is missing in the docstring of a record: its fields stand as parameters or as attributes."""
    is_dataclass = dataclasses.is_dataclass(thing)
    if issubclass(thing, BaseModel):
        fields = list(thing.model_fields)
    else:
        fields = [f.name for f in dataclasses.fields(thing) if f.init] if is_dataclass else list(thing._fields)
    doc = ClassDoc(thing)
    described = {name for entry in [*doc["Parameters"], *doc["Attributes"]] for name in entry.name.split(", ")}
    missing = [name for name in fields if not name.startswith("_") and name not in described]
    return [("PR01", f"fields not documented: {', '.join(missing)}")] if missing else []


def faults(name: str, thing: object) -> list[tuple[str, str]]:
    """Return the numpydoc codes that one public thing must not have."""
    required = CODES
    extra: list[tuple[str, str]] = []
    if inspect.isfunction(thing) and "." in thing.__qualname__:
        required = CODES - {"PR01"}  # X and y of a method of scikit-learn's are described once, in the class
    elif inspect.isclass(thing) and is_record(thing):
        required, extra = CODES - {"PR01"}, record_faults(thing)
    elif inspect.isclass(thing) and (getattr(thing, "_is_protocol", False) or inspect.isabstract(thing)):
        required = CODES - {"PR01"}  # nobody calls it
    return extra + [(code, text) for code, text in validate(name)["errors"] if code in required]


def main() -> int:
    """Print what is wrong; 1 when anything is."""
    things = list(public())
    wrong = [f"{name}: {code} {text}" for name, thing in things for code, text in faults(name, thing)]
    print("\n".join(wrong) or f"docstrings: {len(things)} checked, none wrong")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
