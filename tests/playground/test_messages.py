"""What a page says is understood strictly, and what it is told is valid JSON."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strata.playground.configuration import Configuration
from strata.playground.frames import pack_frame, unpack_frame
from strata.playground.messages import MessageError, parse_message, say


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "must be JSON"),
        ("[]", "object"),
        ('{"id": 1}', "name its verb"),
        ('{"do": "exec", "id": 1}', "one of the verbs"),
        ('{"do": "play", "id": 1, "path": "/etc"}', "`path` is not a field"),
        ('{"do": "play"}', "`id` must be given"),
        ('{"do": "play", "id": -1}', "`id`"),
        ('{"do": "play", "id": "1"}', "`id`"),
        ('{"do": "step", "id": 1, "epochs": 1000000}', "less than or equal to 1000"),
        ('{"do": "edit", "id": 1, "layer": 0, "from": 0, "to": 0, "value": NaN}', "`value`"),
        ('{"do": "points", "id": 1, "points": [[1, 2]]}', "at least 3"),
        ("[" * 100_000, "JSON"),
        (b"\xff\xfe", "JSON"),
        ('{"do": "play", "id": 1' + " " * (1 << 20) + "}", "at most 1048576 bytes"),
    ],
)
def test_a_malformed_message_is_refused_in_one_sentence(text, words):
    with pytest.raises(MessageError, match=words):
        parse_message(text)


def test_a_million_points_are_refused():
    text = json.dumps({"do": "points", "id": 1, "points": [[0, 0, 0]] * 100_000})
    with pytest.raises(MessageError, match="at most 1048576 bytes|at most 5000"):
        parse_message(text)


def test_the_number_of_a_refused_message_is_told_back():
    with pytest.raises(MessageError) as error:
        parse_message('{"do": "step", "id": 17, "epochs": 0}')
    assert error.value.id == 17


PLAIN = st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5)
VERBS = st.sampled_from(["play", "configure", "edit", "look", "points", "data", "show", "ack", "x"])


@settings(deadline=None, max_examples=60)
@given(
    st.dictionaries(st.sampled_from(["id", "points", "example", "changes", "value"]), PLAIN | st.lists(PLAIN)), VERBS
)
def test_only_our_error_escapes(fields, verb):
    sentence = ""
    try:
        message = parse_message(json.dumps({**fields, "do": verb}))
    except MessageError as error:
        sentence = str(error)
    else:
        assert message.do == verb
    assert len(sentence) < 400
    assert "\n" not in sentence


def test_what_is_not_finite_becomes_null():
    assert json.loads(say({"a": [float("inf"), np.float64("nan"), 1.5], "b": np.arange(2)})) == {
        "a": [None, None, 1.5],
        "b": [0, 1],
    }


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"hidden": [4] * 7}, "hidden"),
        ({"hidden": [1_000_000]}, "hidden"),
        ({"hidden": [2.5]}, "hidden"),
        ({"learning_rate": 0.0}, "learning_rate"),
        ({"noise": 51}, "noise"),
        ({"train_ratio": 5}, "train_ratio"),
        ({"n_samples": 10**6}, "n_samples"),
        ({"max_epochs": 10**7}, "max_epochs"),
        ({"nonsense": 1}, "nonsense"),
    ],
)
def test_a_configuration_out_of_range_is_refused(changes, words):
    with pytest.raises(ValueError, match=words):
        Configuration().changed(changes)


def test_activations_follow_the_layers():
    assert Configuration().changed({"hidden": [3, 3, 3]}).activations == ["tanh"] * 3
    assert Configuration().changed({"hidden": []}).activations == []
    assert Configuration().differences() == {}


def test_frames_round_trip():
    arrays = {
        "a": np.arange(6, dtype=np.float32).reshape(2, 3),
        "b": np.array([1.5]),
        "c": np.arange(3, dtype=np.uint8),
    }
    frame = pack_frame({"frame": 3, "losses": {"train": float("nan")}}, arrays)
    header, found = unpack_frame(frame)
    assert (header["frame"], header["losses"]["train"]) == (3, None)
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].dtype == array.dtype
    with pytest.raises(ValueError, match="whole"):
        unpack_frame(frame[:-16])
    with pytest.raises(ValueError, match="float32, float64 or uint8"):
        pack_frame({}, {"a": np.arange(3)})
