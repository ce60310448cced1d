"""Check the docstrings of everything public against the signatures, with numpydoc."""

import importlib
import inspect
import pkgutil
import sys
from collections.abc import Iterator

from numpydoc.validate import validate

import strata

#: numpydoc codes that must not appear: no docstring, no summary, parameters that are missing, unknown, out of order
#: or undescribed, and sections that are missing or out of order.
CODES = {"GL07", "GL08", "SS01", "PR01", "PR02", "PR03", "PR04", "PR07", "PR08", "RT03", "YD01"}
#: Public methods that scikit-learn's conventions fix; their names say what they do.
INHERITED = {"set_fit_request", "set_score_request", "set_partial_fit_request"}


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
                    if not method.startswith("_") and inspect.isfunction(member) and method not in INHERITED:
                        yield f"{dotted}.{method}", member


def main() -> int:
    """Print what is wrong; 1 when anything is."""
    wrong, n_checked = [], 0
    for name, thing in public():
        n_checked += 1
        required = CODES - {"PR01", "YD01"} if inspect.isfunction(thing) and "." in thing.__qualname__ else CODES
        try:
            errors = validate(name)["errors"]
        except Exception as error:
            errors = [("GL08", str(error))]
        wrong += [f"{name}: {code} {text}" for code, text in errors if code in required]
    print("\n".join(wrong) or f"docstrings: {n_checked} checked, none wrong")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
