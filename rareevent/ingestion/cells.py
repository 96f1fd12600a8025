"""A column's cells as they are read: numbers where they are numbers, words where they are not."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from rareevent.errors import DataError
from rareevent.ingestion.arrow_casts import cast_or_none
from rareevent.ingestion.frame import Bool, Float64, Int32

_NUMBERS = {
    mark: rf"^[+-]?(\d+{escaped}?\d*|{escaped}\d+)([eE][+-]?\d+)?$|^(?i:[+-]?(inf|infinity|nan))$"
    for mark, escaped in ((".", r"\."), (",", ","))
}
_WHOLE_DECIMAL = re.compile(r"([+-]?\d+)\.0+")
# A column with more different words than this is beyond being a category; all further ones share
# one code, so that a free-text column cannot fill the memory.
_MOST_WORDS = 100_000
_MANY_MORE = "(further values)"
# Integers up to here are exact as float64.
_EXACT = 2.0**53


@dataclass(frozen=True)
class Cells:
    """A column of n cells; a cell is a number, a word, or missing.

    Attributes
    ----------
    values : float64 [n], NaN where the cell is no number
    codes : int32 [n], code into `words` where the cell is a word, else -1; None without any word
    words : distinct words, in the order they were met
    """

    values: Float64
    codes: Int32 | None
    words: tuple[str, ...]

    def is_word(self) -> Bool:
        """Which cells are words, bool [n]."""
        if self.codes is None:
            return np.zeros(len(self.values), bool)
        return self.codes >= 0

    def word_counts(self) -> list[tuple[str, int]]:
        """Words and how often each occurs, the most frequent first, then by name."""
        if self.codes is None:
            return []
        counts = np.bincount(self.codes[self.codes >= 0], minlength=len(self.words))
        return sorted(zip(self.words, counts.tolist(), strict=True), key=lambda p: (-p[1], p[0]))


class Grown:
    """An array that grows at its end.

    It is filled in place and doubled: untouched memory costs nothing, whereas a list of a thousand
    small chunks per column leaves the heap in pieces that never go back to the system.
    """

    def __init__(self, dtype: type[np.generic]) -> None:
        self._array: NDArray[Any] = np.empty(1 << 16, dtype)
        self._size = 0

    def append(self, values: NDArray[Any]) -> None:
        """Add values at the end."""
        needed = self._size + len(values)
        if needed > len(self._array):
            larger = np.empty(max(needed, 2 * len(self._array)), self._array.dtype)
            larger[: self._size] = self._array[: self._size]
            self._array = larger
        self._array[self._size : needed] = values
        self._size = needed

    def array(self) -> NDArray[Any]:
        """What was appended."""
        return self._array[: self._size]


class CellReader:
    """Collects a column chunk by chunk."""

    def __init__(self, name: str, missing_values: Collection[str], decimal: str = ".") -> None:
        self._name = name
        self._missing = pa.array(sorted(missing_values), pa.string())
        self._decimal = decimal
        self._values: Grown = Grown(np.float64)
        self._codes: Grown | None = None
        self._words: dict[str, int] = {}

    def append(self, chunk: pa.Array) -> None:
        """Add a chunk of any Arrow type that can be a number or a text."""
        values, codes = self._read(_plain(chunk, self._name))
        if codes is not None and self._codes is None:
            self._codes = Grown(np.int32)
            self._codes.append(np.full(len(self._values.array()), -1, np.int32))
        self._values.append(values)
        if self._codes is not None:
            self._codes.append(np.full(len(values), -1, np.int32) if codes is None else codes)

    def cells(self) -> Cells:
        """All that was appended."""
        codes = None if self._codes is None else self._codes.array()
        return Cells(self._values.array(), codes, tuple(self._words))

    def _read(self, plain: pa.Array) -> tuple[Float64, Int32 | None]:
        if not pa.types.is_string(plain.type):
            return _floats(pc.cast(plain, pa.float64(), safe=False)), None
        numbers = self._all_numbers(plain)
        return self._parse(plain) if numbers is None else (_floats(numbers), None)

    def _all_numbers(self, text: pa.Array) -> pa.Array | None:
        """The texts as numbers, the quick way; None where one of them is none."""
        if self._decimal == ",":
            # A point may part thousands: 1.234 is not to be read as a little over one.
            if pc.any(pc.match_substring(text, ".")).as_py():
                return None
            text = pc.replace_substring(text, ",", ".")
        return cast_or_none(text, pa.float64())

    def _parse(self, text: pa.Array) -> tuple[Float64, Int32 | None]:
        """Numbers and codes of words, both found on the distinct texts of the chunk."""
        encoded = text.dictionary_encode()
        distinct = pc.utf8_trim_whitespace(encoded.dictionary)
        is_number = pc.match_substring_regex(distinct, _NUMBERS[self._decimal])
        written = pc.replace_substring(distinct, self._decimal, ".")
        numbers = _floats(pc.cast(pc.if_else(is_number, written, None), pa.float64()))
        is_word = pc.and_not(pc.invert(is_number), pc.is_in(distinct, value_set=self._missing))
        codes = np.full(len(distinct) + 1, -1, np.int32)
        for place in np.flatnonzero(is_word.to_numpy(zero_copy_only=False)):
            codes[place] = self._code(distinct[place].as_py())
        # A null cell has index -1: the last entry of both tables, missing.
        index = encoded.indices.fill_null(-1).to_numpy()
        any_word = codes.max() >= 0
        return np.append(numbers, np.nan)[index], codes[index] if any_word else None

    def _code(self, word: str) -> int:
        if word in self._words:
            return self._words[word]
        word = word if len(self._words) < _MOST_WORDS else _MANY_MORE
        return self._words.setdefault(word, len(self._words))


class NameReader:
    """Collects a column of names, such as assets: texts that are never taken as numbers."""

    def __init__(self, name: str, missing_values: Collection[str]) -> None:
        self._name = name
        self._missing = set(missing_values) | {""}
        self._codes: Grown = Grown(np.int32)
        self._names: dict[str, int] = {}

    def append(self, chunk: pa.Array) -> None:
        """Add a chunk."""
        plain = _plain(chunk, self._name)
        encoded = plain.dictionary_encode()
        names = [self._code(value) for value in encoded.dictionary.to_pylist()]
        codes = np.array([*names, -1], np.int32)
        self._codes.append(codes[encoded.indices.fill_null(-1).to_numpy()])

    def names(self) -> tuple[Int32, tuple[str, ...]]:
        """Codes int32 [n], -1 where missing, and the names, in natural order."""
        names = sorted(self._names, key=_natural)
        place = {name: code for code, name in enumerate(names)}
        recode = np.array([*(place[name] for name in self._names), -1], np.int32)
        return recode[self._codes.array()], tuple(names)

    def _code(self, value: str | float) -> int:
        name = name_text(value)
        if name in self._missing:
            return -1
        return self._names.setdefault(name, len(self._names))


def name_text(value: str | float) -> str:
    """A name as text, the same from a CSV file and from a typed column: 96, 96.0, "96.0" -> "96".

    Examples
    --------
    >>> name_text("96.0"), name_text(96.0), name_text(" A-7 "), name_text("007")
    ('96', '96', 'A-7', '007')
    """
    if isinstance(value, float):
        return "" if np.isnan(value) else number_text(value)
    text = str(value).strip()
    whole = _WHOLE_DECIMAL.fullmatch(text)
    return whole[1] if whole else text


def number_text(value: float) -> str:
    """The shortest text of a number: whole ones without decimals."""
    whole = np.isfinite(value) and value == int(value) and abs(value) < _EXACT
    return str(int(value)) if whole else repr(float(value))


def _natural(name: str) -> tuple[int, int, str]:
    """Whole numbers by value, before anything else by text."""
    digits = name.isdecimal() and name.isascii()
    return (0, int(name), name) if digits else (1, 0, name)


def _floats(values: pa.Array) -> Float64:
    if values.null_count:
        values = values.fill_null(np.nan)
    floats: Float64 = values.to_numpy(zero_copy_only=False)
    return floats


def _plain(chunk: pa.Array, name: str) -> pa.Array:
    """The chunk as numbers or as text."""
    kind = chunk.type
    if pa.types.is_dictionary(kind):
        return _plain(chunk.dictionary_decode(), name)
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return chunk
    if pa.types.is_null(kind):
        return pc.cast(chunk, pa.float64())
    if pa.types.is_boolean(kind):
        return pc.cast(chunk, pa.uint8())
    if pa.types.is_temporal(kind) or pa.types.is_large_string(kind) or kind == pa.string_view():
        return pc.cast(chunk, pa.string())
    if pa.types.is_string(kind):
        return chunk
    raise DataError(
        f"column {name!r} holds {kind}, not numbers or text; write one number or text in each row,"
        " or leave the column out of what is learned, by ingest.ignore"
    )
