"""Weights as named arrays, and the parameter count."""

import numpy as np
import pytest

from rareevent.errors import ModelError
from rareevent.lstm.network import Network, layer_parameters
from tests.lstm.networks import draw_network


@pytest.mark.parametrize("projection", [None, 3])
@pytest.mark.parametrize("skip", [False, True])
def test_arrays_come_back_as_the_same_network(projection, skip):
    network = draw_network(5, (4, 3, 2), heads=2, projection=projection, skip=skip)

    back = Network.from_arrays(network.to_arrays(), "tanh")

    assert back.to_arrays().keys() == network.to_arrays().keys()
    for name, array in network.to_arrays().items():
        np.testing.assert_array_equal(back.to_arrays()[name], array)
    assert [layer.units for layer in back.layers] == [4, 3, 2]
    assert (back.channels, back.heads) == (5, 2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"lstm_1.bias": None}, r"lacks the array 'lstm_1.bias'"),
        ({"head.kernel": None}, r"lacks the array 'head.kernel'"),
        ({"surprise": np.zeros(1)}, r"unknown arrays \['surprise'\]"),
        ({"lstm_2.kernel": np.zeros((9, 8))}, r"'lstm_2.kernel' must have shape \(4, 8\)"),
        ({"skip.kernel": np.zeros((5, 7))}, r"'skip.kernel' must have shape \(5, 1\)"),
        ({"head.bias": np.array([np.nan])}, r"'head.bias' holds values that are not finite"),
    ],
)
def test_arrays_that_make_no_network_are_refused_by_name(change, message):
    arrays = draw_network(5, (4, 2), projection=3, skip=True).to_arrays() | change
    arrays = {name: array for name, array in arrays.items() if array is not None}

    with pytest.raises(ModelError, match=message):
        Network.from_arrays(arrays, "tanh")


def test_an_unknown_activation_is_refused():
    with pytest.raises(ModelError, match="received 'gelu'"):
        Network.from_arrays(draw_network(5, (4, 2)).to_arrays(), "gelu")


def test_a_layer_of_one_unit_over_one_input_has_twelve_parameters():
    assert layer_parameters(units=1, inputs=1) == 12
