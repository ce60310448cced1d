"""What is shown of a run, on terminals of every kind."""

import fcntl
import io
import os
import pty
import re
import struct
import sys
import termios
from contextlib import suppress

import numpy as np
import pytest
from tiny_rules import ScriptedRule

from strata.data.sources import ArraySource, IterableSource
from strata.engine import Progress, train
from strata.engine._terminal import duration, is_live


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch):
    for name in ("NO_COLOR", "CI", "FORCE_COLOR", "COLUMNS", "LINES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")


def shown(progress, *, epochs=3, n_batches=2, validate=None, **options):
    source = ArraySource(np.zeros((n_batches, 1)), batch_size=1, shuffle=False)
    rule = ScriptedRule([0.5] * (epochs * n_batches), rate=0.25)
    return train(rule, source, max_epochs=epochs, validate=validate, progress=progress, **options)


class Terminal:
    """A pseudo-terminal of a given width; what was written to it can be read."""

    def __init__(self, columns=100, encoding="utf-8"):
        self.reader, writer = pty.openpty()
        fcntl.ioctl(writer, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        self.stream = open(writer, "w", encoding=encoding, errors="strict")  # noqa: SIM115 - closed below

    def text(self):
        self.stream.close()
        parts = []
        while True:
            try:
                part = os.read(self.reader, 65536)
            except OSError:  # a closed pseudo-terminal says so
                break
            if not part:
                break
            parts.append(part)
        os.close(self.reader)
        return b"".join(parts).decode("utf-8")


def test_lines_by_hand():
    stream = io.StringIO()
    shown(Progress(stream), validate=lambda _: {"score": 0.125})
    lines = stream.getvalue().splitlines()
    assert [re.sub(r"at most \d+ s left", "T", line) for line in lines] == [
        "epoch 1/3: loss 0.5, val_score 0.125, rate 0.25, T",
        "epoch 2/3: loss 0.5, val_score 0.125, rate 0.25, T",
        "epoch 3/3: loss 0.5, val_score 0.125, rate 0.25, T",
    ]


def test_lines_go_to_standard_error(capsys):
    shown(Progress())
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 3
    assert "\x1b" not in captured.err


def test_a_long_epoch_gives_lines_within():
    stream = io.StringIO()
    shown(Progress(stream, every_seconds=0.0), epochs=1, n_batches=4)
    lines = stream.getvalue().splitlines()
    assert [line.split(",")[:2] for line in lines[:3]] == [["epoch 1/1", f" batch {i}/4"] for i in (1, 2, 3)]
    assert lines[3].startswith("epoch 1/1: loss 0.5")


def test_a_stream_of_unknown_length_is_shown_too():
    stream = io.StringIO()
    source = IterableSource(lambda epoch: [np.zeros((1, 1))] * 3, batch_size=1)
    train(ScriptedRule([1.0] * 3), source, max_epochs=1, progress=Progress(stream, every_seconds=0.0))
    assert stream.getvalue().splitlines()[:2] == ["epoch 1/1, batch 1", "epoch 1/1, batch 2"]


def test_quick_epochs_do_not_flood():
    stream = io.StringIO()
    shown(Progress(stream), epochs=400, n_batches=1)
    lines = stream.getvalue().splitlines()
    assert 31 <= len(lines) < 100
    assert lines[-1].startswith("epoch 400/400")


def test_a_bar_on_a_terminal():
    terminal = Terminal()
    shown(Progress(terminal.stream))
    text = terminal.text()
    assert "\x1b[" in text
    assert "epoch 3/3" in text
    assert "loss 0.5" in text


@pytest.mark.parametrize(
    "environment", [{"TERM": "dumb"}, {"NO_COLOR": "1"}, {"CI": "true"}, {"TERM": "dumb", "FORCE_COLOR": "1"}]
)
def test_plain_lines_where_that_is_asked_for(monkeypatch, environment):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    terminal = Terminal()
    shown(Progress(terminal.stream))
    text = terminal.text()
    assert "\x1b" not in text
    assert text.count("epoch") == 3


@pytest.mark.parametrize("columns", [1, 20, 59, 60, 300])
def test_narrow_and_wide_terminals(columns):
    terminal = Terminal(columns=columns)
    run = shown(Progress(terminal.stream), validate=lambda _: {"a_figure_with_a_long_name": 1.0})
    assert run.epoch == 3
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", terminal.text())
    assert all(len(line) <= columns for line in re.split(r"[\r\n]+", text))


def test_a_terminal_without_unicode():
    terminal = Terminal(encoding="ascii")
    assert shown(Progress(terminal.stream)).epoch == 3
    assert "epoch 3/3" in terminal.text()


def test_a_closed_stream_does_not_stop_the_run():
    stream = io.StringIO()
    stream.close()
    assert shown(Progress(stream)).epoch == 3


@pytest.mark.parametrize("style", ["bar", "lines"])
def test_a_stream_that_closes_meanwhile_does_not_stop_the_run(style):
    reader, writer = os.pipe()
    stream = open(writer, "w")  # noqa: SIM115 - closed below
    epochs = []

    def validate(rule):
        epochs.append(1)
        if len(epochs) == 1:
            os.close(reader)
        return {"score": 1.0}

    assert shown(Progress(stream, style=style), epochs=200, n_batches=1, validate=validate).epoch == 200
    with suppress(BrokenPipeError):
        stream.close()


def test_no_standard_error_at_all(monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)
    assert shown(Progress()).epoch == 3


def test_the_display_ends_after_an_error():
    terminal = Terminal()
    progress = Progress(terminal.stream)
    source = ArraySource(np.zeros((2, 1)), batch_size=1, shuffle=False)
    with pytest.raises(IndexError):
        train(ScriptedRule([1.0] * 3), source, max_epochs=2, progress=progress)
    assert progress._bars is None
    assert terminal.text().endswith("\x1b[?25h")  # the cursor is there again


def test_the_time_left_counts_from_where_it_was_resumed(monkeypatch):
    clock = {"now": 100.0}
    monkeypatch.setattr("strata.engine.progress.time.monotonic", lambda: clock["now"])
    stream = io.StringIO()
    progress = Progress(stream)
    run = shown(None, epochs=2)
    run.max_epochs, run.epoch, run.stop_reason = 10, 4, None
    progress.begin(run)
    run.epoch, clock["now"] = 6, 110.0  # two epochs in ten seconds, four to go
    progress.epoch(run)
    assert stream.getvalue().endswith("at most 20 s left\n")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0, "0 s"), (0.4, "0 s"), (59.4, "59 s"), (59.6, "1 min 00 s"), (3599.9, "1 h 00 min"), (90000, "25 h 00 min")],
)
def test_durations(seconds, text):
    assert duration(seconds) == text


def test_what_is_no_terminal():
    assert not is_live(io.StringIO())
    assert not is_live(object())


def test_unknown_style():
    with pytest.raises(ValueError, match="`style` must be 'auto', 'bar' or 'lines'. Received: style='dots'."):
        Progress(style="dots")
