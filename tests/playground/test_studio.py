"""The rooms Pictures and Codes without a browser: drawings, answers, frames, refusals."""

import base64
import json
import multiprocessing
import threading
import time

import numpy as np
import pytest

from strata import BernoulliRBM
from strata.playground.frames import unpack_frame
from strata.playground.models import Model
from strata.playground.studio.answering import measured, shipped
from strata.playground.studio.codes import rows_of
from strata.playground.studio.drawing import as_blocks, as_mnist, drawing_of
from strata.playground.studio.live import adopt, begin, live_trainer, snapshot_of_model
from strata.playground.studio.loop import asks_for_room, run_studio
from strata.playground.studio.messages import CodeSettings


def bar(height=80, width=16, side=112, top=10, left=70):
    drawing = np.zeros((side, side), np.uint8)
    drawing[top : top + height, left : left + width] = 255
    return drawing


def test_a_drawing_becomes_a_picture_as_mnist_was_made():
    picture = as_mnist(bar())
    expected = np.zeros((28, 28), np.uint8)
    expected[4:24, 12:16] = 255  # 80 x 16 becomes 20 x 4, its mass in the middle
    np.testing.assert_array_equal(picture, expected)
    np.testing.assert_array_equal(as_mnist(bar(top=25, left=3)), expected)  # wherever it was drawn
    assert not as_mnist(np.zeros((112, 112), np.uint8)).any()


def test_the_centre_of_mass_decides_not_the_box():
    drawing = bar(width=10)
    drawing[80:90, 30:80] = 255  # an L turned around: heavy at the bottom
    picture = as_mnist(drawing).astype(float)
    down = (picture.sum(axis=1) * np.arange(28)).sum() / picture.sum()
    across = (picture.sum(axis=0) * np.arange(28)).sum() / picture.sum()
    assert abs(down - 14) <= 0.5
    assert abs(across - 14) <= 0.5


def test_blocks_count_points_of_ink():
    drawing = np.zeros((64, 64), np.uint8)
    drawing[:, 16:48] = 255  # as high as the picture, half as wide
    np.testing.assert_array_equal(as_blocks(drawing), np.repeat([[0, 0, 16, 16, 16, 16, 0, 0]], 8, axis=0))


def test_a_drawing_of_another_size_is_refused():
    with pytest.raises(ValueError, match="must hold 3 x 3 bytes. Received: 4"):
        drawing_of(base64.b64encode(bytes(4)).decode(), 3)
    with pytest.raises(ValueError, match="must be base 64"):
        drawing_of("a*b", 3)


@pytest.mark.parametrize("name", ["lenet5", "mlp"])
def test_what_ships_answers_a_bar_as_one(name):
    answering = shipped(name)
    picture = answering.picture_of(bar())
    assert answering.probabilities(picture).argmax() == 1
    assert answering.saliency(picture, 1).shape == (28, 28)
    towards = answering.difference(picture, 7, 1)
    np.testing.assert_allclose(towards, -answering.difference(picture, 1, 7), atol=1e-5)
    assert measured()[name]["accuracy"] > 0.97


def test_the_layers_of_lenet_are_those_of_the_network():
    answering = shipped("lenet5")
    layers = answering.layers(answering.picture_of(bar()))
    assert [(layer.name, *layer.values.shape) for layer in layers] == [
        ("conv1", 6, 28, 28), ("pool1", 6, 14, 14), ("conv2", 16, 10, 10), ("pool2", 16, 5, 5),
        ("fc1", 120), ("fc2", 84),
    ]  # fmt: skip
    first, pooled = layers[0].values, layers[1].values
    np.testing.assert_array_equal(pooled, first.reshape(6, 14, 2, 14, 2).max(axis=(2, 4)))


def test_a_wrong_setting_is_named():
    with pytest.raises(ValueError, match="`n_components`"):
        CodeSettings().changed({"n_components": 1})
    assert not asks_for_room(b'{"do": "open", "id": 1, "room": "cellar"}')


class Page:
    """What a page does, over the pipe."""

    def __init__(self, room):
        self.link, theirs = multiprocessing.Pipe()
        body = json.dumps({"do": "open", "id": 0, "room": room}).encode()
        self.process = multiprocessing.get_context("spawn").Process(target=run_studio, args=(theirs, body))
        self.process.start()
        theirs.close()
        self.number = 0

    def send(self, **message):
        self.number += 1
        self.link.send_bytes(b"P" + json.dumps({"id": self.number, **message}).encode())

    def until(self, enough, seconds=90):
        """Take frames, acknowledging each, until one is as wanted."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if not self.link.poll(0.1):
                continue
            data = self.link.recv_bytes()
            if data[:1] != b"B":
                continue
            header, arrays = unpack_frame(data[1:])
            self.send(do="ack", frame=header["frame"])
            if enough(header, arrays):
                return header, arrays
        raise AssertionError("No such frame came.")

    def close(self):
        self.link.close()
        self.process.join(60)
        alive = self.process.is_alive()
        if alive:
            self.process.kill()
        return not alive


@pytest.mark.timeout(300)
def test_codes_form_while_the_page_looks_on_and_end_with_it():
    page = Page("codes")
    _, first = page.until(lambda header, _: header["kind"] == "autoencoder")
    page.send(do="play")
    _, arrays = page.until(lambda header, _: header["epoch"] >= 3)
    assert arrays["codes"].shape == (360, 2)
    assert not np.array_equal(arrays["codes"], first["codes"])
    page.send(do="cursor", code=[0.25, -0.5])
    header, _ = page.until(lambda header, _: header["cursor"] == [0.25, -0.5])
    page.send(do="configure", changes={"kind": "machine", "units": 9})
    _, before = page.until(lambda header, _: header["kind"] == "machine")
    _, after = page.until(lambda header, _: header["kind"] == "machine" and header["epoch"] >= 2)
    assert before["filters"].shape == after["filters"].shape == (9, 8, 8)
    assert not np.array_equal(before["filters"], after["filters"])
    assert page.close()


def test_a_new_job_is_taken_while_the_old_one_hands_out_its_weights():
    """Both ways are full: megabytes of weights that nobody has read, and megabytes of rows on their way."""
    plan = Model("Autoencoder", {"n_components": 2, "hidden_layer_sizes": (400, 200), "random_state": 0})
    X = np.random.RandomState(0).rand(1500, 300)
    trainer = live_trainer(())
    try:
        begin(trainer, plan, X, None)
        assert trainer.link.poll(60), "it holds before the first epoch, and says so"
        again = threading.Thread(target=begin, args=(trainer, plan, X, None), daemon=True)
        again.start()
        again.join(30)
        assert not again.is_alive()
        generations = [trainer.link.recv()[1]]
        while generations[-1] < 2:
            assert trainer.link.poll(60)
            generations.append(trainer.link.recv()[1])
    finally:
        trainer.close()


def test_rows_are_split_the_same_way_each_time():
    rows = rows_of("digits")
    assert rows.X.shape == (1437, 64)
    assert rows.X_test.shape == (360, 64)
    assert (rows.X.min(), rows.X.max()) == (0, 1)


def test_a_machine_with_as_many_hidden_as_visible_units_is_adopted_the_right_way_round():
    X = np.random.RandomState(0).rand(40, 5)
    learned, shown = (BernoulliRBM(5, n_iter=n, random_state=0).fit(X) for n in (3, 1))
    assert not np.array_equal(learned.components_, shown.components_)
    adopt(shown, snapshot_of_model(learned))
    np.testing.assert_array_equal(shown.components_, learned.components_)
