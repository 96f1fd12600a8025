"""Casts of text that may fail, without paying for the failure value by value."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

# Arrow goes on after a value it cannot cast and spends 4 us on each, so a column of words would
# cost more to refuse than a column of numbers to read. A few values tell first.
_PROBE = 64


def cast_or_none(text: pa.Array, kind: pa.DataType) -> pa.Array | None:
    """The texts as another type, or None where one of them cannot be cast."""
    try:
        pc.cast(text.slice(0, _PROBE), kind)
        return pc.cast(text, kind)
    except pa.ArrowInvalid:
        return None
