from types import SimpleNamespace

import numpy as np
import pytest

from hms_utils.constants import CHAINS, CLASSES
from hms_utils.networks import explain, grad_cam, models
from hms_utils.networks import maps as map_tests
from hms_utils.networks.backend import keras

TILE = (32, 64)
SEEN = CLASSES.index("LPD")
LL, RL, LP, RP = range(len(CHAINS))
PATCH = slice(8, 16), slice(8, 24)  # of frequency and time

ROWS = np.arange(0, 12, 3)  # with a patch that counts
LPD = np.full(len(ROWS), SEEN)


@pytest.fixture(scope="module")
def images():
    """Return dim noise with bright patches, of which those in RP are what networks look for."""
    rng = np.random.default_rng(0)
    views = [rng.integers(90, 110, (12, 4, *TILE), np.uint8) for _ in range(2)]
    views[0][:, [LP, LL], *PATCH] = 240
    views[1][::3, [LP, RP], *PATCH] = 240
    return views


@pytest.fixture(scope="module")
def cnn():
    """Return a basic CNN that sees LPD in what is bright in the second view's chain RP."""
    model = models.build_cnn(2, TILE, filters=(2, 2, 2))
    for layer in model.layers:
        if isinstance(layer, keras.layers.Conv2D):  # one channel passes as it is
            kernel = np.zeros(layer.kernel.shape)
            kernel[1, 1, RP if kernel.shape[2] == len(CHAINS) else 0, 0] = 1
            layer.set_weights([kernel])
    weights = np.zeros((4, 6))
    weights[2, SEEN] = 60
    model.get_layer("logits").set_weights([weights, np.zeros(6)])
    return model


@pytest.fixture(scope="module")
def efficientnet():
    keras.utils.set_random_seed(0)
    return models.build_efficientnet_b0(2, TILE)


@pytest.fixture(scope="module")
def mosaic(efficientnet):
    """Return a network that sees LPD in bright cells of the right side of the mosaic."""
    layers = efficientnet.layers
    colours = next(la for la in layers if isinstance(la, keras.layers.Concatenate)).output
    cells = keras.layers.AveragePooling2D(8)(colours)
    cells = keras.layers.ReLU(threshold=150, name="block5a_expand_activation")(cells)
    means = keras.layers.GlobalAveragePooling2D()(cells)
    logits = keras.layers.Dense(6, name="logits")
    answer = keras.layers.Softmax()(logits(means))
    model = keras.Model(efficientnet.input, answer, name="efficientnet_b0")
    weights = np.zeros((3, 6))
    weights[1, SEEN] = 1  # green
    logits.set_weights([weights, np.zeros(6)])
    return model


@pytest.fixture(scope="module")
def maps(mosaic, images):
    return grad_cam.grad_cam(mosaic, images, ROWS, LPD)


def test_map_is_where_a_cnn_decides(cnn, images):
    found = grad_cam.grad_cam(cnn, images, ROWS, LPD)
    assert found[:, 1, RP].sum(axis=(1, 2)).min() > 0.95
    assert found[:, 1, RP, *PATCH].sum(axis=(1, 2)).min() > 0.5  # cells reach beyond it


def test_map_is_where_a_network_of_the_mosaic_decides(mosaic, images, maps):
    assert maps.shape == (4, 2, 4, *TILE)
    assert maps.dtype == np.float32
    assert maps.min() == 0
    np.testing.assert_allclose(maps.sum(axis=(1, 2, 3, 4)), 1, rtol=1e-5)
    assert maps[:, 1, RP].sum(axis=(1, 2)).min() > 0.95
    assert maps[:, 1, RP, *PATCH].sum(axis=(1, 2)).min() > 0.5
    batches = grad_cam.grad_cam(mosaic, images, ROWS, LPD, batch_size=3)
    np.testing.assert_allclose(batches, maps, atol=1e-7)


def test_a_window_alone_is_compared_with_itself(cnn, images):
    alone = grad_cam.grad_cam(cnn, [view[:1] for view in images], [0], [SEEN])
    assert alone[0, 1, RP].sum() > 0.9


def test_a_class_that_nothing_speaks_for_has_a_map_of_zeros(cnn, images):
    zeros = grad_cam.grad_cam(cnn, images, ROWS, (LPD + 1) % 6)
    assert not zeros.any()
    test = map_tests.deletion_test(cnn, images, ROWS, (LPD + 1) % 6, zeros)
    np.testing.assert_allclose(test, 0, atol=1e-12)


def test_deletion_finds_a_right_map_and_no_other(mosaic, images, maps):
    right = map_tests.deletion_test(mosaic, images, ROWS, LPD, maps, share=0.02)
    assert (right.marked > 0.5).all()
    assert (right.difference > 0.5 * right.marked).all()
    np.testing.assert_allclose(right.difference, right.marked - right.random)
    noise = np.random.default_rng(1).random(maps.shape, np.float32)
    chance = map_tests.deletion_test(mosaic, images, ROWS, LPD, noise, share=0.02)
    assert np.abs(chance.difference).max() < 0.05 * right.difference.min()
    wrong = map_tests.deletion_test(mosaic, images, ROWS, LPD, maps.max() - maps, share=0.5)
    assert (wrong.difference < 0).all()


def test_deletion_does_not_depend_on_batches(mosaic, images, maps):
    one, other = (
        map_tests.deletion_test(mosaic, images, ROWS, LPD, maps, batch_size=size)
        for size in (4, 32)
    )
    np.testing.assert_allclose(one, other, atol=1e-5)


def test_control_has_the_same_shape_elsewhere_in_its_view():
    mask = np.zeros((2, 4, *TILE), bool)
    mask[1, 2, 3:5, 6:10] = True
    rng = np.random.default_rng(0)
    chains = set()
    for _ in range(20):
        moved = map_tests._elsewhere(rng, mask)
        view, chain = np.argwhere(moved.any(axis=(2, 3)))[0]
        assert view == 1  # to hide another, which may be useless, would be no control
        chains.add(chain)
        assert moved[view, chain].sum() == moved.sum() == mask.sum()
        assert sorted(moved[view, chain].sum(axis=0))[-4:] == [2] * 4
    assert len(chains) == 4


def test_efficientnet_can_be_explained(efficientnet, images):
    found = grad_cam.grad_cam(efficientnet, images, [3, 5], [0, 1])
    np.testing.assert_allclose(found.sum(axis=(1, 2, 3, 4)), 1, rtol=1e-4)


def test_out_of_fold_takes_the_network_of_each_row(mosaic, images, maps):
    seeing = mosaic.get_weights()
    blind = [np.zeros_like(weight) for weight in seeing]
    settings = {"views": ["b", "a"], "folds": {"fold0.keras": "", "fold1.keras": ""}}
    opened = SimpleNamespace(
        networks={"efficientnet_b0": (mosaic, [seeing, blind])},
        settings={"models": {"efficientnet_b0": settings}},
    )
    views, folds = {"a": images[1], "b": images[0]}, np.array([0, 0, 1, 1] * 3)
    found, test = explain(opened, "efficientnet_b0", views, folds, ROWS, LPD)
    mosaic.set_weights(seeing)
    seen = folds[ROWS] == 0
    np.testing.assert_allclose(found[seen], maps[seen], atol=1e-7)
    assert not found[~seen].any()
    assert ((test.marked > 0.1) == seen).all()


def test_bad_input_is_refused(cnn, images):
    with pytest.raises(ValueError, match=r"\(2, 4, 32, 64\), found \(1, 4, 32, 64\)"):
        grad_cam.grad_cam(cnn, images[:1], [0], [0])
    with pytest.raises(ValueError, match=r"one class for each row.*\(2,\) and \(1,\)"):
        grad_cam.grad_cam(cnn, images, [0, 1], [0])
    with pytest.raises(ValueError, match="rows from 0 to 11, found 12"):
        grad_cam.grad_cam(cnn, images, [0, 12], [0, 0])
    with pytest.raises(ValueError, match="classes from 0 to 5, found 6"):
        grad_cam.grad_cam(cnn, images, [0], [6])
    other = keras.Model(cnn.input, cnn.output, name="other")
    with pytest.raises(ValueError, match=r"\['cnn', 'efficientnet_b0'\], found other"):
        grad_cam.grad_cam(other, images, [0], [0])
    maps = np.zeros((1, 2, 4, *TILE))
    for bad in ({"maps": maps[:, :1]}, {"maps": maps, "share": 1.0}):
        with pytest.raises(ValueError, match="share between 0 and 1, found"):
            map_tests.deletion_test(cnn, images, [0], [0], **bad)
