"""Windows per second of the NumPy cell, beside all that could run the same network.

61 sensors, lookback 20, a member as shipped: projection to 8, LSTM layers of 16 and 8, a skip,
three heads. The others get their windows materialised beforehand, as they need them; the cell gets
the rows. All of them get every core. They run the same weights, and answer the same to five digits,
or the benchmark fails.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from rareevent.bundle import Bundle
from rareevent.config import ModelStage
from rareevent.lstm.cell import forward
from rareevent.lstm.network import Network
from rareevent.scoring.engine import mean_logit
from rareevent.windowing.temporalize import Windows
from tests.benchmarks.lines import Line, Size, Took, at_least, best_rounds, compared
from tests.benchmarks.onnx_file import onnx_bytes
from tests.benchmarks.plant import make_blend, make_bundle

SENSORS, LOOKBACK, SEGMENT_ROWS = 61, 20, 150
WINDOWS = {Size.TINY: 256, Size.USUAL: 24_576, Size.FULL: 131_072}
ROUNDS = {Size.TINY: 1, Size.USUAL: 3, Size.FULL: 5}
BATCHES = (32, 1024, 8192)
CELL, SHORT = "NumPy cell", f"NumPy cell, segments of {SEGMENT_ROWS} rows"
SHIPPED = "shipped default: 3 members + blend"
_AGREE = 1e-5


def measure(size: Size) -> list[Line]:
    """Lines for two LSTM layers alone, and for a member as shipped."""
    os.environ["TF_NUM_INTRAOP_THREADS"] = str(os.cpu_count())
    count = WINDOWS[size]
    rows = np.random.default_rng(0).standard_normal((count, SENSORS), np.float32)
    ends = np.arange(count)
    windows = Windows(rows, np.zeros_like(ends), ends, LOOKBACK)
    return _compare(windows, size)


def _compare(windows: Windows, size: Size) -> list[Line]:
    from rareevent.lstm.build import build_stacked_lstm, network_from_keras
    from tests.lstm.networks import disturbed

    keras_model = disturbed(build_stacked_lstm(LOOKBACK, SENSORS, ModelStage(), 3, seed=0))
    network = network_from_keras(keras_model)
    starts = windows.ends // SEGMENT_ROWS * SEGMENT_ROWS
    short = Windows(windows.rows, starts, windows.ends, LOOKBACK)
    contenders = {CELL: lambda: forward(network, windows), SHORT: lambda: forward(network, short)}
    bundle = _as_shipped(network, windows)
    contenders[SHIPPED] = lambda: mean_logit(bundle, windows)
    others = _others(keras_model, network, windows.gather())
    _check_agreement(contenders[CELL](), others)
    best = best_rounds({**contenders, **others}, ROUNDS[size])
    return _ratios(best) + compared(best, CELL, len(windows), "windows")


def _ratios(best: dict[str, Took]) -> list[Line]:
    ours = best[CELL].wall
    keras = {batch: best[f"Keras predict, batch {batch}"].wall for batch in BATCHES}
    return [
        at_least("against Keras' best batch", min(keras.values()) / ours, 4),
        at_least("against Keras' default batch, 32", keras[32] / ours, 25),
    ]


def _others(model, network: Network, materialised: np.ndarray) -> dict[str, Callable]:
    found = {
        f"Keras predict, batch {batch}": lambda batch=batch: model.predict(
            materialised, batch_size=batch, verbose=0
        )
        for batch in BATCHES
    }
    graph, compiled, session = _function(model, False), _function(model, True), _session(network)
    for batch in BATCHES[1:]:
        batches = [materialised[low : low + batch] for low in range(0, len(materialised), batch)]
        for name, run in (
            ("ONNX Runtime", lambda part: session.run(None, {"windows": part})[0]),
            ("TensorFlow function", lambda part: graph(part).numpy()),
            ("XLA function", lambda part: compiled(part).numpy()),
        ):
            found[f"{name}, batch {batch}"] = lambda run=run, batches=batches: np.concatenate(
                [run(part) for part in batches]
            )
    return found


def _function(model, jit_compile: bool):
    import tensorflow as tf

    return tf.function(lambda part: model(part, training=False), jit_compile=jit_compile)


def _session(network: Network):
    import onnxruntime

    return onnxruntime.InferenceSession(onnx_bytes(network), providers=["CPUExecutionProvider"])


def _check_agreement(ours: np.ndarray, others: dict[str, Callable]) -> None:
    for name, run in others.items():
        apart = float(np.abs(ours - run()).max())
        if not apart < _AGREE * max(1.0, float(np.abs(ours).max())):
            raise AssertionError(f"{name} differs from the cell by {apart:.1e}")


def _as_shipped(network: Network, windows: Windows) -> Bundle:
    """What `mean_logit` reads of a bundle: three members and a blend."""
    few = windows.take(slice(0, 20_000))
    return replace(make_bundle(), networks=(network,) * 3, blend=make_blend(few))
