"""Surprise as channels of a pipeline: what it learns from, and that scoring sees the same."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from rareevent.bundle import load_bundle, save_bundle
from rareevent.config import LabelStage, validate_pipeline
from rareevent.jobs.labels import label_rows
from rareevent.jobs.parts import normal_rows, window_part
from rareevent.jobs.predictions import read_predictions
from rareevent.jobs.prepare import prepare
from rareevent.jobs.score import score
from rareevent.jobs.train import train
from rareevent.scoring.engine import score_frame
from rareevent.tracking.artifacts import run_artifacts
from tests.bundles import random_network, tiny_bundle
from tests.forecast.persistence import draw_encoder
from tests.frames import make_frame
from tests.lines import line_pipeline, line_settings, write_line

QUICK = {"units": [4, 3], "lookback": 4, "window": 3, "steps": 30}
CHANNELS = {"use": ["value", "volatility"], "surprise": QUICK}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    source = write_line(tmp_path_factory.mktemp("line"), events=30)
    label = {"horizon": "3min", "auxiliary": [2.0]}
    return prepare(line_pipeline(source, channels=CHANNELS, label=label))


def test_normal_rows_are_those_known_to_be_far_from_an_event():
    frame = make_frame({"a": range(20)}, segments=[(0, 12), (13, 20)], events=[("a", 12)])
    label = LabelStage(horizon=2, auxiliary=(2.5,))
    config = validate_pipeline({"ingest": {"source": "a", "time": "t", "label": "y"}})
    _, targets, reach = label_rows(frame, config.model_copy(update={"label": label}))

    found = normal_rows(targets, np.arange(20) != 3)

    # The longest horizon is 5 rows: 7 … 11 come before the event; what follows 15 … 19 is unknown.
    assert reach == 5
    assert np.flatnonzero(found).tolist() == [0, 1, 2, 4, 5, 6, 13, 14]


def test_rows_of_the_judged_part_change_nothing_that_is_learned(prepared):
    frame = prepared.frame
    later = prepared.split.part >= 1
    wild = {name: np.where(later, 1e3 - v, v) for name, v in frame.sensors.items()}
    poisoned = replace(prepared, frame=replace(frame, sensors=wild))

    one, other = (window_part(p, 1).encoder.to_parts()[1] for p in (prepared, poisoned))

    assert any(name.startswith("surprise/forecaster") for name in one)
    for name, array in one.items():
        np.testing.assert_array_equal(array, other[name], err_msg=name)


def test_windows_hold_the_channels_that_the_encoder_makes(prepared):
    part = window_part(prepared, 1)

    assert part.windows.rows.shape[1] == len(part.encoder.channels)
    assert "(all).surprise3" in part.encoder.channels
    np.testing.assert_array_equal(part.windows.rows, part.encoder.encode(prepared.frame))


def test_a_bundle_keeps_the_forecaster(tmp_path):
    draw = np.random.default_rng(0).normal(size=(2, 90))
    frame = make_frame({"a": range(90)}, sensors={"p": draw[0], "q": draw[1]})
    encoder = draw_encoder(frame, np.ones(90, bool))
    networks = (random_network(len(encoder.channels), 1),)
    before = tiny_bundle(encoder=encoder, networks=networks, needs=encoder.needs)

    save_bundle(before, tmp_path / "bundle")
    after = load_bundle(tmp_path / "bundle")

    assert after.encoder.memory == encoder.memory
    np.testing.assert_array_equal(after.encoder.encode(frame), encoder.encode(frame))
    np.testing.assert_array_equal(
        score_frame(after, frame).probability, score_frame(before, frame).probability
    )


@pytest.mark.slow
def test_training_and_scoring_with_surprise_agree(workplace):
    source = write_line(workplace)
    settings = line_settings(source)
    settings["split"] = {**settings["split"], "purge": "strict"}
    config = validate_pipeline({**settings, "channels": CHANNELS})

    result = train(config)
    with run_artifacts(result.run_id, "predictions") as kept:
        judged = read_predictions(kept).scored
    whole = _scored(source, workplace / "whole")
    feed = _scored(source, workplace / "fed", str(_feed(source, workplace)))

    assert result.audit["passed"]
    at = np.searchsorted(feed["time"], judged.time)
    np.testing.assert_array_equal(feed["time"][at], judged.time)
    np.testing.assert_allclose(feed["probability"][at], judged.probability, atol=1e-5)
    pieces = workplace / "pieces"
    for part in _cut(source, workplace, (700, 1500, 1501)):
        cut = _scored(part, pieces)
    np.testing.assert_array_equal(cut["time"], whole["time"])
    np.testing.assert_allclose(cut["probability"], whole["probability"], atol=1e-5)


def _scored(source, output, events=None):
    """What a scoring job leaves, in the order of time."""
    score("models:/line@champion", str(source), output, events)
    rows = pq.read_table(output / "scores").sort_by("time")
    return {
        "time": rows["time"].cast("int64").to_numpy(),
        "probability": rows["probability"].to_numpy(),
    }


def _feed(source, folder):
    rows = pd.read_csv(source)
    rows.loc[rows["y"] == 1, ["time"]].to_csv(folder / "feed.csv", index=False)
    return folder / "feed.csv"


def _cut(source, folder, cuts):
    """The rows in several files, one after the other."""
    rows = pd.read_csv(source)
    for number, part in enumerate(np.split(np.arange(len(rows)), cuts)):
        path = folder / f"part_{number}.csv"
        rows.iloc[part].to_csv(path, index=False)
        yield path
