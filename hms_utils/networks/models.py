"""The networks: a basic CNN and EfficientNetB0, and the table of them."""

from collections.abc import Callable
from dataclasses import dataclass

from hms_utils.constants import CHAINS, CLASSES
from hms_utils.networks.backend import keras
from hms_utils.networks.weights import load_imagenet

layers = keras.layers
_BANDS = 32  # of frequency, in the basic CNN


def build_cnn(n_views, tile_shape, *, filters=(24, 48, 96, 96), dropout=0.3):
    """Build the basic CNN.

    Each view has its own stack, as the same place in two of them is another time or thing.
    Within a view every chain is a channel, so the same place is the same frequency
    and time in all of them, and left and right stay apart through global pooling.
    Frequencies are averaged to at most 32 bands, still finer than a frame resolves;
    each block is convolution, batch normalisation, ReLU and pooling.

    Parameters
    ----------
    n_views : int
    tile_shape : tuple of int
        Height and width of one chain's tile.
    filters : sequence of int
        Of each block.
    dropout : float

    Returns
    -------
    keras.Model
        From uint8 (batch, n_views, 4, height, width) to float32 (batch, 6)
        probabilities.
    """
    images = keras.Input((n_views, len(CHAINS), *tile_shape), dtype="uint8", name="images")
    scaled = layers.Rescaling(1 / 127.5, offset=-1, name="pixels")(images)
    pooled = []
    for view in range(n_views):
        x = layers.Permute((2, 3, 1))(scaled[:, view])
        x = layers.AveragePooling2D((max(1, tile_shape[0] // _BANDS), 1))(x)
        for number, count in enumerate(filters):
            x = layers.Conv2D(count, 3, padding="same", use_bias=False)(x)
            # Small data sets have too few steps for the default momentum of 0.99, and
            # several devices must not each have statistics of their own.
            x = layers.BatchNormalization(momentum=0.9, synchronized=True)(x)
            x = layers.ReLU(name=f"view{view}_block{number}")(x)
            x = layers.MaxPooling2D(2)(x)
        pooled.append(layers.GlobalAveragePooling2D()(x))
    x = layers.Identity(name="features")(keras.ops.concatenate(pooled, axis=-1))
    return keras.Model(images, _head(x, dropout), name="cnn")


def build_efficientnet_b0(n_views, tile_shape, *, weights_file=None, dropout=0.3):
    """Build EfficientNetB0 over a mosaic of all tiles in colour.

    The mosaic has a column for each view and two rows, for the lower chains (LL
    and RL) and the upper ones (LP and RP). Red is the left side of the head,
    green the right, blue their mean: what is on one side only is coloured,
    and global pooling cannot lose it. Batch normalisation is trained, with pretrained
    weights too: these images are no photographs, and their statistics are others.

    Parameters
    ----------
    n_views : int
    tile_shape : tuple of int
        Height and width of one chain's tile.
    weights_file : path-like, optional
        Keras' ``efficientnetb0_notop.h5``; random weights without it.
    dropout : float

    Returns
    -------
    keras.Model
        From uint8 (batch, n_views, 4, height, width) to float32 (batch, 6)
        probabilities.
    """
    height, width = tile_shape
    mosaic_shape = (2 * height, n_views * width)
    images = keras.Input((n_views, len(CHAINS), *tile_shape), dtype="uint8", name="images")
    x = layers.Rescaling(1.0, name="pixels")(images)  # the backbone takes 0-255, as floats
    # Chains alternate between left and right: view, row, side, frequency, time.
    x = layers.Reshape((n_views, 2, 2, height, width))(x)
    x = layers.Permute((2, 4, 1, 5, 3))(x)
    sides = layers.Reshape((*mosaic_shape, 2))(x)
    mosaic = layers.Concatenate()([sides, keras.ops.mean(sides, axis=-1, keepdims=True)])
    # Built into this graph, not nested in it, so that get_layer finds every layer.
    backbone = keras.applications.EfficientNetB0(
        include_top=False, weights=None, input_tensor=mosaic, pooling="avg"
    )
    if weights_file is not None:
        load_imagenet(backbone, weights_file)
    for layer in backbone.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.momentum, layer.synchronized = 0.9, True  # see build_cnn
        elif isinstance(layer, layers.Dropout):
            layer.rate = 0.0  # dropping whole blocks takes long schedules to pay
    x = layers.Identity(name="features")(backbone.output)
    return keras.Model(images, _head(x, dropout), name="efficientnet_b0")


def _head(features, dropout):
    x = layers.Dropout(dropout, name="dropout")(features)
    x = layers.Dense(len(CLASSES), name="logits")(x)
    return layers.Activation("softmax", dtype="float32", name="probabilities")(x)


@dataclass(frozen=True)
class Network:
    """What the rest of the suite has to know of a network.

    Attributes
    ----------
    build : callable
        ``build(n_views, tile_shape, ...)`` returns the model, whose name is its key in
        `NETWORKS`; its layers ``pixels``, ``features``, ``dropout``, ``logits`` and
        ``probabilities`` are those of the others.
    notebook : str
        The notebook that trains it.
    layer : str
        The inner layer that Grad-CAM asks; ``{view}`` in its name stands for a number
        where each view has its own.
    mosaic : bool
        Whether that layer sees all tiles as one picture of two rows and a column for
        each view.
    """

    build: Callable
    notebook: str
    layer: str
    mosaic: bool = False


# The layers were chosen on 353 sample windows with the deletion test and the planted
# patterns: by plain Grad-CAM it finds the basic CNN's third block of four best, and of
# EfficientNetB0 what comes later, at the same resolution or coarser, no better than chance.
NETWORKS = {
    "cnn": Network(build_cnn, "03_cnn_baseline", "view{view}_block2"),
    "efficientnet_b0": Network(
        build_efficientnet_b0, "04_efficientnet_b0", "block5a_expand_activation", mosaic=True
    ),
}
