"""EDF and BDF files as they come from clinics and downloads, each with its defined answer."""

import datetime
import gzip
from functools import partial
from typing import NamedTuple

import numpy as np
import pytest
from scipy import signal

from hms_utils.constants import EEG_COLUMNS
from hms_utils.eeg import open_recording

LIMIT = 2_000  # µV, the range of 16 bits
NARROW = 250  # µV, which hide in the usual amplitude that the samples are noise
START = datetime.datetime(2021, 3, 4, 22, 13, 5)
ALL = range(len(EEG_COLUMNS))
T3 = [EEG_COLUMNS.index("T3")]
EKG = [EEG_COLUMNS.index("EKG")]
# First byte and size of what stands in the first 256 bytes, sizes of what each signal has.
MAIN = {"magic": (0, 8), "recorded": (88, 80), "date": (168, 8), "time": (176, 8)}
MAIN |= {"bytes": (184, 8), "kind": (192, 44), "records": (236, 8), "duration": (244, 8)}
MAIN |= {"signals": (252, 4)}
EACH = {"label": 16, "sensor": 80, "unit": 8, "low": 8, "high": 8, "digital_low": 8}
EACH |= {"digital_high": 8, "filter": 80, "n_samples": 8}


@pytest.fixture(scope="module")
def eeg():
    rng = np.random.default_rng(0)
    band = signal.butter(6, (0.5, 30), "bandpass", fs=200, output="sos")
    waves = signal.sosfilt(band, rng.normal(0, 60, (12_000, len(ALL))), axis=0)
    return (waves + 20).astype(np.float32)


@pytest.fixture(scope="module")
def files(eeg, write_edf, tmp_path_factory):
    """Bytes of plain files, one of 24 bits and one with time stamps, before they go odd."""
    import edfio

    folder = tmp_path_factory.mktemp("files")
    write_edf(folder / "plain.edf", eeg, limit=LIMIT, start=START)
    write_edf(folder / "plain.bdf", eeg, limit=LIMIT, start=START)
    write_edf(folder / "narrow.edf", eeg, limit=NARROW, start=START)

    def signals(low):
        return [
            edfio.EdfSignal(
                column, 200, label=name, physical_dimension="uV", physical_range=(low, LIMIT)
            )
            for name, column in zip(EEG_COLUMNS, eeg.T.astype(float), strict=True)
        ]

    edfio.Edf(signals(-LIMIT / 5)).write(folder / "skewed.edf")
    edfio.Edf(
        signals(-LIMIT),
        recording=edfio.Recording(startdate=START.date()),
        starttime=START.time(),
        data_record_duration=1,
        annotations=[edfio.EdfAnnotation(3, None, "Müller")],
    ).write(folder / "plus.edf")
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def main(raw, **fields):
    """Replace fields of the first 256 bytes."""
    for name, value in fields.items():
        first, size = MAIN[name]
        raw = raw[:first] + padded(value, size) + raw[first + size :]
    return raw


def each(raw, places=ALL, **fields):
    """Replace fields of some signals."""
    n_signals, names = int(raw[252:256]), list(EACH)
    for name, value in fields.items():
        size = EACH[name]
        begin = 256 + n_signals * sum(EACH[other] for other in names[: names.index(name)])
        for first in (begin + place * size for place in places):
            raw = raw[:first] + padded(value, size) + raw[first + size :]
    return raw


def padded(value, size):
    value = value if isinstance(value, bytes) else str(value).encode("latin-1")
    assert len(value) <= size
    return value.ljust(size)


def stamped(raw, change):
    """Replace the time stamp of each record, seconds, by bytes."""
    old = [b"+%d\x14\x14" % second for second in range(60)]
    assert [raw.count(one) for one in old] == [1] * 60
    places = [raw.index(one) for one in old]
    for second, place in enumerate(places):
        new = change(second).ljust(len(old[second]), b"\0")
        raw = raw[:place] + new + raw[place + len(new) :]
    return raw


def moved(raw, shift):
    """Move the time stamps by the seconds that a function gives."""
    return stamped(raw, lambda second: b"%+.12g\x14\x14" % (second + shift(second)))


class Read(NamedTuple):
    """What is read; by default all, as it was written."""

    notes: tuple = ()
    start: datetime.datetime | None = START
    missing: tuple = ()
    wrong: tuple = ()
    scale: int = 1
    offset: int = 0  # of every second electrode, µV
    seconds: int = 60


READ = Read()
WITHOUT_T3 = Read(notes=("without T3, which count as gaps",), missing=("T3",))
MICRO = {"low": -LIMIT, "high": LIMIT}
MILLI = {"unit": "mV", "low": -LIMIT / 1e3, "high": LIMIT / 1e3}
VOLT = {"unit": "V", "low": -LIMIT / 1e6, "high": LIMIT / 1e6}
NANO = {"unit": "nV", "low": -LIMIT * 1_000, "high": LIMIT * 1_000}


def clock(recorded="", **fields):
    return "plain.edf", lambda raw: main(raw, recorded=recorded, **fields)


def twice(date, recorded):
    """Return the answer to a header whose two dates differ."""
    note = f"clock unknown: its header has date {date!r} and time '22.13.05', and {recorded!r}"
    return *clock(date=date, recorded=recorded), Read((note,), None)


def labelled(raw, change):
    for place, name in enumerate(EEG_COLUMNS):
        raw = each(raw, [place], label=change(name))
    return raw


def samples(raw, change):
    """Change what stands behind the header."""
    return raw[: 256 * 21] + change(raw[256 * 21 :])


NOISE = "expected EEG, found the same power in all bands, which is noise"


def unknown(date="04.03.21", time="22.13.05"):
    return Read((f"clock unknown: its header has date {date!r} and time {time!r}",), None)


# What is odd: the file to begin with, what happens to it, what is read or refused.
ODDITIES = {
    "µV in Latin-1": ("plain.edf", partial(each, unit=b"\xb5V"), READ),
    "µV in UTF-8": ("plain.edf", partial(each, unit="\xb5V".encode()), READ),
    "μV with the Greek letter": ("plain.edf", partial(each, unit="\u03bcV".encode()), READ),
    "µV in the code page of DOS": ("plain.edf", partial(each, unit=b"\xe6V"), READ),
    "uv": ("plain.edf", partial(each, unit="uv"), READ),
    "UV": ("plain.edf", partial(each, unit="UV"), READ),
    "microV": ("plain.bdf", partial(each, unit="microV"), READ),
    "microvolts, cut off": ("plain.edf", partial(each, unit="microvol"), READ),
    "µV as in Russian": ("plain.edf", partial(each, unit="mkV"), READ),
    "\u043c\u043a\u0412 in Russian letters": (
        "plain.edf",
        partial(each, unit="\u043c\u043a\u0412".encode()),
        READ,
    ),
    **{
        f"{unit} in {page}": ("plain.edf", partial(each, unit=unit.encode(page)), READ)
        for unit, page in (
            ("\u043c\u043a\u0412", "cp1251"),
            ("\u043c\u043a\u0432", "cp866"),
            ("\u043c\u043a\u0412", "koi8-r"),
            ("\u03bcV", "gbk"),
            ("\u03bcV", "shift-jis"),
            ("\u03bcV", "iso8859-7"),
        )
    },
    "µV as one letter": ("plain.edf", partial(each, unit="\u33b6".encode()), READ),
    "µV in UTF-8 twice": ("plain.edf", partial(each, unit="\xc2\xb5V".encode()), READ),
    "\u043c\u0412 in Russian letters": (
        "plain.edf",
        partial(each, **MILLI | {"unit": "\u043c\u0412".encode("cp1251")}),
        READ,
    ),
    "a unit in the label": (
        "plain.edf",
        lambda raw: each(labelled(raw, "{} (mV)".format), **MILLI | {"unit": ""}),
        READ,
    ),
    "a unit in brackets": ("plain.edf", partial(each, unit="[uV]"), READ),
    "a unit with a number": (
        "plain.edf",
        partial(each, unit="0.1uV"),
        "expected electrodes in uV, mV or V, found 0.1uV in Fp1",
    ),
    "µV whose µ was lost": (
        "plain.edf",
        partial(each, unit="?V"),
        r"expected electrodes in uV, mV or V, found \?V in Fp1",
    ),
    "a unit that ends in zero bytes": ("plain.edf", partial(each, unit=b"uV\0\0\0\0\0\0"), READ),
    "no unit": ("plain.edf", partial(each, unit=""), READ),
    "nV": ("plain.edf", partial(each, **NANO), READ),
    "mV": ("plain.bdf", partial(each, **MILLI), READ),
    "V": ("plain.edf", partial(each, **VOLT), READ),
    "several units": (
        "plain.edf",
        lambda raw: each(each(raw, range(0, 20, 3), **MILLI), range(1, 20, 3), **VOLT),
        READ,
    ),
    "one electrode in ohms": ("plain.edf", partial(each, places=T3, unit="kOhm"), WITHOUT_T3),
    "all in mmHg": (
        "plain.edf",
        partial(each, unit="mmHg"),
        "expected electrodes in uV, mV or V, found mmHg in Fp1",
    ),
    "mV where the numbers are µV": (
        "plain.edf",
        partial(each, unit="mV"),
        "expected EEG in microvolts, 3 to 65 µV as usual from 1 to 20 Hz, found 37,900 µV",
    ),
    "mV where the numbers are µV, in one electrode": (
        "plain.edf",
        partial(each, places=T3, unit="mV"),
        Read(("not of the amplitude of the others: F7-T3, T3-T5",), wrong=("T3",)),
    ),
    "µV where the numbers are mV": (
        "plain.edf",
        partial(each, low=-LIMIT / 1e3, high=LIMIT / 1e3),
        r"expected EEG in microvolts, .*found 0\.0\d+ µV",
    ),
    "ten times too large": (
        "plain.edf",
        partial(each, low=-LIMIT * 10, high=LIMIT * 10),
        Read(
            ("unusual amplitude: expected 3 to 65 µV as usual from 1 to 20 Hz, found ",), scale=10
        ),
    ),
    "an offset of 5,000 µV": (
        "plain.edf",
        partial(each, places=range(0, 20, 2), low=5_000 - LIMIT, high=5_000 + LIMIT),
        Read(offset=5_000),
    ),
    "a range of zero": ("plain.edf", partial(each, places=T3, low=0, high=0), WITHOUT_T3),
    "a digital range of zero": (
        "plain.edf",
        partial(each, places=T3, digital_low=0, digital_high=0),
        WITHOUT_T3,
    ),
    "ranges of zero in all": (
        "plain.edf",
        partial(each, low=0, high=0),
        "expected a range of values, found none in the header for Fp1",
    ),
    "a range that is no number": ("plain.edf", partial(each, places=T3, low="low"), WITHOUT_T3),
    "a range of NaN": ("plain.bdf", partial(each, places=T3, high="nan"), WITHOUT_T3),
    "an EKG without a range": ("plain.edf", partial(each, places=EKG, low=""), READ),
    "a range the other way round": (
        "plain.edf",
        partial(each, low=LIMIT, high=-LIMIT),
        Read(scale=-1),
    ),
    "a digital range the other way round": (
        "plain.edf",
        partial(each, digital_low=32767, digital_high=-32768),
        "expected a range of digital values, found 32767 to -32768",
    ),
    "numbers without a sign": (
        "narrow.edf",
        lambda raw: each(
            samples(raw, lambda data: (np.frombuffer(data, "<i2") ^ -32768).tobytes()),
            digital_low=0,
            digital_high=65535,
        ),
        "expected digital values of 16 bits with a sign, found 0 to 65535 in Fp1",
    ),
    "a digital range of 24 bits": (
        "plain.edf",
        partial(each, digital_low=-8388608, digital_high=8388607),
        "expected digital values of 16 bits with a sign, found -8388608 to 8388607 in Fp1",
    ),
    "a file of 24 bits that calls itself one of 16": (
        "plain.bdf",
        partial(main, magic="0"),
        "expected digital values of 16 bits with a sign, found -8388608 to 8388607 in Fp1",
    ),
    "numbers of the other byte order": (
        "narrow.edf",
        partial(samples, change=lambda data: np.frombuffer(data, "<i2").byteswap().tobytes()),
        NOISE,
    ),
    "sent as text": (
        "narrow.edf",
        partial(samples, change=lambda data: data.replace(b"\n", b"\r\n")),
        NOISE,
    ),
    "a byte lost": ("narrow.edf", partial(samples, change=lambda data: data[1:]), NOISE),
    "a byte lost in the middle": (
        "narrow.edf",
        partial(samples, change=lambda data: data[:250_000] + data[250_001:]),
        NOISE,
    ),
    "a range with decimal commas": (
        "plain.edf",
        partial(each, low=f"-{LIMIT},0", high=f"{LIMIT},0"),
        READ,
    ),
    "a range with exponents": ("plain.edf", partial(each, low="-2.0E+03", high="+.2e4"), READ),
    "a lower end cut off in its exponent": (
        "plain.edf",
        partial(each, low="-2.00E+0", high="2.00E+03"),
        "expected a range of values, found -2 to 2000 in the header for Fp1, one of which was cut",
    ),
    "a lower end cut off in its last digit": (
        "plain.bdf",
        partial(each, unit="nV", low="-1234567", high="12345678"),
        r"expected a range of values, found -1\.23457e\+06 to 1\.23457e\+07 in the header for Fp1",
    ),
    "a digital end cut off": (
        "plain.edf",
        partial(each, digital_low="-3276"),
        "expected a range of digital values, found -3276 to 32767 in the header for Fp1, one of",
    ),
    "an upper end cut off": (
        "plain.edf",
        partial(each, low="-2000", high="2.00E+0"),
        "expected a range of values, found -2000 to 2 in the header for Fp1, one of which was cut",
    ),
    "a lower end cut off, in one electrode": (
        "plain.edf",
        partial(each, places=T3, low="-2.0E+0"),
        WITHOUT_T3,
    ),
    "a range three times too large, in one electrode": (
        "plain.edf",
        partial(each, places=T3, low=-3 * LIMIT, high=3 * LIMIT),
        Read(
            ("of another scale than those beside: T3 3 times; look whether",),
            wrong=("T3",),
        ),
    ),
    "a range three times too small, in one electrode": (
        "plain.bdf",
        partial(each, places=T3, low=-666.667, high=666.667),
        Read(
            ("of another scale than those beside: T3 0.33 times; look whether",),
            wrong=("T3",),
        ),
    ),
    "a lower end that is another": (
        "plain.edf",
        partial(each, low=-LIMIT / 8),
        Read(
            ("its header has -250 to 2000 uV for Fp1, and the samples stand around the middle",),
            wrong=EEG_COLUMNS,
        ),
    ),
    "ranges that are those of the values": ("skewed.edf", lambda raw: raw, Read(start=None)),
    "ranges and digital ranges askew alike": (
        "plain.edf",
        partial(each, low=-199.97, digital_low=-3277),
        READ,
    ),
    "an electrode that never moves": (
        "plain.edf",
        lambda raw: still(raw, T3[0]),
        Read(("no signal in T3 wherever it was looked",), missing=("T3",)),
    ),
    "an empty label": ("plain.edf", partial(each, places=T3, label=""), WITHOUT_T3),
    "labels with hard spaces": (
        "plain.edf",
        partial(labelled, change=lambda name: f"EEG\xa0{name}\xa0"),
        READ,
    ),
    "a label that ends in zero bytes": (
        "plain.edf",
        partial(each, places=T3, label=b"T3" + b"\0" * 14),
        READ,
    ),
    "a label of other letters": (
        "plain.edf",
        partial(each, places=EKG, label="Fl\xfcgel".encode("latin-1")),
        Read(missing=("EKG",)),
    ),
    "a number of records of -1": ("plain.edf", partial(main, records=-1), READ),
    "a number of records of 0": ("plain.bdf", partial(main, records=0), READ),
    "fewer records by the header": (
        "plain.edf",
        partial(main, records=25),
        Read(("longer than the 25 s that its header announces",)),
    ),
    "more records by the header": (
        "plain.edf",
        partial(main, records=90),
        Read(("cut short: its header announces 90 s",)),
    ),
    "cut off within a record": (
        "plain.edf",
        lambda raw: raw[:-100],
        Read(("cut short: its header announces 60 s",), seconds=59),
    ),
    "bytes behind the last record": ("plain.bdf", lambda raw: raw + b"\0" * 100, READ),
    "a length of the header that is wrong": ("plain.edf", partial(main, bytes=256), READ),
    "a length of the header that is none": ("plain.edf", partial(main, bytes=""), READ),
    "a header that is longer": (
        "plain.edf",
        lambda raw: main(raw[:5376] + b" " * 256 + raw[5376:], bytes=5632),
        READ,
    ),
    "a number of records that is none": (
        "plain.edf",
        partial(main, records="many"),
        "expected EDF, found a damaged header",
    ),
    "a number of signals that is none": (
        "plain.edf",
        partial(main, signals="x"),
        "expected EDF, found a file without its header",
    ),
    "a number of samples that is none": (
        "plain.bdf",
        partial(each, places=T3, n_samples="?"),
        "expected BDF, found a damaged header",
    ),
    "more signals than there are": (
        "plain.edf",
        lambda raw: main(raw, signals=9999)[:9000],
        "expected a whole EDF file, found its header cut off",
    ),
    "records of no length": (
        "plain.edf",
        partial(main, duration=0),
        "expected 50 Hz or more, found 0 Hz",
    ),
    "records of negative length": (
        "plain.edf",
        partial(main, duration=-1),
        "expected EDF, found a damaged header",
    ),
    "a wrong start": (
        "plain.edf",
        partial(main, magic="1"),
        "expected EDF, found a file without its header",
    ),
    "packed": ("plain.edf", gzip.compress, "expected EDF, found a file without its header"),
    "empty": ("plain.edf", lambda raw: b"", "expected EDF, found a file without its header"),
    "a web page": (
        "plain.edf",
        lambda raw: b"<!DOCTYPE html><html>" * 100,
        "expected EDF, found a file without its header",
    ),
    "without records": (
        "plain.edf",
        lambda raw: raw[:5376],
        "expected 50 s or more, found 0 s",
    ),
    "a start with colons": (*clock(time="22:13:05"), READ),
    "a start with dashes": (*clock(date="04-03-21", time="22-13-05"), READ),
    "a start with single digits": (*clock(date=" 4. 3.21", time="22.13. 5"), READ),
    "a start of slashes": (*clock(date="04/03/21"), READ),
    "an empty time": (*clock(time=""), Read(start=None)),
    "an empty date": (*clock(date=""), unknown(date="")),
    "hours above 23": (*clock(time="24.13.05"), unknown(time="24.13.05")),
    "minutes above 59": (*clock(time="22.60.05"), unknown(time="22.60.05")),
    "a time without separators": (*clock(time="221305"), unknown(time="221305")),
    "a time of words": (*clock(time="evening"), unknown(time="evening")),
    "a date that is none": (*clock(date="31.02.21"), unknown(date="31.02.21")),
    "the last year of the format": (
        *clock(date="04.03.84"),
        Read(start=START.replace(year=2084)),
    ),
    "a year of the last century": (*clock(date="04.03.99"), Read(start=START.replace(year=1999))),
    "no date and no time": (*clock(date="01.01.85", time="00.00.00"), Read(start=None)),
    "dates that differ": twice("04.03.21", "Startdate 05-APR-2021"),
    "a date that begins with the year": twice("21-03-04", "Startdate 04-MAR-2021"),
    "a date that begins with the month": twice("03.04.21", "Startdate 04-MAR-2021"),
    "a date cut off within its year": twice("04.03.20", "Startdate 04-MAR-2021"),
    "a year after 2084": twice("04.03.yy", "Startdate 04-MAR-2090"),
    "a date in letters that is hidden": (*clock(recorded="Startdate X X X X"), READ),
    "time stamps that jump": (
        "plus.edf",
        partial(moved, shift=lambda second: 30 * (second >= 20)),
        "expected a recording without breaks, found one of 30 s after 20 s; export it",
    ),
    "time stamps that jump, in a plain file": (
        "plus.edf",
        lambda raw: main(moved(raw, lambda second: 0.1 * (second > 40)), kind=""),
        r"expected a recording without breaks, found one of 0\.1 s after 41 s",
    ),
    "time stamps that jump, as declared": (
        "plus.edf",
        lambda raw: main(moved(raw, lambda second: 3 * (second >= 20)), kind="EDF+D"),
        "expected a recording without breaks, found one of 3 s after 20 s",
    ),
    "time stamps that go back": (
        "plus.edf",
        partial(moved, shift=lambda second: -5 * (second >= 20)),
        "expected a recording without breaks, found one of -5 s after 20 s",
    ),
    "a break that is none": ("plus.edf", partial(main, kind="EDF+D"), READ),
    "a first record that is late": (
        "plus.edf",
        partial(moved, shift=lambda second: 30),
        "expected a recording without breaks, found 30 s before its first record",
    ),
    "a start within a second": (
        "plus.edf",
        partial(moved, shift=lambda second: 0.25),
        Read(start=START.replace(microsecond=250_000)),
    ),
    "time stamps with commas": (
        "plus.edf",
        partial(stamped, change=lambda second: b"+%d,0\x14\x14" % second),
        READ,
    ),
    "time stamps that are rounded": (
        "plus.edf",
        partial(moved, shift=lambda second: 0.004 * (second % 3)),
        READ,
    ),
    "records without a time stamp": (
        "plus.edf",
        partial(stamped, change=lambda second: b""),
        READ,
    ),
    "breaks without annotations": (
        "plain.edf",
        partial(main, kind="EDF+D"),
        "expected a recording without breaks, found no word where they are",
    ),
    "breaks without a time stamp": (
        "plus.edf",
        lambda raw: main(stamped(raw, lambda second: b""), kind="EDF+D"),
        "expected a recording without breaks, found no word where they are",
    ),
    "a record without its time stamp": (
        "plus.edf",
        partial(stamped, change=lambda n: b"" if n == 7 else b"+%d\x14\x14" % n),
        READ,
    ),
    "a comment in Latin-1": (
        "plus.edf",
        lambda raw: raw.replace("Müller".encode(), "Müller ".encode("latin-1")),
        READ,
    ),
    "a comment in Latin-1, in parts": (
        "plus.edf",
        lambda raw: main(raw.replace("Müller".encode(), "Müller ".encode("latin-1")), kind="EDF+D"),
        READ,
    ),
}


def still(raw, place):
    """Let one signal of the plain file stand still: records of 200 samples, 20 signals."""
    first = 256 * 21
    samples = np.frombuffer(raw, "<i2", offset=first).reshape(60, 20, 200).copy()
    samples[:, place] = 7
    return raw[:first] + samples.tobytes()


@pytest.mark.parametrize("oddity", ODDITIES)
def test_an_odd_file_has_its_answer(eeg, files, tmp_path, oddity, record_property):
    name, change, answer = ODDITIES[oddity]
    path = tmp_path / name
    path.write_bytes(change(files[name]))
    if isinstance(answer, str):
        with pytest.raises(ValueError, match=rf"{name}: {answer}") as caught:
            open_recording(path)
        message = str(caught.value).replace(f"{tmp_path}/", "")
        record_property("fault", ["EDF and BDF", oddity, "refused", message])
        return
    recording = open_recording(path)
    said = "said, and went on" if recording.notes else "as without it"
    record_property("fault", ["EDF and BDF", oddity, said, "; ".join(recording.notes)])
    assert recording.start == answer.start
    assert recording.seconds == answer.seconds
    assert len(recording.notes) == len(answer.notes)
    for note, expected in zip(recording.notes, answer.notes, strict=True):
        assert note.startswith(expected)
    read = recording.read(0, recording.n_samples)
    gone = [EEG_COLUMNS.index(one) for one in answer.missing]
    assert np.isnan(read[:, gone]).all()
    kept = [n for n in range(19) if n not in gone and EEG_COLUMNS[n] not in answer.wrong]
    expected = eeg[: len(read)] * answer.scale
    expected[:, ::2] += answer.offset
    np.testing.assert_allclose(read[:, kept], expected[:, kept], atol=0.05 * abs(answer.scale))


def test_there_are_enough_of_them():
    assert len(ODDITIES) >= 40


@pytest.mark.parametrize(("inside", "outside"), [("plain.edf", "a.bdf"), ("plain.bdf", "a.EDF")])
def test_what_a_file_is_stands_in_it(eeg, files, tmp_path, inside, outside):
    path = tmp_path / outside
    path.write_bytes(files[inside])
    np.testing.assert_allclose(open_recording(path).read(0, 500), eeg[:500], atol=0.05)
