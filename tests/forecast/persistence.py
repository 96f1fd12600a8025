"""Forecasters whose weights are written down, not learned."""

from __future__ import annotations

import numpy as np

from rareevent.config import ChannelsStage
from rareevent.forecast.encoder import SurpriseEncoder, own_channels
from rareevent.forecast.forecaster import Forecaster
from rareevent.lstm.cell import LSTMLayer, Network
from rareevent.windowing.fit_encode import fit_encoder
from rareevent.windowing.scale import Scaler


def draw_forecaster(columns, own, sensors, *, lookback, size=0.0, seed=0):
    """Weights from a normal distribution of this deviation; 0: every sensor stays where it is."""
    rng = np.random.default_rng(seed)

    def draw(*shape):
        return (size * rng.standard_normal(shape)).astype(np.float32)

    layers = (
        LSTMLayer(draw(columns, 16), draw(4, 16), draw(16)),
        LSTMLayer(draw(4, 12), draw(3, 12), draw(12)),
    )
    network = Network(None, layers, None, draw(3, 2 * sensors), draw(2 * sensors))
    return Forecaster(network, draw(2, own, sensors), lookback)


STAGE = ChannelsStage(use=("value", "volatility"))


def draw_encoder(frame, training_rows, *, size=0.5, lookback=3, window=4, stage=STAGE):
    """An encoder whose forecaster was drawn; the scores are the surprise itself, up to 5."""
    base = fit_encoder(frame, training_rows, stage)
    changes = fit_encoder(frame, training_rows, ChannelsStage(use=("change",)))
    sensors = len(base.sensors)
    columns = len(base.channels) + sensors
    own = own_channels(base)
    forecaster = draw_forecaster(columns, own, sensors, lookback=lookback, size=size)
    span = (np.array([-5.0, 5.0]),) * (2 * sensors + 2)
    return SurpriseEncoder(base, changes, forecaster, window, Scaler("standard", span, span))
