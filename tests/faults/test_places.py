"""Folders of any name: what a user calls them changes nothing."""

import pytest

from tests.faults.commands import last_line, outputs_of, run

pytestmark = [pytest.mark.faults, pytest.mark.timeout(3600)]

NAMES = {
    "spaces": "my own  data",
    "letters of the world": "Größe 脳波 данные",
    "decomposed letters": "Gro\u0308\u00dfe",
    "quotes": 'it\'s "mine"',
    "marks of the shell": "a;b&c$HOME*?[1]#!~",
    "marks of pip": "a[edf];b>=1,2",
    "a percent sign": "50%s %(asctime)s",
    "a backslash": "back\\slash\\n",
    "a line end": "two\nlines",
    "a leading dash": "-p",
    "a leading dot": ".hidden",
    "a very long name": "x" * 200,
}


@pytest.mark.parametrize("name", NAMES)
def test_a_folder_may_have_any_name(chain, tmp_path, note, name):
    top = tmp_path / NAMES[name]
    data, outputs = top / "data", chain.copy(top / "outputs")
    data.symlink_to(chain.data)
    for number in ("02", "06"):
        done = chain.run(number, outputs, data=data)
        assert done.returncode == 0, done.stdout
    assert outputs_of(outputs) == outputs_of(chain.outputs)
    done = run(
        [*chain.command("02")[:3], "bundle", "--output-dir", outputs, "--user", "me"], chain.env
    )
    assert done.returncode == 0, done.stdout
    note(name, "as without it")


def test_braces_are_refused(chain, tmp_path, note):
    done = chain.run("02", tmp_path / "{outputs}")
    assert done.returncode == 1
    assert "expected an output folder without braces" in done.stdout
    assert not (tmp_path / "{outputs}" / "executed").exists()
    note("braces", "refused", last_line(done.stdout))


def test_braces_around_data_are_fine_or_refused(chain, tmp_path, note):
    data = tmp_path / "{data}"
    data.symlink_to(chain.data)
    outputs = chain.copy(tmp_path / "outputs")
    done = chain.run("02", outputs, data=data)
    answer = "refused" if done.returncode else "as without it"
    assert done.returncode == 0 or "braces" in done.stdout, done.stdout
    note("braces around the data", answer)


@pytest.mark.parametrize("kind", ["relative", "linked", "from another folder", "with .."])
def test_a_folder_may_be_named_in_any_way(chain, tmp_path, note, kind):
    outputs = chain.copy(tmp_path / "outputs")
    cwd, named = tmp_path, outputs
    if kind == "relative":
        named = "outputs"
    elif kind == "linked":
        named = tmp_path / "link"
        named.symlink_to(outputs)
    elif kind == "with ..":
        named = outputs / ".." / "outputs"
    else:
        cwd = "/"
    for number in ("02", "06"):
        done = chain.run(number, named, cwd=cwd)
        assert done.returncode == 0, done.stdout
    assert outputs_of(outputs) == outputs_of(chain.outputs)
    assert {path.name for path in tmp_path.iterdir()} <= {"outputs", "link"}
    note(kind, "as without it")
