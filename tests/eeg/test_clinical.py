import datetime
import sys

import mne
import numpy as np
import pytest
from scipy import signal

from hms_utils.constants import EEG_COLUMNS, ELECTRODES
from hms_utils.eeg import clinical, open_recording

NEW = {"T3": "T7", "T4": "T8", "T5": "P7", "T6": "P8"}
NEW_NAMES = [f"EEG {NEW.get(name, name)}-Ref" for name in ELECTRODES] + ["EKG"]


@pytest.fixture(scope="module")
def eeg():
    """A minute of waves below 30 Hz around an offset, whatever the rate they are sampled at."""
    rng = np.random.default_rng(0)
    band = signal.butter(6, (0.5, 30), "bandpass", fs=200, output="sos")
    return (signal.sosfilt(band, rng.normal(0, 100, (12_000, 20)), axis=0) + 20).astype(np.float32)


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("Fp1", "Fp1"),
        ("FP1", "Fp1"),
        ("fp2", "Fp2"),
        ("EEG Fp1-Ref", "Fp1"),
        ("EEG FP1-REF", "Fp1"),
        ("EEG FP1-LE", "Fp1"),
        ("EEG C3-AR", "C3"),
        ("EEG Fp1 - Avg", "Fp1"),
        ("Fp1-A2", "Fp1"),
        ("F8-M1", "F8"),
        ("O1-A1A2", "O1"),
        ("O1-A1+A2", "O1"),
        ("C4:M1", "C4"),
        ("P4/A1", "P4"),
        ("F7-FCz", "F7"),
        ("EEG F7_REF", "F7"),
        ("POL T3", "T3"),
        ("EEG T7-Ref", "T3"),
        ("T8", "T4"),
        ("P7-CPz", "T5"),
        ("eeg p8-ref", "T6"),
        ("EEG Fz", "Fz"),
        ("CZ", "Cz"),
        ("Pz..", "Pz"),
        ("O2 ", "O2"),
        ("Fp1-Ref-0", None),
        ("EKG", "EKG"),
        ("ECG I", "EKG"),
        ("EEG EKG-REF", "EKG"),
        ("ECG1-ECG2", "EKG"),
        ("EEG Fpz-Ref", None),
        ("EEG A1-REF", None),
        ("T9", None),
        ("EMG-REF", None),
        ("SpO2", None),
        ("Pleth", None),
        ("PHOTIC-REF", None),
        ("Fp1 Imp", None),
        ("C3 EMG", None),
        ("EDF Annotations", None),
        ("E1", None),
        ("Status", None),
    ],
)
def test_labels_as_clinics_write_them(label, name):
    others = [f"EEG {other}-G2" for other in ELECTRODES if other != name]
    found, reference = clinical.find_electrodes([*others, label])
    assert reference is None
    assert {key for key, place in found.items() if place == len(others)} == ({name} - {None})


def test_the_first_of_equal_labels_is_taken():
    found, _ = clinical.find_electrodes([*ELECTRODES, "Fp1-1", "T7", "F3-C3"])
    assert [found[name] for name in ELECTRODES] == list(range(19))


def test_one_electrode_can_be_the_reference():
    labels = [f"{name}-Cz" for name in ELECTRODES if name != "Cz"]
    found, reference = clinical.find_electrodes(labels)
    assert reference == "Cz"
    assert {*found, "Cz"} == {*ELECTRODES}


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["FP1-F7", "F7-T7", "T7-P7", "P7-O1"], r"bipolar derivations \(FP1-F7, F7-T7, T7-P7 …"),
        (["SpO2", "EKG", "Resp"], "electrodes such as Fp1, found 3 channels: SpO2, EKG, Resp"),
        ([], "found 0 channels"),
        (["Fp1", "Fp2", "C3", "C4", "O1", "O2", "Cz"], r"missing \['F3', .*LL keeps 0 of its 4"),
        ([e for e in ELECTRODES if e not in ("F4", "P4")], r"\['F4', 'P4'\]: RP keeps 0 of its 4"),
    ],
)
def test_what_makes_no_chains_is_refused(labels, message):
    with pytest.raises(ValueError, match=message):
        clinical.find_electrodes(labels)


@pytest.mark.parametrize(
    ("suffix", "sfreq"),
    [(".edf", rate) for rate in (200, 256, 500, 512, 1000, 128, 250)]
    + [(".EDF", 200), (".bdf", 256)],
)
def test_any_rate_becomes_200_hz(eeg, write_edf, tmp_path, suffix, sfreq):
    path = write_edf(tmp_path / f"a{suffix}", eeg, sfreq=sfreq, names=NEW_NAMES, limit=5_000)
    recording = open_recording(path)
    assert recording.n_samples == len(eeg)
    read = recording.read(0, len(eeg))
    assert read.dtype == np.float32
    assert read.shape == eeg.shape
    # 16 bits of ±5,000 µV are steps of 0.15; the file's own ends are left aside.
    inner = slice(200, -200)
    assert np.abs(read - eeg)[inner].max() < (0.09 if sfreq == 200 else 0.5)


def test_parts_are_as_the_whole(eeg, write_edf, tmp_path):
    for sfreq in (200, 256):
        recording = open_recording(write_edf(tmp_path / "a.edf", eeg, sfreq=sfreq))
        whole = recording.read(0, recording.n_samples)
        for start, stop in ((0, 1), (1, 777), (3210, 10_000), (11_990, 12_000)):
            part = recording.read(start, stop)
            np.testing.assert_allclose(part, whole[start:stop], atol=0.02)


def test_units_are_heeded(eeg, write_edf, tmp_path):
    for unit, scale in (("uV", 1), ("mV", 1e-3), ("V", 1e-6), ("", 1)):
        path = write_edf(tmp_path / "a.edf", eeg, unit=unit, scale=scale)
        np.testing.assert_allclose(open_recording(path).read(0, 500), eeg[:500], atol=1.1)
    path = write_edf(tmp_path / "a.edf", eeg, unit="mmHg")
    with pytest.raises(ValueError, match=r"a\.edf: expected electrodes in uV, mV or V.*mmHg"):
        open_recording(path)


def test_what_is_missing_is_nan_and_named(eeg, write_edf, tmp_path):
    names = ["" if name in ("Fz", "T3", "EKG") else name for name in EEG_COLUMNS]
    recording = open_recording(write_edf(tmp_path / "a.edf", eeg, names=names))
    assert recording.notes == ("without T3, Fz, which count as gaps",)
    missing = np.isnan(recording.read(0, 500))
    assert missing.all(axis=0).tolist() == [name == "" for name in names]
    assert missing.any(axis=0).tolist() == [name == "" for name in names]


def test_the_reference_is_zero(eeg, write_edf, tmp_path):
    names = ["" if name in ("Cz", "EKG") else f"{name}-Cz" for name in EEG_COLUMNS]
    recording = open_recording(write_edf(tmp_path / "a.edf", eeg, names=names))
    assert (recording.read(0, 500)[:, EEG_COLUMNS.index("Cz")] == 0).all()
    assert recording.notes == ()


def test_channels_of_several_rates(eeg, tmp_path):
    import edfio

    seconds = np.arange(0, 60, 1 / 512)
    heart = edfio.EdfSignal(1000 * np.sin(2 * np.pi * 7 * seconds), 512, label="ECG II")
    pressure = edfio.EdfSignal(np.arange(60.0), 1, label="ABP")
    signals = [
        edfio.EdfSignal(column, 200, label=name, physical_dimension="uV")
        for name, column in zip(ELECTRODES, eeg.T.astype(float), strict=False)
    ]
    edfio.Edf([heart, pressure, *signals]).write(tmp_path / "a.edf")
    read = open_recording(tmp_path / "a.edf").read(1000, 3000)
    np.testing.assert_allclose(read[:, :19], eeg[1000:3000, :19], atol=0.1)
    expected = 1000 * np.sin(2 * np.pi * 7 * np.arange(1000, 3000) / 200)
    np.testing.assert_allclose(read[:, 19], expected, atol=1)


def test_a_channel_that_stands_still_is_a_gap(eeg, write_edf, tmp_path):
    still = eeg.copy()
    still[2000:4000, 3], still[5000:5150, 4] = 0, 7
    for sfreq in (200, 256):
        recording = open_recording(write_edf(tmp_path / "a.edf", still, sfreq=sfreq))
        missing = np.isnan(recording.read(0, 12_000))
        assert np.abs(missing.sum(axis=0) - 2000 * (np.arange(20) == 3)).max() < 40
        assert missing[2020:3980, 3].all()
        assert np.isnan(recording.read(2100, 2110)[:, 3]).all()


def test_the_clock_is_kept_if_known(eeg, write_edf, tmp_path):
    start = datetime.datetime(2021, 3, 4, 22, 13, 5)
    assert open_recording(write_edf(tmp_path / "a.edf", eeg, start=start)).start == start
    assert open_recording(write_edf(tmp_path / "a.edf", eeg)).start is None


def test_a_file_that_was_cut_short_is_read_with_a_note(eeg, write_edf, tmp_path):
    path = write_edf(tmp_path / "a.edf", eeg)
    path.write_bytes(path.read_bytes()[: 256 * 21 + 20 * 400 * 55 + 100])
    recording = open_recording(path)
    assert recording.seconds == 55
    assert recording.notes == ("cut short: its header announces 60 s",)


def test_breaks_are_refused(eeg, tmp_path):
    import edfio

    signals = [
        edfio.EdfSignal(column, 200, label=name, physical_dimension="uV")
        for name, column in zip(EEG_COLUMNS, eeg.T.astype(float), strict=True)
    ]
    path = tmp_path / "a.edf"
    edfio.Edf(signals, annotations=[edfio.EdfAnnotation(3, None, "Müller")]).write(path)
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b"EDF+C", b"EDF+D"))
    assert open_recording(path).seconds == 60  # in parts by its name only
    path.write_bytes(whole.replace(b"EDF+C", b"EDF+D").replace(b"+30\x14\x14", b"+99\x14\x14"))
    with pytest.raises(ValueError, match="expected a recording without breaks"):
        open_recording(path)
    path.write_bytes(whole.replace("Müller".encode(), "M\xfcller ".encode("latin1")))
    assert open_recording(path).seconds == 60  # comments of old programs


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "expected EDF, found a file without its header"),
        (b"no EEG at all\n" * 100, "expected EDF, found a file without its header"),
        (b"0" + b" " * 235 + b"many    1       20  ", "expected EDF, found a damaged header"),
    ],
)
def test_files_that_are_none(tmp_path, content, message):
    path = tmp_path / "a.edf"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"a\.edf: {message}"):
        open_recording(path)


def test_a_header_without_its_signals_is_refused(eeg, write_edf, tmp_path):
    path = write_edf(tmp_path / "a.edf", eeg)
    path.write_bytes(path.read_bytes()[: 256 * 21])
    with pytest.raises(ValueError, match="expected 50 s or more, found 0 s"):
        open_recording(path)
    path.write_bytes(path.read_bytes()[: 256 * 18])
    with pytest.raises(ValueError, match=r"a\.edf: expected a whole EDF file, found "):
        open_recording(path)


def test_slow_signals_are_refused(eeg, write_edf, tmp_path):
    path = write_edf(tmp_path / "a.edf", eeg, sfreq=40)
    with pytest.raises(ValueError, match="expected 50 Hz or more, found 40 Hz"):
        open_recording(path)


def test_without_mne_it_says_what_to_install(eeg, write_edf, tmp_path, monkeypatch):
    path = write_edf(tmp_path / "a.edf", eeg)
    monkeypatch.setitem(sys.modules, "mne", None)
    with pytest.raises(ModuleNotFoundError, match="pip install mne"):
        open_recording(path)


def test_a_file_that_mne_wrote(eeg, tmp_path):
    kinds = ["eeg"] * 19 + ["ecg"]
    info = mne.create_info([NEW.get(name, name) for name in EEG_COLUMNS], 200, kinds)
    raw = mne.io.RawArray(eeg.T.astype(float) * 1e-6, info, verbose="error")
    mne.export.export_raw(tmp_path / "a.edf", raw, verbose="error")
    read = open_recording(tmp_path / "a.edf").read(0, 12_000)
    np.testing.assert_allclose(read[:, :19], eeg[:, :19], atol=0.02)
