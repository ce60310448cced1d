"""The room *Neurons*, verb by verb, with the real library behind it."""

import io
import json
import math
import zipfile

import numpy as np
import psutil
import pytest

from tests.playground.test_page_modules import NODE, node

_W1 = [[0.1, -0.2, 0.3], [0.4, 0.5, -0.6], [-0.7, 0.8, 0.9]]
_B1 = [0.01, -0.02, 0.03]
_W2, _B2 = [0.5, -0.4, 0.3], 0.05


def test_one_step_in_the_numbers_of_the_lecture(lab, tmp_path):
    """The worked example 3-3-1 of canon/learning.md, section 6.2."""
    (tmp_path / "upload").write_text("x1,x2,x3,y\n1,0.5,-1.5,1\n-0.3,2,0.7,0\n")
    answer, _ = lab.ask(do="upload data", path=str(tmp_path / "upload"))
    lab.good("data", source="upload", upload=answer["upload"], target="y", standardize=False, problem="regression")
    lab.good(
        "configure",
        changes={"hidden": [3], "activations": ["logistic"], "out_activation": "logistic", "loss": "half_squared",
                 "solver": "sgd-framework", "learning_rate": 0.5, "batch_size": 1},
    )  # fmt: skip
    for unit in range(3):
        for source in range(3):
            lab.good("edit", layer=0, to=unit, value=_W1[unit][source], **{"from": source})
        lab.good("edit", layer=0, to=unit, value=_B1[unit], **{"from": None})
        lab.good("edit", layer=1, to=0, value=_W2[unit], **{"from": unit})
    lab.good("edit", layer=1, to=0, value=_B2, **{"from": None})
    seen = lab.good("look", example=[1.0, 0.5, -1.5], target=1.0, stage="update")
    hidden, output = seen["layers"]
    close = {"rtol": 0, "atol": 1e-9}
    np.testing.assert_allclose(hidden["z"], [-0.44, 1.53, -1.62], **close)
    np.testing.assert_allclose(hidden["a"], [0.3917409693, 0.8220063142, 0.1652048702], **close)
    np.testing.assert_allclose(output["a"], [0.4916581291], **close)
    np.testing.assert_allclose(output["delta"], [-0.1270500938], **close)
    np.testing.assert_allclose(hidden["delta"], [-0.0151367471, 0.0074355780, -0.0052565282], **close)
    np.testing.assert_allclose(np.ravel(output["grad_weight"]), [-0.0497707269, -0.1044359794, -0.0209892943], **close)
    np.testing.assert_allclose(
        np.array(hidden["grad_weight"])[:, 0], [-0.0151367471, -0.0075683735, 0.0227051206], **close
    )
    np.testing.assert_allclose(np.ravel(output["weight_after"]), [0.5248853635, -0.3477820103, 0.3104946471], **close)
    np.testing.assert_allclose(hidden["bias_after"], [0.0175683735, -0.0237177890, 0.0326282641], **close)
    np.testing.assert_allclose([seen["loss_before"], seen["loss_after"]], [0.1292057289, 0.1139865866], **close)
    lab.good("look", example=[1.0, 0.5, -1.5], target=1.0, stage="update", apply=True)
    again = lab.good("look", example=[1.0, 0.5, -1.5], target=1.0)
    np.testing.assert_allclose(again["loss_before"], 0.1139865866, **close)


def test_everything_comes_from_the_registries(lab):
    from strata.functional.activations import ACTIVATIONS
    from strata.rules.optimizers import OPTIMIZERS
    from strata.rules.schedules import SCHEDULES

    choices = lab.hello["choices"]
    assert {entry["name"] for entry in choices["solvers"]} <= set(OPTIMIZERS)
    assert {spec.name for spec in OPTIMIZERS.values()} <= {
        OPTIMIZERS[entry["name"]].name for entry in choices["solvers"]
    }
    assert {entry["name"] for entry in choices["activations"]} <= set(ACTIVATIONS)
    assert [entry["name"] for entry in choices["schedules"]] == list(SCHEDULES)
    assert len(choices["features"]) == 7
    json.dumps(choices, allow_nan=False)


@pytest.mark.parametrize(
    "name", ["xor", "gaussians", "spiral", "plane", "gaussian-bumps", "iris", "digits", "gate-xor"]
)
def test_every_data_set_is_drawn_and_learned(lab, name):
    view = lab.fresh(dataset=name, hidden=[4])
    header, arrays = lab.step(1)
    n_classes = len(view["data"]["classes"])
    assert arrays["map"].shape[:2] == (60, 60)
    assert arrays["map"].shape[2:] == ((n_classes,) if n_classes > 2 else ())
    assert np.abs(arrays["map"]).max() <= 1
    assert math.isfinite(header["losses"]["test"])
    assert arrays["units"].shape[0] == len(view["network"]["inputs"]) + 4 + view["network"]["layers"][-1]["units"]
    assert len(view["data"]["points"]) <= 1000


@pytest.mark.skipif(NODE is None, reason="node is not installed")
def test_every_lesson_can_be_begun(lab, tmp_path):
    script = """
    const { LESSONS } = await import(STATIC + "/lessons.js");
    done(LESSONS.map(({ name, changes }) => [name, changes]));
    """
    lessons = node(script, tmp_path)
    assert len(lessons) == 13
    for name, changes in lessons:
        view = lab.fresh(**changes)
        assert changes.items() <= view["configuration"].items(), name
        if view["configuration"]["mode"] != "gate":
            lab.step(1)


def test_the_same_configuration_is_the_same_run(lab):
    lab.step(5)
    first = lab.weights()
    lab.good("reset", new_seed=False)
    lab.step(5)
    for ours, theirs in zip(first, lab.weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    lab.good("reset", new_seed=True)
    lab.step(5)
    assert not np.array_equal(first[0], lab.weights()[0])


def test_a_run_that_blows_up_is_explained(lab):
    lab.fresh(dataset="plane", learning_rate=1000.0, activations=["relu", "relu"])
    lab.good("play")
    event = lab.event("failed")
    assert "Lower the learning rate" in event["error"]
    lab.fresh()
    lab.step(1)


def test_penalties_stand_beside_the_loss(lab):
    lab.fresh(l2=0.1, hidden=[])
    header, arrays = lab.step(1)
    assert header["losses"]["penalty"] == pytest.approx(0.05 * float((arrays["weights.0"] ** 2).sum()), rel=1e-12)


def test_a_gate_is_as_it_is_and_can_be_edited(lab):
    lab.fresh(dataset="gate-or", mode="gate")
    assert "does not learn" in lab.bad("play")
    assert lab.frame is not None
    lab.good("edit", layer=0, to=0, value=-0.5, **{"from": None})
    header, _ = lab.wait(lambda kind, value: kind == "B" and value[0]["scores"]["train"] == 1.0)
    assert header["losses"]["train"] == 0.0


def test_bagging_draws_its_spread(lab):
    lab.fresh(mode="bagging", n_networks=3)
    _, arrays = lab.step(3)
    assert arrays["spread"].shape == (60, 60)
    assert arrays["spread"].max() > 0


def test_two_configurations_share_rows_and_seed(lab):
    answer = lab.good("compare", b={"solver": "adam-efficient"})
    assert answer["configuration"]["seed"] == 0
    lab.good("step", epochs=4)
    found = {}

    def both(kind, value):
        if kind == "B" and value[0]["epoch"] == 4:
            found[value[0]["side"]] = value[1]
        return len(found) == 2

    lab.wait(both)
    assert not np.array_equal(found["a"]["weights.0"], found["b"]["weights.0"])
    lab.good("compare", b=None)


def test_a_surface_holds_the_way(lab):
    lab.step(20)
    seen = lab.good("surface", span=1.0, grid=9)
    assert np.shape(seen["losses"]) == (9, 9)
    assert seen["path"][-1] == [0.0, 0.0, 20]
    middle = seen["losses"][4][4]
    assert middle == pytest.approx(lab.frame[0]["losses"]["train"], rel=1e-9)


def test_verdicts_come_by_themselves_and_a_cure_can_be_applied(lab):
    lab.fresh(initializer="zeros", hidden=[4], activations=["relu"])
    lab.step(20)
    event = lab.event("verdicts")
    names = [verdict["name"] for verdict in event["verdicts"]]
    assert "symmetric_initialization" in names
    assert event["verdicts"][0]["evidence"]
    view = lab.good("apply", code="symmetric_initialization")
    assert view["configuration"]["initializer"] != "zeros"
    assert "must be a verdict" in lab.bad("prove", code="exploding_gradients")


def test_a_saved_model_can_be_loaded_and_opened(lab, tmp_path):
    import strata

    lab.step(10)
    kept = lab.weights()
    answer, file = lab.ask(do="download model")
    assert answer["ok"], answer
    with zipfile.ZipFile(io.BytesIO(file)) as archive:
        archive.extractall(tmp_path)
    model = strata.load(tmp_path / "model")
    np.testing.assert_array_equal(model.coefs_[0], kept[0])
    lab.good("reset", new_seed=True)
    (tmp_path / "model.zip").write_bytes(file)
    answer, _ = lab.ask(do="upload model", path=str(tmp_path / "model.zip"))
    assert answer["ok"], answer
    lab.wait(lambda kind, value: kind == "B" and np.array_equal(value[1]["weights.0"], kept[0]))
    (tmp_path / "model.zip").write_bytes(file[:-200])
    answer, _ = lab.ask(do="upload model", path=str(tmp_path / "model.zip"))
    assert not answer["ok"]
    assert "refused" in answer["error"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"solver": "adm"}, "Unknown optimizer"),
        ({"dataset": "cifar10"}, "come with the library"),
        ({"dataset": "nothing"}, "Unknown data set"),
        ({"mode": "perceptron", "dataset": "plane"}, "needs a set of classes"),
        ({"activations": ["nonsense", "tanh"]}, "activation"),
        ({"problem": "regression", "dataset": "iris"}, "target of numbers"),
        ({"hidden": [99]}, "hidden"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_changes(lab, changes, words):
    assert words in lab.bad("configure", changes=changes)
    lab.step(1)


def test_a_slow_reader_costs_nothing(lab):
    """Without acknowledgements two frames are sent, training goes on, and memory stays where it is."""
    lab.acknowledges = False
    try:
        lab.good("play")
        room = psutil.Process(lab.process.pid)
        with pytest.raises(TimeoutError):
            lab.wait(lambda kind, value: False, 3.0)
        frames, before = lab.frame[0]["frame"], room.memory_info().rss
        with pytest.raises(TimeoutError):
            lab.wait(lambda kind, value: False, 4.0)
        assert lab.frame[0]["frame"] == frames
        assert room.memory_info().rss - before < 20 << 20
        state = lab.good("pause")["state"]
        assert state["epoch"] > lab.frame[0]["epoch"]
    finally:
        lab.acknowledges = True
        for number in range(lab.frame[0]["frame"] + 1):
            lab.send(do="ack", id=0, frame=number)
