"""A Keras LSTM layer that runs its whole loop in one TensorFlow operation, for training on CPUs."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from rareevent.lstm.backend import import_keras

if TYPE_CHECKING:
    import keras


@lru_cache(maxsize=1)
def fused_lstm_layer() -> type[keras.layers.LSTM]:
    """The layer's class: `keras.layers.LSTM` with tanh and sigmoid, its loop a `BlockLSTM`.

    Keras' loop is a graph of some fifteen small operations a step, whether unrolled or not, and
    on a CPU their overhead outweighs the arithmetic of a small layer. `BlockLSTM` is the kernel
    that TensorFlow has for this; weights and gradients are those of the Keras layer. Its newer
    form `BlockLSTMV2` has Keras' gate order, but TensorFlow gives it the gradient of the older
    order, which is wrong for it.
    """
    import_keras()
    import keras
    import tensorflow as tf

    class FusedLSTM(keras.layers.LSTM):
        """Same weights and same results as `keras.layers.LSTM`, sooner; no dropout inside."""

        def inner_loop(
            self,
            sequences: tf.Tensor,
            initial_state: Sequence[tf.Tensor],
            mask: tf.Tensor | None,
            training: bool = False,
        ) -> tuple[tf.Tensor, tf.Tensor, list[tf.Tensor]]:
            def ordered(weights: tf.Tensor) -> tf.Tensor:
                i, f, c, o = tf.split(weights, 4, axis=-1)
                return tf.concat([i, c, f, o], axis=-1)

            cell = self.cell
            hidden, state = initial_state
            steps = tf.transpose(sequences, [1, 0, 2])
            if self.go_backwards:
                steps = tf.reverse(steps, [0])
            no_peepholes = tf.zeros([self.units])
            _, states, _, _, _, _, outputs = tf.raw_ops.BlockLSTM(
                seq_len_max=tf.cast(tf.shape(sequences)[1], tf.int64),
                x=steps,
                cs_prev=state,
                h_prev=hidden,
                w=ordered(tf.concat([cell.kernel, cell.recurrent_kernel], axis=0)),
                wci=no_peepholes,
                wcf=no_peepholes,
                wco=no_peepholes,
                b=ordered(cell.bias),
                # Both are on unless told otherwise; Keras adds its forget bias to the weights.
                forget_bias=0.0,
                cell_clip=0.0,
            )
            last = outputs[-1]
            # Keras drops the sequence that nobody asked for, and its transposition with it.
            sequence = tf.transpose(outputs, [1, 0, 2]) if self.return_sequences else last[:, None]
            return last, sequence, [last, states[-1]]

    return FusedLSTM
