"""What lies in a checkpoint folder, and what is refused."""

import json
import math
import os

import numpy as np
import pytest
import torch
from tiny_rules import ScriptedRule, TinyRule, tiny_source, tiny_validation

from strata.data.sources import ArraySource, IterableSource
from strata.engine import (
    Callback,
    Checkpointing,
    CheckpointWarning,
    EarlyStopping,
    best_checkpoint,
    latest_checkpoint,
    read_checkpoint,
    train,
)
from strata.errors import ModelRefusedError, NonFiniteError


@pytest.fixture(autouse=True)
def _fast_disk(monkeypatch):
    monkeypatch.setattr("os.fsync", lambda descriptor: None)


def trained(folder, *, max_epochs=3, rule=None, **options):
    return train(rule or TinyRule(), tiny_source(), max_epochs=max_epochs, checkpoint=Checkpointing(folder), **options)


def one_row(n_batches=1):
    return ArraySource(np.zeros((n_batches, 1)), batch_size=1, shuffle=False)


# -- what is there -------------------------------------------------------------------------------------


def test_layout_and_header(tmp_path):
    trained(tmp_path)
    assert sorted(os.listdir(tmp_path)) == ["best", "latest", "step_000000010", "step_000000015"]
    assert sorted(os.listdir(latest_checkpoint(tmp_path))) == ["state.json", "tensors.safetensors"]
    header, state = read_checkpoint(latest_checkpoint(tmp_path))
    assert {name: header[name] for name in ("format", "version", "epoch", "batch", "step")} == {
        "format": "strata-checkpoint",
        "version": 1,
        "epoch": 3,
        "batch": 0,
        "step": 15,
    }
    assert header["environment"]["torch"] == str(torch.__version__)
    assert header["environment"]["threads"] == torch.get_num_threads()
    assert (header["environment"]["device"], header["environment"]["dtype"]) == ("cpu", "torch.float64")
    assert header["rule"] == {"rule": "TinyRule", "decay": 0.97}
    assert state["source"]["n_rows"] == 39


def test_the_last_and_the_best_are_kept(tmp_path):
    losses = [5.0, 4.0, 1.0, 2.0, 3.0, 3.0, 3.0]
    source = one_row()
    train(ScriptedRule(losses), source, max_epochs=7, checkpoint=Checkpointing(tmp_path, keep=2))
    names = [name for name in sorted(os.listdir(tmp_path)) if name.startswith("step")]
    assert names == ["step_000000003", "step_000000006", "step_000000007"]
    assert best_checkpoint(tmp_path).name == "step_000000003"
    assert json.loads((tmp_path / "best").read_text())["value"] == 1.0
    rule = ScriptedRule([*losses, 0.5, 2.0, 2.0])
    train(rule, one_row(), max_epochs=10, checkpoint=Checkpointing(tmp_path, keep=1), resume=True)
    names = [name for name in sorted(os.listdir(tmp_path)) if name.startswith("step")]
    assert names == ["step_000000008", "step_000000010"]


def test_the_best_by_a_score(tmp_path):
    scores = iter([0.1, 0.9, 0.3, 0.2])
    train(
        ScriptedRule([1.0] * 4),
        one_row(),
        max_epochs=4,
        validate=lambda _: {"score": next(scores)},
        checkpoint=Checkpointing(tmp_path, monitor="val_score", keep=1),
    )
    assert best_checkpoint(tmp_path).name == "step_000000002"
    assert latest_checkpoint(tmp_path).name == "step_000000004"


@pytest.mark.parametrize(
    ("options", "steps"),
    [
        ({"every_epochs": 2}, [6, 12, 15]),
        ({"every_epochs": None}, [15]),
        ({"every_epochs": None, "every_steps": 4}, [4, 8, 12, 15]),
        ({"every_epochs": None, "every_steps": 3}, [3, 6, 9, 12, 15]),
        ({"every_epochs": None, "every_seconds": 1e-9}, [2, 3, 5, 6, 8, 9, 11, 12, 14, 15]),
    ],
)
def test_when_it_is_saved(tmp_path, options, steps):
    checkpointing = Checkpointing(tmp_path, keep=100, **options)
    train(ScriptedRule([1.0] * 15, calls=2), one_row(3), max_epochs=5, checkpoint=checkpointing)
    names = sorted(name for name in os.listdir(tmp_path) if name.startswith("step"))
    assert names == [f"step_{step:09d}" for step in steps]


def test_nothing_is_pickled(tmp_path):
    trained(tmp_path, callbacks=[EarlyStopping("loss")])
    for path in latest_checkpoint(tmp_path).iterdir():
        assert not path.read_bytes().startswith(b"\x80")
    text = (latest_checkpoint(tmp_path) / "state.json").read_text()
    assert "NaN" not in text
    assert "Infinity" not in text


def test_figures_that_are_not_finite_survive(tmp_path):
    source = one_row()
    validate = iter([math.nan, math.inf]).__next__
    train(
        ScriptedRule([1.0] * 4),
        source,
        max_epochs=2,
        validate=lambda _: {"auc": validate()},
        checkpoint=Checkpointing(tmp_path),
    )
    run = train(
        ScriptedRule([1.0] * 4),
        one_row(),
        max_epochs=3,
        validate=lambda _: {"auc": 0.5},
        checkpoint=Checkpointing(tmp_path),
        resume=True,
    )
    np.testing.assert_equal(run.history["val_auc"], [math.nan, math.inf, 0.5])


def test_a_stream_is_taken_up_in_its_middle(tmp_path):
    def stream(epoch):
        data = np.random.RandomState(epoch)
        for number in range(6):
            yield data.randn(4, 4) + 100 * number, data.randn(4, 1)

    def learn(rule, **options):
        torch.manual_seed(1)
        np.random.seed(1)
        source = IterableSource(stream, batch_size=4)
        return train(rule, source, max_epochs=2, checkpoint=Checkpointing(tmp_path / options.pop("folder")), **options)

    whole = TinyRule(calls=2)
    learn(whole, folder="whole")
    first, second = TinyRule(calls=2), TinyRule(seed=3, calls=4)
    learn(first, folder="parts", max_steps=9)
    learn(second, folder="parts", resume=True)
    assert first.seen + second.seen == whole.seen
    assert all(torch.equal(a, b) for a, b in zip(second.parameters(), whole.parameters(), strict=True))


def test_a_diverging_run_keeps_the_last_good_checkpoint(tmp_path):
    rule = ScriptedRule([1.0, 1.0, 1.0, 1.0, 1.0, math.nan])
    with pytest.raises(NonFiniteError) as caught:
        train(rule, one_row(2), max_epochs=3, checkpoint=Checkpointing(tmp_path))
    assert (caught.value.epoch, caught.value.batch) == (3, 2)
    assert str(caught.value).endswith(
        f"The rule was set back to the last checkpoint. Kept: {tmp_path / 'step_000000004'}."
    )
    assert int(rule.t) == 4
    assert read_checkpoint(latest_checkpoint(tmp_path))[0]["epoch"] == 2


# -- other environments --------------------------------------------------------------------------------


def test_another_number_of_threads_is_named(tmp_path):
    trained(tmp_path, max_epochs=2)
    torch.set_num_threads(2)
    try:
        with pytest.warns(
            CheckpointWarning, match=r"goes on with threads=2 \(was 1\)\. Its weights can differ"
        ) as warned:
            trained(tmp_path, resume=True)
    finally:
        torch.set_num_threads(1)
    assert warned[0].filename == __file__


@pytest.mark.parametrize("name", ["torch", "numpy", "device", "dtype", "machine"])
def test_another_environment_is_named(tmp_path, monkeypatch, name):
    import strata.engine._store as store

    there = store.environment
    with monkeypatch.context() as patch:
        patch.setattr(store, "environment", lambda rule: {**there(rule), name: "other"})
        trained(tmp_path, max_epochs=2)
    with pytest.warns(CheckpointWarning, match=rf"goes on with {name}=.* \(was 'other'\)"):
        run = trained(tmp_path, resume=True)
    assert run.epoch == 3


def test_another_setting_of_the_rule_is_named(tmp_path):
    trained(tmp_path, max_epochs=2)
    with pytest.warns(CheckpointWarning, match=r"goes on with decay=0\.5 \(was 0\.97\)"):
        trained(tmp_path, rule=TinyRule(decay=0.5), resume=True)


# -- what is refused -----------------------------------------------------------------------------------


def test_a_folder_with_a_run_is_not_overwritten(tmp_path):
    trained(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(ValueError, match=r"which holds step_000000015\. Pass resume=True to go on from it, choose"):
        trained(tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    run = train(TinyRule(), tiny_source(), max_epochs=1, checkpoint=Checkpointing(tmp_path, force=True))
    assert run.step == 5
    assert sorted(os.listdir(tmp_path)) == ["best", "latest", "step_000000005"]


def test_files_of_others_in_the_folder_are_left(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "step_by_step").mkdir()
    trained(tmp_path)
    train(TinyRule(), tiny_source(), max_epochs=1, checkpoint=Checkpointing(tmp_path, force=True))
    assert (tmp_path / "notes.txt").read_text() == "mine"
    assert (tmp_path / "step_by_step").is_dir()


def test_other_data_are_refused(tmp_path):
    trained(tmp_path)
    with pytest.raises(ValueError, match="Received: batch_size=4, the run had batch_size=8"):
        train(TinyRule(), tiny_source(batch_size=4), max_epochs=5, checkpoint=Checkpointing(tmp_path), resume=True)
    with pytest.raises(ValueError, match="Received: n_rows=40, the run had n_rows=39"):
        train(TinyRule(), tiny_source(n_rows=40), max_epochs=5, checkpoint=Checkpointing(tmp_path), resume=True)
    other = tiny_source()
    other._x._array[0, 1] += 1.0
    with pytest.raises(ValueError, match="Received: fingerprint="):
        train(TinyRule(), other, max_epochs=5, checkpoint=Checkpointing(tmp_path), resume=True)


class WiderRule(TinyRule):
    def __init__(self):
        super().__init__()
        self.net[4] = torch.nn.Linear(8, 2).double()


class DeeperRule(TinyRule):
    def __init__(self):
        super().__init__()
        self.extra = torch.nn.Linear(1, 1)


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (
            WiderRule(),
            r"is of another network: 'net\.4\.(weight|bias)' has shape \[1(, 8)?\], this run needs \[2(, 8)?\]",
        ),
        (DeeperRule(), r"is of another network: only this run has 'extra\.(weight|bias)'"),
        (ScriptedRule([1.0]), "is of another rule: it holds 'TinyRule', and this run has 'ScriptedRule'"),
    ],
)
def test_another_rule_is_refused_and_left_as_it_is(tmp_path, rule, message):
    trained(tmp_path)
    before = [parameter.detach().clone() for parameter in rule.parameters()]
    with pytest.raises(ModelRefusedError, match=message):
        trained(tmp_path, rule=rule, resume=True)
    assert all(torch.equal(a, b) for a, b in zip(before, rule.parameters(), strict=True))


def test_every_flipped_byte_is_found(tmp_path):
    trained(tmp_path, max_epochs=1)
    draw = np.random.RandomState(0)
    for name in ("state.json", "tensors.safetensors"):
        path = latest_checkpoint(tmp_path) / name
        whole = path.read_bytes()
        for offset in draw.randint(0, len(whole), 60):
            broken = bytearray(whole)
            broken[offset] ^= 1 << draw.randint(0, 8)
            path.write_bytes(broken)
            rule = TinyRule(seed=2)
            with pytest.raises(ModelRefusedError, match="Remove .* to go on from the checkpoint before it"):
                trained(tmp_path, rule=rule, resume=True)
            assert rule.t == 0
        for part in range(16):
            path.write_bytes(whole[: part * len(whole) // 16])
            with pytest.raises(ModelRefusedError):
                trained(tmp_path, resume=True)
        path.write_bytes(whole)
    assert trained(tmp_path, resume=True).epoch == 3


def test_the_way_out_of_a_damaged_checkpoint_works(tmp_path):
    trained(tmp_path, max_epochs=3)
    latest = latest_checkpoint(tmp_path)
    (latest / "tensors.safetensors").write_bytes(b"")
    with pytest.raises(ModelRefusedError):
        trained(tmp_path, resume=True)
    for path in latest.iterdir():
        path.unlink()
    latest.rmdir()
    (tmp_path / "latest").unlink()
    rule = TinyRule()
    assert trained(tmp_path, rule=rule, resume=True).epoch == 3
    assert len(rule.seen) == 39


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "latest is damaged"),
        ("[1]", "does not name a checkpoint"),
        ('{"checkpoint": "../../etc", "sha256": "00"}', "does not name a checkpoint"),
        ('{"checkpoint": "step_000000015"}', "does not name a checkpoint"),
        ('{"checkpoint": "step_000000099", "sha256": "00"}', "is damaged: .*No such file"),
    ],
)
def test_a_damaged_pointer_is_refused(tmp_path, content, message):
    trained(tmp_path)
    (tmp_path / "latest").write_text(content)
    with pytest.raises(ModelRefusedError, match=message):
        trained(tmp_path, resume=True)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 2}, r"has format version 2 of strata '0\.1\.0'; this is strata .* Upgrade strata to resume it"),
        ({"format": "other"}, "is not a checkpoint of strata"),
        ({"sha256": None}, "has no digest of the tensors"),
        ({"state": {"epoch": 3}}, "parts of the state are missing"),
        ({"state": {"epoch": {"$import": "os"}}}, "The state is refused"),
    ],
)
def test_a_foreign_header_is_refused(tmp_path, change, message):
    trained(tmp_path)
    checkpoint = latest_checkpoint(tmp_path)
    header = json.loads((checkpoint / "state.json").read_text())
    (checkpoint / "state.json").write_text(json.dumps({**header, **change}))
    with pytest.raises(ModelRefusedError, match=message):
        read_checkpoint(checkpoint)


def test_a_callback_state_that_cannot_be_kept_says_where(tmp_path):
    class Odd(Callback):
        def state_dict(self):
            return {"function": len}

    with pytest.raises(TypeError, match=r"`state\['callbacks'\]\[0\]\[1\]\['function'\]` cannot be kept in a file"):
        trained(tmp_path, callbacks=[Odd()])


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"keep": 0}, ValueError, "`keep` must be 1 or more. Received: keep=0."),
        ({"keep": None}, TypeError, "`keep` must be an integer. Received: keep=None."),
        ({"every_epochs": 0}, ValueError, "`every_epochs` must be 1 or more. Received: every_epochs=0."),
        ({"every_steps": 1.5}, TypeError, "`every_steps` must be an integer. Received: every_steps=1.5."),
        ({"every_seconds": 0}, ValueError, "`every_seconds` must be above 0. Received: every_seconds=0."),
        ({"every_seconds": "5"}, TypeError, "`every_seconds` must be a number. Received: every_seconds='5'."),
    ],
)
def test_arguments(tmp_path, options, error, message):
    with pytest.raises(error) as caught:
        Checkpointing(tmp_path, **options)
    assert str(caught.value) == message


def test_validation_sees_the_resumed_weights(tmp_path):
    trained(tmp_path, validate=tiny_validation)
    header, state = read_checkpoint(latest_checkpoint(tmp_path))
    rule = TinyRule(seed=8)
    rule.load_state_dict(state["rule"])
    rule.eval()
    assert tiny_validation(rule)["loss"] == state["history"]["val_loss"][-1]
