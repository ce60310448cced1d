"""Signals, kills, full disks and second runs."""

import json
import os
import random
import resource
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from tiny_rules import TinyRule, tiny_source

from strata.engine import Callback, Checkpointing, CheckpointWarning, latest_checkpoint, read_checkpoint, train
from strata.errors import CheckpointWriteError, RunInterrupted, RunLockedError

HERE = Path(__file__).parent
PAUSE = 0.004  # seconds before each step of a run that is to be killed


class AtStep(Callback):
    """Do something after a given step."""

    def __init__(self, step, action, *, times=1):
        self.step, self.action, self.times = step, action, times

    def on_batch_end(self, run):
        if run.step == self.step:
            for _ in range(self.times):
                self.action()


def send(number):
    return lambda: os.kill(os.getpid(), number)


# -- signals in this process ---------------------------------------------------------------------------


@pytest.mark.parametrize(("number", "name"), [(signal.SIGINT, "SIGINT"), (signal.SIGTERM, "SIGTERM")])
def test_a_signal_saves_and_says_how_to_go_on(tmp_path, number, name):
    before = signal.getsignal(number)
    with pytest.raises(RunInterrupted) as caught:
        train(
            TinyRule(),
            tiny_source(),
            max_epochs=8,
            callbacks=[AtStep(13, send(number))],
            checkpoint=Checkpointing(tmp_path),
        )
    assert caught.value.signal_number == number
    expected = (
        f"Stopped by {name} after epoch 2 and 3 batches of the next (step 13). Saved in {tmp_path}/step_000000013. "
        f"Go on with resume=True and the same folder '{tmp_path}' (command: --resume)."
    )
    assert str(caught.value) == expected
    assert signal.getsignal(number) is before
    rule = TinyRule(seed=4)
    run = train(rule, tiny_source(), max_epochs=8, checkpoint=Checkpointing(tmp_path), resume=True)
    assert (run.step, rule.t, len(rule.seen)) == (40, 40, 39 * 8 - (2 * 39 + 3 * 8))


def test_a_second_signal_is_obeyed_at_once(tmp_path):
    with pytest.raises(KeyboardInterrupt) as caught:
        train(
            TinyRule(),
            tiny_source(),
            max_epochs=8,
            callbacks=[AtStep(13, send(signal.SIGINT), times=2)],
            checkpoint=Checkpointing(tmp_path),
        )
    assert not isinstance(caught.value, RunInterrupted)
    assert latest_checkpoint(tmp_path).name == "step_000000010"  # of the second epoch: nothing was saved any more
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_second_sigterm_ends_with_143(tmp_path):
    with pytest.raises(SystemExit) as caught:
        train(
            TinyRule(),
            tiny_source(),
            max_epochs=8,
            callbacks=[AtStep(3, send(signal.SIGTERM), times=2)],
            checkpoint=Checkpointing(tmp_path),
        )
    assert caught.value.code == 143


def test_ctrl_c_without_a_checkpoint_ends_the_run_after_the_call():
    rule = TinyRule(calls=2)
    learn = rule.step

    def step(batch):
        if rule.t == 6:
            send(signal.SIGINT)()
        return learn(batch)

    rule.step = step
    run = train(rule, tiny_source(), max_epochs=8)
    assert (run.stop_reason, run.epoch, run.step, rule.t) == ("interrupted", 1, 7, 7)
    assert len(run.history) == 1
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_interrupt_raised_by_a_callback_keeps_the_weights():
    def interrupt():
        raise KeyboardInterrupt

    rule = TinyRule()
    run = train(rule, tiny_source(), max_epochs=8, callbacks=[AtStep(12, interrupt)])
    assert (run.stop_reason, run.epoch, rule.t) == ("interrupted", 2, 12)


def test_interrupt_in_the_first_epoch_still_has_figures():
    run = train(TinyRule(), tiny_source(), max_epochs=8, callbacks=[AtStep(2, send(signal.SIGINT))])
    assert (run.epoch, run.batch, len(run.history)) == (0, 2, 0)
    assert run.figures["loss"] > 0


def test_a_handler_of_somebody_else_is_left_alone():
    came = []
    before = signal.signal(signal.SIGINT, lambda *_: came.append(1))
    try:
        run = train(TinyRule(), tiny_source(), max_epochs=2, callbacks=[AtStep(3, send(signal.SIGINT))])
    finally:
        signal.signal(signal.SIGINT, before)
    assert (came, run.stop_reason) == ([1], "max_epochs")


def test_training_in_another_thread_leaves_signals_alone(tmp_path):
    runs = []
    thread = threading.Thread(
        target=lambda: runs.append(train(TinyRule(), tiny_source(), max_epochs=2, checkpoint=Checkpointing(tmp_path)))
    )
    thread.start()
    thread.join()
    assert runs[0].stop_reason == "max_epochs"


# -- other processes -----------------------------------------------------------------------------------


class Server:
    """A process that has imported torch, and forks a run whenever it is asked to."""

    def __init__(self, errors):
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(HERE)}
        command = [sys.executable, str(HERE / "killed_run.py"), "serve"]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": errors}
        self.process = subprocess.Popen(command, env=environment, text=True, **pipes)
        assert self.process.stdout.readline() == "serving\n"

    def start(self, *arguments):
        """Start a run and return its process number, when it is about to begin."""
        self.process.stdin.write(json.dumps([str(argument) for argument in arguments]) + "\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())

    def finish(self):
        """Wait for the run, and return its exit code; minus the signal that killed it.

        Until then the number of the run is its own, so that a signal reaches nobody else.
        """
        self.process.stdin.write("finish\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    path = tmp_path_factory.mktemp("server") / "errors.txt"
    with open(path, "w") as errors:
        server = Server(errors)
        server.errors = path
        yield server
        server.process.stdin.close()
        assert server.process.wait(30) == 0
        server.process.stdout.close()


def kill_often(server, folder, *, times, seed, seconds):
    """Kill runs at random moments of their first `seconds`; return the step of the checkpoint that each left."""
    moment = random.Random(seed)
    left = []
    for _ in range(times):
        pid = server.start(folder, folder / "result.npz", PAUSE)
        time.sleep(moment.uniform(0.0, seconds))
        os.kill(pid, signal.SIGKILL)
        assert server.finish() in (-signal.SIGKILL, 0)
        checkpoint = latest_checkpoint(folder)
        if checkpoint is not None:
            header, state = read_checkpoint(checkpoint)  # raises if it is not whole
            assert header["step"] == state["rule"]["_extra_state"]["t"]
            left.append(header["step"])
    return left


def check_kills(server, tmp_path, *, times, seed):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    begun = time.monotonic()
    server.start(whole, tmp_path / "whole.npz", PAUSE)
    assert server.finish() == 0
    killed.mkdir()
    left = kill_often(server, killed, times=times, seed=seed, seconds=0.3 * (time.monotonic() - begun))
    assert left == sorted(left)  # nothing is ever lost again
    server.start(killed, killed / "result.npz")
    assert server.finish() == 0
    ours, theirs = np.load(killed / "result.npz"), np.load(tmp_path / "whole.npz")
    for name in theirs.files:
        assert np.array_equal(ours[name], theirs[name]), name
    assert int(ours["t"]) == 40
    assert [name for name in os.listdir(killed) if ".tmp-" in name or ".old-" in name] == []
    return left


def test_sigkill_at_random_moments(server, tmp_path):
    left = check_kills(server, tmp_path, times=12, seed=1)
    assert len(set(left)) > 2, left  # the kills came at different moments


@pytest.mark.slow
def test_sigkill_at_fifty_random_moments(server, tmp_path):
    for seed in range(5):
        folder = tmp_path / str(seed)
        folder.mkdir()
        check_kills(server, folder, times=10, seed=seed)


def test_sigkill_in_the_middle_of_a_save(tmp_path, monkeypatch):
    """Every moment of a save at which the disk can be left: after each call that changes it."""
    monkeypatch.setattr("os.fsync", lambda descriptor: None)
    calls = {"n": 0, "die_at": 0}

    class Died(BaseException):
        pass

    def mortal(function):
        def call(*arguments, **options):
            if str(arguments[0]).endswith(".lock"):
                return function(*arguments, **options)  # the system opens the lock of a dead process
            if calls["die_at"] and calls["n"] >= calls["die_at"]:
                raise Died
            calls["n"] += 1
            return function(*arguments, **options)

        return call

    with monkeypatch.context() as patch:
        for name in ("rename", "replace", "unlink", "mkdir", "rmdir"):
            patch.setattr(f"os.{name}", mortal(getattr(os, name)))
        train(TinyRule(), tiny_source(), max_epochs=3, checkpoint=Checkpointing(tmp_path / "count"))
        n_calls = calls["n"]
        assert n_calls > 12
        for die_at in range(1, n_calls):
            calls.update(n=0, die_at=die_at)
            folder = tmp_path / str(die_at)
            with pytest.raises(Died):
                train(TinyRule(), tiny_source(), max_epochs=3, checkpoint=Checkpointing(folder))
    for die_at in range(1, n_calls):
        folder = tmp_path / str(die_at)
        checkpoint = latest_checkpoint(folder)
        step = 0 if checkpoint is None else read_checkpoint(checkpoint)[0]["step"]
        rule = TinyRule(seed=9)
        run = train(rule, tiny_source(), max_epochs=3, checkpoint=Checkpointing(folder), resume=True)
        assert (run.step, len(rule.seen)) == (15, 39 * (3 - step // 5))
        assert [name for name in os.listdir(folder) if ".tmp-" in name or ".old-" in name] == []


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_exit_codes_of_processes(server, tmp_path, number, code):
    pid = server.start(tmp_path / "run", tmp_path / "result.npz", 0.02, 2000)
    while latest_checkpoint(tmp_path / "run") is None:
        time.sleep(0.01)
    begun = time.monotonic()
    os.kill(pid, number)
    assert server.finish() == code
    assert time.monotonic() - begun < 10
    assert f"Stopped by {signal.Signals(number).name}" in server.errors.read_text()
    assert not (tmp_path / "result.npz").exists()


# -- the disk ------------------------------------------------------------------------------------------


def limited(n_bytes):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, hard))
    return soft, hard


def test_a_full_disk_keeps_the_last_checkpoint_and_the_state(tmp_path):
    rule, source = TinyRule(), tiny_source()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        with (
            pytest.warns(CheckpointWarning, match="the file would be larger than is allowed") as warned,
            pytest.raises(CheckpointWriteError) as caught,
        ):
            train(
                rule,
                source,
                max_epochs=5,
                callbacks=[AtStep(11, lambda: limited(1000))],
                checkpoint=Checkpointing(tmp_path),
            )
        assert len(warned) == 3  # after the epochs 3, 4 and 5
        assert warned[0].filename == __file__
        assert latest_checkpoint(tmp_path).name == "step_000000010"
        assert read_checkpoint(latest_checkpoint(tmp_path))[0]["epoch"] == 2
        assert sorted(os.listdir(tmp_path)) == ["best", "latest", "step_000000005", "step_000000010"]
        assert str(caught.value) == (
            f"The checkpoint after step 25 could not be written to {tmp_path}: the file would be larger than is "
            f"allowed. The last good one is {tmp_path}/step_000000010; the state is kept in memory. Make room and try "
            "again: the `retry()` of this error writes it."
        )
        with pytest.raises(CheckpointWriteError, match="step 25"):
            caught.value.retry()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    caught.value.retry()
    again = TinyRule(seed=3)
    run = train(again, tiny_source(), max_epochs=5, checkpoint=Checkpointing(tmp_path), resume=True)
    assert (run.epoch, again.t, again.seen) == (5, 25, [])
    assert all((a == b).all() for a, b in zip(again.parameters(), rule.parameters(), strict=True))


def test_a_disk_that_has_room_again_is_written_to(tmp_path):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        with pytest.warns(CheckpointWarning, match="Training goes on, and will try again") as warned:
            run = train(
                TinyRule(),
                tiny_source(),
                max_epochs=4,
                callbacks=[
                    AtStep(3, lambda: limited(1000)),
                    AtStep(8, lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limits)),
                ],
                checkpoint=Checkpointing(tmp_path),
            )
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert (len(warned), run.stop_reason) == (1, "max_epochs")
    assert latest_checkpoint(tmp_path).name == "step_000000020"


def test_a_folder_that_cannot_be_written_is_refused_before_training(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("not a folder")
    rule = TinyRule()
    with pytest.raises(CheckpointWriteError, match="`folder` must be a folder that can be written") as caught:
        train(rule, tiny_source(), max_epochs=2, checkpoint=Checkpointing(tmp_path / "file"))
    assert str(tmp_path / "file") in str(caught.value)
    assert rule.t == 0

    def denied(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("os.open", denied)  # as root, a read-only folder is written all the same
    with pytest.raises(CheckpointWriteError, match="Permission denied"):
        train(rule, tiny_source(), max_epochs=2, checkpoint=Checkpointing(tmp_path / "new"))
    assert rule.t == 0


# -- two runs ------------------------------------------------------------------------------------------


def test_a_second_run_in_the_same_folder_is_refused(server, tmp_path):
    pid = server.start(tmp_path / "run", tmp_path / "result.npz", 0.02, 200)
    try:
        while latest_checkpoint(tmp_path / "run") is None:
            time.sleep(0.01)
        with pytest.raises(RunLockedError, match=f"written by process {pid}"):
            train(TinyRule(), tiny_source(), max_epochs=2, checkpoint=Checkpointing(tmp_path / "run"), resume=True)
    finally:
        os.kill(pid, signal.SIGKILL)
        server.finish()
    rule = TinyRule()
    run = train(rule, tiny_source(), max_epochs=1, checkpoint=Checkpointing(tmp_path / "run", force=True))
    assert (run.resumed, run.step) == (False, 5)
    assert sorted(os.listdir(tmp_path / "run")) == ["best", "latest", "step_000000005"]
