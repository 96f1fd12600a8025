"""The loss: cross-entropy per head, weighted by class, focal on request."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import tensorflow as tf

# Nearer to certainty than this, focal loss is flat: its power has no finite slope at 0.
_CERTAIN = 1e-6


def weighted_loss(
    targets: tf.Tensor,
    logits: tf.Tensor,
    class_weights: tf.Tensor,
    focal_gamma: float = 0.0,
    types: int = 0,
) -> tf.Tensor:
    """Mean over windows and heads; where a head has no label for a window, it adds nothing.

    Focal loss multiplies the cross-entropy by (1 - p)^gamma, p the probability given to the right
    class (Lin et al., Focal Loss for Dense Object Detection, 2017, equation 4).

    The last K heads may be types of events. They share one softmax, and one term beside those of
    the other heads: the cross-entropy between types of the windows whose type is known, which are
    positive, each as much as a positive of head 0.

    Parameters
    ----------
    targets : int8 [batch, heads], 1, 0, or -1 for no label
    logits : float32 [batch, heads]
    class_weights : float32 [heads, 2], of a negative and of a positive
    focal_gamma : 0 is plain cross-entropy; it does not act on the types
    types : K

    Returns
    -------
    float32 scalar
    """
    import tensorflow as tf

    if types:
        heads = logits.shape[1] - types
        alone = weighted_loss(
            targets[:, :heads], logits[:, :heads], class_weights[:heads], focal_gamma
        )
        of_types = _type_loss(targets[:, heads:], logits[:, heads:]) * class_weights[0, 1]
        return (heads * alone + of_types) / (heads + 1)
    positive = tf.cast(targets == 1, tf.float32)
    weight = class_weights[:, 0] + positive * (class_weights[:, 1] - class_weights[:, 0])
    weight *= tf.cast(targets >= 0, tf.float32)
    loss = tf.nn.sigmoid_cross_entropy_with_logits(positive, logits)
    if focal_gamma > 0:
        # The probability of the right class is exp(-cross entropy).
        loss *= tf.maximum(-tf.math.expm1(-loss), _CERTAIN) ** focal_gamma
    return tf.reduce_mean(weight * loss)


def _type_loss(targets: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    """Mean over all windows of the cross-entropy between types, 0 where the type is not known."""
    import tensorflow as tf

    wanted = tf.cast(targets == 1, tf.float32)
    # Without a type `wanted` is all zero, and so is the cross-entropy, but not its gradient:
    # TensorFlow's takes it that they sum to one.
    known = tf.reduce_sum(wanted, axis=1)
    return tf.reduce_mean(known * tf.nn.softmax_cross_entropy_with_logits(wanted, logits))
