"""TensorFlow and Keras, imported quietly and in one place."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

from rareevent.errors import ConfigError


def import_keras() -> tuple[ModuleType, ModuleType]:
    """TensorFlow and Keras; the first call takes seconds.

    Settings that the environment already holds are kept. TensorFlow's process-wide switch for
    deterministic operations is left alone: with one thread an operation, those used here repeat
    themselves bit by bit, and the switch would break other models trained in the process.

    Returns
    -------
    tensorflow, keras

    Raises
    ------
    ConfigError
        When Keras is already running on something other than TensorFlow.
    """
    first = "tensorflow" not in sys.modules
    if first:
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        # Layers of a few dozen units are too small to share out: one thread an operation was
        # measured to train faster than two, and its sums do not depend on the number of cores.
        os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
        os.environ["KERAS_BACKEND"] = "tensorflow"
    with _held_back_stderr() if first else _nothing_held_back():
        import tensorflow
    import keras

    if keras.backend.backend() != "tensorflow":
        raise ConfigError(
            "training needs Keras on TensorFlow; received KERAS_BACKEND="
            f"{keras.backend.backend()!r}: unset it and start again"
        )
    return tensorflow, keras


def has_gpu() -> bool:
    """Whether TensorFlow sees a GPU."""
    tensorflow, _ = import_keras()
    return bool(tensorflow.config.list_physical_devices("GPU"))


@contextmanager
def _nothing_held_back() -> Iterator[None]:
    yield


@contextmanager
def _held_back_stderr() -> Iterator[None]:
    """Keep back what native code writes to stderr; let it out only when the import fails.

    TensorFlow's libraries write before any of its own settings can silence them.
    """
    sys.stderr.flush()
    real = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            held.seek(0)
            os.write(real, held.read())
            raise
        finally:
            os.dup2(real, 2)
            os.close(real)
