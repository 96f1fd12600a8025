"""The forward pass: by hand, against the plain equations, whole and in parts."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rareevent.errors import ModelError
from rareevent.lstm.cell import LSTMLayer, Network, forward, gates
from rareevent.windowing.temporalize import Windows
from tests.lstm.networks import draw_network, draw_windows, plain_tanh_logits

ROOT = Path(__file__).parents[2]
LN2, LN3 = np.log(2), np.log(3)


def one_unit_network():
    """One input, one unit, gates i, f, c̃, o; σ(ln 3) = 0.75, σ(-ln 3) = 0.25, tanh(ln 2) = 0.6."""
    layer = LSTMLayer(
        kernel=np.array([[LN3, -LN3, LN2, 0.0]], np.float32),
        recurrent=np.array([[0.0, 1.0, 2.0, -1.0]], np.float32),
        bias=np.array([0.0, 0.0, 0.0, LN3], np.float32),
    )
    head = np.array([[10.0]], np.float32), np.array([1.0], np.float32)
    return Network(None, (layer,), None, *head)


def test_one_unit_over_two_steps_equals_numbers_worked_out_by_hand():
    # Step 1, x = 1, h = c = 0:  i = 0.75, f = 0.25, c̃ = 0.6, o = σ(ln 3) = 0.75
    #   c = 0.75 · 0.6 = 0.45,  h = 0.75 · tanh 0.45 = 0.75 · 0.421899 = 0.316424
    # Step 2, x = 1:  i = 0.75, f = σ(-1.098612 + 0.316424) = σ(-0.782188) = 0.313849
    #   c̃ = tanh(0.693147 + 0.632848) = tanh 1.325996 = 0.868267
    #   o = σ(1.098612 - 0.316424) = σ(0.782188) = 0.686151
    #   c = 0.313849 · 0.45 + 0.75 · 0.868267 = 0.792432
    #   h = 0.686151 · tanh 0.792432 = 0.686151 · 0.659785 = 0.452712
    windows = Windows(np.ones((2, 1), np.float32), np.array([0]), np.array([1]), lookback=2)

    (seen,) = gates(one_unit_network(), windows)

    expected = {
        "input": [0.75, 0.75],
        "forget": [0.25, 0.313849],
        "candidate": [0.6, 0.868267],
        "output": [0.75, 0.686151],
        "state": [0.45, 0.792432],
        "hidden": [0.316424, 0.452712],
    }
    for name, numbers in expected.items():
        np.testing.assert_allclose(getattr(seen, name)[0, :, 0], numbers, atol=2e-6, err_msg=name)
    assert forward(one_unit_network(), windows)[0, 0] == pytest.approx(1 + 4.52712, abs=2e-5)


def test_padding_repeats_the_first_row_of_the_segment():
    rows = np.array([[5.0], [1.0], [2.0]], np.float32)
    padded = Windows(rows, np.array([1]), np.array([2]), lookback=4)
    written_out = Windows(
        np.array([[1.0], [1.0], [1.0], [2.0]], np.float32), np.array([0]), np.array([3]), lookback=4
    )
    network = one_unit_network()

    assert forward(network, padded) == pytest.approx(forward(network, written_out), abs=1e-6)


@pytest.mark.parametrize("projection", [None, 3])
@pytest.mark.parametrize("skip", [False, True])
@pytest.mark.parametrize("units", [(4, 3), (5, 4, 3)])
def test_forward_equals_the_plain_equations(units, skip, projection):
    network = draw_network(6, units, heads=2, projection=projection, skip=skip)
    windows = draw_windows([9, 1, 30, 4], channels=6, lookback=5)

    np.testing.assert_allclose(
        forward(network, windows), plain_tanh_logits(network, windows), atol=1e-5
    )


@settings(max_examples=60)
@given(
    lengths=st.lists(st.integers(1, 12), min_size=1, max_size=8),
    lookback=st.integers(1, 9),
    block=st.integers(1, 40),
    data=st.data(),
)
def test_any_windows_in_any_order_and_any_block_give_the_same_logits(
    lengths, lookback, block, data
):
    network = draw_network(3, (4, 2), heads=2, projection=2, skip=True)
    windows = draw_windows(lengths, channels=3, lookback=lookback)
    chosen = data.draw(st.lists(st.integers(0, len(windows) - 1), max_size=25))
    part = windows.take(np.array(chosen, np.int64))

    logits = forward(network, part, block=block)

    np.testing.assert_allclose(logits, forward(network, windows)[chosen], atol=1e-5)
    np.testing.assert_allclose(logits, plain_tanh_logits(network, part), atol=1e-5)


def test_scores_do_not_depend_on_where_the_rows_were_cut():
    network = draw_network(5, (16, 8), projection=8, skip=True)
    windows = draw_windows([3000], channels=5, lookback=10)
    whole = forward(network, windows)

    for cut in (1, 17, 2048, 2999):
        late = windows.take(slice(cut, None))
        carried = max(0, cut - 9)
        moved = Windows(
            windows.rows[carried:], late.starts * 0, late.ends - carried, windows.lookback
        )
        np.testing.assert_allclose(forward(network, moved), whole[cut:], atol=1e-5)


def test_gates_agree_with_forward_in_the_order_of_the_windows():
    network = draw_network(4, (5, 3), projection=3)
    windows = draw_windows([7, 20], channels=4, lookback=6).take(np.array([20, 3, 26, 0, 20]))

    first, last = gates(network, windows)

    assert first.forget.shape == (5, 6, 5)
    assert last.state.shape == (5, 6, 3)
    logits = last.hidden[:, -1] @ network.head_kernel + network.head_bias
    np.testing.assert_allclose(logits, forward(network, windows), atol=1e-6)
    previous = np.concatenate([np.zeros_like(last.state[:, :1]), last.state[:, :-1]], axis=1)
    moved_on = last.forget * previous + last.input * last.candidate
    np.testing.assert_allclose(last.state, moved_on, atol=1e-6)
    np.testing.assert_allclose(last.hidden, last.output * np.tanh(last.state), atol=1e-6)


def test_no_window_gives_no_logit():
    network = draw_network(3, (4, 2), heads=3)
    none = draw_windows([5], channels=3, lookback=2).take(np.zeros(5, bool))

    assert forward(network, none).shape == (0, 3)
    assert gates(network, none)[0].input.shape == (0, 2, 4)


def test_far_apart_windows_with_a_long_lookback_stay_within_the_row_limit(monkeypatch):
    monkeypatch.setattr("rareevent.lstm.blocks.ROWS_PER_BLOCK", 100)
    network = draw_network(3, (4, 2))
    windows = draw_windows([2000], channels=3, lookback=40).take(np.arange(0, 2000, 90))

    np.testing.assert_allclose(
        forward(network, windows), plain_tanh_logits(network, windows), atol=1e-5
    )


def test_rows_of_another_width_are_refused():
    network = draw_network(3, (4, 2))

    with pytest.raises(ModelError, match="reads 3 channels; received rows with 5"):
        forward(network, draw_windows([5], channels=5, lookback=2))


def test_the_cell_imports_neither_tensorflow_nor_keras():
    code = (
        "import sys, rareevent.lstm.cell;"
        "print(sorted({'tensorflow', 'keras', 'sklearn', 'pandas'} & set(sys.modules)))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert ran.stdout.strip() == "[]"
