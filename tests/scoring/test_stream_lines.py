"""A stream over clock changes, late and repeated rows, many assets, and real rows."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest

from rareevent.alarms.policy import AlarmPolicy
from rareevent.config import validate_pipeline
from rareevent.errors import DataError
from rareevent.ingestion import ingest, resolve_stage
from rareevent.scoring.pyfunc import score_table
from rareevent.scoring.stream import StreamScorer, load_stream
from rareevent.windowing.fit_encode import fit_encoder
from tests.bundles import MINUTE, random_network, raw_rows, tiny_bundle, tiny_config
from tests.ingestion.tables import shared_data
from tests.scoring.test_stream import assert_same, rows_of

BERLIN = tiny_bundle(
    tiny_config(ingest={**tiny_config().dump()["ingest"], "timezone": "Europe/Berlin"})
)
# Clocks go back at 01:00 UTC, and forward at 01:00 UTC.
AUTUMN, SPRING = datetime(2024, 10, 27, 1, tzinfo=UTC), datetime(2024, 3, 31, 1, tzinfo=UTC)


def minutes_around(change, minutes=100):
    """Rows of an asset a minute apart around a change, and their times in UTC."""
    rows = raw_rows(2 * minutes, ("m1",))
    return rows, [change + timedelta(minutes=m) for m in range(-minutes, minutes)]


def wall(moment):
    return moment.astimezone(ZoneInfo("Europe/Berlin")).replace(tzinfo=None)


@pytest.mark.parametrize("change", [AUTUMN, SPRING])
@pytest.mark.parametrize("written", ["text", "datetime"])
def test_local_times_run_on_over_a_clock_change_as_in_a_batch(change, written, tmp_path):
    rows, moments = minutes_around(change)
    local = [str(wall(m)) if written == "text" else wall(m) for m in moments]
    table = rows.assign(when=pd.Series(local, dtype=object))
    scorer, scores = StreamScorer(BERLIN), []
    for number, row in enumerate(rows_of(table)):
        if number % 50 == 7:
            scorer.save(tmp_path / "state.json")
            scorer = load_stream(BERLIN, tmp_path / "state.json")
        scores.append(scorer.score(row))
    assert [score.time for score in scores] == [m.replace(tzinfo=None) for m in moments]
    assert_same(scores, score_table(BERLIN, table))


def test_times_with_their_offset_are_told_apart_wherever_a_stream_begins():
    rows, moments = minutes_around(AUTUMN, 30)
    offset = [m.astimezone(ZoneInfo("Europe/Berlin")).isoformat() for m in moments]
    scorer = StreamScorer(BERLIN)
    scores = [scorer.score(row) for row in rows_of(rows.assign(when=offset))]
    assert [score.time for score in scores] == [m.replace(tzinfo=None) for m in moments]


def test_an_hour_that_nothing_tells_and_one_that_no_clock_shows_are_refused_and_do_no_harm():
    row = rows_of(raw_rows(2, ("m1",)))[0]
    scorer = StreamScorer(BERLIN)
    with pytest.raises(DataError, match="2024-10-27 02:30' occurs twice as the clock goes back"):
        scorer.score({**row, "when": "2024-10-27 02:30"})
    scorer.score({**row, "when": "2024-10-27 01:30"})
    # After a gap nobody knows which half past two it is.
    with pytest.raises(DataError, match="occurs twice"):
        scorer.score({**row, "when": "2024-10-27 02:30"})
    with pytest.raises(DataError, match="2025-03-30 02:30' is skipped as the clock goes forward"):
        scorer.score({**row, "when": "2025-03-30 02:30"})
    assert scorer.score({**row, "when": "2024-10-27 03:00"}).time == datetime(2024, 10, 27, 2)


def test_rows_that_come_again_or_late_change_nothing():
    rows = rows_of(raw_rows(16, ("m1", "m2")).sort_values("when", kind="stable"))
    plain, tried = StreamScorer(tiny_bundle()), StreamScorer(tiny_bundle())
    for number, row in enumerate(rows):
        assert tried.score(row) == plain.score(row)
        for old in rows[max(0, number - 5) : number + 1]:
            with pytest.raises(DataError, match="is not later than its last one"):
                tried.score(old)


@pytest.mark.parametrize("assets", [60, pytest.param(1000, marks=pytest.mark.slow)])
def test_many_assets_in_any_order_equal_the_batch(assets, tmp_path):
    names = tuple(f"unit {number}" for number in range(assets))
    bundle, table = tiny_bundle(), mixed(raw_rows(4, names), 1)
    scorer = StreamScorer(bundle)
    assert_same([scorer.score(row) for row in rows_of(table)], score_table(bundle, table))
    scorer.save(tmp_path / "state.json")
    assert load_stream(bundle, tmp_path / "state.json").states.keys() == set(names)


def mixed(table, seed):
    """Rows with the assets in a random order, each asset's own in the order of time."""
    draw = np.random.default_rng(seed)
    asset = table["machine"].to_numpy()
    place = {name: np.flatnonzero(asset == name) for name in dict.fromkeys(asset)}
    turns = draw.permutation(asset)
    taken = dict.fromkeys(place, 0)
    order = []
    for name in turns:
        order.append(place[name][taken[name]])
        taken[name] += 1
    return table.iloc[order]


@pytest.mark.slow
def test_real_rows_one_at_a_time_equal_the_batch_alarms_too(tmp_path):
    """The sheet breaks' rows, as if each day were a machine, in a random order of these."""
    source = shared_data() / "sheet_break.csv.gz"
    config = validate_pipeline(
        {
            "name": "breaks",
            "ingest": {"source": str(source), "time": "time", "label": "y", "interval": "2min"},
            "label": {"horizon": "10min"},
            "channels": {"use": ["value", "change", "volatility", "missing"]},
            "window": {"lookback": 8},
        }
    )
    frame, quality = ingest(config.ingest)
    stage = resolve_stage(config.ingest, frame, quality).model_copy(update={"asset": "machine"})
    encoder = fit_encoder(frame, np.arange(len(frame)) < 9000, config.channels)
    bundle = tiny_bundle(
        config.model_copy(update={"ingest": stage}),
        clock=frame.clock,
        needs=encoder.needs,
        encoder=encoder,
        networks=tuple(random_network(len(encoder.channels), seed) for seed in range(2)),
        policy=AlarmPolicy(0.8, k=2, n=4, silence=10 * MINUTE),
    )
    table = pd.read_csv(source, dtype=object)
    table["machine"] = table["time"].str.split(" ").str[0].radd("day ")
    table = mixed(table[table.index % 7 > 0], 5).head(6000)
    batch = score_table(bundle, table)
    scorer, scores = StreamScorer(bundle), []
    for number, row in enumerate(rows_of(table)):
        if number % 1999 == 0:
            scorer.save(tmp_path / "state.json")
            scorer = load_stream(bundle, tmp_path / "state.json")
        scores.append(scorer.score(row))
    assert_same(scores, batch)
    assert 30 < batch["alarm"].sum() < 3000
    assert batch["asset"].nunique() > 25
