"""A stream's saved state: whole or not at all, and believed only where it fits the model."""

import json
import os
import signal
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rareevent.bundle import load_bundle, save_bundle
from rareevent.errors import DataError, ModelError, OutputError
from rareevent.scoring.stream import StreamScorer, load_stream
from tests.bundles import raw_rows, tiny_bundle
from tests.scoring.outputs import finish, start

BUNDLE = tiny_bundle(digest="b" * 64)
ROWS = raw_rows(20).sort_values("when", kind="stable")


def scorer_after(rows, bundle=BUNDLE):
    table = ROWS.head(rows).astype(object)
    scorer = StreamScorer(bundle)
    for row in table.where(table.notna(), None).to_dict("records"):
        scorer.score(row)
    return scorer


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """The text of a saved state of two assets."""
    path = tmp_path_factory.mktemp("saved") / "state.json"
    scorer_after(30).save(path)
    return path.read_text()


def refused(path, text):
    path.write_text(text)
    with pytest.raises(ModelError, match=r"holds no state of a stream|format|another model") as why:
        load_stream(BUNDLE, path)
    return str(why.value)


@settings(max_examples=60)
@given(data=st.data())
def test_a_file_cut_short_or_changed_anywhere_is_refused(saved, data, tmp_path_factory):
    path = tmp_path_factory.mktemp("spoilt") / "state.json"
    at = data.draw(st.integers(0, len(saved) - 1))
    if data.draw(st.booleans()):
        refused(path, saved[:at])
        return
    other = data.draw(st.characters(codec="ascii"))
    changed = saved[:at] + other + saved[at + 1 :]
    try:
        same = json.loads(changed) == json.loads(saved)
    except ValueError:
        same = False
    if not same:
        refused(path, changed)


def old(saved, change):
    """The state as the first format wrote it, without a digest, and changed."""
    plain = json.loads(saved)
    del plain["sha256"]
    plain["format"] = 1
    change(plain, plain["states"]["m1"])
    return json.dumps(plain)


def test_the_first_format_is_read(saved, tmp_path):
    (tmp_path / "old.json").write_text(old(saved, lambda plain, state: None))
    loaded, known = load_stream(BUNDLE, tmp_path / "old.json"), scorer_after(30)
    row = ROWS.iloc[30].to_dict()
    assert loaded.score(row) == known.score(row)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda plain, state: state.pop("alarm"), "asset 'm1': lacks 'alarm'"),
        (lambda plain, state: state["time"].pop(), r"it has 4 times and 5 values of 's1'"),
        (lambda plain, state: state["time"].reverse(), "times do not ascend"),
        (lambda plain, state: state["sensors"].pop(), "has 1 columns where the model reads 2"),
        (lambda plain, state: state["sensors"][1].append(1), "5 times and 6 values of 's2'"),
        (lambda plain, state: state["texts"][0].pop(), "5 times and 4 values of 'grade'"),
        (lambda plain, state: state["texts"][0].__setitem__(0, 7), "7 is no name"),
        (lambda plain, state: state["sensors"][0].__setitem__(0, "x"), "'x' is no reading"),
        (lambda plain, state: state["sensors"][0].__setitem__(0, True), "True is no reading"),
        (lambda plain, state: state.update(sensors=5), "not iterable"),
        (lambda plain, state: state.update(last="now"), "'now' is no time"),
        (lambda plain, state: state.update(last=2**70), "is no time"),
        (lambda plain, state: state.update(last=0), "times do not ascend up to its last"),
        (lambda plain, state: state["alarm"].update(reached=[1] * 9), "not at most 2 of 0 and 1"),
        (lambda plain, state: state["alarm"].update(last_alarm=2**62), "later than its last row"),
        (lambda plain, state: plain.update(states=[]), "'states' are no object"),
        (lambda plain, state: plain.update(format="x"), "there is no format 'x'"),
        (lambda plain, state: plain["states"].update(m1=3), "asset 'm1'"),
    ],
)
def test_numbers_that_do_not_fit_the_model_are_refused_in_words(saved, tmp_path, change, said):
    path = tmp_path / "state.json"
    path.write_text(old(saved, change))
    with pytest.raises(ModelError, match=said) as why:
        load_stream(BUNDLE, path)
    assert str(path) in str(why.value)
    assert "start afresh" in str(why.value)


def test_a_state_with_more_rows_than_the_model_keeps_is_refused(saved, tmp_path):
    def longer(plain, state):
        step = state["time"][1] - state["time"][0]
        state["time"] = [state["last"] - step * back for back in range(8, -1, -1)]
        for column in (*state["sensors"], *state["texts"]):
            column.extend([None] * (9 - len(column)))

    assert "it has 9 rows; this model keeps 6" in refused(tmp_path / "s.json", old(saved, longer))


def test_a_newer_format_says_so(saved, tmp_path):
    newer = json.dumps({**json.loads(saved), "format": 3})
    said = refused(tmp_path / "state.json", newer)
    assert "of format 3, written by a newer rareevent; this one reads up to 2: update it" in said


def test_infinite_and_missing_readings_and_odd_names_come_back(tmp_path):
    scorer = StreamScorer(BUNDLE)
    rows = ROWS[ROWS["machine"] == "m1"].to_dict("records")
    for row, reading in zip(rows, (np.inf, None, -np.inf, 1e308, 5e-324), strict=False):
        scorer.score({**row, "machine": "Größe 机器 🚂\n", "s1": reading, "grade": None})
    scorer.save(tmp_path / "state.json")
    loaded, after = load_stream(BUNDLE, tmp_path / "state.json"), {**rows[5], "s1": None}
    after["machine"] = "Größe 机器 🚂\n"
    assert loaded.score(after) == scorer.score(after)


def test_the_file_is_on_the_disk_before_it_takes_the_place_of_the_old_one(tmp_path, monkeypatch):
    told, sync, replace = [], os.fsync, os.replace

    def fsync(handle):
        told.append(("sync", os.readlink(f"/proc/self/fd/{handle}")))
        sync(handle)

    def renamed(one, other):
        told.append(("rename", str(other)))
        replace(one, other)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "replace", renamed)
    scorer_after(4).save(tmp_path / "state.json")

    (_, first), renaming, last = told
    assert first.startswith(f"{tmp_path}/.state.json.")
    assert renaming == ("rename", f"{tmp_path}/state.json")
    assert last == ("sync", str(tmp_path))


def test_what_cannot_be_written_is_told_and_leaves_nothing(tmp_path):
    scorer = scorer_after(4)
    (tmp_path / "folder").mkdir()
    for place in (tmp_path / "none" / "state.json", tmp_path / "folder"):
        with pytest.raises(OutputError, match="cannot be written"):
            scorer.save(place)
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]
    with pytest.raises(DataError, match="cannot be read"):
        load_stream(BUNDLE, tmp_path / "folder")


SAVER = """
import sys
from rareevent.bundle import load_bundle
from rareevent.scoring.stream import StreamScorer, load_stream
from tests.bundles import raw_rows
bundle, path = load_bundle(sys.argv[1]), sys.argv[2]
scorer = StreamScorer(bundle)
for row in raw_rows(4000, tuple("abcdefgh")).sort_values("when").to_dict("records"):
    scorer.score(row)
    scorer.save(path)
"""


@pytest.mark.slow
def test_a_process_killed_while_it_saves_leaves_a_state_to_go_on_from(tmp_path):
    save_bundle(tiny_bundle(), tmp_path / "bundle")
    bundle, draw, seen = load_bundle(tmp_path / "bundle"), np.random.default_rng(3), set()
    for turn in range(20):
        path = tmp_path / f"state-{turn}.json"
        process = start(tmp_path / "bundle", path, code=SAVER)
        until = time.monotonic() + 60
        while not path.exists() and time.monotonic() < until:
            time.sleep(0.005)
        time.sleep(draw.uniform(0, 0.3))
        process.send_signal(signal.SIGKILL)
        finish(process)
        assert process.returncode == -signal.SIGKILL
        states = load_stream(bundle, path).states
        seen.add(sum(state.last for state in states.values()))
    assert len(seen) > 5
