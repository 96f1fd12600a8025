"""What a source names, and how files in every layout are read."""

import gzip
import hashlib

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rareevent.errors import ConfigError, DataError
from rareevent.ingestion import ingest
from rareevent.ingestion.files import digest, find_files
from tests.ingestion.tables import stage, write

ROWS = "t,s,y\n0,1,0\n1,2,1\n2,4,0\n3,3,0"
SENSOR = [1.0, 2.0, 4.0, 3.0]


def sensor(source, **keys):
    frame, _ = ingest(stage(source, **keys))
    return frame.sensors["s"].tolist()


def parquet(path, **columns):
    pq.write_table(pa.table(columns), path)
    return path


def test_a_directory_is_every_data_file_below_it_in_order(tmp_path):
    for name in ("b.csv", "a.parquet", "sub/c.csv.gz", "sub/d.txt"):
        write(tmp_path, "x", name)
    for name in ("_SUCCESS", ".hidden.csv", "_tmp/e.csv", "notes.md", "archive.tar.gz"):
        write(tmp_path, "x", name)
    found = [str(path.relative_to(tmp_path)) for path in find_files(tmp_path)]
    assert found == ["a.parquet", "b.csv", "sub/c.csv.gz", "sub/d.txt"]


def test_a_glob_takes_files_and_directories_and_a_list_is_sorted(tmp_path):
    for name in ("d1/x.csv", "d2/y.csv", "d1.csv"):
        write(tmp_path, "x", name)
    found = find_files(f"{tmp_path}/d*")
    assert [str(path.relative_to(tmp_path)) for path in found] == ["d1/x.csv", "d1.csv", "d2/y.csv"]
    assert find_files([tmp_path / "d2/y.csv", tmp_path / "d1.csv"]) == (
        tmp_path / "d1.csv",
        tmp_path / "d2/y.csv",
    )


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("nothing.csv", "ingest.source: no such file or directory: .*nothing.csv"),
        ("n" * 300, "ingest.source: no such file or directory: "),
        ("*.parquet", "ingest.source: no file matches"),
        ("", "the directory .* holds no data file"),
    ],
)
def test_nothing_to_read_is_refused_with_the_key(tmp_path, source, message):
    with pytest.raises(DataError, match=message):
        find_files(f"{tmp_path}/{source}")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "data.csv: is empty"),
        (b"t,s,y\n", "data.csv: has a header and no row"),
        (b"t,s,y", "data.csv: has no row; expected a header"),
        (b"\n\n", "data.csv: has no row; expected a header"),
        (b't,s,y\n0,1,0\n1,"2,1\n', "2 of 3 in .*a quote in it is not closed"),
        (b"PK\x03\x04xxxx", "is a ZIP archive or spreadsheet"),
        (b"PAR1xxxxxxxxPAR1", "data.csv: cannot be read"),
        (b"t,s,y\n0,\xff,0\n", "data.csv: cannot be read: .*UTF-8"),
        (b"t,s,y,s\n0,1,0,1\n", "more than one column is named 's'"),
        (gzip.compress(ROWS.encode() * 999)[:-40], "data.csv: cannot be read: .*[Tt]runcated"),
    ],
)
def test_a_broken_file_is_refused_by_name(tmp_path, content, message):
    path = tmp_path / "data.csv"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        ingest(stage(path))


def test_rows_with_another_number_of_fields_are_counted_and_refused(tmp_path):
    path = write(tmp_path, f"{ROWS}\n4,1\n5,1,0,7")
    message = r"data.csv: 2 rows do not have as many fields as the header, first: 2 of 3 in '4,1'"
    with pytest.raises(DataError, match=message):
        ingest(stage(path))


def test_every_layout_of_the_same_rows_gives_the_same_values(tmp_path):
    lines = ROWS.splitlines()
    layouts = {
        "comma.csv": (ROWS, {}),
        "semicolon.csv": (ROWS.replace(",", ";"), {"separator": ";"}),
        "tab.tsv": (ROWS.replace(",", "\t"), {"separator": "\t"}),
        "spaced.csv": (ROWS.replace(",", " , "), {}),
        "bare.csv": ("\n".join(lines[1:]), {"header": False, "columns": ["t", "s", "y"]}),
        "renamed.csv": ("A,B,C\n" + "\n".join(lines[1:]), {"columns": ["t", "s", "y"]}),
        "quoted.csv": (ROWS.replace("s", '"s"'), {}),
        "bom.csv": ("\ufeff" + ROWS, {}),
        "windows.csv": (ROWS.replace("\n", "\r\n"), {}),
        "blank_lines.csv": (ROWS.replace("\n", "\n\n"), {}),
    }
    for name, (text, keys) in layouts.items():
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        assert sensor(path, **keys) == SENSOR, name
        path.with_suffix(".gz").write_bytes(gzip.compress(text.encode()))
        assert sensor(path.with_suffix(".gz"), **keys) == SENSOR, name


@pytest.mark.parametrize("separator", ["::", "", "é", '"', "\n"])
def test_a_separator_that_cannot_separate_is_a_configuration_error(tmp_path, separator):
    with pytest.raises(ConfigError, match=r"ingest.separator: must be one .* received"):
        ingest(stage(write(tmp_path, ROWS), separator=separator))


def test_a_quoted_line_break_where_the_file_is_cut_into_blocks_is_no_new_row(tmp_path):
    path = tmp_path / "remarks.csv"
    rows = "".join(f'{i},"line\nbreak",{i % 7},{i % 2}\n' for i in range(300_000))
    path.write_text(f"t,remark,s,y\n{rows}")
    frame, _ = ingest(stage(path, ignore=["remark"]))
    assert len(frame) == 300_000


def test_a_parquet_column_of_another_kind_is_refused_with_its_file(tmp_path):
    path = parquet(tmp_path / "n.parquet", t=[0, 1], s=[1.0, 2.0], y=[0, 1], l=[[1], [2]])
    with pytest.raises(DataError, match=r"n.parquet: column 'l' holds list.*ingest.ignore"):
        ingest(stage(path))


def test_runs_of_blanks_around_and_between_fields_are_one_separator(tmp_path):
    path = tmp_path / "blanks.txt"
    text = "  0  1 0  \n1   2\t1\n\t2 4 0 \r\n3 3   0"
    path.write_bytes(text.encode())
    keys = {"header": False, "columns": ["t", "s", "y"], "separator": "whitespace"}
    assert sensor(path, **keys) == SENSOR


def test_a_blank_separated_file_longer_than_a_block_is_read_whole(tmp_path):
    path = tmp_path / "long.txt"
    wide = " " * 60
    path.write_text("".join(f" {i}{wide}{i % 7}{wide}{i % 2} \n" for i in range(60_000)))
    keys = {"header": False, "columns": ["t", "s", "y"], "separator": "whitespace"}
    frame, _ = ingest(stage(path, **keys))
    assert frame.time.tolist() == list(range(60_000))
    assert frame.sensors["s"].tolist() == [i % 7 for i in range(60_000)]


def test_parquet_file_directory_and_glob_equal_csv(tmp_path):
    folder = tmp_path / "parts"
    folder.mkdir()
    parquet(folder / "0.parquet", t=[0, 1], s=[1.0, 2.0], y=[False, True])
    parquet(folder / "1.parquet", y=[0, 0], s=pa.array([4, 3], pa.int16()), t=[2, 3])
    assert sensor(folder) == sensor(f"{folder}/*.parquet") == SENSOR
    whole = parquet(tmp_path / "all.parquet", t=[0, 1, 2, 3], s=SENSOR, y=["0", "1", "0", "0"])
    assert sensor(whole) == SENSOR


def test_a_parquet_file_written_by_pandas_is_read(tmp_path):
    path = tmp_path / "pandas.parquet"
    table = pd.DataFrame({"t": pd.date_range("2020", periods=30, freq="h"), "s": range(30)})
    table.assign(y=[0] * 29 + [1], s=lambda d: d["s"] % 5, g="A").to_parquet(path, index=True)
    frame, _ = ingest(stage(path, categorical=["g"]))
    assert frame.clock.interval == 3_600_000_000
    assert frame.texts["g"].levels == ("A",)


def test_a_file_that_lacks_a_column_of_the_others_is_named(tmp_path):
    write(tmp_path, ROWS, "a.csv")
    write(tmp_path, ROWS.replace("s", "S"), "b.csv")
    with pytest.raises(DataError, match=r"b.csv: has no column 's'"):
        ingest(stage(tmp_path))


def test_time_of_another_type_in_another_file_is_refused(tmp_path):
    write(tmp_path, ROWS, "a.csv")
    parquet(tmp_path / "b.parquet", t=[4, 5], s=[1.0, 2.0], y=[0, 0])
    with pytest.raises(DataError, match=r"column 't' is int64 in one file and string in another"):
        ingest(stage(tmp_path))


def test_a_nameless_column_is_called_as_pandas_calls_it(tmp_path):
    path = write(tmp_path, ROWS.replace("t,", ",", 1))
    assert sensor(path, time="") == sensor(path, time="Unnamed: 0") == SENSOR


def test_the_digest_is_that_of_the_files_one_after_the_other(tmp_path):
    a, b = write(tmp_path, ROWS, "a.csv"), write(tmp_path, ROWS, "b.csv")
    expected = hashlib.sha256(a.read_bytes() + b.read_bytes()).hexdigest()
    assert digest([a, b]) == expected
    frame, quality = ingest(stage(tmp_path))
    assert frame.source_sha256 == quality.source_sha256 == expected
