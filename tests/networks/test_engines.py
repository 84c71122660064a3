import functools
import importlib.util
import shutil

import numpy as np
import pytest

from hms_utils import paths, scores
from hms_utils.networks import Ensemble, engines, fitter, models
from hms_utils.networks import ensemble as ensemble_module
from tests.untrained import seal_untrained

VIEWS, TILE = ["eeg50", "eeg10"], (16, 32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, imagenet_file):
    """Two folds of both networks; those of EfficientNetB0 normalise colours as Keras' own."""
    folder = tmp_path_factory.mktemp("networks")
    cnn = functools.partial(models.build_cnn, filters=(4, 4))
    b0 = functools.partial(models.build_efficientnet_b0, weights_file=imagenet_file)
    networks = {"cnn": (cnn, 30), "efficientnet_b0": (b0, 30_000)}
    seal_untrained(folder, networks, reduce=(8, 8), views=VIEWS)
    return folder


@pytest.fixture(scope="module")
def images():
    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (7, 1, 1, 32), np.uint8).repeat(4, 1).repeat(16, 2)
    noise = rng.integers(0, 256, (2, *pictures.shape), np.uint8)
    return dict(zip(VIEWS, pictures // 2 + noise // 2, strict=True))


def test_functions_of_tensorflow_are_the_folds(folder, images, monkeypatch):
    opened, views = Ensemble(folder), list(images.values())
    assert opened.n_folds == 2
    for name, (model, weights) in opened.networks.items():
        expected = []
        for fold in weights:
            model.set_weights(fold)
            expected.append(fitter.predict(model, views, range(7)))
        assert np.abs(expected[0] - expected[1]).max() > 0.01
        assert expected[0].std(axis=0).max() > 0.01
        power = np.array(expected, float) ** (1 / opened.settings["models"][name]["temperature"])
        power /= power.sum(axis=2, keepdims=True)
        for batch_size in (1, 9, 64):
            monkeypatch.setattr(ensemble_module, "_BATCH", batch_size)
            answers = opened.answers(images)[name]
            np.testing.assert_allclose(answers, power.mean(axis=0), atol=1e-6)
        np.testing.assert_allclose(opened.answers(images, n_folds=1)[name], power[0], atol=1e-6)
        plain = fitter.predict(model, views, range(7), flipped=False)
        model.set_weights(weights[0])  # changes nothing for those that are bound to others
        assert np.abs(plain - expected[1]).max() > 1e-4
        found = engines.tensorflow(model, weights[1:])[0](np.stack(views, axis=1))
        np.testing.assert_allclose(found, plain, atol=1e-6)


def test_a_network_without_a_share_is_not_asked(folder, images):
    opened = Ensemble(folder)
    first, second = opened.settings["models"]
    opened.settings["models"][first]["share"] = 0.0
    answers = opened.answers(images)
    assert list(answers) == [second]
    np.testing.assert_allclose(opened.predict(images), scores.smooth(answers[second]))


def test_onnx_answers_as_tensorflow(folder, images, tmp_path, capsys):
    pytest.importorskip("onnxruntime")
    pytest.importorskip("tf2onnx")
    folder = shutil.copytree(folder, tmp_path / "a")
    settings = paths.read_json(folder / "blend.json")
    settings["models"]["efficientnet_b0"]["folds"].popitem()  # to export takes long
    paths.write_json(folder / "blend.json", settings)
    expected = Ensemble(folder).answers(images)
    opened = Ensemble(folder, "onnx")
    assert opened.networks == {}
    assert capsys.readouterr().out.count("exporting it to ONNX, once") == 3
    for name, answers in opened.answers(images).items():
        assert np.abs(answers - answers[0]).max() > 0.01
        np.testing.assert_allclose(answers, expected[name], atol=1e-4)
    for options in ({"flipped": False}, {"n_folds": 1}):
        expected = Ensemble(folder).predict(images, **options)
        np.testing.assert_allclose(opened.predict(images, **options), expected, atol=1e-4)
    with pytest.raises(ValueError, match=r"cnn: expected images of shape \(2, 4, 16, 32\), found"):
        opened.predict({view: array[..., :16] for view, array in images.items()})


def test_exported_networks_are_kept_until_others_are_trained(folder, images, tmp_path, capsys):
    pytest.importorskip("onnxruntime")
    pytest.importorskip("tf2onnx")
    file = tmp_path / "fold0.keras"
    shutil.copy(folder / "models" / "cnn" / "fold0.keras", file)
    batch = np.stack(list(images.values()), axis=1)
    first, shape = engines.onnx(file, "a" * 64)
    assert shape == (2, 4, 16, 32)
    (kept,) = tmp_path.glob("*.onnx")
    assert kept.name.startswith(f"fold0.{'a' * 12}")
    capsys.readouterr()
    again, _ = engines.onnx(file, "a" * 64)
    assert capsys.readouterr().out == ""
    np.testing.assert_array_equal(first(batch), again(batch))
    shutil.copy(folder / "models" / "cnn" / "fold1.keras", file)
    other, _ = engines.onnx(file, "b" * 64)
    (kept,) = tmp_path.glob("*.onnx")
    assert kept.name.startswith(f"fold0.{'b' * 12}")
    assert np.abs(other(batch) - first(batch)).max() > 0.01
    kept.write_bytes(b"no network")
    with pytest.raises(ValueError, match=r"fold0\.b.*onnx: expected an ONNX model.*delete it"):
        engines.onnx(file, "b" * 64)


def test_a_folder_that_cannot_be_written_is_no_hindrance(folder, images, tmp_path, monkeypatch):
    pytest.importorskip("onnxruntime")
    pytest.importorskip("tf2onnx")
    shutil.copy(folder / "models" / "cnn" / "fold0.keras", tmp_path)

    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(paths, "replacing", refuse)
    compute, _ = engines.onnx(tmp_path / "fold0.keras", "a" * 64)
    assert compute(np.stack(list(images.values()), axis=1)).shape == (7, 6)
    assert list(tmp_path.glob("*.onnx")) == []


def test_other_engines_are_refused(folder):
    with pytest.raises(ValueError, match=r"an engine of \('tensorflow', 'onnx'\), found 'torch'"):
        Ensemble(folder, "torch")


@pytest.mark.parametrize("package", ["onnxruntime", "onnx", "tf2onnx"])
def test_a_missing_package_is_named(folder, tmp_path, monkeypatch, package):
    if package != "onnxruntime":
        pytest.importorskip("onnxruntime")
    shutil.copytree(folder, tmp_path / "a", ignore=shutil.ignore_patterns("*.onnx"))
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == package else find(name)
    )
    with pytest.raises(ModuleNotFoundError, match=f"package {package}: pip install onnx onnxr"):
        Ensemble(tmp_path / "a", "onnx")
