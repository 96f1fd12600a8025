"""`rareevent explain`: one row of a bundle's input."""

import csv
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rareevent.bundle import load_bundle, save_bundle
from rareevent.bundle.past import PastWindows
from rareevent.cli.app import app
from rareevent.errors import ConfigError, DataError, OutputError
from rareevent.jobs.explain import explain, save_explanation
from rareevent.jobs.gates import window_gates
from rareevent.scoring.job import ScoreOptions, score_files
from tests.bundles import MINUTE, raw_rows, tiny_bundle, tiny_config
from tests.scoring.outputs import scored
from tests.scoring.test_evidence import reading_only

AT = "2024-03-01 00:20:00"
TOLD = ScoreOptions(evidence=True)


@pytest.fixture
def place(workplace):
    """A bundle and rows of two machines that it can score."""
    save_bundle(tiny_bundle(), workplace / "bundle")
    raw_rows(60).to_csv(workplace / "rows.csv", index=False)
    return workplace


def look(at=AT, **asked):
    return explain("bundle", "rows.csv", at, **{"asset": "m2", **asked})


def test_it_explains_the_score_of_the_row_that_was_asked_for(place):
    shown, scored = look(), window_gates("bundle", "rows.csv", AT, asset="m2")

    assert shown.evidence.probability == pytest.approx(scored.probability, abs=1e-6)
    assert shown.times == scored.times
    rows = raw_rows(60)
    mine = rows[(rows.machine == "m2") & (rows.when.astype(str) == AT)].iloc[0]
    by_name = {one["name"]: one for one in shown.to_json()["sensors"]}
    assert by_name["s1"]["last"] == mine.s1
    assert by_name["grade"]["level"] == mine.grade
    assert ("grade" in shown.quality.unknown) == (mine.grade == "new")


def test_sensors_come_by_credit_and_the_document_is_plain(place):
    save_bundle(reading_only(tiny_bundle(), "s2"), place / "bundle")

    plain = json.loads(json.dumps(look().to_json(), allow_nan=False))

    credits = {one["name"]: one["credit"] for one in plain["sensors"]}
    assert list(credits.values()) == sorted(credits.values(), reverse=True)
    assert credits["s1"] == 0 != credits["s2"]
    channels = {one["name"]: [c["name"] for c in one["channels"]] for one in plain["sensors"]}
    assert set(channels["s2"]) == {"s2.value", "s2.volatility3"}
    assert [row["time"] for row in plain["rows"]] == list(look().times)


def test_a_picture_and_the_credits_are_written(place):
    shown = look()

    picture, table = save_explanation(shown, "out")

    assert picture.read_bytes().startswith(b"\x89PNG")
    with table.open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 3 * 4
    total = sum(float(row["credit"]) for row in rows)
    assert total == pytest.approx(shown.evidence.credit.sum(), rel=1e-3)


def test_what_cannot_be_explained_is_refused_with_the_reason(place):
    with pytest.raises(ConfigError, match="nearest are"):
        look("2024-03-01 00:20:30")
    save_bundle(tiny_bundle(tiny_config(window={"lookback": 4, "pad": "none"})), place / "bundle")
    with pytest.raises(DataError, match="fewer than 4 rows by then"):
        look("2024-03-01 00:01:00")


def test_similar_past_windows_are_told_with_what_came_of_them(place, capsys):
    bundle = tiny_bundle()
    width = 2 * len(bundle.encoder.channels)
    begin = int(np.datetime64("2024-02-01T08:00", "us").astype(np.int64))
    held = PastWindows(
        np.zeros((2, width), np.float16),
        np.array([0, 1], np.int32),
        np.array([begin, begin + 3 * MINUTE]),
        np.array([-1, 2 * MINUTE]),
        ("m2", "m7"),
    )
    save_bundle(replace(bundle, past=held), place / "bundle")
    call = ["explain", "--model", "bundle", "--input", "rows.csv", "--asset", "m1", "--at", AT]
    app.main(call, standalone_mode=False)
    said = capsys.readouterr().out.replace("\xa0", " ")

    found = look().to_json()["similar"]
    assert found["compared"] == 2
    by_asset = {one["asset"]: one for one in found["windows"]}
    assert by_asset["m7"]["time"] == "2024-02-01 08:03:00"
    assert by_asset["m7"]["next_event"] == "2024-02-01 08:05:00"
    assert by_asset["m7"]["event_within_horizon"]
    assert not by_asset["m2"]["event_within_horizon"]
    assert "m7    │ 2024-02-01 08:03:00" in said
    assert "event 2 min later" in said
    assert "no event within 5 min" in said


def test_a_bundle_without_past_windows_says_so(place, capsys):
    call = ["explain", "--model", "bundle", "--input", "rows.csv", "--asset", "m1", "--at", AT]
    app.main(call, standalone_mode=False)

    assert "Similar before: none; the bundle holds no past windows" in capsys.readouterr().out


def test_the_command_answers_people_and_says_where_it_wrote(place, capsys):
    call = ["explain", "--model", "bundle", "--input", "rows.csv", "--asset", "m1"]
    app.main([*call, "--at", "2024-03-01T00:01", "--output", "out"], standalone_mode=False)
    out, error = capsys.readouterr()

    assert "m1, 2024-03-01 00:00:00 to 2024-03-01 00:01:00: probability" in out
    assert "What raised it" in out
    assert "2 steps repeat the segment's first row" in out
    assert "written to out/evidence.png" in error


def test_the_command_answers_machines_without_tensorflow(place):
    code = (
        "import sys; from rareevent.cli.app import app\n"
        "app.main(sys.argv[1:], standalone_mode=False)\n"
        "heavy = {'tensorflow', 'keras', 'sklearn', 'mlflow', 'matplotlib'} & set(sys.modules)\n"
        "print(sorted(heavy), file=sys.stderr)"
    )
    call = ["explain", "--model", "bundle", "--input", "rows.csv", "--asset", "m1", "--at", AT]
    done = subprocess.run(
        [sys.executable, "-c", code, *call, "--json"], capture_output=True, text=True, check=True
    )

    assert json.loads(done.stdout)["asset"] == "m1"
    assert done.stderr.strip().endswith("[]")


def test_an_alarm_is_explained_on_the_very_file_it_was_scored_on(place):
    """A job rejects a row that cannot be read and scores the others; so is the alarm explained."""
    table = raw_rows(60).astype(object)
    table.loc[62, "s1"], table.loc[70, "when"], table.loc[75, "machine"] = "Bad", "soon", None
    table.to_csv("dirty.csv", index=False)
    table.drop(index=[62, 70, 75]).to_csv("clean.csv", index=False)
    score_files(load_bundle("bundle"), Path("dirty.csv"), Path("out"), options=TOLD)
    alarms = scored(Path("out"), "alarms")
    alarm = alarms[(alarms["asset"] == "m2") & (alarms["sensor_1"].notna())].iloc[0]

    dirty = explain("bundle", "dirty.csv", str(alarm.time), asset="m2")
    clean = explain("bundle", "clean.csv", str(alarm.time), asset="m2")

    assert dirty.left_out == 3
    assert dirty.to_json() == {**clean.to_json(), "rows_left_out": 3}
    assert dirty.to_json()["sensors"][0]["name"] == alarm.sensor_1
    assert dirty.to_json()["sensors"][0]["credit"] == pytest.approx(alarm.credit_1, abs=1e-4)


def test_a_file_of_which_no_row_can_be_read_says_why(place):
    raw_rows(4).assign(when="soon").to_csv("soon.csv", index=False)
    with pytest.raises(DataError, match="'soon' is in no time format known"):
        explain("bundle", "soon.csv", AT, asset="m2")
    raw_rows(4).assign(s1="Bad").to_csv("bad.csv", index=False)
    with pytest.raises(DataError, match=r"bad.csv: none of its 8 rows can be read"):
        explain("bundle", "bad.csv", AT, asset="m2")


def test_times_told_are_utc_and_say_so_where_the_input_has_local_ones(place, capsys):
    ingest = {**tiny_config().dump()["ingest"], "timezone": "Europe/Berlin"}
    save_bundle(tiny_bundle(tiny_config(ingest=ingest)), place / "berlin")
    call = ["explain", "--model", "berlin", "--input", "rows.csv", "--asset", "m1"]
    app.main([*call, "--at", AT], standalone_mode=False)
    said = capsys.readouterr().out
    assert "m1, 2024-02-29 23:17:00 to 2024-02-29 23:20:00 UTC: probability" in said
    app.main([*call, "--at", "2024-02-29T23:20Z"], standalone_mode=False)
    assert capsys.readouterr().out == said
    with pytest.raises(ConfigError, match=r"23:01:00, 2024-02-29 23:02:00 \(UTC\)"):
        explain("berlin", "rows.csv", "2024-02-29 23:20", asset="m1")


def test_a_time_that_no_clock_has_is_refused_and_no_defect(place):
    bundle = tiny_bundle(tiny_config(label={"horizon": 5}))
    save_bundle(replace(bundle, clock=replace(bundle.clock, kind="age")), place / "aged")
    raw_rows(9, ("m1",)).assign(when=range(-4, 5)).to_csv("aged.csv", index=False)
    assert explain("aged", "aged.csv", "-2").times == ("-4", "-3", "-2")
    for at in ("9" * 30, "\u00b2", "1.5", ""):
        with pytest.raises(ConfigError, match="--at"):
            explain("aged", "aged.csv", at)


def test_what_is_in_the_way_of_a_picture_is_told_and_nothing_is_left(place):
    (place / "out" / "evidence.png").mkdir(parents=True)
    with pytest.raises(OutputError, match="cannot be written"):
        save_explanation(look(), "out")
    assert [path.name for path in (place / "out").iterdir()] == ["evidence.png"]


def test_a_name_in_brackets_is_a_name_and_no_style(place, capsys):
    odd = {"s1": "pressure [bar]", "s2": "flow [/h]"}
    bundle = tiny_bundle()
    base = bundle.encoder
    encoder = replace(base, sensors=tuple(odd[name] for name in base.sensors))
    profile = {
        **bundle.profile,
        "sensors": {odd[n]: one for n, one in bundle.profile["sensors"].items()},
    }
    save_bundle(
        replace(bundle, encoder=encoder, needs=encoder.needs, profile=profile), place / "odd"
    )
    raw_rows(60, ("line [a]", "b")).rename(columns=odd).to_csv("odd.csv", index=False)

    call = ["explain", "--model", "odd", "--input", "odd.csv", "--asset", "line [a]", "--at", AT]
    app.main([*call, "--output", "out"], standalone_mode=False)
    said = capsys.readouterr().out

    assert "│ pressure [bar] │" in said
    assert "│ flow [/h]      │" in said
    assert "line [a], 2024-03-01" in said


def test_rows_that_contradict_each_other_are_left_out_where_a_job_rejects_them(place):
    ingest = {**tiny_config().dump()["ingest"], "duplicates": "refuse"}
    save_bundle(tiny_bundle(tiny_config(ingest=ingest)), place / "strict")
    table = raw_rows(60)
    again = table.iloc[[70]].assign(s1=99.0)
    pd.concat([table, again]).to_csv("twice.csv", index=False)
    table.drop(index=70).to_csv("clean.csv", index=False)

    twice, clean = (explain("strict", name, AT, asset="m2") for name in ("twice.csv", "clean.csv"))

    assert twice.to_json() == {**clean.to_json(), "rows_left_out": 2}
