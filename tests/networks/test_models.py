import hashlib
import shutil

import h5py
import numpy as np
import pytest

from hms_utils.networks import models, weights
from hms_utils.networks.backend import keras

TILE = (32, 64)


@pytest.fixture(scope="module")
def pictures():
    return np.random.default_rng(0).integers(0, 256, (3, 2, 4, *TILE), np.uint8)


@pytest.mark.parametrize("build", [models.build_cnn, models.build_efficientnet_b0])
def test_models_give_probabilities_and_survive_saving(build, pictures, tmp_path):
    model = build(2, TILE)
    probabilities = model.predict(pictures, verbose=0)
    assert probabilities.shape == (3, 6)
    assert probabilities.dtype == np.float32
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras", safe_mode=True)
    np.testing.assert_allclose(loaded.predict(pictures, verbose=0), probabilities, atol=1e-6)


def test_cnn_is_small():
    assert models.build_cnn(3, (128, 256)).count_params() < 500_000


def test_efficientnet_is_one_graph_with_all_layers_by_name():
    model = models.build_efficientnet_b0(2, TILE)
    assert model.count_params() == 4_057_257
    assert model.get_layer("block6a_expand_activation").output.shape == (None, 4, 8, 672)
    assert not any(isinstance(layer, keras.Model) for layer in model.layers)


def test_mosaic_has_a_place_and_colour_for_every_tile(pictures):
    model = models.build_efficientnet_b0(2, TILE)
    layer = next(la for la in model.layers if isinstance(la, keras.layers.Concatenate))
    mosaic = np.asarray(keras.Model(model.input, layer.output)(pictures))
    height, width = TILE
    assert mosaic.shape == (3, 2 * height, 2 * width, 3)
    for view in range(2):
        column = slice(view * width, (view + 1) * width)
        for chain, (row, colour) in enumerate([(0, 0), (0, 1), (1, 0), (1, 1)]):
            tile = mosaic[:, row * height : (row + 1) * height, column, colour]
            np.testing.assert_array_equal(tile, pictures[:, view, chain])
    np.testing.assert_allclose(mosaic[..., 2], mosaic[..., :2].mean(axis=-1))


def test_imagenet_weights_give_the_same_function_as_keras_builds(imagenet_file, monkeypatch):
    monkeypatch.setattr(
        "keras.src.applications.efficientnet.file_utils.get_file", lambda *_, **__: imagenet_file
    )
    shape = (64, 128, 3)
    theirs = keras.applications.EfficientNetB0(
        include_top=False, weights="imagenet", input_shape=shape, pooling="avg"
    )
    ours = keras.applications.EfficientNetB0(
        include_top=False, weights=None, input_shape=shape, pooling="avg"
    )
    weights.load_imagenet(ours, imagenet_file)
    image = np.random.default_rng(0).uniform(0, 255, (1, *shape))
    expected = theirs.predict(image, verbose=0)
    assert expected.std() > 0
    np.testing.assert_allclose(ours.predict(image, verbose=0), expected, rtol=1e-3, atol=1e-5)


def test_pretrained_model_is_that_of_the_file_and_learns_its_own_statistics(
    imagenet_file, pictures
):
    model = models.build_efficientnet_b0(2, TILE, weights_file=imagenet_file)
    shape = (2 * TILE[0], 2 * TILE[1], 3)
    alone = keras.applications.EfficientNetB0(
        include_top=False, weights=None, input_shape=shape, pooling="avg"
    )
    weights.load_imagenet(alone, imagenet_file)
    colours = next(la for la in model.layers if isinstance(la, keras.layers.Concatenate)).output
    outputs = [colours, model.get_layer("features").output]
    mosaic, features = keras.Model(model.input, outputs)(pictures)
    np.testing.assert_allclose(features, alone(mosaic), rtol=1e-4, atol=1e-6)
    moving = [v for v in model.variables if "moving" in v.path]
    before = [v.numpy() for v in moving]
    model(pictures, training=True)
    assert len(moving) > 50
    assert not any((v.numpy() == b).all() for v, b in zip(moving, before, strict=True))


def test_find_weights_prefers_a_local_file(imagenet_file, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(imagenet_file.parents[1]))
    path, digest = imagenet_file, hashlib.md5(imagenet_file.read_bytes()).hexdigest()
    source = f"pretrained weights that are not Keras' (MD5 {digest})"
    for choice in ("auto", "imagenet"):
        assert weights.find_weights(choice) == (path, source)
    assert weights.find_weights("none")[0] is None


def test_download_is_kept_only_if_it_is_what_keras_publishes(imagenet_file, tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setattr("hms_utils.paths.REPOSITORY", tmp_path)
    monkeypatch.setattr(weights, "WEIGHTS_URL", imagenet_file.as_uri())
    assert weights.find_weights("auto")[0] is None
    assert list((tmp_path / "models").iterdir()) == []
    digest = hashlib.md5(imagenet_file.read_bytes()).hexdigest()
    monkeypatch.setattr(weights, "_WEIGHTS_MD5", digest)
    path, source = weights.find_weights("auto")
    assert path == tmp_path / "models" / weights.WEIGHTS_NAME
    assert path.read_bytes() == imagenet_file.read_bytes()
    # Found the second time, it is the same to what was trained from it.
    assert weights.find_weights("imagenet") == (path, source)


def test_find_weights_without_file_or_network(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setattr("hms_utils.paths.REPOSITORY", tmp_path)
    monkeypatch.setattr(weights, "WEIGHTS_URL", "http://127.0.0.1:9/none.h5")
    path, source = weights.find_weights("auto")
    assert path is None
    assert "random weights" in source
    with pytest.raises(FileNotFoundError, match="put it there, or set BACKBONE_WEIGHTS"):
        weights.find_weights("imagenet")
    with pytest.raises(ValueError, match='"imagenet", "none" or "auto", found "yes"'):
        weights.find_weights("yes")


def test_file_that_does_not_fit_is_refused_by_name(tmp_path):
    path = tmp_path / "other.h5"
    path.write_bytes(b"no weights")
    with pytest.raises(ValueError, match=r"other\.h5: expected Keras' efficientnetb0_notop\.h5"):
        models.build_efficientnet_b0(2, TILE, weights_file=path)


def cut_off(path, whole):
    path.write_bytes(whole.read_bytes()[:1_000_000])


def web_page(path, whole):
    path.write_bytes(b"<!DOCTYPE html><html><body>Not found</body></html>" * 100)


def other_network(path, whole):
    keras.applications.MobileNetV2(include_top=False, weights=None).save(path)


def classification_head(path, whole):
    keras.applications.EfficientNetB0(weights=None).save(path)


def not_finite(path, whole):
    shutil.copy(whole, path)
    with h5py.File(path, "r+") as file:
        found = []
        file.visititems(lambda _, item: found.append(item) if hasattr(item, "shape") else None)
        found[-1][...] = np.nan


def folder(path, whole):
    path.mkdir()


@pytest.mark.parametrize(
    "damage",
    [web_page, cut_off, other_network, classification_head, not_finite, folder],
    ids=lambda damage: damage.__name__.replace("_", " "),
)
def test_weights_that_do_not_fit_are_refused_when_they_are_found(
    damage, imagenet_file, tmp_path, monkeypatch, capsys
):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setattr("hms_utils.paths.REPOSITORY", tmp_path)
    monkeypatch.setattr(weights, "WEIGHTS_URL", "http://127.0.0.1:9/none.h5")
    path = tmp_path / "models" / weights.WEIGHTS_NAME
    path.parent.mkdir()
    damage(path, imagenet_file)
    assert weights.find_weights("auto")[0] is None
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("Weights: not used: ")
    assert str(path) in line
    if damage is web_page:
        with pytest.raises(FileNotFoundError, match=rf"{path}: .*or set BACKBONE_WEIGHTS"):
            weights.find_weights("imagenet")
