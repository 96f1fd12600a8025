"""What is told about columns, and what is refused, all at once."""

import json
from io import StringIO

import numpy as np
import pytest
from rich.console import Console

from rareevent.errors import ConfigError, DataError
from rareevent.ingestion import check_source, ingest
from rareevent.ingestion.behaviour import is_row_counter, stuck_rows
from tests.ingestion.tables import stage, write

DIRTY = """
    t,unit,flow,level,site,remark,y
    0,a,1.0,Bad,north,one,0
    1,a,Bad,2.0,north,two,0
    2,a,Bad,inf,south,three,1
    3,a,4.0,Out,south,four,0
    4,a,5.0,1.0,,five,0
    5,a,,1.5,north,six,0
"""


def dirty(tmp_path, **keys):
    return stage(write(tmp_path, DIRTY), **{"asset": "unit", **keys})


def test_all_dirty_columns_are_refused_in_one_line_with_counts_and_examples(tmp_path):
    with pytest.raises(DataError) as refusal:
        ingest(dirty(tmp_path))
    assert len(str(refusal.value).splitlines()) == 1
    for words in ("2 numeric columns", "'flow' 2 x ('Bad')", "'level' 2 x ('Bad', 'Out')"):
        assert words in str(refusal.value)
    assert "ingest.dirty_text: missing" in str(refusal.value)


def test_dirty_text_becomes_missing_on_request_and_is_counted(tmp_path):
    frame, quality = ingest(dirty(tmp_path, dirty_text="missing"))
    flow, level = quality.column("flow"), quality.column("level")
    assert np.isnan(frame.sensors["flow"]).tolist() == [False, True, True, False, False, True]
    assert np.isnan(frame.sensors["level"]).tolist() == [True, False, True, True, False, False]
    assert (flow.missing, flow.dirty, flow.dirty_values) == (1, 2, (("Bad", 2),))
    assert (level.missing, level.dirty, level.infinite) == (0, 2, 1)
    assert quality.repairs == {
        "text in a numeric column made missing": 4,
        "infinite value made missing": 1,
    }


@pytest.mark.parametrize("dirty_text", ["refuse", "missing"])
def test_decimal_commas_are_neither_a_category_nor_made_missing(tmp_path, dirty_text):
    rows = "\n".join(f"{i};{i % 7},{i % 10};{i % 2}" for i in range(30))
    source = write(tmp_path, f"t;s;y\n{rows}")
    with pytest.raises(DataError, match=r"comma in 1 columns: 's' \('0,0', .*ingest.decimal: ','"):
        ingest(stage(source, separator=";", dirty_text=dirty_text))


def test_decimal_commas_are_read_where_they_are_declared(tmp_path):
    rows = "\n".join(f"{i};{i % 7},{i % 10};{int(i == 20)}" for i in range(30))
    source = write(tmp_path, f"t;s;y\n{rows}")
    frame, quality = ingest(stage(source, separator=";", decimal=","))
    assert frame.sensors["s"].tolist() == [float(f"{i % 7}.{i % 10}") for i in range(30)]
    assert quality.column("s").dirty == 0


@pytest.mark.parametrize(("odd", "found"), [("1.234,5", "comma"), ("1.234", "text")])
def test_thousands_are_not_guessed_where_commas_part_decimals(tmp_path, odd, found):
    rows = "\n".join(f"{i};{odd if i == 9 else f'{i},5'};{int(i == 20)}" for i in range(30))
    source = write(tmp_path, f"t;s;y\n{rows}")
    with pytest.raises(DataError, match=rf"{found}.*'s'.*{odd}"):
        ingest(stage(source, separator=";", decimal=","))


def test_data_without_any_row_to_learn_from_are_refused(tmp_path):
    source = write(tmp_path, "t,s,y\n0,1,1\n1,5,1\n2,3,1")
    with pytest.raises(DataError, match="no row is left to learn from: of 3 rows 1 event, 2 event"):
        ingest(stage(source))


def test_the_largest_numbers_there_are_warn_of_nothing(tmp_path):
    rows = "\n".join(f"{i},{(-1) ** i}.7e308,{int(i == 20)}" for i in range(30))
    frame, _ = ingest(stage(write(tmp_path, f"t,s,y\n{rows}")))
    assert frame.sensors["s"].tolist() == [1.7e308, -1.7e308] * 15


def test_infinite_values_are_refused_on_request(tmp_path):
    keys = {"dirty_text": "missing", "infinite": "refuse"}
    with pytest.raises(DataError, match=r"infinite values: 'level' \(1\)"):
        ingest(dirty(tmp_path, **keys))


def test_an_undeclared_text_column_with_few_values_is_a_category_and_said_to_be(tmp_path):
    frame, quality = ingest(dirty(tmp_path, dirty_text="missing", ignore=["remark"]))
    assert frame.texts["site"].levels == ("north", "south")
    assert frame.texts["site"].codes.tolist() == [0, 0, 1, 1, -1, 0]
    assert quality.column("site").note == "text with 2 values, taken as categorical"
    assert quality.column("site").missing == 1
    assert "remark" not in [column.name for column in quality.columns]


def test_a_text_column_with_many_values_is_refused_unless_declared_or_ignored(tmp_path):
    rows = "\n".join(f"{i},id{i},{i % 7},{i % 2}" for i in range(120))
    source = write(tmp_path, f"t,tag,s,y\n{rows}")
    with pytest.raises(
        DataError, match=r"more than 100 values: 'tag' \(120\); list them in ingest.ig"
    ):
        ingest(stage(source))
    assert len(ingest(stage(source, categorical=["tag"]))[0].texts["tag"].levels) == 120
    assert not ingest(stage(source, ignore=["tag"]))[0].texts


def test_true_and_false_are_numbers_in_sensors_and_in_the_label(tmp_path):
    rows = "t,s,y\n0,TRUE,false\n1,False,true\n2,True,false"
    frame, _ = ingest(stage(write(tmp_path, rows)))
    assert frame.sensors["s"].tolist() == [1, 0, 1]
    assert frame.events.time.tolist() == [1]


def test_a_label_that_marks_most_rows_is_doubted_and_a_rare_one_is_not(tmp_path):
    def notes(ones):
        rows = "\n".join(f"{t},{t % 3},{int(t in ones)}" for t in range(9))
        return check_source(stage(write(tmp_path, f"t,s,y\n{rows}"))).notes

    assert any("'y' is 1 in 89% of the rows" in note for note in notes(set(range(8))))
    assert not any("inverted" in note for note in notes({4}))


def test_a_file_with_another_separator_is_known_by_its_header(tmp_path):
    source = write(tmp_path, "t;s;y\n0;1;0\n1;2;1")
    with pytest.raises(DataError, match=r"a single one, 't;s;y': set ingest.separator to ';'"):
        ingest(stage(source))


def test_several_refusals_come_together_one_line_each(tmp_path):
    rows = "t,s,q,y\n0,1,Bad,0\n1,2,3,2\n2,3,4,x\n3,1,5,\n3,2,5,1"
    keys = {"duplicates": "refuse", "sensors": ["s", "q", "gone"]}
    with pytest.raises(DataError) as refusal:
        ingest(stage(write(tmp_path, rows), **keys))
    lines = str(refusal.value).splitlines()
    assert len(lines) == 5
    for words in (
        "has no column 'gone' (ingest.sensors)",
        "'q' 1 x ('Bad')",
        "row 2: the label 'y' must be 0 or 1; 2 rows have others, such as x, 2",
        "row 4: the label 'y' is missing in 1 rows",
        "1 (asset, time) pairs occur more than once",
    ):
        assert sum(words in line for line in lines) == 1


def test_check_gathers_what_ingest_would_refuse_and_raises_nothing(tmp_path):
    quality = check_source(dirty(tmp_path))
    assert len(quality.problems) == 1
    assert (quality.rows, quality.events, quality.segments) == (6, 1, 2)
    gone = check_source(stage(tmp_path / "gone.csv"))
    assert "no such file" in gone.problems[0]
    unreadable = write(tmp_path, "t,s,y\nnever,Bad,0\nlater,1,1\nnow,2,0", "times.csv")
    told = check_source(stage(unreadable))
    assert ["'s' 1 x" in told.problems[0], "'never' is in no time" in told.problems[1]] == [
        True
    ] * 2
    assert (told.rows_read, told.rows, told.first) == (3, 0, None)


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"time": "when"}, r"data.csv: has no column 'when' \(ingest.time\); it has t, unit"),
        ({"time": "T"}, r"has no column 'T' \(ingest.time\)"),
        ({"asset": "units"}, r"'units' \(ingest.asset\); did you mean 'unit'"),
        ({"label": "target"}, r"has no column 'target' \(ingest.label\)"),
        ({"sensors": ["flows"]}, r"'flows' \(ingest.sensors\); did you mean 'flow'"),
        ({"categorical": ["sit"]}, r"'sit' \(ingest.categorical\); did you mean 'site'"),
        ({"keep": ["rowid"]}, r"'rowid' \(ingest.keep\)"),
    ],
)
def test_a_missing_column_is_named_with_its_key_and_the_nearest_name(tmp_path, keys, message):
    with pytest.raises(DataError, match=message):
        ingest(dirty(tmp_path, dirty_text="missing", **keys))


def test_a_file_without_header_read_as_if_it_had_one_gets_the_hint(tmp_path):
    with pytest.raises(DataError, match=r"set ingest.header: false"):
        ingest(stage(write(tmp_path, "0,1.5,0\n1,2.5,1")))


@pytest.mark.parametrize("key", ["categorical", "ignore"])
def test_a_column_cannot_be_two_things(tmp_path, key):
    with pytest.raises(ConfigError, match=rf"ingest.{key}: 'y' is the label column"):
        ingest(dirty(tmp_path, **{key: ["y"]}))
    with pytest.raises(ConfigError, match="must differ"):
        ingest(dirty(tmp_path, label="t"))


def test_rows_without_an_asset_are_refused(tmp_path):
    rows = "t,unit,s,y\n0,a,1,0\n1,,2,1\n2,a,1,0"
    with pytest.raises(DataError, match=r"row 2: column 'unit': 1 rows have no asset"):
        ingest(stage(write(tmp_path, rows), asset="unit"))


def test_constant_and_empty_sensors_are_noted_and_kept(tmp_path):
    rows = "t,s,c,e,y\n0,1,7,,0\n1,2,7,NA,1\n2,3,7,,0"
    frame, quality = ingest(stage(write(tmp_path, rows)))
    assert list(frame.sensors) == ["s", "c", "e"]
    assert quality.column("c").note == "constant: 7"
    assert (quality.column("e").note, quality.column("e").missing) == ("never has a value", 3)


@pytest.mark.parametrize("cell", ["7", "", "NaN"])
def test_sensors_that_never_change_at_all_are_refused(tmp_path, cell):
    rows = f"t,s,y\n0,{cell},0\n1,{cell},1\n2,{cell},0"
    with pytest.raises(DataError, match=r"data.csv: no sensor ever changes: 's' (constant|never)"):
        ingest(stage(write(tmp_path, rows)))


def test_a_table_without_any_sensor_is_refused(tmp_path):
    with pytest.raises(DataError, match="no sensor column is left beside"):
        ingest(stage(write(tmp_path, "t,y\n0,0\n1,1")))


def test_an_interval_that_cannot_be_measured_must_be_given(tmp_path):
    source = write(tmp_path, "t,unit,s,y\n0,a,1,0\n0,b,2,1")
    with pytest.raises(DataError, match=r"no asset has two rows.*set ingest.interval"):
        ingest(stage(source, asset="unit"))
    assert ingest(stage(source, asset="unit", interval=3))[0].clock.interval == 3


@pytest.mark.parametrize("key", ["max_gap", "recovery", "interval"])
def test_a_duration_too_long_to_count_with_is_refused(tmp_path, key):
    source = write(tmp_path, "t,s,y\n0,1,0\n1,2,1\n2,0,0")
    with pytest.raises(ConfigError, match="too long to count with"):
        ingest(stage(source, **{key: 10**30}))


def test_the_interval_is_the_median_step_and_half_of_it_the_tolerance(tmp_path):
    times = ["00:00", "00:02", "00:04", "00:07", "00:09", "00:13", "00:15"]
    rows = "\n".join(f"2020-01-01 {t},{i % 3},{int(i == 1)}" for i, t in enumerate(times))
    frame, quality = ingest(stage(write(tmp_path, f"t,s,y\n{rows}")))
    assert (frame.clock.kind, frame.clock.interval) == ("datetime", 120_000_000)
    assert (frame.max_gap, quality.gaps) == (180_000_000, 1)
    assert frame.segments.of_row.tolist() == [0, -1, 1, 1, 1, 2, 2]
    with pytest.raises(ConfigError, match=r"ingest.interval: must be a duration such as '2min'"):
        ingest(stage(write(tmp_path, f"t,s,y\n{rows}"), interval=2))


def counted(rows=40, **columns):
    lines = [",".join(["t", *columns, "y"])]
    for i in range(rows):
        lines.append(",".join(map(str, [i, *(make(i) for make in columns.values()), int(i == 9)])))
    return "\n".join(lines)


def test_row_counters_are_dropped_with_a_note_unless_kept(tmp_path):
    source = write(tmp_path, counted(id=lambda i: i + 5, s=lambda i: i % 7))
    frame, quality = ingest(stage(source))
    assert list(frame.sensors) == ["s"]
    assert (quality.column("id").kind, quality.column("id").note) == (
        "dropped",
        "row counter, dropped",
    )
    assert any("ingest.keep" in note for note in quality.notes)
    assert list(ingest(stage(source, keep=["id"]))[0].sensors) == ["id", "s"]


def test_a_counter_through_the_file_is_found_though_assets_alternate(tmp_path):
    rows = "\n".join(f"{i // 2},{'ab'[i % 2]},{i},{i % 5},{int(i == 8)}" for i in range(60))
    frame, _ = ingest(stage(write(tmp_path, f"t,unit,id,s,y\n{rows}"), asset="unit"))
    assert list(frame.sensors) == ["s"]


def test_no_sensor_left_once_counters_are_dropped_is_refused(tmp_path):
    with pytest.raises(DataError, match="no sensor column is left once row counters"):
        ingest(stage(write(tmp_path, counted(id=lambda i: i))))


def test_what_counts_rows_and_what_does_not():
    within = np.ones(99, bool)
    count = np.arange(100.0)
    assert is_row_counter(count, within)
    assert is_row_counter(np.roll(count, 50) + 3, within)
    assert not is_row_counter(count + 0.5, within)
    assert not is_row_counter(count[::-1] // 2, within)
    assert not is_row_counter(np.where(count == 50, np.nan, count) * 2, within)
    assert not is_row_counter(count[:15], within[:14])
    skips = np.concatenate([count, count + 200])
    assert not is_row_counter(skips * 1.5, np.ones(199, bool))
    assert is_row_counter(np.concatenate([count, count]), np.arange(199) != 99)


def test_a_run_far_longer_than_usual_is_stuck_and_a_set_point_is_not():
    rng = np.random.default_rng(0)
    noise = rng.normal(size=1000)
    border = np.zeros(999, bool)
    frozen = np.concatenate([noise[:500], np.full(60, 3.0), noise[560:]])
    assert stuck_rows(frozen, border) == (59, 60)
    assert stuck_rows(noise, border) == (0, 0)
    steps = np.repeat(rng.normal(size=20), 50)
    assert stuck_rows(steps, border) == (0, 0)
    # The same run cut in two by the border between assets is twice as short.
    border[529] = True
    assert stuck_rows(frozen, border) == (58, 30)


def test_the_report_is_plain_data_for_machines(tmp_path):
    quality = check_source(dirty(tmp_path))
    plain = json.loads(json.dumps(quality.to_json(), allow_nan=False))
    by_name = {column["name"]: column for column in plain["columns"]}
    assert by_name["level"]["dirty_values"] == {"Bad": 1, "Out": 1}
    assert (plain["rows"], plain["assets"], plain["events"]) == (6, 1, 1)
    assert plain["fates"]["event"] == 1
    assert plain["problems"] == list(quality.problems)


def test_the_report_for_people_names_only_columns_with_something_to_say(tmp_path):
    keys = {"sensors": ["flow", "level"], "exclude": [{"from": 5, "to": 6}]}
    out = StringIO()
    check_source(dirty(tmp_path, **keys)).render(Console(file=out, width=160))
    text = out.getvalue()
    for words in ("'Bad' x 2", "'Out' x 1", "rows excluded", "problem", "numeric columns"):
        assert words in text
    assert "1 further columns without a finding" in text
    clean = StringIO()
    ok = stage(write(tmp_path, "t,s,y\n0,1,0\n1,2,1\n2,3,0", "ok.csv"))
    check_source(ok).render(Console(file=clean, width=160))
    assert "ready to be trained on" in clean.getvalue()
    assert "Columns with something" not in clean.getvalue()
