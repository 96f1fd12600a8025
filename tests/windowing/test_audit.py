"""The leak audit finds each kind of leak that it promises to find, and names it."""

import numpy as np
import pytest

from rareevent.errors import LeakError
from rareevent.windowing.audit import Fit, audit_split, separating_sensors, shared_row_share
from rareevent.windowing.curve_shift import curve_shift
from tests.frames import make_frame


def rows(*chosen, n=20):
    mask = np.zeros(n, bool)
    mask[list(chosen)] = True
    return mask


def example(events=(("a", 12),), **keys):
    taken = {e for _, e in events}
    free = [(low, high) for low, high in ((0, 12), (13, 20))] if taken == {12} else None
    frame = make_frame({"a": range(20)}, events=list(events), segments=free, **keys)
    return frame, curve_shift(frame, horizon=3)


def failed(audit):
    return [c.name for c in audit.checks if not c.passed]


def test_purged_split_passes():
    frame, labels = example()
    fit = Fit("model", rows(*range(5)), rows(*range(8, 20)))

    audit = audit_split(frame, labels, [fit], reach=3, mode="chronological")

    assert audit.passed
    assert len(audit.checks) == 3
    audit.demand()


def test_label_that_reaches_one_tick_into_the_judged_part_fails_and_is_named():
    frame, labels = example()
    fit = Fit("model", rows(*range(6)), rows(*range(8, 20)))

    audit = audit_split(frame, labels, [fit], reach=3, mode="chronological")

    assert failed(audit) == ["model: no label reaches into the judged part"]
    with pytest.raises(LeakError, match=r"1 rows have a horizon.*such as a at 5"):
        audit.demand()


def test_event_on_both_sides_fails_and_is_named():
    frame, labels = example()
    fit = Fit("model", rows(9), rows(10, 11))

    audit = audit_split(frame, labels, [fit], reach=0, mode="chronological")

    assert failed(audit) == ["model: no event on both sides"]
    with pytest.raises(LeakError, match="such as a at 12"):
        audit.demand()


def test_scaling_learned_on_all_rows_fails():
    frame, labels = example()
    fit = Fit("scaling", rows(*range(20)), rows(*range(15, 20)))

    audit = audit_split(frame, labels, [fit], reach=0, mode="chronological")

    assert "scaling: learned from earlier rows only" in failed(audit)


def test_learning_from_rows_after_the_judged_part_fails():
    frame, labels = example()
    fit = Fit("model", rows(0, 19), rows(8, 9))

    audit = audit_split(frame, labels, [fit], reach=0, mode="chronological")

    assert failed(audit)[0] == "model: learned from earlier rows only"


def test_shared_input_rows_fail_only_under_strict():
    frame, labels = example()
    fit = Fit("model", rows(0, 1, 2, 3), rows(5, 6))

    loose = audit_split(frame, labels, [fit], reach=1, mode="horizon")
    strict = audit_split(frame, labels, [fit], reach=1, mode="strict", receptive_field=2)
    apart = audit_split(frame, labels, [fit], reach=1, mode="strict", receptive_field=1)

    assert loose.passed
    assert failed(strict) == ["model: no input row shared"]
    assert apart.passed


def test_assets_kept_whole_share_no_clock():
    frame = make_frame({"a": range(10), "b": range(10)}, events=[("a", 10), ("b", 10)])
    labels = curve_shift(frame, horizon=3)
    fit = Fit("model", rows(*range(10)), rows(*range(10, 20)))

    assert audit_split(frame, labels, [fit], reach=3, mode="by_asset").passed


def test_one_asset_on_both_sides_of_an_asset_split_fails():
    frame = make_frame({"a": range(10), "b": range(10)}, events=[("a", 10), ("b", 10)])
    labels = curve_shift(frame, horizon=3)
    fit = Fit("model", rows(*range(10)), rows(*range(8, 20)))

    assert not audit_split(frame, labels, [fit], reach=3, mode="by_asset").passed


def test_share_of_test_windows_that_hold_training_rows():
    frame = make_frame({"a": range(20)})
    fit = Fit("model", rows(0, 1, 2), rows(3, 4, 10))

    assert shared_row_share(frame, fit, lookback=2) == pytest.approx(1 / 3)
    assert shared_row_share(frame, fit, lookback=1) == 0


def test_sensor_that_alone_separates_the_classes_is_named_in_either_direction():
    n = 400
    events = [("a", t) for t in range(20, 400, 20)]
    free = [(i, i + 1) for i in range(n) if i % 20 or i == 0]
    base = make_frame({"a": range(n)}, events=events, segments=free)
    target = curve_shift(base, horizon=2).target
    noise = np.random.default_rng(0).normal(size=n)
    sensors = {"copy": (target == 1) * 1.0, "mirror": (target != 1) * 1.0, "noise": noise}
    frame = make_frame({"a": range(n)}, events=events, segments=free, sensors=sensors)
    labels = curve_shift(frame, horizon=2)

    assert separating_sensors(frame, labels, np.ones(n, bool)) == ["copy", "mirror"]
    assert separating_sensors(frame, labels, np.arange(n) < 60) == []
