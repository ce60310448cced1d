"""The page's modules that need no browser, run by node: address, frames, curve."""

import json
import shutil
import struct
import subprocess
from pathlib import Path

import numpy as np
import pytest

STATIC = Path(__file__).parents[2] / "strata" / "playground" / "static"
NODE = shutil.which("node")

pytestmark = pytest.mark.skipif(NODE is None, reason="node is not installed")

DEFAULTS = {
    "room": "neurons", "dataset": "circles", "noise": 0.0, "features": ["x1", "x2"], "scale": None, "hidden": [4, 2],
    "activations": ["tanh", "tanh"], "dropout": [], "solver_settings": {}, "learning_rate": 0.03, "grad_clip": None,
    "early_stopping": False, "panel": "", "log": False,
}  # fmt: skip


def node(script, tmp_path, **given):
    """Run a module with `given` in scope and return what it passes to `done`."""
    # A package file beside a copy of the address of the modules: they are imported by their file address.
    path = tmp_path / "script.mjs"
    head = f"const STATIC = {json.dumps(STATIC.as_uri())};\nconst given = {json.dumps(given)};\n"
    path.write_text(head + "const done = (value) => console.log(JSON.stringify(value));\n" + script)
    found = subprocess.run([NODE, "--no-warnings", str(path)], capture_output=True, text=True, timeout=120)
    assert found.returncode == 0, found.stderr
    return json.loads(found.stdout)


ROUND_TRIP = """
const { toHash, fromHash } = await import(STATIC + "/address.js");
const hash = toHash("neurons", { ...given.defaults, ...given.changes }, given.defaults);
done({ hash, values: fromHash(hash, given.defaults).values, room: fromHash(hash, given.defaults).room });
"""


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"hidden": [], "activations": []},
        {"hidden": [8, 8, 8, 8, 8, 8], "activations": ["tanh", "relu", "tanh", "gelu", "tanh", "relu"]},
        {"features": ["x1^2", "sin x1", "a,b", "ä & ö = ü", "-", "~", "#%25"]},
        {"learning_rate": 0.1 + 0.2, "noise": 1e-17, "grad_clip": 5e-324},
        {"scale": True},
        {"scale": False, "early_stopping": True, "log": True},
        {"dropout": [0.3, 0.0]},
        {"solver_settings": {"betas.0": 0.9, "nesterov": True, "form": "lecture", "count": 3}},
        {"dataset": "gaussian-bumps", "panel": "step"},
    ],
)
def test_an_address_gives_back_exactly_what_was_written(changes, tmp_path):
    found = node(ROUND_TRIP, tmp_path, defaults=DEFAULTS, changes=changes)
    assert found["values"] == changes
    assert found["room"] == "neurons"
    assert set(found["hash"]).isdisjoint(' "<>'), "an address needs no further escape"


def test_an_address_of_the_defaults_is_the_room_alone(tmp_path):
    assert node(ROUND_TRIP, tmp_path, defaults=DEFAULTS, changes={})["hash"] == "#neurons"


def test_an_address_with_unknown_or_broken_entries_is_read_as_far_as_it_goes(tmp_path):
    script = """
    const { fromHash } = await import(STATIC + "/address.js");
    const hash = "#neurons&noise=abc&dataset=%E0%A4%A&__proto__=1&toString=2&hidden=3,1&what=5&&=";
    done(fromHash(hash, given.defaults).values);
    """
    assert node(script, tmp_path, defaults=DEFAULTS) == {"hidden": [3, 1]}


def test_the_token_leaves_the_address_and_the_rest_stays(tmp_path):
    script = """
    const { takeToken } = await import(STATIC + "/address.js");
    done([takeToken("#token=a-b_c"), takeToken("#neurons&noise=5&token=x"), takeToken("#neurons")]);
    """
    assert node(script, tmp_path) == [
        {"token": "a-b_c", "rest": ""},
        {"token": "x", "rest": "#neurons&noise=5"},
        {"token": None, "rest": "#neurons"},
    ]


def test_a_frame_is_read_to_the_last_bit(tmp_path):
    arrays = {
        "map": np.array([[0.1, -0.2, 0.3], [1.0, np.nan, np.inf]], dtype="<f4"),
        "weights.0": np.array([[np.pi, -1e-300]], dtype="<f8"),
        "weights.1": np.array([[0.1], [0.7]], dtype="<f8"),
        "mask": np.array([1, 2, 255], dtype="u1"),
    }
    listed = [{"name": n, "dtype": a.dtype.str[1:], "shape": list(a.shape)} for n, a in arrays.items()]
    header = json.dumps({"frame": 7, "epoch": 3, "arrays": listed}).encode()
    blob = b"STRF" + struct.pack("<I", len(header)) + header
    blob += b"\0" * (-len(blob) % 8) + b"".join(a.tobytes() for a in arrays.values())
    script = """
    const { decode, series } = await import(STATIC + "/frames.js");
    const bytes = Uint8Array.from(given.blob);
    const frame = decode(bytes.buffer);
    let refused = "";
    try { decode(bytes.slice(4).buffer); } catch (error) { refused = error.message; }
    const each = (read) => Object.fromEntries(Object.entries(frame.arrays).map(([name, array]) => [name, read(array)]));
    const shapes = each((array) => array.shape);
    const values = each((array) => [...array.data].map(String));
    done({ frame: frame.frame, epoch: frame.epoch, shapes, values, layers: series(frame, "weights").length, refused });
    """
    found = node(script, tmp_path, blob=list(blob))
    assert (found["frame"], found["epoch"], found["layers"]) == (7, 3, 2)
    assert found["shapes"] == {n: list(a.shape) for n, a in arrays.items()}
    for name, array in arrays.items():
        read = np.array([float(v) for v in found["values"][name]]).astype(array.dtype)
        np.testing.assert_array_equal(read, array.ravel())
    assert found["refused"] == "This is not a frame of the playground."


def test_a_curve_drops_the_branch_that_was_left_and_stays_small(tmp_path):
    script = """
    const { Curve } = await import(STATIC + "/curve.js");
    const curve = new Curve();
    curve.add(Float64Array.from([0, 1, 1, 0, 1, .5, .6, 0, 2, .4, .5, 0]), 4);
    curve.add(Float64Array.from([1, .7, .8, 0]), 4);
    const branch = curve.rows.map((row) => row[0]);
    for (let epoch = 2; epoch < 50000; epoch += 1) curve.add([epoch, 1 / epoch, 2 / epoch, 0], 4);
    done({ branch, length: curve.rows.length, first: curve.rows[0], last: curve.rows.at(-1), end: curve.end });
    """
    found = node(script, tmp_path)
    assert found["branch"] == [0, 1]
    assert 1000 < found["length"] <= 4001
    assert found["first"] == [0, 1, 1, 0]
    assert found["last"] == [49999, 1 / 49999, 2 / 49999, 0]
    assert found["end"] == 49999


def test_every_lesson_has_its_words(tmp_path):
    script = """
    const { LESSONS } = await import(STATIC + "/lessons.js");
    const { LESSON_WORDS } = await import(STATIC + "/words_lessons.js");
    const asks = (each) => each.question.endsWith("?") || each.question.endsWith(".");
    const words = Object.entries(LESSON_WORDS).map(([name, each]) => [name, each.text.length, asks(each)]);
    done([LESSONS.map((each) => each.name), words]);
    """
    lessons, words = node(script, tmp_path)
    assert len(lessons) == 13
    assert sorted(lessons) == sorted(name for name, _, _ in words)
    assert all(sentences == 3 and asks for _, sentences, asks in words)


def test_the_page_has_no_inline_script_no_style_attribute_and_no_foreign_address():
    page = (STATIC / "index.html").read_text()
    assert "<style" not in page and "style=" not in page and "javascript:" not in page
    assert page.count("<script") == page.count('<script src="/static/') + page.count(
        '<script type="module" src="/static/'
    )
    for path in STATIC.rglob("*.js"):
        text = path.read_text()
        assert ".innerHTML" not in text and "eval(" not in text, path
        assert "https://" not in text, path
        assert "http://" not in text.replace("http://www.w3.org/2000/svg", ""), path


def test_modules_are_short():
    for path in STATIC.rglob("*.js"):
        assert len(path.read_text().splitlines()) <= 350, path.name
