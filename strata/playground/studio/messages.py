"""What a page may say in these rooms, and the settings of each: one strict record for each."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from strata.playground.messages import Message, Name, Number, explain

__all__ = ["ADAPTER", "CodeSettings", "OpenRoom", "PictureSettings", "Settings"]

#: Characters of a drawing in base 64, of at most 224 by 224 pixels.
_DRAWING = 4 * (224 * 224 // 3 + 1)


class OpenRoom(Message):
    """The page wants another room than *Neurons*.

    Attributes
    ----------
    do, id : str, int
        As of every message.
    room : {"pictures", "codes"}
        Which.
    """

    do: Literal["open"]
    room: Literal["pictures", "codes"]


class _Plain(Message):
    do: Literal["play", "pause"]


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


class _Ack(Message):
    do: Literal["ack"]
    frame: Annotated[int, Field(ge=0, lt=2**53)]


class _Draw(Message):
    do: Literal["draw"]
    side: Annotated[int, Field(ge=8, le=224)]
    pixels: Annotated[str, Field(max_length=_DRAWING)]


class _Ask(Message):
    do: Literal["ask"]
    digit: Annotated[int, Field(ge=0, le=9)] | None


class _Cursor(Message):
    do: Literal["cursor"]
    code: Annotated[list[Number], Field(min_length=1, max_length=16)]


class _Axes(Message):
    do: Literal["axes"]
    x: Annotated[int, Field(ge=0, lt=16)]
    y: Annotated[int, Field(ge=0, lt=16)]
    pictures: bool = False


_KINDS = OpenRoom | _Plain | _Configure | _Step | _Reset | _Speed | _Ack | _Draw | _Ask | _Cursor | _Axes
ADAPTER: TypeAdapter[Any] = TypeAdapter(Annotated[_KINDS, Field(discriminator="do")])


class Settings(BaseModel):
    """Base of the settings of a room.

    Attributes
    ----------
    seed : int
        Of the weights and the order of the pictures.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)

    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0

    def changed(self, changes: dict[str, Any]) -> Any:
        """Return the settings with some fields changed.

        Parameters
        ----------
        changes : dict of str to object
            Fields and their new values.

        Returns
        -------
        settings : Settings
            Of the same class, checked as a whole.

        Raises
        ------
        ValueError
            If a field is unknown or a value is out of its range.
        """
        try:
            return type(self).model_validate({**self.model_dump(), **changes})
        except ValidationError as error:
            raise ValueError(explain(error)) from None


class PictureSettings(Settings):
    """Settings of the room *Pictures*.

    Attributes
    ----------
    seed : int
        Of the weights and the order of the pictures.
    network : str
        "lenet5" or "mlp", which have learned MNIST, or one that learns here ("live_lenet5", "live_mlp").
    learning_rate, batch_size : float, int
        Of Adam.
    activation, hidden : str, int
        Activation of the network that learns, and hidden units of "live_mlp".
    """

    network: Literal["lenet5", "mlp", "live_lenet5", "live_mlp"] = "lenet5"
    learning_rate: Annotated[float, Field(gt=0, le=10)] = 0.002
    batch_size: Annotated[int, Field(ge=1, le=1000)] = 32
    activation: Literal["relu", "tanh"] = "relu"
    hidden: Annotated[int, Field(ge=2, le=128)] = 32


class CodeSettings(Settings):
    """Settings of the room *Codes*.

    Attributes
    ----------
    seed : int
        Of the weights and the order of the pictures.
    kind, dataset : str
        An autoencoder or a Boltzmann machine, and the digits it learns.
    n_components, hidden, depth : int
        Units of the code, of the first hidden layer (0: none), and layers of the encoder.
    variational, beta : bool, float
        Whether codes are distributions, and the weight of their divergence from the normal one.
    noise : float
        Share of the pixels that are erased before encoding.
    learning_rate : float
        Of the autoencoder.
    units, machine_rate : int, float
        Hidden units and rate of the machine.
    persistent, n_gibbs_steps : bool, int
        Whether its chains go on from batch to batch, and their steps.
    weight_decay, sparse : float, bool
        Its penalty, and whether few units shall be active.
    """

    kind: Literal["autoencoder", "machine"] = "autoencoder"
    dataset: Literal["digits", "mnist"] = "digits"
    n_components: Annotated[int, Field(ge=2, le=16)] = 2
    hidden: Annotated[int, Field(ge=0, le=256)] = 64
    depth: Annotated[int, Field(ge=1, le=3)] = 2
    variational: bool = False
    beta: Annotated[float, Field(ge=0, le=100)] = 1.0
    noise: Annotated[float, Field(ge=0, le=0.9)] = 0.0
    learning_rate: Annotated[float, Field(gt=0, le=10)] = 0.003
    units: Annotated[int, Field(ge=4, le=100)] = 36
    machine_rate: Annotated[float, Field(gt=0, le=10)] = 0.05
    persistent: bool = True
    n_gibbs_steps: Annotated[int, Field(ge=1, le=20)] = 1
    weight_decay: Annotated[float, Field(ge=0, le=1)] = 0.0
    sparse: bool = False
