"""Fingerprints: equal for equal readings however they were written, different for any other."""

from dataclasses import replace

import numpy as np
from hypothesis import assume, given
from hypothesis import strategies as st

from rareevent.ingestion.cells import CellReader, Cells
from rareevent.ingestion.roles import Roles
from rareevent.scoring.fingerprints import fingerprints
from rareevent.scoring.rows import CleanRows

ROLES = Roles("t", "a", None, ("s1", "s2"), ("grade",), learning=False)


def rows(s1, s2, grade) -> CleanRows:
    import pyarrow as pa

    reader = CellReader("grade", ())
    reader.append(pa.array(grade))
    cells = {"s1": np.array(s1, float), "s2": np.array(s2, float)}
    plain = {name: Cells(values, None, ()) for name, values in cells.items()}
    count = len(s1)
    zeros = np.zeros(count, np.int32)
    return CleanRows(np.arange(count), zeros, ("m",), {**plain, "grade": reader.cells()})


def test_a_row_has_one_fingerprint_whatever_stands_around_it():
    together = fingerprints(rows([1, 2, 1], [5, 6, 5], ["B", "A", "B"]), ROLES)
    alone = fingerprints(rows([1], [5], ["B"]), ROLES)

    assert together[0] == together[2] == alone[0] != together[1]


def test_zero_has_no_sign_a_category_no_type_and_missing_is_one_value():
    one = fingerprints(rows([0.0], [np.nan], ["96"]), ROLES)
    other = fingerprints(rows([-0.0], [-np.float64(np.nan)], [96.0]), ROLES)

    assert one == other


@given(
    st.lists(st.floats(-1e9, 1e9), min_size=2, max_size=2),
    st.integers(0, 1),
    st.floats(-1e9, 1e9),
)
def test_one_other_reading_is_another_state_before_it_is_shortened(values, place, other):
    assume(values[place] != other)
    changed = list(values)
    changed[place] = other
    before = fingerprints(rows(values[:1], values[1:], ["A"]), ROLES)
    after = fingerprints(rows(changed[:1], changed[1:], ["A"]), ROLES)

    assert before != after


def test_among_many_rows_hardly_two_share_a_fingerprint():
    """Readings that differ in one low or one high bit only, which a poor mix confuses."""
    steps = np.arange(100_000)
    table = rows(1 + steps * 2.0**-52, 2.0 ** (steps % 900 - 450), ["A"] * len(steps))
    prints = fingerprints(table, ROLES)
    # Chance has it that about 1.2 pairs of 100,000 numbers of 32 bits agree.
    assert len(np.unique(prints)) > len(prints) - 10
    swapped = replace(
        table, cells={**table.cells, "s1": table.cells["s2"], "s2": table.cells["s1"]}
    )
    assert np.mean(fingerprints(swapped, ROLES) == prints) < 1e-3
