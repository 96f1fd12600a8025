"""The harness behind docs/benchmarks.md: what it puts together, and that it goes on."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rareevent.config import load_pipeline
from rareevent.evaluation.scored import Scored
from rareevent.ingestion.frame import Clock, Events
from rareevent.jobs.contenders import model_names
from tests.benchmarks.quality.__main__ import BEGIN, END, put_into
from tests.benchmarks.quality.figures import RECALL, judge_models
from tests.benchmarks.quality.measure import Measured, Task, is_done
from tests.benchmarks.quality.recipes import DEFAULT, NAIVE, OURS, RANDOM, ROWS
from tests.benchmarks.quality.sets import PER_DAY, REPOSITORY, SETS, Piece
from tests.benchmarks.quality.tables import table

HOUR = 3_600_000_000


def period(first_day, score, alarm, *, days=12):
    """One asset, hourly rows, an event at hour 23 of every day, its last three rows positive."""
    time = (first_day * 24 + np.arange(24 * days)) * HOUR
    hour = np.arange(len(time)) % 24
    keep = hour != 23
    time, hour = time[keep], hour[keep]
    day = np.arange(len(keep))[keep] // 24
    target = (hour >= 20).astype(np.int8)
    rows = Scored(
        asset=np.zeros(len(time), np.int32),
        time=time,
        segment=day,
        probability=score(hour).astype(np.float64),
        alarm=alarm(hour),
        target=target,
        status=np.zeros(len(time), np.int8),
        event=(first_day + day).astype(np.int32),
        time_to_event=(23 - hour) * HOUR,
    )
    event = np.arange(40) * 24 * HOUR + 23 * HOUR
    events = Events(np.zeros(40, np.int32), event, np.zeros(40, np.int32))
    counted = np.zeros(40, bool)
    counted[first_day : first_day + days] = True
    clock = Clock("datetime", HOUR)
    return Measured({OURS.model: (rows,)}, events, counted, clock, 2, 3 * HOUR, 1.0)


def perfect(hour):
    return hour >= 20


def blind(hour):
    return 0 * hour


def test_areas_are_means_over_periods_and_counts_are_sums():
    good = period(0, perfect, lambda hour: hour == 21)
    bad = period(12, lambda hour: -hour, lambda hour: hour == 5)
    source = {"default": [good, bad]}

    ((found,),) = judge_models([source], [("default", OURS.model)], 1).values()

    # The second ranks every row upside down.
    assert found.figures["roc_auc"].value == pytest.approx(0.5)
    assert (found.caught, found.events, found.false_alarms) == (12, 24, 12)
    assert found.figures[RECALL].value == pytest.approx(0.5)
    # 12 alarms in 24 days of 23 scored hours.
    assert found.figures["false_alarms_per_day"].value == pytest.approx(12 / (24 * 23 / 24))
    assert found.lead_time == 2 * HOUR


def test_a_model_against_itself_differs_by_nothing_and_against_a_blind_one_by_half():
    mine = {"default": [period(0, perfect, perfect)]}
    mine |= {"other": [period(0, blind, perfect)]}
    models = [("default", OURS.model), ("other", OURS.model)]

    judged = judge_models([mine], models, 1)

    ours, theirs = (judged[model][0].figures["roc_auc"] for model in models)
    assert ours.minus(ours) == (0, (0, 0))
    value, interval = ours.minus(theirs)
    assert (value, *interval) == pytest.approx((0.5, 0.5, 0.5))


def test_alarms_at_random_rank_nothing_and_catch_by_chance():
    source = {"default": [period(0, perfect, lambda hour: hour == 21)]}

    ((found,),) = judge_models([source], [("default", RANDOM)], 1).values()

    assert found.figures["roc_auc"].value == 0.5
    assert found.figures["pr_auc"].value == pytest.approx(3 / 23)
    assert 0 < found.caught < 6


def test_under_ten_blocks_there_is_no_interval():
    source = {"default": [period(0, perfect, perfect, days=6)]}

    ((found,),) = judge_models([source], [("default", OURS.model)], 1).values()

    assert found.figures["roc_auc"].interval is None


def test_a_table_has_a_line_for_every_row_and_difference():
    rows = period(0, perfect, lambda hour: hour == 21)
    models = {row.model for row in ROWS} - {RANDOM}
    whole = replace(rows, scored=dict.fromkeys(models, rows.scored[OURS.model] * 2))
    data = replace(SETS[0], budgets=PER_DAY)

    text = table(data, [{"default": [whole], "naive": [whole]}])

    assert text.count("\n| logistic regression |") == 2
    assert text.count(f"\n| {OURS.title} |") == 1
    assert "12 events, 276 judged rows, prevalence 0.130" in text
    assert "1.000 [1.000, 1.000]" not in text, "an interval of no width says nothing"


def test_every_row_names_a_model_that_its_recipe_judges():
    config = load_pipeline(REPOSITORY / "pipelines" / "sheet_break.yaml")

    for row in ROWS:
        assert row.model in (*model_names(row.recipe.of(config)), RANDOM)
    assert DEFAULT.of(config) == config
    assert NAIVE.of(config).channels.use == ("value",)


def test_what_was_cut_short_or_is_of_other_code_is_measured_again(tmp_path):
    config = load_pipeline(REPOSITORY / "pipelines" / "sheet_break.yaml")
    task = Task(Piece("all", config, None), 1, DEFAULT, PER_DAY, tmp_path / "a.npz", "key")
    assert not is_done(task)

    np.savez(task.file, about='{"key": "key"}')
    assert is_done(task)
    assert not is_done(replace(task, key="other"))

    task.file.write_bytes(task.file.read_bytes()[:50])
    assert not is_done(task)


def test_names_on_the_command_line_are_unique():
    names = [data.name for data in SETS]

    assert len(set(names)) == len(names)
    assert all(isinstance(path, Path) for data in SETS for path in data.missing())


def test_tables_replace_what_stood_between_the_markers_and_nothing_else(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(f"# Head\n\n{BEGIN}\nold\n{END}\n\nTail\n")

    for _ in range(2):
        put_into(page, "| new |")

    assert page.read_text() == f"# Head\n\n{BEGIN}\n\n| new |\n\n{END}\n\nTail\n"
