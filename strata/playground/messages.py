"""What a page may say: one strict record for each verb."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from strata.playground.limits import LIMITS

__all__ = ["Message", "MessageError", "explain", "parse_message", "say"]

Name = Annotated[str, Field(min_length=1, max_length=80)]
Count = Annotated[int, Field(ge=0, lt=2**53)]
Number = Annotated[float, Field(ge=-1e9, le=1e9)]


class MessageError(ValueError):
    """A message that is not understood.

    Parameters
    ----------
    message : str
        What is wrong with it.
    number : int, optional
        Its ``id``, where that could be read.
    """

    def __init__(self, message: str, number: int | None = None) -> None:
        super().__init__(message)
        self.id = number


class Message(BaseModel):
    """Base of all messages.

    Attributes
    ----------
    do : str
        What is asked for.
    id : int
        Number by which the page knows the answer.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)

    do: str
    id: Count


class _Plain(Message):
    do: Literal["play", "pause", "regenerate", "diagnose", "script"]


class _Configure(Message):
    do: Literal["configure"]
    changes: dict[Name, Any]


class _Step(Message):
    do: Literal["step"]
    epochs: Annotated[int, Field(ge=1, le=1000)] = 1


class _Reset(Message):
    do: Literal["reset"]
    new_seed: bool = False


class _Speed(Message):
    do: Literal["speed"]
    epochs_per_second: Annotated[float, Field(gt=0, le=1e6)] | None


class _Edit(Message):
    do: Literal["edit"]
    layer: Annotated[int, Field(ge=0, le=LIMITS.layers)]
    from_: Annotated[int, Field(ge=0, lt=LIMITS.features)] | None = Field(alias="from")
    to: Annotated[int, Field(ge=0, lt=LIMITS.features)]
    value: Number


class _Seek(Message):
    do: Literal["seek"]
    epoch: Count


class _Look(Message):
    do: Literal["look"]
    example: Count | Annotated[list[Number], Field(max_length=LIMITS.features)]
    stage: Literal["forward", "backward", "update"] = "forward"
    target: Number | Name | None = None
    apply: bool = False


class _Show(Message):
    do: Literal["show"]
    x: Name | None = None
    y: Name | None = None
    grid: Annotated[int, Field(ge=20, le=LIMITS.grid)] | None = None
    discretize: bool | None = None
    show_test: bool | None = None
    unit: Annotated[list[Count], Field(min_length=2, max_length=2)] | None = None


class _Points(Message):
    do: Literal["points"]
    points: Annotated[list[Annotated[list[Number], Field(min_length=3, max_length=3)]], Field(max_length=LIMITS.points)]
    problem: Literal["classification", "regression"] = "classification"


class _Data(Message):
    do: Literal["data"]
    source: Literal["upload", "bundled"]
    upload: Name | None = None
    name: Name | None = None
    target: Annotated[str, Field(min_length=1, max_length=1000)] | None = None
    features: Annotated[list[Annotated[str, Field(max_length=1000)]], Field(max_length=LIMITS.features)] | None = None
    standardize: bool = True
    problem: Literal["auto", "classification", "regression"] = "auto"


class _Code(Message):
    do: Literal["prove", "apply"]
    code: Name


class _Surface(Message):
    do: Literal["surface"]
    span: Annotated[float, Field(gt=0, le=100)] = 1.0
    grid: Annotated[int, Field(ge=5, le=61)] = 25


class _Compare(Message):
    do: Literal["compare"]
    b: dict[Name, Any] | None


class _Ack(Message):
    do: Literal["ack"]
    id: Count = 0
    frame: Count


_KINDS = (
    _Plain | _Configure | _Step | _Reset | _Speed | _Edit | _Seek | _Look | _Show | _Points | _Data | _Code
    | _Surface | _Compare | _Ack
)  # fmt: skip
_ADAPTER: TypeAdapter[Any] = TypeAdapter(Annotated[_KINDS, Field(discriminator="do")])


def parse_message(text: str | bytes, adapter: TypeAdapter[Any] = _ADAPTER) -> Any:
    """Read one message of a page.

    Parameters
    ----------
    text : str or bytes
        JSON, at most ``LIMITS.message`` bytes.
    adapter : TypeAdapter, optional
        The messages of a room; by default those of *Neurons*.

    Returns
    -------
    message : Message
        The record of its verb.

    Raises
    ------
    MessageError
        If it is too long, no JSON, an unknown verb, or a field is missing, unknown or out of its range.

    Examples
    --------
    >>> parse_message('{"do": "step", "id": 1}').epochs
    1
    >>> parse_message('{"do": "jump", "id": 1}')
    Traceback (most recent call last):
    ...
    strata.playground.messages.MessageError: `do` must be one of the verbs of the page. Received: 'jump'.
    """
    if len(text) > LIMITS.message:
        raise MessageError(f"A message must be at most {LIMITS.message} bytes. Received: {len(text)}.")
    try:
        return adapter.validate_json(text)
    except ValidationError as error:
        raise MessageError(explain(error), _number_in(text)) from None


def _number_in(text: str | bytes) -> int | None:
    """Return the number of a message that is not understood, where it can be read."""
    try:
        number = json.loads(text).get("id")
    except (ValueError, AttributeError, RecursionError):
        return None
    return number if isinstance(number, int) and not isinstance(number, bool) and 0 <= number < 2**53 else None


def explain(error: ValidationError) -> str:
    """Say in one sentence what is wrong with a record.

    Parameters
    ----------
    error : ValidationError
        What pydantic found.

    Returns
    -------
    sentence : str
        The first fault with the name of its field.
    """
    first = error.errors(include_url=False, include_context=True)[0]
    kind, context = first["type"], first.get("ctx", {})
    if kind == "union_tag_invalid":
        return f"`do` must be one of the verbs of the page. Received: {str(context.get('tag'))[:40]!r}."
    if kind == "union_tag_not_found":
        return "A message must name its verb in `do`. Received: none."
    if kind == "json_invalid":
        return f"A message must be JSON. {str(context.get('error'))[:120]}."
    if kind == "value_error":
        return str(context.get("error", first["msg"]))
    verbs = {"play", "pause", "regenerate", "diagnose", "script", "configure", "step", "reset", "speed", "edit"}
    place = [str(part) for part in first["loc"] if part not in verbs]
    name = ".".join(place[:4])[:80] or "message"
    if kind == "extra_forbidden":
        return f"`{name}` is not a field here."
    if kind == "missing":
        return f"`{name}` must be given."
    received = str(first.get("input"))[:60]
    return f"`{name}`: {first['msg'][:1].lower()}{first['msg'][1:]}. Received: {received}."


def say(value: dict[str, Any]) -> bytes:
    """Return an answer as JSON; a number that is not finite becomes null.

    Parameters
    ----------
    value : dict
        Plain values.

    Returns
    -------
    text : bytes
        UTF-8.

    Examples
    --------
    >>> say({"loss": float("nan")})
    b'{"loss":null}'
    """
    try:
        return json.dumps(value, allow_nan=False, separators=(",", ":"), default=_plain).encode()
    except ValueError:
        return json.dumps(_finite(value), allow_nan=False, separators=(",", ":")).encode()


def _plain(value: Any) -> Any:
    """Return a plain value for an array, a number of NumPy or anything with a text."""
    for name in ("tolist", "model_dump"):
        if hasattr(value, name):
            return getattr(value, name)()
    if isinstance(value, (set, frozenset, tuple)):
        return list(value)
    return str(value)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(name): _finite(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    if isinstance(value, float):
        return value if abs(value) < float("inf") else None
    if value is None or isinstance(value, (str, int, bool)):
        return value
    return _finite(_plain(value))
