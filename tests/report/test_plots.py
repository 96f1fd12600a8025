"""Plots for MLflow: PNG bytes, no global state, none where there is nothing to plot."""

import json
import struct
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from rareevent.report.evidence_plot import Lane, evidence_png
from rareevent.report.plots import draw_plots, timeline_png
from rareevent.report.reading import read
from rareevent.report.words import Times

NAMES = {"pr_curve", "threshold", "tradeoff", "reliability", "training", "timeline"}


@pytest.fixture(scope="module")
def small(sample):
    return sample(events=12, rows=1200)


def size(png):
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    return struct.unpack(">II", png[16:24])


def test_full_run_has_every_plot(small):
    drawn = draw_plots(small)
    assert set(drawn) == NAMES
    assert all(min(size(png)) > 200 for png in drawn.values())


def test_age_clock_has_every_plot(sample):
    assert set(draw_plots(sample(assets=4, events=8, rows=200, dated=False))) == NAMES


def test_run_without_events_or_history_leaves_plots_out(sample):
    bare = replace(sample(events=0, rows=400), history=(), baselines={})
    assert {"pr_curve", "training"} & set(draw_plots(bare)) == set()


def test_same_run_gives_the_same_bytes(small):
    model, times = read(small.model), Times("datetime")
    assert timeline_png(model, small.series, times) == timeline_png(model, small.series, times)


@pytest.mark.filterwarnings("error")
def test_a_timeline_without_event_alarm_or_threshold_is_drawn_without_a_word(small):
    policy = {**small.model["policy"], "threshold": None}
    quiet = read({**small.model, "events": [], "alarms": [], "policy": policy})
    assert timeline_png(quiet, small.series, Times("datetime")) is not None


def test_more_lanes_make_a_taller_timeline(small, sample):
    fleet = sample(assets=12, events=12, rows=300)
    times = Times("datetime")
    one, many = (timeline_png(read(r.model), r.series, times) for r in (small, fleet))
    assert size(many)[1] > size(one)[1]


def test_plotting_leaves_pyplot_alone():
    code = (
        "import sys; from rareevent.report.plots import training_png;"
        "training_png([[{'epoch': 1, 'loss': 0.5}]]);"
        "print('matplotlib' in sys.modules, 'matplotlib.pyplot' in sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.split() == ["True", "False"]


@pytest.mark.filterwarnings("error")
def test_names_are_drawn_as_they_are_written_and_never_as_formulas(sample):
    fleet, odd = sample(assets=12, events=12, rows=300), r"press $\frac{$ 7"
    known = json.dumps(str(fleet.series[0]["asset"]))
    plain = json.dumps([fleet.model, list(fleet.series)], default=float)
    model, series = json.loads(plain.replace(known, json.dumps(odd)))
    assert timeline_png(read(model), series, Times("datetime")) is not None
    one = np.ones((1, 3))
    lane = Lane(odd, np.array([1.0, np.nan, 2.0]), (0.0, 1.0, 2.0))
    assert evidence_png(odd, {odd: 1.0}, one, ("a", "b", "c"), [lane], [odd])
