"""The timeline shows every event once, stays readable, and says what it leaves out."""

import pytest

from rareevent.report.lanes import MOST_LANES, by_trouble, left_out, plan_lanes
from rareevent.report.reading import read
from rareevent.report.timeline import timeline
from rareevent.report.words import Times, as_tick

DATED, AGE = Times("datetime"), Times("age")


def event(asset, time, outcome="missed"):
    tick = as_tick(time)
    return {"asset": asset, "time": str(time), "tick": tick, "outcome": outcome, "lead_time": None}


def alarm(asset, time, judgement="false"):
    return {"asset": asset, "time": str(time), "tick": as_tick(time), "judgement": judgement}


def judged(events=(), alarms=()):
    return read({"events": list(events), "alarms": list(alarms)})


def test_nothing_to_show_is_no_timeline():
    assert timeline(judged(), [], None, DATED, 1080) is None


def test_one_asset_over_days_has_a_lane_per_day():
    days = [f"2024-05-0{d} {h:02d}:30" for d in range(1, 6) for h in range(0, 24, 2)]
    plan = plan_lanes(judged(event("a", t) for t in days), [], DATED, 1080)
    assert [lane.label for lane in plan.lanes] == [
        "Wed 1 May", "Thu 2 May", "Fri 3 May", "Sat 4 May", "Sun 5 May"
    ]  # fmt: skip
    assert [len(lane.events) for lane in plan.lanes] == [12] * 5


def test_sparse_year_of_one_asset_has_few_lanes_starting_on_mondays():
    plan = plan_lanes(judged(event("a", f"2024-{m:02d}-15") for m in range(1, 13)), [], DATED, 1080)
    assert len(plan.lanes) <= 6
    assert {DATED.at(lane.low)[-5:] for lane in plan.lanes} == {"00:00"}
    first = plan.lanes[0].low // 86_400_000_000
    assert (first + 3) % 7 == 0  # 1970-01-01 was a Thursday


@pytest.mark.parametrize("width", [372, 1080])
@pytest.mark.parametrize("assets", [1, 2, 7])
def test_every_event_and_alarm_lies_in_exactly_one_lane(assets, width):
    marks = [(f"a{i % assets}", f"2024-05-0{1 + i % 9} {i % 24:02d}:00") for i in range(60)]
    plan = plan_lanes(
        judged((event(*m) for m in marks), (alarm(*m) for m in marks)), [], DATED, width
    )
    assert sum(len(lane.events) for lane in plan.lanes) == 60
    assert sum(len(lane.alarms) for lane in plan.lanes) == 60
    assert len(plan.lanes) <= MOST_LANES + assets


def test_age_clock_has_a_lane_per_asset_from_zero():
    plan = plan_lanes(judged([event("u1", 31), event("u2", 200)]), [], AGE, 1080)
    assert [(lane.asset, lane.low, lane.high) for lane in plan.lanes] == [
        ("u1", 0, 201), ("u2", 0, 201)
    ]  # fmt: skip


def test_worst_assets_come_first_and_the_rest_is_counted():
    events = [event(f"m{i:02d}", "2024-05-01", "caught") for i in range(40)]
    events += [event("m33", "2024-05-02"), event("m07", "2024-05-02", "unforeseeable")]
    alarms = [alarm("m39", "2024-05-03"), alarm("m12", "2024-05-03", "catch")]
    alarms += [alarm("m07", "2024-05-04")]
    found = judged(events, alarms)
    assert by_trouble(found)[:4] == ["m07", "m33", "m39", "m00"]
    plan = plan_lanes(found, [], DATED, 1080)
    assert len(plan.lanes) == MOST_LANES
    assert left_out(plan, found) == (
        "Shown are the 24 of 40 assets with the most missed events and false alarms; the other 16"
        " had 16\u00a0events and 0\u00a0false alarms."
    )


def test_marks_carry_what_happened_and_when():
    found = judged(
        [{**event("a", "2024-05-01 10:20", "caught"), "lead_time": 8.0}],
        [alarm("a", "2024-05-01 10:12", "catch"), alarm("a", "2024-05-01 18:00")],
    )
    svg = timeline(found, [], 0.1, DATED, 1080).svg
    assert "Event caught, announced 8\u00a0min ahead, 2024-05-01 10:20 · a" in svg
    assert "Alarm that caught, 2024-05-01 10:12 · a" in svg
    assert "False alarm, 2024-05-01 18:00 · a" in svg


def test_thousands_of_alarms_stay_a_small_drawing():
    alarms = [alarm("a", as_tick("2024-05-01") + 60_000_000 * i) for i in range(20_000)]
    svg = timeline(judged([], alarms), [], None, DATED, 1080).svg
    assert svg.count("False alarm") > 1000
    assert len(svg) < 1_500_000


def test_highest_score_of_a_pixel_is_the_one_drawn():
    ticks = [as_tick("2024-05-01") + 1_000_000 * i for i in range(3000)]
    scores = [0.01] * 3000
    scores[1500] = 0.4
    series = [{"asset": "a", "time": ticks, "probability": scores}]
    flat = [{"asset": "a", "time": ticks, "probability": [0.01] * 3000}]
    assert (
        timeline(judged(), series, 0.1, DATED, 372).svg
        != timeline(judged(), flat, 0.1, DATED, 372).svg
    )
