import itertools
import time as clock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rareevent.alarms.policy import AlarmCarry, AlarmPolicy, carry_after, raise_alarms
from rareevent.errors import ConfigError, ModelError


def raised(policy, time, segment, probability, carry=None):
    out = raise_alarms(
        policy, np.array(time), np.array(segment), np.array(probability, float), carry
    )
    return out.astype(int).tolist()


def test_a_score_at_the_threshold_reaches_it():
    assert raised(AlarmPolicy(0.5), [0, 1, 2], [0, 0, 0], [0.49, 0.5, 0.51]) == [0, 1, 1]


def test_k_of_the_last_n_rows_must_reach_the_threshold():
    score = [1, 0, 1, 1, 0, 0, 1, 0]
    time, segment = range(8), [0] * 8
    assert raised(AlarmPolicy(0.5, 2, 3), time, segment, score) == [0, 0, 1, 1, 1, 0, 0, 0]
    assert raised(AlarmPolicy(0.5, 3, 3), time, segment, [1, 1, 1, 1, 0, 1, 1, 1]) == [
        *(0, 0, 1, 1, 0, 0, 0, 1)
    ]


def test_the_last_n_are_rows_not_ticks():
    assert raised(AlarmPolicy(0.5, 2, 2), [0, 50], [0, 0], [1, 1]) == [0, 1]


def test_an_alarm_is_suppressed_up_to_and_including_the_silence():
    always = [1] * 8
    assert raised(AlarmPolicy(0.5, silence=2), range(8), [0] * 8, always) == [
        *(1, 0, 0, 1, 0, 0, 1, 0)
    ]
    assert raised(AlarmPolicy(0.5, silence=3), [0, 3, 4, 7, 8], [0] * 5, always[:5]) == [
        *(1, 0, 1, 0, 1)
    ]


def test_a_suppressed_alarm_does_not_prolong_the_silence():
    assert raised(AlarmPolicy(0.5, silence=2), [0, 1, 2, 3, 4], [0] * 5, [1, 1, 1, 1, 1]) == [
        *(1, 0, 0, 1, 0)
    ]


def test_counts_and_silence_start_anew_with_a_segment():
    segment = [3, 3, 3, 7, 7, 7]
    assert raised(AlarmPolicy(0.5, silence=9), range(6), segment, [1] * 6) == [1, 0, 0, 1, 0, 0]
    assert raised(AlarmPolicy(0.5, 2, 3), range(6), segment, [0, 0, 1, 1, 0, 1]) == [
        *(0, 0, 0, 0, 0, 1)
    ]


def test_another_asset_may_begin_at_an_earlier_time():
    assert raised(AlarmPolicy(0.5, silence=5), [90, 91, 0, 1], [0, 0, 1, 1], [1, 1, 1, 1]) == [
        1,
        0,
        1,
        0,
    ]


def test_no_rows_raise_no_alarm():
    assert raised(AlarmPolicy(0.5, 2, 3, 4), [], [], []) == []
    empty = np.zeros(0, np.int64)
    assert carry_after(AlarmPolicy(0.5), empty, empty, np.zeros(0), np.zeros(0, bool)) == {}


def test_carry_holds_flags_of_n_minus_1_rows_and_the_last_alarm():
    policy = AlarmPolicy(0.5, 2, 3, 4)
    time, segment = np.array([0, 1, 2, 9]), np.array([0, 0, 0, 1])
    score = np.array([0.9, 0.1, 0.9, 0.2])
    alarm = raise_alarms(policy, time, segment, score)
    assert carry_after(policy, time, segment, score, alarm) == {
        0: AlarmCarry((False, True), 2),
        1: AlarmCarry((False,), None),
    }


def test_carry_survives_json():
    carry = AlarmCarry((True, False), 12)
    assert AlarmCarry.from_json(carry.to_json()) == carry
    assert AlarmCarry.from_json(AlarmCarry().to_json()) == AlarmCarry()


def slow_alarms(policy, time, segment, probability):
    """The definition, row by row."""
    out = []
    for i in range(len(time)):
        same = [j for j in range(i + 1) if segment[j] == segment[i]]
        reached = sum(probability[j] >= policy.threshold for j in same[-policy.n :])
        recent = any(out[j] and time[i] - time[j] <= policy.silence for j in same[:-1])
        out.append(reached >= policy.k and not recent)
    return out


@st.composite
def streams(draw):
    lengths = draw(st.lists(st.integers(1, 12), min_size=1, max_size=4))
    segment = [s for s, length in enumerate(lengths) for _ in range(length)]
    steps = draw(st.lists(st.integers(1, 4), min_size=len(segment), max_size=len(segment)))
    score = draw(
        st.lists(st.sampled_from([0.1, 0.5, 0.9]), min_size=len(segment), max_size=len(segment))
    )
    n = draw(st.integers(1, 5))
    policy = AlarmPolicy(0.5, draw(st.integers(1, n)), n, draw(st.integers(0, 9)))
    return policy, np.cumsum(steps), np.array(segment), np.array(score)


@given(streams())
def test_vectorised_alarms_equal_the_definition_row_by_row(stream):
    assert raise_alarms(*stream).tolist() == slow_alarms(*stream)


@given(streams(), st.lists(st.integers(0, 48), max_size=5))
def test_chunks_and_single_rows_raise_what_the_batch_raises(stream, cuts):
    policy, time, segment, score = stream
    whole = raise_alarms(policy, time, segment, score)
    for edges in (
        sorted({0, len(time), *(c for c in cuts if c < len(time))}),
        range(len(time) + 1),
    ):
        carry, parts = {}, []
        for low, high in itertools.pairwise(edges):
            rows = slice(low, high)
            part = (time[rows], segment[rows], score[rows])
            alarm = raise_alarms(policy, *part, carry)
            carry |= carry_after(policy, *part, alarm, carry)
            assert all(len(state.reached) < policy.n for state in carry.values())
            parts += alarm.tolist()
        assert parts == whole.tolist()


def test_five_million_rows_that_are_always_on_take_about_a_second():
    rows = 5_000_000
    policy = AlarmPolicy(0.5, 2, 3, 4)
    time, segment, score = np.arange(rows), np.zeros(rows, np.int64), np.ones(rows)
    began = clock.process_time()
    alarm = raise_alarms(policy, time, segment, score)
    # Three times what it takes, for machines that are busy.
    assert clock.process_time() - began < 4.0
    assert np.flatnonzero(alarm)[:3].tolist() == [1, 6, 11]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"threshold": float("nan")}, "threshold"),
        ({"threshold": 0.5, "k": 3, "n": 2}, "k=3, n=2"),
        ({"threshold": 0.5, "k": 0}, "k=0"),
        ({"threshold": 0.5, "silence": -1}, "silence"),
    ],
)
def test_impossible_policies_are_refused_by_name(fields, message):
    with pytest.raises(ConfigError, match=message):
        AlarmPolicy(**fields)


def test_policy_survives_json_and_unknown_versions_are_refused():
    policy = AlarmPolicy(0.1 + 0.2, 2, 3, 240_000_000)
    assert AlarmPolicy.from_json(policy.to_json()) == policy
    with pytest.raises(ModelError, match="version 2"):
        AlarmPolicy.from_json({**policy.to_json(), "version": 2})
    with pytest.raises(ModelError, match="'k' is missing"):
        AlarmPolicy.from_json({"version": 1, "threshold": 0.5})
