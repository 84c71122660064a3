import warnings

import librosa
import numpy as np
import pandas as pd
import pytest

from hms_utils.constants import CHAINS, EEG_COLUMNS, FREQUENCIES, SFREQ
from hms_utils.eeg import load_metadata, montage, read_eeg, read_spectrogram
from hms_utils.images import (
    DB_RANGE,
    competition_spectrogram,
    eeg_image,
    likeness,
    mel_spectrogram,
    pixels,
    spectrogram_image,
)


def public_recipe(eeg):
    """The public notebooks' spectrogram, by librosa."""
    images = []
    for signal in montage.fill_gaps(montage.bipolar(eeg)):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # some mel filters are empty
            mel = librosa.feature.melspectrogram(
                y=signal,
                sr=200,
                hop_length=len(signal) // 256,
                n_fft=1024,
                n_mels=128,
                fmin=0,
                fmax=20,
                win_length=128,
            )
        images.append(librosa.power_to_db(mel, ref=np.max)[:, :256])
    return np.stack(images).reshape(4, 4, 128, 256).mean(axis=1)


def assert_equal_to_librosa(eeg):
    own = mel_spectrogram(eeg)
    assert own.shape == (4, 128, 256)
    assert own.dtype == np.float32
    difference = np.abs(own - public_recipe(eeg))
    assert difference.max() < 5e-3
    assert np.quantile(difference, 0.999) < 1e-3


def sine(frequency, amplitude=100.0, seconds=50, channel="Fp1"):
    eeg = np.zeros((seconds * SFREQ, 20), np.float32)
    wave = amplitude * np.sin(2 * np.pi * frequency * np.arange(len(eeg)) / SFREQ)
    eeg[:, EEG_COLUMNS.index(channel)] = wave
    return eeg


def test_mel_spectrogram_equals_librosa_on_the_sample(sample_dir):
    paths = sorted((sample_dir / "train_eegs").glob("*.parquet"))[:4]
    for path in paths:
        assert_equal_to_librosa(read_eeg(path)[: 50 * SFREQ])


@pytest.mark.real_data
def test_mel_spectrogram_equals_librosa_on_real_eeg(real_dir):
    paths = sorted((real_dir / "train_eegs").glob("*.parquet"))
    assert len(paths) > 10
    for path in paths:
        assert_equal_to_librosa(read_eeg(path))


def test_mel_spectrogram_of_gaps_and_short_windows():
    eeg = sine(5)
    eeg[:, 3] = np.nan
    eeg[100:200] = np.nan
    assert_equal_to_librosa(eeg)
    assert np.isfinite(mel_spectrogram(np.full((10_000, 20), np.nan))).all()
    with pytest.raises(ValueError, match="at least 256 samples of EEG, found 100"):
        mel_spectrogram(np.zeros((100, 20)))


def test_competition_spectrogram_has_the_power_of_a_sine():
    spectrum = competition_spectrogram(sine(10, seconds=40))
    assert spectrum.shape == (19, 400)
    assert spectrum.dtype == np.float32
    left = spectrum[9, :100]
    assert abs(FREQUENCIES[int(left.argmax())] - 10) < 0.3
    # Parseval: the mean square of the sine, halved for the one-sided spectrum and
    # divided among the chain's four differences, one of which sees it.
    np.testing.assert_allclose(left.sum() * SFREQ / 1024, 100**2 / 2 / 2 / 4, rtol=0.02)
    assert spectrum[9, 100:200].max() == 0  # RL does not see Fp1
    assert spectrum[9, 200:300].max() > 0  # LP does


def test_competition_spectrogram_follows_its_windows():
    eeg = sine(8, seconds=20)
    eeg[: 10 * SFREQ] = 0
    power = competition_spectrogram(eeg)[:, :100].sum(axis=1)
    # Row 2 is made of seconds 4 to 8, row 5 of seconds 10 to 14.
    assert power[2] < 1e-3 * power[5]


def test_a_lost_electrode_leaves_its_chain_as_bright_as_it_was():
    """Along a chain of equal differences those that live are as good as all four."""
    wave = np.random.default_rng(0).normal(0, 20, 10_000)
    eeg = np.zeros((10_000, 20), np.float32)
    for place, name in enumerate(CHAINS["LL"]):
        eeg[:, EEG_COLUMNS.index(name)] = place * wave
    whole = eeg_image(eeg)[0].astype(int)
    lost = eeg.copy()
    lost[:, EEG_COLUMNS.index("T3")] = np.nan
    np.testing.assert_allclose(eeg_image(lost)[0], whole, atol=1)
    lost[2000:4000, EEG_COLUMNS.index("T5")] = np.nan  # of the two that are left one
    np.testing.assert_allclose(eeg_image(lost)[0][8:, 120:], whole[8:, 120:], atol=4)
    lost[6000:8000] = np.nan
    assert not eeg_image(lost)[0][:, 160:200].any()


def test_likeness_is_of_what_both_have():
    given = np.random.default_rng(0).uniform(1, 9, (5, 400))
    given[1] = np.nan
    found = likeness(2 * given, given)
    assert found["n"] == 1600
    assert found["correlation"] == pytest.approx(1)
    assert found["mean"] == pytest.approx(10 * np.log10(2))
    assert found["sd"] == pytest.approx(0, abs=1e-6)
    assert np.isnan(likeness(given, np.full_like(given, np.nan))["correlation"])


def test_competition_spectrogram_of_gaps():
    eeg = sine(8, seconds=20)
    eeg[: 10 * SFREQ] = np.nan
    spectrum = competition_spectrogram(eeg)
    # Row 3 is made of seconds 6 to 10, row 4 of 8 to 12, half of it missing.
    assert np.isnan(spectrum[:4]).all()
    assert np.isfinite(spectrum[4:]).all()
    with pytest.raises(ValueError, match=r"at least 4 s of EEG, found 3\.5 s"):
        competition_spectrogram(np.zeros((700, 20)))


@pytest.mark.real_data
def test_competition_spectrogram_equals_the_given_one(real_dir):
    """Of these recordings it was made by the same recipe: a test of which rows are which."""
    sources = pd.read_csv(real_dir / "sources.csv")
    table = load_metadata(real_dir, "train").merge(sources, on="eeg_id")
    whole = table[table.source.str.startswith("sparcnet")]
    assert len(whole) == 12
    for row in whole.itertuples():
        eeg = read_eeg(real_dir / "train_eegs" / f"{row.eeg_id}.parquet")
        path = real_dir / "train_spectrograms" / f"{row.spectrogram_id}.parquet"
        given = read_spectrogram(path)
        own = competition_spectrogram(eeg)
        same = given[138 : 138 + len(own)]
        assert np.isfinite(same).all()
        correlation = np.corrcoef(np.log(own + 1e-9).ravel(), np.log(same + 1e-9).ravel())[0, 1]
        assert correlation > 0.999


@pytest.mark.real_data
def test_competition_spectrogram_equals_the_published_one(real_dir):
    """Of these recordings the ten-minute spectrogram is the published file's."""
    sources = pd.read_csv(real_dir / "sources.csv")
    table = load_metadata(real_dir, "train").merge(sources, on="eeg_id")
    correlations, decibels = [], []
    for row in table[table.source.str.startswith("irr")].itertuples():
        eeg = read_eeg(real_dir / "train_eegs" / f"{row.eeg_id}.parquet")
        path = real_dir / "train_spectrograms" / f"{row.spectrogram_id}.parquet"
        own, given = competition_spectrogram(eeg), read_spectrogram(path)
        for k in (11, 12):  # the two central rows of the 10 s that are known
            logs = np.log(own[k] + 1e-9), np.log(given[k + 138] + 1e-9)
            correlations.append(np.corrcoef(*logs)[0, 1])
            decibels.append((logs[0] - logs[1]) * 10 / np.log(10))
    assert len(correlations) == 20
    assert np.median(correlations) > 0.99
    # In six of the ten the EEG is a second off its spectrogram: moved by it, all agree above
    # 0.98. As they are, four rows of those six fall short of what the others show.
    assert sum(each < 0.96 for each in correlations) == 4
    assert min(correlations) > 0.9
    # A correlation cannot see a wrong scale.
    in_step = np.concatenate([d for d in decibels if d.std() < 0.3])
    assert len(in_step) == 8 * 400
    assert abs(in_step.mean()) < 0.05 and in_step.std() < 0.15


def test_images_map_equal_power_to_equal_pixels():
    weak, strong = (eeg_image(sine(10, amplitude)) for amplitude in (10, 100))
    assert weak.shape == (4, 128, 256)
    assert weak.dtype == np.uint8
    row = int(np.argmax(strong[0, :, 128]))
    assert abs(row * 20 / 129 - 10) < 0.5
    # Ten times the amplitude is 20 dB in the one difference of the chain that has a signal.
    step = 255 / (DB_RANGE[1] - DB_RANGE[0])
    assert int(strong[0, row, 128]) - weak[0, row, 128] == pytest.approx(20 * step, abs=1)


def test_both_views_agree_on_power_and_frequency():
    """White noise has one density, whichever way it is measured."""
    rng = np.random.default_rng(0)
    eeg = rng.normal(0, 30, (602 * SFREQ, 20)).astype(np.float32)
    near = eeg_image(eeg[276 * SFREQ : 326 * SFREQ])
    far = spectrogram_image(competition_spectrogram(eeg))
    assert far.shape == near.shape
    # In the mean of logarithms and logarithm of means: up to 2.5 dB, or 11 pixels.
    middle = slice(20, 120)
    assert abs(near[:, middle].mean() - far[:, middle].mean()) < 15


def test_spectrogram_image_shows_missing_rows_as_black():
    given = np.full((300, 400), 10.0, np.float32)
    given[100:110] = np.nan
    image = spectrogram_image(given)
    assert (image[:, :, 100 - 22 : 110 - 22] == 0).all()
    assert (image[:, :, :78] == image[0, 0, 0]).all()
    assert image[0, 0, 0] == round((10 + 20) * 255 / 60)


def test_to_pixels_covers_the_range():
    low, high = DB_RANGE
    decibel = np.array([low - 50, low, (low + high) / 2, high, high + 50, np.nan])
    np.testing.assert_array_equal(pixels.to_pixels(decibel), [0, 0, 128, 255, 255, 0])


def test_reduce_image_takes_block_means():
    image = np.arange(16, dtype=np.uint8).reshape(1, 4, 4)
    np.testing.assert_array_equal(pixels.reduce_image(image, (2, 2)), [[[2, 4], [10, 12]]])
    np.testing.assert_array_equal(pixels.reduce_image(image, (4, 1)), [[[6, 7, 8, 9]]])
    assert pixels.reduce_image(image, (1, 1)) is image
