"""Sorting and merging: counted, and the same whatever the order of rows was."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rareevent.errors import DataError
from rareevent.ingestion import ingest
from tests.ingestion.tables import stage, write

NAN = float("nan")


def values(frame, name):
    return [None if np.isnan(v) else v for v in frame.sensors[name].tolist()]


def test_rows_out_of_order_are_sorted_by_asset_and_time_and_counted(tmp_path):
    rows = "t,unit,s,y\n2,b,1,0\n1,b,2,1\n3,a,3,0\n3,b,4,0\n2,a,5,1\n1,a,6,0"
    frame, quality = ingest(stage(write(tmp_path, rows), asset="unit"))
    assert frame.assets == ("a", "b")
    assert frame.asset.tolist() == [0, 0, 0, 1, 1, 1]
    assert frame.time.tolist() == [1, 2, 3, 1, 2, 3]
    assert frame.asset_starts.tolist() == [0, 3, 6]
    assert values(frame, "s") == [6, 5, 3, 2, 1, 4]
    assert quality.unsorted == 3
    assert quality.repairs == {"row sorted into place": 3}


def test_identical_rows_are_dropped_and_others_of_their_time_averaged(tmp_path):
    rows = """
        t,s,g,q,y
        1,4,B,,0
        1,8,A,2,1
        1,4,B,,0
        2,5,A,,0
        2,5,A,,0
        3,1,A,1,0
        4,2,A,1,0
    """
    frame, quality = ingest(stage(write(tmp_path, rows), categorical=["g"]))
    assert frame.time.tolist() == [1, 2, 3, 4]
    # At 1 the two distinct rows count once each: (4 + 8) / 2, the known 2 alone, A before B.
    assert values(frame, "s") == [6, 5, 1, 2]
    assert values(frame, "q") == [2, None, 1, 1]
    assert frame.texts["g"].codes.tolist() == [0, 0, 0, 0]
    assert frame.events.time.tolist() == [1]
    assert (quality.rows_read, quality.rows) == (7, 4)
    assert (quality.duplicates_identical, quality.duplicates_conflicting) == (2, 1)
    assert {c.name: c.conflicts for c in quality.columns if c.conflicts} == {"s": 1, "g": 1}
    assert quality.repairs == {
        "identical row dropped": 2,
        "row merged with others of its asset and time": 1,
    }


def test_conflicting_rows_are_refused_on_request_and_identical_ones_are_not(tmp_path):
    keys = {"duplicates": "refuse"}
    same = write(tmp_path, "t,s,y\n1,1,0\n1,1,0\n2,3,1\n3,2,0", "same.csv")
    assert len(ingest(stage(same, **keys))[0]) == 3
    other = write(tmp_path, "t,s,y\n1,1,0\n1,2,0\n2,3,1\n3,2,0", "other.csv")
    with pytest.raises(DataError, match=r"other.csv: 1 \(asset, time\) pairs occur more than once"):
        ingest(stage(other, **keys))


def test_a_mean_of_equal_values_is_that_value_to_the_last_bit(tmp_path):
    rows = "t,s,q,y\n1,0.1,1,0\n1,0.1,2,0\n1,0.1,3,0\n2,1,1,1\n3,2,1,0"
    frame, _ = ingest(stage(write(tmp_path, rows)))
    assert frame.sensors["s"][0] == 0.1


cells = st.sampled_from(["", "0.1", "0.2", "0.3", "-0.0", "0.0", "1e9", "inf", "0.7"])
groups = st.sampled_from(["", "A", "B", "96", "96.0"])


@st.composite
def tables(draw):
    rows = draw(
        st.lists(
            st.tuples(
                st.integers(0, 7),
                st.sampled_from(["a", "b", "10", "9"]),
                cells,
                cells,
                groups,
                st.sampled_from(["0", "0", "0", "1"]),
            ),
            min_size=3,
            max_size=30,
        )
    )
    fixed = [
        (0, "a", "1", "2", "A", "0"),
        (1, "a", "2", "1", "A", "1"),
        (2, "a", "1", "1", "B", "0"),
    ]
    rows = [tuple(map(str, row)) for row in fixed + rows]
    return rows, draw(st.permutations(rows))


def same_bits(first, second):
    assert first.dtype == second.dtype
    assert first.tobytes() == second.tobytes()


@given(tables())
def test_permuting_input_rows_changes_nothing_in_the_frame(tmp_path_factory, both):
    folder = tmp_path_factory.mktemp("rows")
    frames = []
    for name, rows in zip(("given.csv", "mixed.csv"), both, strict=True):
        text = "\n".join(["t,unit,s,q,g,y", *(",".join(row) for row in rows)])
        source = write(folder, text, name)
        keys = {"asset": "unit", "categorical": ["g"], "recovery": 1}
        frames.append(ingest(stage(source, **keys))[0])
    one, other = frames
    assert (one.assets, one.clock, one.max_gap) == (other.assets, other.clock, other.max_gap)
    for name in ("asset", "time", "asset_starts"):
        same_bits(getattr(one, name), getattr(other, name))
    for name in ("asset", "time", "kind"):
        same_bits(getattr(one.events, name), getattr(other.events, name))
    for name in ("start", "stop", "of_row", "fate"):
        same_bits(getattr(one.segments, name), getattr(other.segments, name))
    assert list(one.sensors) == list(other.sensors)
    for name in one.sensors:
        same_bits(one.sensors[name] + 0.0, other.sensors[name] + 0.0)
    for name in one.texts:
        assert one.texts[name].levels == other.texts[name].levels
        same_bits(one.texts[name].codes, other.texts[name].codes)
