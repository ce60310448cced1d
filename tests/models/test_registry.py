"""The register of networks and how one is built from it."""

import re

import pytest
import torch
from torch import nn

from strata.models import build, list_models, model_info, register_model
from strata.models.registry import _MODELS

FACTS = {"summary": "s", "source": "s", "input_size": 8, "min_size": 8, "n_parameters": 0, "head": "fc"}


class Tiny(nn.Module):
    def __init__(self, in_channels, n_classes):
        super().__init__()
        self.fc = nn.Linear(in_channels, n_classes)


def tiny(*, in_channels: int = 2, n_classes: int = 3, bold: bool = False):
    return Tiny(in_channels, n_classes)


def test_a_decorated_builder_is_listed_and_built(monkeypatch):
    monkeypatch.delitem(_MODELS, "tiny", raising=False)
    assert register_model("tiny", blocks=(("fc",),), **FACTS)(tiny) is tiny
    try:
        assert "tiny" in list_models()
        assert model_info("tiny").options == {"bold": False}
        assert build("tiny", n_classes=4, in_channels=5, options={"bold": True}).fc.weight.shape == (4, 5)
    finally:
        del _MODELS["tiny"]


def test_a_name_is_registered_once():
    with pytest.raises(ValueError, match="`name` must be new. Received: name='resnet20', registered in strata.models"):
        register_model("resnet20", blocks=(), **FACTS)(tiny)


def test_a_builder_needs_defaults():
    def needy(*, in_channels, n_classes=3):
        return Tiny(in_channels, n_classes)

    with pytest.raises(TypeError, match="`builder` must take in_channels and n_classes, and have a default"):
        register_model("needy", blocks=(), **FACTS)(needy)
    assert "needy" not in list_models()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ({"name": "resnet-20"}, "Unknown model 'resnet-20'. Did you mean 'resnet20'? Available: "),
        ({"name": "lenet5", "n_classes": 0}, "`n_classes` must be an integer of at least 1. Received: n_classes=0."),
        ({"name": "lenet5", "n_classes": True}, "`n_classes` must be an integer of at least 1."),
        ({"name": "lenet5", "in_channels": 1.5}, "`in_channels` must be an integer of at least 1."),
        ({"name": "resnet18", "options": {"a": 1}}, "`options` must be empty: 'resnet18' has none. Received: "),
        ({"name": "resnet20", "options": {"shortcuts": "A"}}, "Unknown option of 'resnet20' 'shortcuts'. Did you mean"),
        ({"name": "resnet20", "options": {"shortcut": "C"}}, "`shortcut` must be 'A' or 'B'. Received: shortcut='C'."),
        ({"name": "lenet5", "options": {"activation": "elu"}}, "`activation` must be 'relu' or 'tanh'. Received: "),
    ],
)
def test_what_cannot_be_built_is_refused(call, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        build(**call)


def test_a_seed_decides_the_weights_and_leaves_the_global_generator_alone():
    before = torch.get_rng_state()
    one, two, other = (build("lenet5", seed=seed).fc1.weight for seed in (7, 7, 8))
    assert torch.equal(one, two)
    assert not torch.equal(one, other)
    assert torch.equal(torch.get_rng_state(), before)


def test_the_name_is_no_part_of_the_state():
    network = build("resnet20", options={"shortcut": "B"})
    assert network.strata_name == "resnet20"
    assert network.strata_options == {"shortcut": "B"}
    assert not [key for key in network.state_dict() if "strata" in key]
