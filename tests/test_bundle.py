"""The bundle on disk: complete or absent, checked, and free of code."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import textwrap
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest

from rareevent.bundle import files as bundle_files
from rareevent.bundle import load_bundle, save_bundle, training_profile
from rareevent.errors import ModelError, OutputError
from rareevent.lstm.cell import forward
from rareevent.windowing.temporalize import Windows
from tests.bundles import tiny_bundle, tiny_config
from tests.frames import make_frame


@pytest.fixture
def saved(tmp_path):
    save_bundle(tiny_bundle(), tmp_path / "b")
    return tmp_path / "b"


def edit(folder: Path, change, *, sign: bool = True) -> None:
    """Change bundle.json; `sign` gives it a digest that fits again."""
    path = folder / "bundle.json"
    plain = json.loads(path.read_text())
    change(plain)
    if sign:
        rest = {key: value for key, value in plain.items() if key != "digest"}
        text = json.dumps(rest, sort_keys=True, separators=(",", ":"))
        plain["digest"] = hashlib.sha256(text.encode()).hexdigest()
    path.write_text(json.dumps(plain))


class FileModel:
    """Stands for a Keras model: all that a bundle asks of one is to write itself to a file."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    def save(self, filepath: str) -> None:
        Path(filepath).write_bytes(self.content)


def test_what_is_loaded_is_what_was_saved(saved):
    before, after = tiny_bundle(), load_bundle(saved)
    assert after.config == before.config
    assert (after.clock, after.needs, after.policy) == (before.clock, before.needs, before.policy)
    assert after.profile == before.profile
    assert after.provenance["run_id"] == "r" * 32
    assert after.encoder.channels == before.encoder.channels
    rows = np.random.default_rng(3).normal(size=(50, len(before.encoder.channels)))
    windows = Windows(rows.astype(np.float32), np.zeros(50, np.int64), np.arange(50), 4)
    for one, other in zip(before.networks, after.networks, strict=True):
        np.testing.assert_array_equal(forward(one, windows), forward(other, windows))
    logits = np.linspace(-5, 5, 11)
    np.testing.assert_array_equal(before.calibration.apply(logits), after.calibration.apply(logits))


def test_the_description_is_strict_json_and_complete(saved):
    plain = json.loads((saved / "bundle.json").read_text(), parse_constant=pytest.fail)
    assert plain["format"] == "rareevent-bundle"
    assert plain["version"] == 2
    assert plain["needs"] == ["s1", "s2", "grade"]
    assert plain["label"] == {"horizon": 300_000_000, "lead": 0, "auxiliary": [2.5, 5.0]}
    assert plain["window"] == {"lookback": 4, "pad": "first", "min_history": 1}
    assert plain["alarm"]["threshold"] == 0.25
    assert set(plain["files"]) == {"weights.npz"}
    assert set(plain["provenance"]["versions"]) == {"rareevent", "numpy", "tensorflow", "keras"}


def test_keras_models_are_kept_beside_the_weights_and_checked_too(tmp_path):
    save_bundle(tiny_bundle(), tmp_path / "b", [FileModel(b"one"), FileModel(b"two")])
    assert sorted(p.name for p in (tmp_path / "b").iterdir()) == [
        "bundle.json",
        "member_1.keras",
        "model.keras",
        "weights.npz",
    ]
    load_bundle(tmp_path / "b")
    (tmp_path / "b" / "member_1.keras").write_bytes(b"2wo")
    with pytest.raises(ModelError, match=r"member_1\.keras.*changed"):
        load_bundle(tmp_path / "b")


def test_weights_hold_plain_numbers_only(saved):
    with zipfile.ZipFile(saved / "weights.npz") as archive:
        assert archive.testzip() is None
        assert all(name.endswith(".npy") for name in archive.namelist())
    with np.load(saved / "weights.npz", allow_pickle=False) as stored:
        assert {stored[name].dtype.kind for name in stored.files} <= {"f", "i"}


def test_class_weights_by_number_survive_the_digest(tmp_path):
    config = tiny_config(train={"class_weight": {0: 1.0, 1: 2.0}})
    save_bundle(tiny_bundle(config), tmp_path / "b")
    assert load_bundle(tmp_path / "b").config.train.class_weight == {0: 1.0, 1: 2.0}


def cut_weights(folder):
    content = (folder / "weights.npz").read_bytes()
    (folder / "weights.npz").write_bytes(content[: len(content) // 2])


def flip_one_bit(folder):
    content = bytearray((folder / "weights.npz").read_bytes())
    content[len(content) // 2] ^= 1
    (folder / "weights.npz").write_bytes(bytes(content))


def cut_description(folder):
    text = (folder / "bundle.json").read_text()
    (folder / "bundle.json").write_text(text[:-200])


def swap_in_a_pickle(folder):
    np.savez(folder / "weights.npz", evil=np.array([{"a": 1}], object))
    sha = hashlib.sha256((folder / "weights.npz").read_bytes()).hexdigest()
    edit(folder, lambda plain: plain["files"].update({"weights.npz": sha}))


def swap_in_other_arrays(folder):
    np.savez(folder / "weights.npz", a=np.zeros(3))
    sha = hashlib.sha256((folder / "weights.npz").read_bytes()).hexdigest()
    edit(folder, lambda plain: plain["files"].update({"weights.npz": sha}))


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda f: (f / "weights.npz").unlink(), "lacks weights.npz"),
        (lambda f: (f / "bundle.json").unlink(), "is no bundle: it has no bundle.json"),
        (cut_weights, "weights.npz: is not what bundle.json says"),
        (flip_one_bit, "weights.npz: is not what bundle.json says"),
        (cut_description, "bundle.json: cannot be read"),
        (lambda f: (f / "bundle.json").write_bytes(b"\xff\xfe\x00"), "bundle.json: cannot be read"),
        (lambda f: (f / "bundle.json").write_text("[1]"), "was not written by rareevent"),
        (lambda f: (f / "bundle.json").write_text('{"a": 1}'), "was not written by rareevent"),
        (lambda f: (f / "bundle.json").write_text('{"a": NaN}'), "holds NaN"),
        (lambda f: (f / "bundle.json").write_text('{"a": 1, "a": 2}'), "names a key twice"),
        (swap_in_a_pickle, "weights.npz: cannot be read"),
        (swap_in_other_arrays, "the part .* is missing"),
        (
            lambda f: edit(f, lambda p: p["alarm"].update(threshold=0.9), sign=False),
            "was changed after it was written",
        ),
        (lambda f: edit(f, lambda p: p["alarm"].update(version=9)), "alarm policy: version 9"),
        (lambda f: edit(f, lambda p: p["networks"][0].update(activation="x")), "activation"),
        (lambda f: edit(f, lambda p: p["config"].update(spoon=1)), "spoon"),
        (lambda f: edit(f, lambda p: p.update(files={})), "names no weights.npz"),
        (lambda f: edit(f, lambda p: p["files"].update({"../x": "0"})), "outside the bundle"),
        (lambda f: edit(f, lambda p: p.update(clock=[])), "not what it should be"),
        (lambda f: edit(f, lambda p: p.update(profile=None)), "profile must be an object.* None"),
        (lambda f: edit(f, lambda p: p.update(provenance=[])), "provenance must be an object"),
        (lambda f: edit(f, lambda p: p.update(version="1")), "no format version that exists"),
        (lambda f: edit(f, lambda p: p.update(version=0)), "no format version that exists"),
    ],
)
def test_what_is_not_whole_is_refused_in_one_clear_line(saved, damage, said):
    damage(saved)
    with pytest.raises(ModelError, match=said) as caught:
        load_bundle(saved)
    assert "\n" not in str(caught.value)
    assert str(saved) in str(caught.value)


def test_a_newer_format_is_refused_in_words_whatever_else_it_holds(saved):
    def age(plain):
        plain["version"] = 7
        plain["provenance"]["versions"]["rareevent"] = "4.2"

    edit(saved, age, sign=False)
    with pytest.raises(ModelError, match=r"format 7, written by rareevent 4\.2.*up to format 2"):
        load_bundle(saved)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda p: None, "no such directory"),
        (lambda p: p.write_text("x"), "no such directory"),
        (lambda p: p.mkdir(), "is no bundle"),
    ],
)
def test_a_place_that_holds_no_bundle_is_named(tmp_path, make, said):
    make(tmp_path / "place")
    with pytest.raises(ModelError, match=said):
        load_bundle(tmp_path / "place")


def test_a_bundle_replaces_a_bundle_or_an_empty_directory_and_nothing_else(tmp_path):
    (tmp_path / "empty").mkdir()
    first = save_bundle(tiny_bundle(), tmp_path / "empty")
    second = save_bundle(tiny_bundle(members=1), tmp_path / "empty")
    assert load_bundle(tmp_path / "empty").digest == second != first
    assert len(load_bundle(tmp_path / "empty").networks) == 1

    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "thesis.txt").write_text("years of work")
    with pytest.raises(OutputError, match="holds other files"):
        save_bundle(tiny_bundle(), tmp_path / "home")
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match="is a file"):
        save_bundle(tiny_bundle(), tmp_path / "file")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["empty", "file", "home"]


def test_a_disk_that_refuses_leaves_the_old_bundle_and_no_rest(tmp_path, monkeypatch):
    digest = save_bundle(tiny_bundle(), tmp_path / "b")

    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match="No space left"):
        save_bundle(tiny_bundle(members=1), tmp_path / "b")
    monkeypatch.undo()
    assert load_bundle(tmp_path / "b").digest == digest
    assert [p.name for p in tmp_path.iterdir()] == ["b"]


def test_a_figure_that_is_not_finite_is_never_written(tmp_path):
    with pytest.raises(OutputError, match="cannot be written"):
        save_bundle(tiny_bundle(profile={"mean": float("nan")}), tmp_path / "b")
    assert list(tmp_path.iterdir()) == []


KILLED = """
    import os, signal, sys
    from pathlib import Path
    from rareevent.bundle import files, save_bundle
    from tests.bundles import tiny_bundle
    calls = 0
    def die(real):
        def step(*arguments, **named):
            global calls
            calls += 1
            if calls == int(sys.argv[2]):
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*arguments, **named)
        return step
    os.fsync = die(os.fsync)
    Path.write_text = die(Path.write_text)
    Path.write_bytes = die(Path.write_bytes)
    save_bundle(tiny_bundle(members=1), sys.argv[1])
"""


@pytest.mark.parametrize("moment", [1, 2, 3, 4, 5])
def test_killed_while_saving_leaves_the_old_bundle_whole(tmp_path, moment):
    digest = save_bundle(tiny_bundle(), tmp_path / "b")
    root = str(Path(__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(KILLED), str(tmp_path / "b"), str(moment)],
        env=os.environ | {"PYTHONPATH": root},
    )
    assert done.returncode == -9
    assert load_bundle(tmp_path / "b").digest == digest


def test_an_old_bundle_comes_back_when_the_new_one_cannot_take_its_place(tmp_path, monkeypatch):
    digest = save_bundle(tiny_bundle(), tmp_path / "b")
    rename = Path.rename

    def stubborn(self, target):
        if self.name.endswith(".tmp"):
            raise OSError("device busy")
        return rename(self, target)

    monkeypatch.setattr(bundle_files.Path, "rename", stubborn)
    with pytest.raises(OutputError, match="device busy"):
        save_bundle(tiny_bundle(members=1), tmp_path / "b")
    assert load_bundle(tmp_path / "b").digest == digest
    assert [p.name for p in tmp_path.iterdir()] == ["b"]


def test_a_bundle_can_be_moved(saved, tmp_path):
    shutil.move(saved, tmp_path / "elsewhere")
    assert load_bundle(tmp_path / "elsewhere").needs == ("s1", "s2", "grade")


def test_loading_is_quick(saved):
    load_bundle(saved)
    started = time.perf_counter()
    load_bundle(saved)
    assert time.perf_counter() - started < 0.5


def test_the_profile_counts_by_hand():
    nan = np.nan
    frame = make_frame(
        {"a": range(6)},
        sensors={"s": [1.0, 2.0, 3.0, nan, np.inf, 900.0], "empty": [nan] * 6},
        texts={"g": ["A", "A", "B", "B", "B", "C"]},
    )
    profile = training_profile(frame, np.array([1, 1, 1, 1, 1, 0], bool))
    assert profile["rows"] == 5
    sensor = profile["sensors"]["s"]
    assert (sensor["missing"], sensor["min"], sensor["max"]) == (0.4, 1.0, 3.0)
    middle = profile["quantiles"].index(0.5)
    assert (sensor["quantiles"][0], sensor["quantiles"][middle]) == (1.0, 2.0)
    assert profile["sensors"]["empty"] == {
        "missing": 1.0,
        "min": None,
        "max": None,
        "quantiles": None,
    }
    assert profile["texts"]["g"] == {"missing": 0.0, "levels": {"A": 0.4, "B": 0.6}}
    json.dumps(profile, allow_nan=False)


def test_the_profile_keeps_to_the_columns_asked_for():
    frame = make_frame({"a": range(3)}, sensors={"s": [1, 2, 3], "t": [1, 2, 3]})
    profile = training_profile(frame, np.ones(3, bool), needs=("t",))
    assert list(profile["sensors"]) == ["t"]


def test_a_long_history_is_sampled_but_its_extremes_are_kept():
    values = np.zeros(300_000)
    values[[7, 150_001]] = -5.0, 9.0
    frame = make_frame({"a": range(len(values))}, sensors={"s": values})
    sensor = training_profile(frame, np.ones(len(values), bool))["sensors"]["s"]
    assert (sensor["min"], sensor["max"]) == (-5.0, 9.0)
    assert (sensor["quantiles"][0], sensor["quantiles"][-1]) == (-5.0, 9.0)
