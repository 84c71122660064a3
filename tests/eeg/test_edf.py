import datetime

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import signal

from hms_utils.constants import BIPOLAR_COLUMNS, EEG_COLUMNS, ELECTRODES, NEW_NAMES
from hms_utils.eeg import bipolar, differences_of, edf, edf_clock, open_recording

edfio = pytest.importorskip("edfio")

CLASSES = {
    "edf": (edfio.Edf, edfio.EdfSignal, np.int16, 2**15 - 1),
    "bdf": (edfio.Bdf, edfio.BdfSignal, np.int32, 2**23 - 1),
}
# By the seconds of a record the rates that give whole numbers of samples.
RATES = {0.5: (2, 128, 250), 1: (1, 50, 256, 499), 2: (1.5, 200, 255.5, 512)}
UNITS = {"uV": 1, "mV": 1e-3, "V": 1e-6, "nV": 1e3, "": 1}
STYLES = ("{}", "EEG {}", "EEG {}-Ref", "{}-(A1+A2)", "POL {}", "{}-CLE", "eeg {} - avg")
SEEDS = st.integers(0, 2**32 - 1)
# The folder of a test is shared by its examples, each of which writes the file anew.
shared = settings(
    deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture(scope="module")
def eeg():
    """52 s with amplitudes of EEG."""
    rng = np.random.default_rng(0)
    band = signal.butter(6, (0.5, 30), "bandpass", fs=200, output="sos")
    return signal.sosfilt(band, rng.normal(0, 60, (10_400, 20)), axis=0).astype(np.float32)


@pytest.mark.parametrize("kind", CLASSES)
@shared
@given(data=st.data())
def test_what_was_stored_comes_back(kind, tmp_path, data):
    file_class, signal_class, dtype, top = CLASSES[kind]
    duration, n_records = data.draw(st.sampled_from(sorted(RATES))), data.draw(st.integers(1, 9))
    rng = np.random.default_rng(data.draw(SEEDS))
    written, expected = [], []
    for _ in range(data.draw(st.integers(1, 5))):
        rate, unit = (data.draw(st.sampled_from(x)) for x in (RATES[duration], sorted(UNITS)))
        low = data.draw(st.integers(-top - 1, top - 1))
        stored = rng.integers(low, top, round(rate * duration) * n_records, dtype, endpoint=True)
        span = data.draw(st.sampled_from([(-0.5, 0.5), (0, 187_500), (3276.7, -3276.8)]))
        one = signal_class.from_digital(
            stored,
            rate,
            label=data.draw(st.sampled_from(["Fp1", "Fp1", "EMG"])),
            physical_dimension=unit,
            physical_range=span,
            digital_range=(low, top),
        )
        written.append(one)
        expected.append(one.data / UNITS[unit])
    annotations = data.draw(st.sampled_from([None, [edfio.EdfAnnotation(0.3, 0.1, "Müller")]]))
    path = tmp_path / f"a.{kind}"
    file_class(written, data_record_duration=duration, annotations=annotations).write(path)
    file = edf.read_header(path)
    assert (file.n_records, file.announced, file.duration) == (n_records, n_records, duration)
    assert edf_clock.read_delay(file) == datetime.timedelta()
    for one, other, values in zip(written, file.signals, expected, strict=False):
        assert (other.label, other.unit) == (one.label, one.physical_dimension)
        assert other.rate == one.sampling_frequency
        start, stop = sorted(data.draw(st.integers(0, len(values))) for _ in range(2))
        read = edf.read_signal(file, other, start, stop)
        step = np.ptp(one.physical_range) / np.ptp(one.digital_range) / UNITS[other.unit]
        np.testing.assert_allclose(read, values[start:stop], rtol=1e-12, atol=1e-6 * step)


def write_with_edfio(path, signals, labels, units, start, duration):
    file_class, signal_class, *_ = CLASSES[path.suffix[1:]]
    signals = [
        signal_class(column.astype(float) * UNITS[unit], 200, label=label, physical_dimension=unit)
        for column, label, unit in zip(signals, labels, units, strict=True)
    ]
    recording = edfio.Recording(startdate=start.date())
    more = {"data_record_duration": duration, "annotations": [edfio.EdfAnnotation(1, 2, "é")]}
    file_class(signals, recording=recording, starttime=start.time(), **more).write(path)


def write_with_pyedflib(path, signals, labels, units, start, _):
    pyedflib = pytest.importorskip("pyedflib")
    bits = {".edf": (16, pyedflib.FILETYPE_EDFPLUS), ".bdf": (24, pyedflib.FILETYPE_BDFPLUS)}
    depth, kind = bits[path.suffix]
    columns = [column.astype(float) * UNITS[u] for column, u in zip(signals, units, strict=True)]
    with pyedflib.EdfWriter(str(path), len(labels), kind) as writer:
        writer.setStartdatetime(start)
        writer.setSignalHeaders(
            [
                {
                    "label": label,
                    "dimension": unit,
                    "prefilter": "",
                    "transducer": "",
                    "sample_frequency": 200,
                    "physical_min": float(f"{column.min() * 1.01:.3g}"),
                    "physical_max": float(f"{column.max() * 1.01:.3g}"),
                    "digital_min": -(2 ** (depth - 1)),
                    "digital_max": 2 ** (depth - 1) - 1,
                }
                for column, label, unit in zip(columns, labels, units, strict=True)
            ]
        )
        writer.writeSamples(columns)
        writer.writeAnnotation(1, 2, "a comment")


@pytest.mark.parametrize("write", [write_with_edfio, write_with_pyedflib])
@shared
@given(data=st.data())
def test_a_known_recording_comes_back(eeg, tmp_path, write, data):
    style, kind = data.draw(st.sampled_from(STYLES)), data.draw(st.sampled_from(sorted(CLASSES)))
    start = data.draw(st.datetimes(datetime.datetime(1985, 1, 2), datetime.datetime(2084, 12, 31)))
    start = start.replace(microsecond=0)
    new = {old: name for name, old in NEW_NAMES.items()} if data.draw(st.booleans()) else {}
    themselves, order = data.draw(st.booleans()), data.draw(st.permutations(range(20)))
    if themselves:
        signals = bipolar(eeg)
        names = ["-".join(new.get(e, e) for e in c.split("-")) for c in BIPOLAR_COLUMNS[:-1]]
        order = [n for n in order if n < 16]
    else:
        signals, names = eeg.T, [new.get(name, name) for name in ELECTRODES] + ["ECG"]
        names = [style.format(name) if name != "ECG" else name for name in names]
    signals, labels = [signals[n] for n in order], [names[n] for n in order]
    units = [data.draw(st.sampled_from(["uV", "mV"])) for _ in labels]
    write(tmp_path / f"a.{kind}", signals, labels, units, start, data.draw(st.sampled_from([1, 2])))
    recording = open_recording(tmp_path / f"a.{kind}")
    assert (recording.n_samples, recording.start) == (len(eeg), start)
    first = data.draw(st.integers(0, len(eeg) - 1))
    read = recording.read(first, len(eeg))
    assert read.shape[1] == len(BIPOLAR_COLUMNS if themselves else EEG_COLUMNS)
    np.testing.assert_allclose(differences_of(read), bipolar(eeg[first:]), atol=0.05)
    if not themselves:
        np.testing.assert_allclose(read, eeg[first:], atol=0.03)


def test_stamps_that_drift_away_are_breaks(monkeypatch, tmp_path):
    path = tmp_path / "a.edf"
    edfio.Edf([edfio.EdfSignal(np.arange(500.0), 1)]).write(path)
    file = edf.read_header(path)
    seconds = np.arange(500)
    monkeypatch.setattr(edf_clock, "_read_stamps", lambda file: seconds * 1.00001)
    assert edf_clock.read_delay(file) == datetime.timedelta()
    monkeypatch.setattr(edf_clock, "_read_stamps", lambda file: seconds * 1.009)
    with pytest.raises(ValueError, match=r"found time stamps that come to be 4\.491 s beside it"):
        edf_clock.read_delay(file)
