"""Damaged outputs: what the chain can make again it finds broken and makes again, by name."""

import shutil

import numpy as np
import pandas as pd
import pytest

from hms_utils import paths
from hms_utils.constants import PREDICTION_COLUMNS
from hms_utils.eeg import load_metadata, select_windows
from hms_utils.images import assign_folds, build, load, make_folds, save_folds
from hms_utils.networks import Ensemble, load_oof, training
from tests.networks.test_training import FOLD, make_images, make_index, train


def cut_off(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def empty(path):
    path.write_bytes(b"")


def random_bytes(path):
    path.write_bytes(np.random.default_rng(0).bytes(300))


def missing(path):
    path.unlink()


def no_object(path):
    path.write_text("[1, 2]")


def one_byte_changed(path):
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def zeroed(path):
    array = np.load(path)
    array[:] = 0
    np.save(path, array)


def other_shape(path):
    np.save(path, np.load(path)[..., :-1])


def fewer_rows(path):
    np.save(path, np.load(path)[:-1])


def rows_turned_round(path):
    pd.read_parquet(path)[::-1].to_parquet(path, index=False)


# For each kind: the file of the images, what is done to it, and what is drawn or written again.
IMAGES = {
    "settings.json cut off": ("settings.json", cut_off),
    "settings.json of no bytes": ("settings.json", empty),
    "settings.json that is a list": ("settings.json", no_object),
    "settings.json missing": ("settings.json", missing),
    "source.json cut off": ("source.json", cut_off),
    "source.json missing": ("source.json", missing),
    "index.parquet cut off": ("index.parquet", cut_off),
    "index.parquet of random bytes": ("index.parquet", random_bytes),
    "index.parquet missing": ("index.parquet", missing),
    "index.parquet in another order": ("index.parquet", rows_turned_round),
    "problems.csv cut off": ("problems.csv", cut_off),
    "problems.csv of random bytes": ("problems.csv", random_bytes),
    "problems.csv missing": ("problems.csv", missing),
    "records.npy cut off": ("records.npy", cut_off),
    "records.npy of no bytes": ("records.npy", empty),
    "records.npy missing": ("records.npy", missing),
    "records.npy with one byte changed": ("records.npy", one_byte_changed),
    "records.npy with fewer rows": ("records.npy", fewer_rows),
    "eeg50.npy cut off": ("eeg50.npy", cut_off),
    "eeg50.npy of random bytes": ("eeg50.npy", random_bytes),
    "eeg50.npy missing": ("eeg50.npy", missing),
    "eeg50.npy with one byte changed": ("eeg50.npy", one_byte_changed),
    "kaggle600.npy zeroed": ("kaggle600.npy", zeroed),
    "eeg10.npy of another shape": ("eeg10.npy", other_shape),
    "eeg10.npy with fewer rows": ("eeg10.npy", fewer_rows),
}


@pytest.fixture(scope="module")
def windows(sample_dir):
    return select_windows(load_metadata(sample_dir, "train")).head(4)


@pytest.fixture(scope="module")
def drawn(sample_dir, windows, tmp_path_factory):
    """Images of four windows, and of four with one left out."""
    folder = tmp_path_factory.mktemp("drawn")
    some = windows.assign(eeg_label_offset_seconds=[*windows.eeg_label_offset_seconds[:3], 4e6])
    for name, rows in {"all": windows, "some": some}.items():
        build(rows, sample_dir, folder / name, reduce=(8, 8), n_jobs=1)
    return folder, {"all": windows, "some": some}


def contents(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.mark.parametrize("rows", ["all", "some"])
@pytest.mark.parametrize("kind", IMAGES)
def test_damaged_images_are_found_and_made_again(kind, rows, drawn, sample_dir, tmp_path, capsys):
    source, windows = drawn
    whole = source / rows / "spectrograms" / "train"
    folder = tmp_path / "spectrograms" / "train"
    shutil.copytree(whole, folder)
    name, damage = IMAGES[kind]
    damage(folder / name)
    if name != "problems.csv":  # for people alone
        with pytest.raises((ValueError, FileNotFoundError), match=r"train.*run .*02_spec"):
            load(folder)
    capsys.readouterr()
    build(windows[rows], sample_dir, tmp_path, reduce=(8, 8), n_jobs=1)
    said = capsys.readouterr().out
    assert contents(folder) == contents(whole)
    load(folder)
    if "missing" not in kind:
        assert str(folder) in said.replace("Images: ", "").partition("up to date")[0]


def swapped(one, two):
    def damage(folder):
        (folder / one).rename(folder / "other")
        (folder / two).rename(folder / one)
        (folder / "other").rename(folder / two)

    return damage


def of_file(name, damage):
    return lambda folder: damage(folder / name)


def pairs_swapped(folder):
    for suffix in ("keras", "json"):
        swapped(f"models/cnn/fold0.{suffix}", f"models/cnn/fold1.{suffix}")(folder)


def edit_record(**changed):
    def damage(folder):
        path = folder / "models/cnn/fold1.json"
        paths.write_json(path, paths.read_json(path) | changed)

    return damage


def stray_fold(folder):
    shutil.copy(folder / "models/cnn/fold1.keras", folder / "models/cnn/fold2.keras")


def shuffled_oof(folder):
    path = folder / "oof/cnn.parquet"
    pd.read_parquet(path).sample(frac=1, random_state=1).to_parquet(path, index=False)


def oof_of_another(folder):
    path = folder / "oof/cnn.parquet"
    table = pd.read_parquet(path)
    table[list(PREDICTION_COLUMNS)] = table[list(PREDICTION_COLUMNS)].to_numpy()[::-1]
    table.to_parquet(path, index=False)


def folds_in_their_order(folder):
    """Reorder whole rows so that those of each fold keep their order."""
    path = folder / "oof/cnn.parquet"
    pd.read_parquet(path).sort_values("fold", kind="stable").to_parquet(path, index=False)


FOLDS = {
    "fold1.keras missing": of_file("models/cnn/fold1.keras", missing),
    "fold1.keras cut off": of_file("models/cnn/fold1.keras", cut_off),
    "fold1.keras of no bytes": of_file("models/cnn/fold1.keras", empty),
    "fold1.keras with one byte changed": of_file("models/cnn/fold1.keras", one_byte_changed),
    "fold1.json missing": of_file("models/cnn/fold1.json", missing),
    "fold1.json cut off": of_file("models/cnn/fold1.json", cut_off),
    "fold1.json that is a list": of_file("models/cnn/fold1.json", no_object),
    "fold1.json of fewer predictions": edit_record(predictions=[[1, 0, 0, 0, 0, 0]]),
    "fold1.json of other predictions": edit_record(predictions=[[1, 0, 0, 0, 0, 0]] * 24),
    "fold1.json without history": edit_record(history=None),
    "models of two folds swapped": swapped("models/cnn/fold0.keras", "models/cnn/fold1.keras"),
    "records of two folds swapped": swapped("models/cnn/fold0.json", "models/cnn/fold1.json"),
    "two folds swapped": pairs_swapped,
    "a fold of another training": stray_fold,
    "oof cut off": of_file("oof/cnn.parquet", cut_off),
    "oof missing": of_file("oof/cnn.parquet", missing),
    "oof in another order": shuffled_oof,
    "oof sorted by fold": folds_in_their_order,
    "oof with other predictions": oof_of_another,
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    train(folder)
    return folder


@pytest.mark.parametrize("kind", [kind for kind in FOLDS if "history" not in kind])
def test_damaged_folds_are_refused_by_the_comparison(kind, trained, tmp_path):
    folder = shutil.copytree(trained, tmp_path / "copy")
    data = folder, ["cnn"], make_images(), make_index(), FOLD
    load_oof(*data)
    FOLDS[kind](folder)
    with pytest.raises((ValueError, FileNotFoundError), match=r"(cnn|fold\d).*03_cnn_baseline"):
        load_oof(*data)


@pytest.mark.parametrize("kind", [kind for kind in FOLDS if "other predictions" not in kind])
def test_damaged_folds_are_trained_again(kind, trained, tmp_path, monkeypatch, capsys):
    folder = shutil.copytree(trained, tmp_path / "copy")
    FOLDS[kind](folder)
    fits = []

    def fit_nothing(fitter, stages, rows, choose, held_out, seed, files):
        fits.append(files.name)
        answers = {"history": [], "predictions": [[1, 0, 0, 0, 0, 0]] * len(held_out)}
        files.write(fitter.model, answers)
        return answers

    monkeypatch.setattr(training, "_train_fold", fit_nothing)
    train(folder)
    again = {"fold0", "fold1"} if "swapped" in kind else {"fold1"} if "fold1" in kind else set()
    assert set(fits) == again
    said = capsys.readouterr().out
    assert said.count("trained again") == ("missing" not in kind) * len(again)
    load_oof(folder, ["cnn"], make_images(), make_index(), FOLD)


def edit_blend(change):
    def damage(path):
        settings = paths.read_json(path)
        change(settings)
        paths.write_json(path, settings)

    return damage


BLENDS = {
    "blend.json missing": missing,
    "blend.json cut off": cut_off,
    "blend.json of no bytes": empty,
    "blend.json that is a list": no_object,
    "a share of 5": edit_blend(lambda s: s["models"]["cnn"].update(share=5.0)),
    "a share below 0": edit_blend(lambda s: s["models"]["cnn"].update(share=-1.0)),
    "shares that add to 0.5": edit_blend(lambda s: s["models"]["cnn"].update(share=0.5)),
    "a share of nothing": edit_blend(lambda s: s["models"]["cnn"].update(share=None)),
    "no share": edit_blend(lambda s: s["models"]["cnn"].pop("share")),
    "a temperature of 0": edit_blend(lambda s: s["models"]["cnn"].update(temperature=0)),
    "a temperature in words": edit_blend(lambda s: s["models"]["cnn"].update(temperature="low")),
    "a prior of five": edit_blend(lambda s: s["prior"].pop()),
    "a prior that adds to 2": edit_blend(lambda s: s.update(prior=[2, 0, 0, 0, 0, 0])),
    "a concentration below 0": edit_blend(lambda s: s.update(concentration=-1)),
    "no folds": edit_blend(lambda s: s["models"]["cnn"].update(folds={})),
    "a fold of another folder": edit_blend(
        lambda s: s["models"]["cnn"].update(folds={"../../x.keras": ""})
    ),
    "no models": edit_blend(lambda s: s.update(models={})),
    "images drawn in no known way": edit_blend(lambda s: s["images"].pop("reduce")),
}


@pytest.mark.parametrize("kind", BLENDS)
def test_a_damaged_blend_is_refused_by_name(kind, models_dir, tmp_path):
    path = shutil.copy(models_dir / "blend.json", tmp_path / "blend.json")
    BLENDS[kind](path)
    with pytest.raises((ValueError, FileNotFoundError), match=r"blend\.json.*05_comparison"):
        Ensemble(tmp_path)


@pytest.mark.parametrize("damage", [cut_off, empty, random_bytes, missing])
def test_damaged_folds_of_patients_name_file_and_notebook(damage, tmp_path):
    index = make_index()
    save_folds(make_folds(index.patient_id, 2), tmp_path)
    damage(tmp_path / "folds.parquet")
    with pytest.raises((ValueError, FileNotFoundError), match=r"folds\.parquet.*02_spectrograms"):
        assign_folds(index, tmp_path)
