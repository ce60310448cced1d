"""What can be set in the page: every field with its range and the reference's start state as default."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from strata.playground.limits import LIMITS

__all__ = ["Configuration", "DATA_FIELDS", "LEARNING_FIELDS"]

Name = Annotated[str, Field(min_length=1, max_length=80)]
Setting = bool | int | float | str | None
Settings = Annotated[dict[Name, Setting], Field(max_length=20)]
Share = Annotated[float, Field(ge=0, lt=1)]

#: Fields that make other data.
DATA_FIELDS = frozenset({"dataset", "problem", "noise", "train_ratio", "n_samples", "data_seed"})
#: Fields that say how to learn: a network that has learned goes on from where it is when they change.
LEARNING_FIELDS = frozenset(
    {"solver", "solver_settings", "learning_rate", "batch_size", "l1", "l2", "schedule", "schedule_settings",
     "grad_clip", "max_epochs"}
)  # fmt: skip


class Configuration(BaseModel):
    """The state of one side of the room *Neurons*, own data aside; the names of registries are checked in the room.

    See the fields for their ranges. The defaults are the start state of the TensorFlow Playground (circle, no noise,
    half of 500 rows to train on in batches of 10, two inputs, layers of 4 and 2 tanh units, no penalty) but for the
    rate: its 0.03 for half the squared error of a tanh output is about 0.12 for the cross-entropy of a logistic one,
    whose logit is twice as large, and 0.1 is the nearest step of the page.

    Attributes
    ----------
    room : str
        Always "neurons".
    dataset, noise, train_ratio, n_samples, data_seed : str, float, float, int or None, int
        What the rows are, the share of noise and of training rows in per cent, their number and the seed they are
        drawn from.
    features, scale : list of str, bool or None
        The inputs, and whether they are standardized; None: as suits them.
    hidden, activations, dropout, input_dropout : list of int, list of str, list of float, float
        Units, activation and share of dropout of each hidden layer; share of dropout of the inputs.
    out_activation, problem, loss : str
        Of the output; "auto" follows the data.
    solver, solver_settings, learning_rate, batch_size : str, dict, float, int
        The optimizer with its own arguments.
    l1, l2, grad_clip : float, float, float or None
        Penalties on the weights, and the largest norm of a gradient.
    initializer, schedule, schedule_settings : str, str, dict
        Where the weights begin, and how the rate changes.
    early_stopping, early_stopping_settings : bool, dict
        Whether training ends when the test loss no longer falls.
    seed : int
        Of the weights and the order of the rows.
    mode, mode_settings, n_networks : str, dict, int
        A network, one neuron with a rule of its own, or a bag of so many networks.
    max_epochs : int
        Where training ends.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)

    room: Literal["neurons"] = "neurons"
    dataset: Name = "circles"
    noise: Annotated[float, Field(ge=0, le=50)] = 0.0
    train_ratio: Annotated[float, Field(ge=10, le=90)] = 50.0
    n_samples: Annotated[int, Field(ge=4, le=LIMITS.samples)] | None = None
    data_seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    features: Annotated[list[Name], Field(max_length=LIMITS.features)] = ["x1", "x2"]
    scale: bool | None = None
    hidden: Annotated[list[Annotated[int, Field(ge=1, le=LIMITS.units)]], Field(max_length=LIMITS.layers)] = [4, 2]
    activations: Annotated[list[Name], Field(max_length=LIMITS.layers)] = ["tanh", "tanh"]
    out_activation: Name = "auto"
    problem: Literal["auto", "classification", "regression"] = "auto"
    loss: Name = "auto"
    solver: Name = "sgd-framework"
    solver_settings: Settings = {}
    learning_rate: Annotated[float, Field(gt=0, le=1000)] = 0.1
    batch_size: Annotated[int, Field(ge=1, le=LIMITS.samples)] = 10
    l1: Annotated[float, Field(ge=0, le=100)] = 0.0
    l2: Annotated[float, Field(ge=0, le=100)] = 0.0
    dropout: Annotated[list[Share], Field(max_length=LIMITS.layers)] = []
    input_dropout: Share = 0.0
    initializer: Name = "auto"
    schedule: Name = "constant"
    schedule_settings: Settings = {}
    early_stopping: bool = False
    early_stopping_settings: Settings = {}
    grad_clip: Annotated[float, Field(gt=0, le=1e6)] | None = None
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    mode: Literal["network", "perceptron", "delta", "gate", "bagging"] = "network"
    mode_settings: Settings = {}
    n_networks: Annotated[int, Field(ge=2, le=LIMITS.networks)] = 5
    max_epochs: Annotated[int, Field(ge=1, le=LIMITS.epochs)] = 20_000

    @model_validator(mode="before")
    @classmethod
    def _follow_layers(cls, values: Any) -> Any:
        """Give each hidden layer an activation and a share of dropout where the lists do not fit their number."""
        if not isinstance(values, dict):
            return values
        values = dict(values)
        hidden = values.get("hidden", [4, 2])
        if not isinstance(hidden, list):
            return values
        for name, default in (("activations", "tanh"), ("dropout", 0.0)):
            given = values.get(name, [])
            if isinstance(given, list) and (len(given) != len(hidden)) and (given or name == "activations"):
                filler = given[-1] if given else default
                values[name] = [*given, *[filler] * len(hidden)][: len(hidden)]
        return values

    def changed(self, changes: dict[str, Any]) -> Configuration:
        """Return the configuration with some fields changed.

        Parameters
        ----------
        changes : dict of str to object
            Fields and their new values, as JSON gives them.

        Returns
        -------
        configuration : Configuration
            Checked as a whole.

        Raises
        ------
        ValueError
            If a field is unknown or a value is out of its range; the message names the field.
        """
        return Configuration.model_validate({**self.model_dump(), **changes})

    def differences(self) -> dict[str, Any]:
        """Return the fields that differ from the defaults, for the address of the page."""
        plain = Configuration().model_dump()
        return {name: value for name, value in self.model_dump().items() if value != plain[name]}
