"""The section on sensors that the model relies on: what it says, draws and warns of."""

import json
import re
from dataclasses import replace

from rareevent.report.content import RunReport
from rareevent.report.importance import importance_view
from rareevent.report.page import render
from tests.report.conftest import toy_importance


def rows_of(view):
    return [[cell.words for cell in row] for row in view.table.rows]


def test_sensors_stand_by_what_is_lost_with_their_intervals():
    view = importance_view(toy_importance(3))

    assert rows_of(view)[0] == ["x0", "0.300", "0.200 to 0.400", "15.0", "10.0 to 20.0"]
    assert rows_of(view)[2] == ["x2", "0.000", "−0.100 to 0.100", "0.0", "−5.0 to 5.0"]
    assert "for 2 of 3\xa0sensors" in view.found
    assert "Before 40\xa0validation events (2\xa0events without a matched stretch" in view.words
    assert str(view.chart).count('class="whisker model"') == 3


def test_what_was_resampled_is_said_for_runs_old_and_new():
    old = toy_importance(3)
    del old["blocks"], old["fewest_blocks"]
    old["fewest_events"] = 10

    assert "bootstrap over events," in importance_view(old).found
    new = importance_view(toy_importance(3)).found
    assert "bootstrap over the 12 assets, or stretches of time, that the events lie in," in new


def test_a_chart_shows_the_first_and_the_table_all():
    view = importance_view(toy_importance(40, name="a very long name of a sensor "))

    assert len(view.table.rows) == 40
    assert str(view.chart).count("<circle") == 15
    assert "…" in str(view.chart)


def test_few_events_have_no_intervals():
    plain = toy_importance(3)
    for one in plain["sensors"]:
        for figure in ("pr_auc", "event_recall"):
            one[figure] |= {"low": None, "high": None}

    view = importance_view(plain)

    assert "With events in fewer than 10 stretches of time" in view.found
    assert rows_of(view)[0] == ["x0", "0.300", "–", "15.0", "–"]
    assert "whisker" not in str(view.chart)


def test_a_model_that_does_not_tell_the_windows_apart_is_said_to(sample):
    plain = toy_importance(3)
    assert importance_view(plain).warning == ""
    plain["base"] |= {"pr_auc": 0.2, "low": 0.12}

    assert "Guessing would have 0.167" in importance_view(plain).warning
    assert "the order below means nothing" in render(sample(importance=plain))


def test_where_nothing_is_lost_nothing_is_drawn():
    plain = toy_importance(1)
    plain["sensors"][0]["pr_auc"] = {"value": 0.0, "low": 0.0, "high": 0.0}

    view = importance_view(plain)

    assert view.chart is None
    assert "for none of 1\xa0sensor." in view.found


def test_the_page_says_what_was_asked_and_what_it_does_not_say(sample):
    page = render(sample())
    section = re.search(r'<section id="importance">.*?</section>', page, re.DOTALL).group()

    for words in (
        "Which sensors the model relies on",
        "not what causes events",
        "move together stand in for each other",
        "nothing of the test part is looked at",
        "Categories and missing flags count with their sensor",
    ):
        assert words in section


def test_a_report_stored_without_it_still_draws(sample):
    stored = replace(sample(), importance=None).to_json()
    del stored["importance"]

    assert 'id="importance"' not in render(RunReport.from_json(json.loads(json.dumps(stored))))
