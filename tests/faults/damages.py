"""Kinds of damage: what is done to a place, which stage then runs, and what it must say."""

import gzip
import io
import json
from functools import partial
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from tests import damage
from tests.faults import place as places

PAGE = b"<!DOCTYPE html><html><body>Not found</body></html>\n" * 200


class Damage(NamedTuple):
    """A damage and its answer.

    A stage that is not `refused` gives the same result as without the damage, or says
    `words` about what it did: about recordings whose rows it left out or answered otherwise.
    """

    group: str
    name: str
    change: object  # what does it to a `Place`
    stage: object
    words: str = ""
    refused: bool = False
    quick: bool = False  # is part of `make test`


def write(path, content):
    """Replace a file, which may be a link that others share."""
    path.unlink()
    path.write_bytes(content)


# What can happen to any file.
def missing(path):
    path.unlink()


def emptied(path):
    write(path, b"")


def cut(path):
    content = path.read_bytes()
    write(path, content[: len(content) // 2])


def last_byte(path):
    write(path, path.read_bytes()[:-1])


def last_bit(path):
    content = path.read_bytes()
    write(path, content[:-1] + bytes([content[-1] ^ 1]))


def page(path):
    write(path, PAGE)


def random(path):
    write(path, np.random.default_rng(0).bytes(path.stat().st_size))


def zeros(path):
    write(path, bytes(path.stat().st_size))


def folder(path):
    path.unlink()
    path.mkdir()


def loop(path):
    path.unlink()
    path.symlink_to(path.name)


def nowhere(path):
    path.unlink()
    path.symlink_to("/nonexistent/file")


def unreadable(path):
    content = path.read_bytes()
    write(path, content)  # of its own, so that nobody else loses it
    path.chmod(0)


ANY = {
    "missing": missing,
    "of no bytes": emptied,
    "cut in half": cut,
    "a web page": page,
    "random bytes": random,
    "zeros": zeros,
    "a folder": folder,
    "a link in a loop": loop,
    "a link to nowhere": nowhere,
    "no permission": unreadable,
}


def table(split, change):
    """Change a table of the data as pandas sees it."""

    def apply(place):
        path = place.data / f"{split}.csv"
        changed = change(pd.read_csv(path))
        write(path, changed.to_csv(index=False).encode())

    return apply


def text(split, change):
    """Change the bytes of a table of the data."""

    def apply(place):
        path = place.data / f"{split}.csv"
        write(path, change(path.read_bytes()))

    return apply


def recording(kind, change, number=0):
    """Change a recording's file."""
    return lambda place: change(place.file(kind, number))


def output(name, change):
    """Change a file below the outputs."""
    return lambda place: change(place.outputs / name)


def cell(name, value, row=0):
    def change(frame):
        frame[name] = frame[name].astype(object)
        frame.loc[row, name] = value
        return frame

    return change


def trailing(raw):
    head, *lines = raw.splitlines()
    return b"\n".join([head, *(line + b"," for line in lines), b""])


def decimal_commas(frame):
    name = "eeg_label_offset_seconds"
    return frame.assign(**{name: frame[name].map(lambda value: f"{value:.1f}".replace(".", ","))})


TABLE, GAPS = "expected a CSV table", "expected no gaps in"
VOTES, WHOLE = "expected whole votes of zero and more", "expected whole numbers in"


def of_train():
    kinds = [
        ("without a column", lambda t: t.drop(columns="lpd_vote"), "missing ['lpd_vote']"),
        ("without rows", lambda t: t[:0], "expected at least one row, found none"),
        ("votes in words", lambda t: t.assign(lpd_vote="two"), "expected numbers in lpd_vote"),
        ("offsets with decimal commas", decimal_commas, "expected numbers in eeg_label_offset"),
        ("a vote of -1", cell("lpd_vote", -1), VOTES),
        ("half a vote", cell("lpd_vote", 0.5), VOTES),
        ("a vote of a thousand million", cell("lpd_vote", 1e9), VOTES),
        ("an infinite vote", cell("lpd_vote", np.inf), VOTES),
        (
            "a row without votes",
            lambda t: t.assign(**{n: t[n].where(t.index > 0, 0) for n in places.VOTE_COLUMNS}),
            VOTES,
        ),
        ("a gap among the ids", cell("eeg_id", None), GAPS),
        ("a gap among the patients", cell("patient_id", None), GAPS),
        ("a gap among the offsets", cell("eeg_label_offset_seconds", None), GAPS),
        ("half an id", cell("eeg_id", 123.5), WHOLE),
        ("an id of 1e20", cell("spectrogram_id", 1e20), WHOLE),
        ("an infinite offset", cell("eeg_label_offset_seconds", np.inf), "expected finite numbers"),
        ("ids that were rounded", rounded("eeg_id"), "expected whole numbers in eeg_id"),
        ("patients that were rounded", rounded("patient_id"), "whole numbers in patient_id"),
        ("votes as truth values", lambda t: t.assign(lpd_vote=t.lpd_vote > 0), "numbers in lpd_v"),
        ("ids as truth values", lambda t: t.assign(eeg_id=True), "expected numbers in eeg_id"),
        ("an EEG of two patients", two_patients("eeg_id"), "one patient for each eeg_id"),
        (
            "a spectrogram of two patients",
            two_patients("spectrogram_id"),
            "expected one patient for each spectrogram_id",
        ),
        (
            "a label twice, with other votes",
            lambda t: pd.concat([t, t[:1].assign(lpd_vote=t.lpd_vote[:1] + 1)]),
            "expected one row per label_id",
        ),
    ]
    yield from ((name, table("train", change), words, True) for name, change, words in kinds)
    raws = [
        ("packed", gzip.compress, TABLE),
        ("in UTF-16", lambda raw: raw.decode().encode("utf-16"), TABLE),
        ("separated by semicolons", lambda raw: raw.replace(b",", b";"), "missing ["),
        ("cut off within a row", lambda raw: raw[: len(raw) - 12], GAPS),
        ("a row with more cells", lambda raw: raw + b"1," * 20 + b"1\n", TABLE),
        ("rows with more cells", more_cells, f"{TABLE}, found rows with more cells"),
        ("decimal commas without quotes", lambda raw: raw.replace(b".0,", b",0,"), TABLE),
        ("a line before the header", lambda raw: b"sep=,\n" + raw, TABLE),
        ("separated by tabs", lambda raw: raw.replace(b",", b"\t"), "missing ["),
        ("numbers with thousands apart", thousands, "expected numbers in eeg_id"),
        ("names in capitals", lambda raw: raw.replace(*capitals(raw)), "missing ["),
        ("a vote's column twice", twice("lpd_vote"), "each column once, found ['lpd_vote'] again"),
        ("an id's column twice", twice("eeg_id"), "each column once, found ['eeg_id'] again"),
        ("zeros behind its end", lambda raw: raw + bytes(100), "expected numbers in eeg_id"),
    ]
    yield from ((name, text("train", change), words, True) for name, change, words in raws)
    offset = "eeg_label_offset_seconds"
    kinds = [
        ("a negative offset", cell(offset, -10.0), "expected a window from second 0 on"),
        ("an offset past the end", cell(offset, 1e5), "for the window at 100000 s"),
        ("a huge offset", cell(offset, 1e15), "for the window at 1e+15 s"),
        (
            "a spectrogram's offset past the end",
            cell("spectrogram_label_offset_seconds", 1e5),
            "for the window at 100000 s",
        ),
        ("rows that stand twice", lambda t: pd.concat([t, t]), "rows stand there twice"),
        ("an id of no recording", cell("eeg_id", 1), "train_eegs/1.parquet: no such file"),
        (
            "an id of no spectrogram",
            cell("spectrogram_id", 1),
            "no spectrogram file",
        ),
        ("another column", lambda t: t.assign(extra="x"), ""),
        ("columns in another order", lambda t: t[t.columns[::-1]], ""),
        ("ids as 123.0", lambda t: t.astype({"eeg_id": float, "spectrogram_id": float}), ""),
        ("votes as 3.0", lambda t: t.astype(dict.fromkeys(places.VOTE_COLUMNS, float)), ""),
    ]
    yield from ((name, table("train", change), words, False) for name, change, words in kinds)
    raws = [
        ("a byte-order mark", lambda raw: b"\xef\xbb\xbf" + raw),
        ("line ends of Windows", lambda raw: raw.replace(b"\n", b"\r\n")),
        ("line ends of an old Mac", lambda raw: raw.replace(b"\n", b"\r")),
        ("a comma at the end of each row", trailing),
        ("blank lines", lambda raw: raw.replace(b"\n", b"\n\n")),
        ("numbers in quotes", quoted),
        ("no line end at the end", lambda raw: raw.rstrip(b"\n")),
    ]
    yield from ((name, text("train", change), "", False) for name, change in raws)


def rounded(name):
    return lambda frame: frame.assign(**{name: frame[name].map("{:.1E}".format)})


def two_patients(name):
    def change(frame):
        other = frame[:1].assign(label_id=1, patient_id=1, eeg_id=1, spectrogram_id=1)
        return pd.concat([frame, other.assign(**{name: frame[name].iloc[0]})])

    return change


def more_cells(raw):
    head, *lines = raw.splitlines()
    return b"\n".join([head, *(b"%d," % number + line for number, line in enumerate(lines))])


def thousands(raw):
    frame = pd.read_csv(io.BytesIO(raw))
    return frame.assign(eeg_id=frame.eeg_id.map("{:,}".format)).to_csv(index=False).encode()


def capitals(raw):
    head = raw.partition(b"\n")[0]
    return head, head.upper()


def twice(name):
    def change(raw):
        head, *lines = raw.splitlines()
        return b"\n".join([head + b"," + name.encode(), *(line + b",7" for line in lines), b""])

    return change


def quoted(raw):
    head, *lines = raw.decode().splitlines()
    cells = [",".join(f'"{value}"' for value in line.split(",")) for line in lines]
    return "\n".join([head, *cells, ""]).encode()


def of_test():
    kinds = [
        ("without rows", lambda t: t[:0], "expected an eeg_id in each row"),
        ("without eeg_id", lambda t: t.drop(columns="eeg_id"), "expected an eeg_id in each row"),
        ("ids in words", lambda t: t.assign(eeg_id="one"), "expected an eeg_id in each row"),
    ]
    yield from ((name, table("test", change), words, True) for name, change, words in kinds)
    for name, change, words in (
        ("packed", gzip.compress, TABLE),
        ("rows with more cells", more_cells, f"{TABLE}, found rows with more cells"),
        ("an id's column twice", twice("eeg_id"), "each column once, found ['eeg_id'] again"),
    ):
        yield name, text("test", change), words, True
    kinds = [
        ("rows that stand twice", lambda t: pd.concat([t, t]), "rows repeat an eeg_id"),
        ("ids as 123.0", lambda t: t.astype({"eeg_id": float}), ""),
        ("an id in words", lambda t: pd.concat([t, t[:1].assign(eeg_id="x")]), "or have none"),
        ("a spectrogram's id missing", cell("spectrogram_id", None), "no spectrogram"),
        ("without patients", lambda t: t.drop(columns="patient_id"), ""),
    ]
    yield from ((name, table("test", change), words, False) for name, change, words in kinds)
    for name, change in (
        ("a byte-order mark", lambda raw: b"\xef\xbb\xbf" + raw),
        ("line ends of Windows", lambda raw: raw.replace(b"\n", b"\r\n")),
        ("a comma at the end of each row", trailing),
    ):
        yield name, text("test", change), "", False


def arrow(change):
    """Change a parquet file as Arrow sees it."""

    def apply(path):
        changed = change(pq.read_table(path))
        path.unlink()
        pq.write_table(changed, path)

    return apply


def nulls(column):
    def change(found):
        place = found.column_names.index(column)
        return found.set_column(place, column, pa.nulls(len(found)))

    return arrow(change)


def middle(path):
    """Overwrite the middle of a file, as a bad disk does."""
    content = bytearray(path.read_bytes())
    half = len(content) // 2
    content[half : half + 4096] = bytes(4096)
    write(path, bytes(content))


def of_train_eeg():
    edit, whole = damage.edit, "expected a whole parquet file"
    lost = [
        ("random bytes in its middle", middle, whole),
        ("no rows", edit(lambda t: t[:0]), "found 0 s"),
        ("49 s long", edit(lambda t: t[: 49 * 200]), "found 49 s"),
        ("without T3", edit(lambda t: t.drop(columns="T3")), "missing ['T3']"),
        ("T3 in words", edit(lambda t: t.assign(T3="high")), "expected numbers in T3"),
        ("T3 as truth values", edit(lambda t: t.assign(T3=True)), "expected numbers in T3"),
        ("T3 twice", damage.repeat_column, "found ['T3'] again"),
        ("T3 beside T7", edit(lambda t: t.assign(T7=t.T3).rename(columns={"T3": "t3"})), "found ["),
        ("all missing", edit(lambda t: t * np.nan), "no signal"),
        ("T3 all null", nulls("T3"), "missing values"),
        ("infinite values", edit(damage.infinite), "infinite values, taken as missing"),
        ("times of another rate", edit(timed(256)), "expected a sample every 5 ms, found a step"),
        ("times with a break", edit(timed(200, 86_400)), "sample every 5 ms, found a step of 8.6"),
        ("seconds of another rate", edit(seconds(250)), "a step of 4 ms in time"),
        ("rows in another order", edit(shuffled), "sample every 5 ms, found a step of"),
    ]
    for name, change, words in lost:
        if words:
            yield name, change, words, False
    same = [
        ("columns in another order", edit(lambda t: t[t.columns[::-1]])),
        ("another column", edit(lambda t: t.assign(Extra=1.0))),
        ("small letters", edit(lambda t: t.rename(columns=str.lower))),
        ("newer names", edit(lambda t: t.rename(columns={"T3": "T7", "T5": "P7"}))),
        ("without EKG", edit(lambda t: t.drop(columns="EKG"))),
        ("float64", edit(lambda t: t.astype(np.float64))),
        ("an index of other numbers", edit(lambda t: t.set_index(t.index[::-1]))),
        ("decimals", arrow(as_decimals)),
        ("times of its rate", edit(timed(200))),
        ("milliseconds of its rate", edit(seconds(0.2))),
    ]
    yield from ((name, change, "", False) for name, change in same)


def timed(rate, pause=0):
    def change(frame):
        place = np.arange(len(frame))
        times = pd.Timedelta(seconds=1) * (place / rate + pause * (place > 5_000))
        return frame.set_index(pd.Timestamp("2021-03-04 22:13:05") + times)

    return change


def shuffled(frame):
    return timed(200)(frame).sample(frac=1, random_state=0)


def seconds(rate):
    return lambda frame: frame.assign(time=np.arange(len(frame)) / rate)


def as_decimals(found):
    return pa.table({name: found[name].cast(pa.decimal128(18, 8)) for name in found.column_names})


def of_train_spectrogram():
    edit, whole = damage.edit, "expected a whole parquet file"
    lost = [
        ("random bytes in its middle", middle, whole),
        ("no rows", edit(lambda t: t[:0]), "found 0 s"),
        ("without a frequency", edit(lambda t: t.drop(columns="LL_4.1")), "missing ['LL_4.1']"),
        ("without time", edit(lambda t: t.drop(columns="time")), "missing ['time']"),
        ("from 3 s on", edit(lambda t: t.assign(time=t.time + 2)), "expected time 1, 3, 5, …"),
        ("power in words", edit(lambda t: t.assign(**{"LL_4.1": "x"})), "expected numbers in"),
        (
            "all missing",
            edit(lambda t: t.assign(**dict.fromkeys(t.columns[1:], np.nan))),
            "missing values",
        ),
        ("infinite values", edit(lambda t: t.assign(**{"LL_4.1": np.inf})), "infinite values"),
        ("negative power", edit(lambda t: t.assign(**{"LL_4.1": -1.0})), "negative"),
    ]
    yield from ((name, change, words, False) for name, change, words in lost)
    same = [
        ("columns in another order", edit(lambda t: t[t.columns[::-1]])),
        ("float64", edit(lambda t: t.astype(np.float64))),
        ("another column", edit(lambda t: t.assign(Extra=1.0))),
    ]
    yield from ((name, change, "", False) for name, change in same)


def numbers(change):
    """Change an array that numpy has saved."""

    def apply(path):
        array = np.load(path)
        changed = io.BytesIO()
        np.save(changed, change(array))
        write(path, changed.getvalue())

    return apply


def content(**changes):
    """Change entries of a JSON file; a name is a way through it, parted by two underscores."""

    def apply(path):
        whole = json.loads(path.read_text("utf-8"))
        for way, value in changes.items():
            *nodes, last = way.split("__")
            node = whole
            for name in nodes:
                node = node[name]
            node[last] = value
        write(path, json.dumps(whole).encode())

    return apply


def frame(change):
    """Change a parquet table of the outputs."""

    def apply(path):
        changed = change(pd.read_parquet(path))
        path.unlink()
        changed.to_parquet(path, index=False)

    return apply


def swap(one, other):
    def apply(place):
        first, second = place.outputs / one, place.outputs / other
        kept = first.read_bytes()
        write(first, second.read_bytes())
        write(second, kept)

    return apply


def flipped(array):
    array = array.copy()
    array[0, 0, 0, :4] ^= 1
    return array


def everything():
    """Yield every `Damage`."""
    draw, train, compare, answer = places.STAGES
    split_words = {"missing": "expected the competition's {} table, found no file"}
    for name, change in ANY.items():
        for split, stage in (("train", draw), ("test", answer)):
            words = {
                "no permission": "ermission",
                "of no bytes": TABLE,
                "cut in half": "",
                "web page": "",
            }.get(name, "")
            if name in ("missing", "a folder", "a link in a loop", "a link to nowhere"):
                words = split_words["missing"].format(split)
            if name == "cut in half":
                continue  # a table in half is a smaller table, but for its last row
            path = f"{split}.csv"
            yield Damage(path, name, partial(at, path, change), stage, words, True, name in QUICK)
    for name, change, words, refused in of_train():
        yield Damage("train.csv", name, change, draw, words, refused, not refused or "vote" in name)
    for name, change, words, refused in of_test():
        yield Damage("test.csv", name, change, answer, words, refused)
    unread = "expected a whole parquet file"
    for kind, group, of_kind in (
        ("train_eegs", "EEG of train", of_train_eeg),
        ("train_spectrograms", "spectrogram of train", of_train_spectrogram),
    ):
        for name, change in ANY.items():
            words = {"no permission": "ermission", "missing": "no s"}.get(name, unread)
            if name in ("a folder", "a link in a loop", "a link to nowhere"):
                words = "no s"
            yield Damage(group, name, recording(kind, change), draw, words, quick=name in QUICK)
        for name, change, words, refused in of_kind():
            yield Damage(group, name, recording(kind, change), draw, words, refused, True)
    for name, (which, change, words, _) in damage.KINDS.items():
        yield Damage(f"{which} of test", name, recording(f"test_{which}s", change), answer, words)
    for name, change in ANY.items():
        if name == "no permission":
            continue
        for file in (
            "settings.json",
            "index.parquet",
            "records.npy",
            "problems.csv",
            "source.json",
            "eeg50.npy",
        ):
            # What a user has put there is not taken away.
            refused = name == "a folder"
            words = file if refused else ""
            where = output(f"spectrograms/train/{file}", change)
            quick = name == "cut in half"
            yield Damage(f"images: {file}", name, where, draw, words, refused, quick)
        yield Damage("folds.parquet", name, output("folds.parquet", change), train, "folds", True)
        for file in ("fold0.json", "fold0.keras"):
            where, group = output(f"models/cnn/{file}", change), f"models: {file}"
            refused = name == "a folder"
            yield Damage(group, name, where, train, file if refused else "", refused)
            yield Damage(group, f"{name}, then 05", where, compare, "fold0", True)
        path = "oof/cnn.parquet"
        yield Damage("oof", name, output(path, change), compare, "cnn.parquet", True)
        yield Damage("blend.json", name, output("blend.json", change), answer, "blend.json", True)
        path = "models/cnn/fold0.keras"
        yield Damage("sealed models", name, output(path, change), answer, "fold0.keras", True)
    images = "spectrograms/train/"
    for name, file, change in (
        ("changed bytes", "eeg50.npy", numbers(flipped)),
        ("a zeroed view", "kaggle600.npy", numbers(np.zeros_like)),
        ("a row less", "eeg10.npy", numbers(lambda array: array[1:])),
        ("another shape", "eeg10.npy", numbers(lambda array: array[..., ::2])),
        ("other numbers", "eeg10.npy", numbers(lambda array: array.astype(np.float32))),
        ("of another code", "settings.json", content(code="0")),
        ("of other settings", "settings.json", content(reduce=[4, 4])),
        ("a list", "settings.json", lambda path: write(path, b"[]")),
        ("a row less", "index.parquet", frame(lambda t: t[1:])),
        ("rows in another order", "index.parquet", frame(lambda t: t[::-1])),
        ("one byte changed", "records.npy", last_bit),
        ("stamps of another time", "records.npy", numbers(other_stamps)),
    ):
        yield Damage(f"images: {file}", name, output(images + file, change), draw)
    for name, file, change in (
        ("changed bytes", "eeg50.npy", numbers(flipped)),
        ("a zeroed view", "eeg10.npy", numbers(np.zeros_like)),
        ("a row less", "eeg10.npy", numbers(lambda array: array[1:])),
        ("a row less", "index.parquet", frame(lambda t: t[1:])),
        ("rows in another order", "index.parquet", frame(lambda t: t[::-1])),
        ("cut in half", "index.parquet", cut),
        ("cut in half", "eeg10.npy", cut),
        ("missing", "eeg10.npy", missing),
        ("missing", "source.json", missing),
        ("cut in half", "source.json", cut),
    ):
        where, words = output(images + file, change), "spectrograms/train"
        yield Damage(f"images: {file}", f"{name}, then 03", where, train, words, True)
    for name, change in (
        ("a patient less", frame(lambda t: t[1:])),
        ("a patient twice", frame(lambda t: pd.concat([t, t[:1].assign(fold=1 - t.fold)]))),
        ("without the fold", frame(lambda t: t.drop(columns="fold"))),
        ("all in one fold", frame(lambda t: t.assign(fold=0))),
        ("folds in words", frame(lambda t: t.assign(fold="a"))),
        ("half folds", frame(lambda t: t.assign(fold=t.fold + 0.5))),
    ):
        yield Damage("folds.parquet", name, output("folds.parquet", change), train, "fold", True)
    one, other = "models/cnn/fold0", "models/cnn/fold1"
    for name, change in (
        ("fold 0 and 1 swapped", swap(f"{one}.keras", f"{other}.keras")),
        ("records of fold 0 and 1 swapped", swap(f"{one}.json", f"{other}.json")),
        ("of other settings", output(f"{one}.json", content(key__seed=7))),
        ("predictions missing", output(f"{one}.json", content(predictions=[]))),
        (
            "a fold less",
            lambda place: [missing(place.outputs / f"{other}{end}") for end in (".json", ".keras")],
        ),
    ):
        yield Damage("models", name, change, train)
        yield Damage("models", f"{name}, then 05", change, compare, "03_cnn_baseline", True)
    for name, change in (
        ("rows in another order", lambda t: t[::-1]),
        ("a row less", lambda t: t[1:]),
        ("a column less", lambda t: t.drop(columns="p_gpd")),
        ("a gap", lambda t: t.assign(p_gpd=np.nan)),
        ("other folds", lambda t: t.assign(fold=1 - t.fold)),
        ("rows sorted by fold", lambda t: t.sort_values("fold", ascending=False, kind="stable")),
        ("answers in another order", lambda t: t.assign(p_gpd=t.p_lpd.to_numpy()[::-1])),
    ):
        path = "oof/cnn.parquet"
        yield Damage("oof", name, output(path, frame(change)), compare, "cnn.parquet", True)
    for name, change in (
        ("a share of 5", content(models__cnn__share=5.0)),
        ("a negative share", content(models__cnn__share=-1.0)),
        ("a temperature of 0", content(models__cnn__temperature=0.0)),
        ("no temperature", content(models__cnn__temperature=None)),
        ("a prior of five", content(prior=[0.2] * 5)),
        ("a prior that adds to two", content(prior=[1 / 3] * 6)),
        ("no networks", content(models={})),
        ("no folds", content(models__cnn__folds={})),
        ("another checksum", content(models__cnn__folds={"fold0.keras": "0"})),
        ("a way out of the folder", content(models__cnn__folds={"../../../x.keras": "0"})),
        ("other views", content(models__cnn__views=["eeg50"])),
        ("images of another shape", content(images__reduce=[4, 4])),
        ("images of no shape", content(images__reduce=[3, 3])),
    ):
        words = "blend.json" if "checksum" not in name else "fold0.keras"
        yield Damage("blend.json", name, output("blend.json", change), answer, words, True)
    yield Damage(
        "sealed models", "fold 0 and 1 swapped", swap(f"{one}.keras", f"{other}.keras"), answer,
        "fold0.keras", True,
    )  # fmt: skip
    for name, change in of_weights():
        words = "efficientnetb0_notop.h5"
        quick = name == "a web page"
        yield Damage("weights", name, change, places.find_weights, words, True, quick)


def of_weights():
    """Yield what may be found under the name of the ImageNet weights."""
    signature = b"\x89HDF\r\n\x1a\n"
    kinds = {
        "a web page": PAGE,
        "of no bytes": b"",
        "random bytes": bytes(range(256)) * 100,
        "zeros": bytes(10_000),
        "cut off behind its signature": signature + bytes(1000),
        "a pointer to a large file": b"version https://git-lfs.github.com/spec/v1\n",
    }
    for name, found in kinds.items():
        yield name, partial(put_weights, found)


def put_weights(found, place):
    path = place.outputs / "keras" / "models" / "efficientnetb0_notop.h5"
    path.parent.mkdir(parents=True)
    path.write_bytes(found)


def other_stamps(array):
    array = array.copy()
    array["stamp"] = b"0"
    return array


def at(name, change, place):
    change(place.data / name)


QUICK = {"missing", "cut in half", "a link in a loop", "no permission"}
ALL = list(everything())
