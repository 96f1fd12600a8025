"""Small SVG: what comes from data is escaped, lines break where they must, axes end on ticks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rareevent.report.axes import axis, time_ticks
from rareevent.report.svg import el, mark, path
from rareevent.report.words import Times, as_tick

DAY = 86_400_000_000


def test_text_and_attributes_are_escaped():
    drawn = el("text", {"class": '"><script>'}, ["<b>&"])
    assert drawn == '<text class="&#34;&gt;&lt;script&gt;">&lt;b&gt;&amp;</text>'


def test_absent_point_lifts_the_pen():
    assert 'd="M0 0L1 1M3 3L4 4"' in path([(0, 0), (1, 1), None, (3, 3), (4, 4)], "a")


def test_area_returns_to_its_floor_in_each_stretch():
    drawn = path([(0, 1), (2, 3), None, (5, 6)], "a", closed_at=9)
    assert 'd="M0 9L0 1L2 3L2 9ZM5 9L5 6L5 9Z"' in drawn


def test_coordinates_have_no_negative_zero():
    assert 'cx="0"' in mark("circle", -0.001, 1, 2, "a")


@given(
    low=st.floats(-1e4, 1e4),
    span=st.floats(1e-3, 1e5),
    about=st.integers(2, 9),
)
def test_axis_holds_its_range_and_ends_on_ticks(low, span, about):
    found = axis(low, low + span, "x", about=about)
    values = [value for value, _ in found.ticks]
    slack = 1e-6 * span
    assert found.low <= low + slack
    assert found.high >= low + span - slack
    assert (values[0], values[-1]) == (found.low, found.high)
    assert 2 <= len(values) <= 2 * about + 3


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        ("2024-05-01", "2024-05-01 12:00", ["1 May", "03:00", "06:00", "09:00", "12:00"]),
        ("2024-05-01", "2024-05-04", ["1 May", "2 May", "3 May", "4 May"]),
        ("2024-01-01", "2024-04-01", ["Jan 2024", "Feb 2024", "Mar 2024", "Apr 2024"]),
        ("2019-06-01", "2024-06-01", ["2020", "2022", "2024"]),
    ],
)
def test_time_ticks_are_round(low, high, words):
    ticks = time_ticks(as_tick(low), as_tick(high), 4, Times("datetime"))
    assert [word for _, word in ticks] == words
