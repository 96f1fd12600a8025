"""How a window's readings stand beside training, on figures written by hand."""

import numpy as np

from rareevent.scoring.window_readings import judge_quality, read_sensor, read_sensors
from tests.frames import make_frame

QUANTILES = [0.0, 0.5, 1.0]
USUAL = {"quantiles": [0.0, 10.0, 20.0]}
NAN = float("nan")


def read(*values, usual=USUAL):
    return read_sensor(np.array(values), usual, np.array(QUANTILES))


def test_readings_are_told_beside_those_of_training():
    found = read(4, NAN, 25, 15)

    assert (found.first, found.last, found.lowest, found.highest) == (4, 15, 4, 25)
    assert found.normal == (2, 10, 18)
    assert found.rank == 0.75
    assert found.missing == 0.25
    assert found.outside == 1
    assert not found.constant


def test_a_sensor_that_stands_still_is_told_unless_it_always_does():
    assert read(5, 5, 5).constant
    assert not read(5, 5, NAN).constant
    assert not read(5, 5, 5, usual={"quantiles": [5.0, 5.0, 5.0]}).constant


def test_without_readings_or_training_readings_there_is_nothing_to_compare():
    silent, unheard = read(NAN, NAN), read(1, 2, usual={"quantiles": None})

    assert (silent.last, silent.rank, silent.missing) == (None, None, 1)
    assert silent.normal == (2, 10, 18)
    assert (unheard.last, unheard.rank, unheard.normal, unheard.outside) == (2, None, None, 0)


def test_a_windows_quality_names_what_is_wrong_and_where():
    frame = make_frame(
        {"a": [0, 1, 2, 6]},
        sensors={
            "good": np.array([1.0, 2, 3, 4]),
            "still": np.array([3.0, 3, 3, 3]),
            "silent": np.full(4, NAN),
            "wild": np.array([1.0, 99, NAN, 4]),
        },
        texts={"known": ["A"] * 4, "new": ["A", "A", "A", "Z"]},
    )
    profile = {"quantiles": QUANTILES, "sensors": dict.fromkeys(frame.sensors, USUAL)}
    row = np.arange(4)
    readings = read_sensors(frame, row, tuple(frame.sensors), profile)

    found = judge_quality(frame, row, 6, readings, {"known": ("A",), "new": ("A",)})

    assert (found.rows, found.repeated, found.gaps) == (4, 2, 1)
    assert found.missing == 5 / 16
    assert (found.silent, found.constant, found.outside) == (("silent",), ("still",), ("wild",))
    assert found.unknown == ("new",)
