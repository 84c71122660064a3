import datetime

import mne
import numpy as np
import pytest
from scipy import signal

from hms_utils.constants import EEG_COLUMNS, ELECTRODES
from hms_utils.eeg import open_recording

NEW = {"T3": "T7", "T4": "T8", "T5": "P7", "T6": "P8"}
NEW_NAMES = [f"EEG {NEW.get(name, name)}-Ref" for name in ELECTRODES] + ["EKG"]


@pytest.fixture(scope="module")
def eeg():
    """A minute of waves below 30 Hz around an offset, whatever the rate they are sampled at."""
    rng = np.random.default_rng(0)
    band = signal.butter(6, (0.5, 30), "bandpass", fs=200, output="sos")
    return (signal.sosfilt(band, rng.normal(0, 100, (12_000, 20)), axis=0) + 20).astype(np.float32)


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
    assert recording.notes == ("reference Cz",)


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


def write_signals(path, columns, labels, units, rates):
    """Write microvolts in other units."""
    import edfio

    scales = {"uV": 1, "": 1, "mV": 1e-3, "V": 1e-6, "kOhm": 1}
    signals = [
        edfio.EdfSignal(
            column.astype(float) * scales[unit], rate, label=name, physical_dimension=unit
        )
        for column, name, unit, rate in zip(columns, labels, units, rates, strict=True)
    ]
    edfio.Edf(signals).write(path)
    return path


@pytest.mark.parametrize("unit", ["", "uV", "mV"])
@pytest.mark.parametrize("other", ["", "mV", "V"])
def test_signals_of_one_label_have_their_own_units(eeg, tmp_path, unit, other):
    columns = [*eeg.T[:19], eeg[:, 19], eeg[:, 5]]
    labels = [*ELECTRODES, "Fp1", "T3"]
    units = [*[unit] * 19, other, other]
    path = write_signals(tmp_path / "a.edf", columns, labels, units, [200] * 21)
    recording = open_recording(path)
    np.testing.assert_allclose(recording.read(0, 12_000)[:, :19], eeg[:, :19], atol=0.05)
    assert recording.notes == (
        "Fp1 stands 2 times, signal 1 is taken",
        "T3 stands 2 times, signal 6 is taken",
    )


def test_an_impedance_is_not_the_electrode(eeg, tmp_path):
    impedances = np.arange(60.0)
    fast = np.repeat(impedances, 200)
    columns = [*[impedances] * 19, fast, *eeg.T[:19]]
    labels = [*ELECTRODES, "O1", *ELECTRODES]
    units, rates = ["uV"] * 19 + ["kOhm"] + ["uV"] * 19, [1] * 19 + [200] * 20
    path = write_signals(tmp_path / "a.edf", columns, labels, units, rates)
    recording = open_recording(path)
    np.testing.assert_allclose(recording.read(0, 12_000)[:, :19], eeg[:, :19], atol=0.05)
    assert recording.notes == ()


def test_depth_contacts_are_not_the_electrodes(eeg, tmp_path):
    depth = [f"POL {letter}{number}" for letter in "CO" for number in range(1, 9)]
    labels = [*depth, *(f"EEG {name}-Ref" for name in ELECTRODES)]
    columns = [*[eeg[:, 19]] * 16, *eeg.T[:19]]
    path = write_signals(tmp_path / "a.edf", columns, labels, ["uV"] * 35, [200] * 35)
    recording = open_recording(path)
    np.testing.assert_allclose(recording.read(0, 12_000)[:, :19], eeg[:, :19], atol=0.05)
    assert recording.notes[0] == "reference Ref"


def test_a_record_can_be_as_long_as_the_recording(eeg, tmp_path):
    import edfio

    for kind in ("Edf", "Bdf"):
        signals = [
            getattr(edfio, f"{kind}Signal")(column, 200, label=name, physical_dimension="uV")
            for name, column in zip(EEG_COLUMNS, eeg.T.astype(float), strict=True)
        ]
        path = tmp_path / f"a.{kind.lower()}"
        getattr(edfio, kind)(signals, data_record_duration=60).write(path)
        recording = open_recording(path)
        for start, stop in ((0, 1), (777, 4321), (11_000, 12_000)):
            np.testing.assert_allclose(recording.read(start, stop), eeg[start:stop], atol=0.05)


def test_a_channel_that_stands_still_is_a_gap(eeg, write_edf, tmp_path):
    still = eeg.copy()
    still[2000:4000, 3], still[5000:5150, 4] = 0, 7
    for sfreq in (200, 256):
        recording = open_recording(write_edf(tmp_path / "a.edf", still, sfreq=sfreq))
        missing = np.isnan(recording.read(0, 12_000))
        assert np.abs(missing.sum(axis=0) - 2000 * (np.arange(20) == 3)).max() < 40
        assert missing[2020:3980, 3].all()
        assert np.isnan(recording.read(2100, 2110)[:, 3]).all()


def write_at(path, write_edf, eeg, duration):
    """Write 200 samples in each record, which is to last so many seconds."""
    raw = write_edf(path, eeg, limit=32768).read_bytes()
    path.write_bytes(raw[:244] + str(duration).encode().ljust(8) + raw[252:])
    return open_recording(path)


@pytest.mark.parametrize("duration", [1, 0.9])
@pytest.mark.parametrize("value", [-32768, 9999, 0])
def test_a_value_that_all_electrodes_have_is_a_gap(eeg, write_edf, tmp_path, duration, value):
    blank = eeg.copy()
    blank[2000:4000, :19] = blank[6000:6080, :19] = value
    recording = write_at(tmp_path / "a.edf", write_edf, blank, duration)
    missing = np.isnan(recording.read(0, recording.n_samples)[:, :19])
    for start, stop in ((2000, 4000), (6012, 6068)):  # the filter rings alike in all
        start, stop = round(start * duration), round(stop * duration)
        assert missing[start:stop].all()
        assert np.isnan(recording.read(start + 5, start + 9)[:, :19]).all()
    assert np.abs(missing.sum(axis=0) - 2080 * duration).max() < 40
    (note,) = recording.notes
    assert note.startswith("all electrodes at one value for ")
    assert 8 < float(note.split()[6]) < 10.5  # of what was looked at


def test_what_stands_for_a_gap_does_not_ring(eeg, write_edf, tmp_path):
    still = eeg.copy()
    still[2000:4000, 3] = -20_000
    gap = write_at(tmp_path / "a.edf", write_edf, still, 0.9).read(0, 10_000)[:, 3]
    expected = write_at(tmp_path / "b.edf", write_edf, eeg, 0.9).read(0, 10_000)[:, 3]
    assert np.isnan(gap[1800:3600]).all()
    beside = np.r_[1700:1799, 3601:3700]
    np.testing.assert_allclose(gap[beside], expected[beside], atol=25)


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


def test_a_file_that_shrinks_while_it_is_read_is_named(eeg, write_edf, tmp_path):
    recording = open_recording(write_edf(tmp_path / "a.edf", eeg))
    recording.path.write_bytes(recording.path.read_bytes()[:-1])
    with pytest.raises(
        ValueError, match=r"a\.edf: expected the file as it was opened, found a sho"
    ):
        recording.read(0, 100)


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


def test_a_file_that_mne_wrote(eeg, tmp_path):
    kinds = ["eeg"] * 19 + ["ecg"]
    info = mne.create_info([NEW.get(name, name) for name in EEG_COLUMNS], 200, kinds)
    raw = mne.io.RawArray(eeg.T.astype(float) * 1e-6, info, verbose="error")
    mne.export.export_raw(tmp_path / "a.edf", raw, verbose="error")
    read = open_recording(tmp_path / "a.edf").read(0, 12_000)
    np.testing.assert_allclose(read[:, :19], eeg[:, :19], atol=0.02)
