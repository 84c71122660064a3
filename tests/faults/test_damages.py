"""Each kind of damage has its answer: repaired and said, or refused in one clear line."""

import os
import shutil
import tempfile
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pytest

from tests.faults import damages, place

NOBODY = 65534


@contextmanager
def as_somebody(folder):
    """Give up the rights of an administrator, who may read everything."""
    if os.geteuid():
        yield
        return
    for path in [folder, *folder.rglob("*")]:
        if not path.is_symlink():
            os.chown(path, NOBODY, NOBODY)
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def params():
    for one in damages.ALL:
        marks = () if one.quick else pytest.mark.faults
        yield pytest.param(one, id=f"{one.group}: {one.name}", marks=marks)


@pytest.mark.parametrize("one", list(params()))
def test_damage_has_its_answer(sound, one, capsys, record_property):
    whole, results = sound
    folder = Path(tempfile.mkdtemp())  # pytest's own are closed to other users
    try:
        damaged, error, result = whole.copy(folder), None, None
        one.change(damaged)
        capsys.readouterr()
        try:
            with as_somebody(folder) if one.name == "no permission" else nullcontext():
                result = one.stage(damaged)
        except place.PLAIN as caught:
            error = caught
        said = capsys.readouterr().out
        listed = damaged.images / "problems.csv"
        said += listed.read_text("utf-8") if listed.is_file() else ""
        message = str(error or line_with(said, one.words)).replace(f"{folder}/", "")
        answer = "refused" if error else "said, and went on" if one.words else "as without it"
        record_property("fault", [one.group, one.name, answer, message.partition("\n")[0]])
        if one.refused:
            assert error is not None, f"went on:\n{said}"
            assert one.words in message
            assert len(message) < 700 and message.count("\n") <= 3
            return
        assert error is None, f"{type(error).__name__}: {message}"
        assert one.words in said
        expected = results[one.stage.__name__]
        if one.words:  # other recordings are as they were
            first = {int(whole.file(f"{split}_eegs").stem) for split in ("train", "test")}
            kept = {key: value for key, value in expected.items() if not first & ids(key)}
            assert kept and {key: result[key] for key in kept} == kept
        else:
            assert result == expected
    finally:
        shutil.rmtree(folder)


def ids(key):
    return set(key) if isinstance(key, tuple) else {key}


def line_with(said, words):
    lines = [line for line in said.splitlines() if words and words in line]
    return lines[0].strip() if lines else ""


def test_there_are_enough_of_them():
    assert len(damages.ALL) >= 60
    assert len({(one.group, one.name, one.stage) for one in damages.ALL}) == len(damages.ALL)
