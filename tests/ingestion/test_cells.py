"""Cells as numbers and words, whatever type they come in and wherever a file was cut."""

import itertools

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rareevent.errors import DataError
from rareevent.ingestion.cells import CellReader, Cells, NameReader
from rareevent.ingestion.frame import TextColumn
from rareevent.ingestion.settle import _categories

MISSING = ("", "NA", "nan")
NAN = float("nan")


def read(*chunks):
    reader = CellReader("x", MISSING)
    for chunk in chunks:
        reader.append(chunk if isinstance(chunk, pa.Array) else pa.array(chunk))
    return reader.cells()


def by_cell(cells: Cells):
    words = np.full(len(cells.values), -1) if cells.codes is None else cells.codes
    return [
        cells.words[word] if word >= 0 else (None if np.isnan(value) else value)
        for value, word in zip(cells.values.tolist(), words.tolist(), strict=True)
    ]


def test_text_that_is_a_number_is_one_with_or_without_blanks_around_it():
    cells = read(["1", "-2.5", " 3 ", "+4", "5.", ".5", "1e3", "NA", " ", None, "inf"])
    assert by_cell(cells) == [1, -2.5, 3, 4, 5, 0.5, 1000, None, None, None, float("inf")]


def test_a_decimal_comma_is_read_alike_with_and_without_words_beside_it():
    numbers, expected = ["1,5", "-2", ",5", "1e-3", None], [1.5, -2, 0.5, 0.001, None]
    for words in ([], ["Bad", "1.5"]):
        reader = CellReader("x", MISSING, decimal=",")
        reader.append(pa.array([*numbers, *words]))
        assert by_cell(reader.cells()) == [*expected, *words]


def test_words_are_told_from_numbers_and_counted():
    cells = read(["1", "Bad", "2", "Bad "], ["Out of range", "3", "1,5"])
    assert by_cell(cells) == [1, "Bad", 2, "Bad", "Out of range", 3, "1,5"]
    assert cells.word_counts() == [("Bad", 2), ("1,5", 1), ("Out of range", 1)]


def test_words_that_come_late_do_not_shift_the_numbers_before_them():
    assert by_cell(read(["1", "2"], ["3"], ["x", "4"])) == [1, 2, 3, "x", 4]


@pytest.mark.parametrize(
    "chunk",
    [
        pa.array([1, 0, None], pa.int8()),
        pa.array([True, False, None]),
        pa.array([1.0, 0.0, NAN], pa.float32()),
        pa.array(["1", "0", None], pa.large_string()),
        pa.array(["1", "0", "NA"]).dictionary_encode(),
        pa.array(["1", "0", None], pa.string_view()),
    ],
)
def test_every_arrow_type_of_number_or_text_gives_the_same_cells(chunk):
    assert by_cell(read(chunk)) == [1.0, 0.0, None]


def test_an_integer_beyond_float_precision_is_read_and_not_refused():
    assert read(pa.array([2**63 - 1, 1])).values.tolist() == [float(2**63 - 1), 1.0]


def test_a_column_of_lists_is_refused_by_name():
    with pytest.raises(DataError, match="column 'x' holds list"):
        read(pa.array([[1], [2]]))


cell_texts = st.one_of(
    st.sampled_from(["", "NA", "1", "1.0", "2.50", "-3e2", "Bad", " Bad", "7 bar", "inf", "nan"]),
    st.floats(allow_nan=False).map(repr),
    st.text("ab1. ", max_size=3),
)


@given(st.lists(cell_texts, min_size=1, max_size=40), st.lists(st.integers(0, 40), max_size=3))
def test_where_a_file_was_cut_into_chunks_does_not_matter(texts, cuts):
    edges = sorted({0, len(texts), *(c for c in cuts if c < len(texts))})
    chunks = [texts[a:b] for a, b in itertools.pairwise(edges)]
    assert by_cell(read(*chunks)) == by_cell(read(texts))


def test_categories_write_numbers_in_their_shortest_way():
    text = _categories(read(["96", "96.0", "B", None, "2.50", "A", "96.00"]))
    assert isinstance(text, TextColumn)
    assert text.levels == ("2.5", "96", "A", "B")
    assert text.codes.tolist() == [1, 1, 3, -1, 0, 2, 1]
    assert _categories(read(pa.array([96, 96, 2]))).levels == ("2", "96")


def names(*chunks):
    reader = NameReader("asset", MISSING)
    for chunk in chunks:
        reader.append(chunk if isinstance(chunk, pa.Array) else pa.array(chunk))
    codes, known = reader.names()
    return [known[code] if code >= 0 else None for code in codes], known


def test_names_are_texts_in_natural_order_and_keep_leading_zeros():
    found, known = names(["10", "9", " 9.0", "B2"], [None, "NA", "007", "10"])
    assert found == ["10", "9", "9", "B2", None, None, "007", "10"]
    assert known == ("007", "9", "10", "B2")


def test_names_from_numbers_equal_names_from_text():
    assert names(pa.array([10, 9, None]))[1] == names(["10", "9"])[1] == ("9", "10")
    assert names(pa.array([10.0, 9.0, NAN]))[0] == ["10", "9", None]
