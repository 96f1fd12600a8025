"""The report's section on the inside of the LSTM, from plain data to the page."""

import json
import re
from dataclasses import replace

import pytest

from rareevent.report.content import RunReport
from rareevent.report.inside import inside_view
from rareevent.report.inside_charts import gradient_chart, reach_chart
from rareevent.report.page import render


def epoch(number, first=0.01, head=0.1, probe=None):
    layers = {"lstm_1": {"gradient_norm": first}, "head": {"gradient_norm": head}}
    return {"epoch": number, "layers": layers, "input_gradient": probe}


def unit(number, **more):
    same = {"input": 0.5, "forget": 0.5, "output": 0.5}
    none = dict.fromkeys(same, 0.0)
    plain = {"mean": same, "shut": none, "open": none, "holds": 0.0, "spread": 0.2}
    return {"unit": number, **plain, "memory": False, "never_changes": False, **more}


def move(number, moved, low=-0.1, high=0.3):
    plain = {"layer": "lstm_1", "unit": number, "quantity": "state", "difference": 0.1}
    return {**plain, "low": low, "high": high, "moved": moved}


def inside(**changes):
    content = {
        "parameters": {
            "layers": [
                {
                    "name": "lstm_1",
                    "kind": "LSTM",
                    "shape": [5, 16],
                    "parameters": 1600,
                    "learned": 1600,
                    "formula": "4·16·(16 + 8 + 1) = 1,600",
                }
            ],
            "parameters": 1600,
            "learned": 1600,
            "channels": 9,
            "channels_read": 3,
            "positives": 100,
            "events": 50,
            "parameters_per_positive": 16.0,
            "warning": "1,600 learned parameters against 100 positive training windows",
        },
        "health": {
            "findings": [],
            "fits": 9,
            "members": [[epoch(1, probe=[0.1, 1.0]), epoch(2, probe=[0.0, 2.0])]],
        },
        "gates": {
            "layers": [
                {
                    "name": "lstm_1",
                    "windows": 80,
                    "units": [unit(1, memory=True), unit(2, never_changes=True), unit(3)],
                }
            ],
            "moves": {
                "events": 12,
                "unmatched": 1,
                "windows": 24,
                "fewest_events": 10,
                "confidence": 0.95,
                "comparisons": 2,
                "units": [move(2, True), move(1, False)],
            },
        },
    }
    return {**content, **changes}


FINDING = {
    "rule": "gradient_exploding",
    "epoch": 2,
    "words": "the gradient norm was above 100",
    "remedy": "clip (train.clipnorm 1)",
}


def test_what_stands_out_is_said_in_words():
    view = inside_view(inside())

    assert "16\u00a0learned" in view.parameters or "16 learned parameters" in view.parameters
    assert view.warning.startswith("1,600 learned parameters")
    assert view.healthy == "No rule found anything in 9\u00a0fits."
    assert "(1) act as memory" in view.gates[0].words
    assert "(2) never change" in view.gates[0].words
    assert "24\u00a0windows before 12\u00a0events" in view.moves
    assert "(1\u00a0event without a match)" in view.moves
    assert "Of 2 differences, 1 excludes 0" in view.moves
    assert [row[1].words for row in view.moved.rows] == ["2"]


def test_where_no_interval_excludes_zero_the_nearest_ones_are_shown():
    none = {**inside()["gates"]["moves"], "units": [move(2, False), move(1, False)]}

    view = inside_view(inside(gates={**inside()["gates"], "moves": none}))

    assert "0 exclude 0" in view.moves
    assert len(view.moved.rows) == 2


def test_few_events_give_differences_without_intervals():
    few = {
        **inside()["gates"]["moves"],
        "events": 3,
        "units": [move(2, False, low=None, high=None)],
    }

    view = inside_view(inside(gates={**inside()["gates"], "moves": few}))

    assert "With fewer than 10 events, no intervals" in view.moves
    assert view.moved.rows[0][4].words == "–"


def test_a_finding_stands_with_its_remedy_and_none_is_called_healthy():
    health = {**inside()["health"], "findings": [FINDING]}

    view = inside_view(inside(health=health))

    assert view.healthy == ""
    assert view.findings[0].remedy == "clip (train.clipnorm 1)"


def test_no_gates_and_no_events_are_said():
    assert inside_view(inside(gates=None)).gates == ()
    without = {**inside()["gates"], "moves": None}
    assert "No event there" in inside_view(inside(gates=without)).moves


def test_charts_take_zeros_gaps_and_members_of_different_length():
    members = [
        [epoch(1, first=0.0, probe=[0.0, 1.0]), epoch(2), epoch(3, probe=[1e-12, 1.0])],
        [epoch(1, first=None, probe=[0.5, 1.0])],
    ]

    assert str(gradient_chart(members)).count("<path") == 2
    assert str(reach_chart(members)).count("<path") == 2
    assert gradient_chart([[epoch(1, first=0.0, head=0.0)]]) is None
    assert reach_chart([[epoch(1, probe=[0.0, 0.0])], [epoch(1)]]) is None


@pytest.fixture
def report():
    model = {"metrics": {"events": 1, "caught": 1}}
    return RunReport(name="n", run_id="r", created="now", verdict="v", model=model)


def test_the_page_has_the_section_with_every_part(report):
    health = {**inside()["health"], "findings": [FINDING]}
    page = render(replace(report, inside=inside(health=health)))
    section = page[page.index('id="inside"') :]

    for words in (
        "Inside the LSTM",
        "1,600 learned parameters against",
        "gradient_exploding",
        "What helps: clip",
        "How far back the model learns",
        "Which units move before events",
    ):
        assert words in section
    assert len(re.findall("<svg", section)) >= 2


def test_a_report_stored_without_the_section_still_draws(report):
    stored = report.to_json()
    del stored["inside"]

    again = RunReport.from_json(json.loads(json.dumps(stored)))

    assert 'id="inside"' not in render(again)
