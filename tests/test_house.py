"""The plan of the package: rooms import only rooms above them, and only what these export."""

import ast
import subprocess
import sys

import nbformat
import pytest

from hms_utils import paths

PACKAGE = paths.REPOSITORY / "hms_utils"
# From the bottom up: each may use what stands before it.
BASE = ("constants", "paths", "lock", "progress", "threads")
ROOMS = ("eeg", "images", "scores", "sample", "networks", "plots", "answers")
TOP = ("chain", "download", "estimate", "report", "cli")
FLOORS = [*BASE, *ROOMS, *TOP]
# A figure needs no network: side by side in the plan, not one on the other.
APART = {("plots", "networks"), ("plots", "sample"), ("networks", "sample")}


def imports(tree):
    """Yield (module, name) of each import from the package, "" for a module as a whole."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("hms_utils"):
            assert not node.level, "rooms are named in full"
            for alias in node.names:
                yield node.module.split(".")[1:], alias.name
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.startswith("hms_utils."):
                    yield alias.name.split(".")[1:], ""


def exports(room):
    tree = ast.parse((PACKAGE / room / "__init__.py").read_text(encoding="utf-8"))
    (names,) = (
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and node.targets[0].id == "__all__"
    )
    return names


def used_names(tree, room):
    """Return what is read of a room that was imported as a whole, ``room.name``."""
    return {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == room
    }


def faults(tree, floor):
    """Yield what the source of a module on this floor may not import."""
    for module, name in imports(tree):
        target, inner = (module or [name])[0], module[1:]
        if target not in FLOORS or target == floor:
            continue
        if FLOORS.index(target) > FLOORS.index(floor) or (floor, target) in APART:
            yield f"{floor} imports {target}"
        if target in ROOMS:
            known = exports(target)
            if inner or (module and name not in known):
                yield f"{floor} imports {'.'.join(module)}.{name}, which {target} does not export"
            if not module:
                unknown = used_names(tree, target) - set(known)
                yield from (f"{floor} uses {target}.{each}" for each in sorted(unknown))


def sources():
    for path in sorted(PACKAGE.rglob("*.py")):
        floor = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        if floor in FLOORS:
            yield floor, path


@pytest.mark.parametrize(
    ("floor", "path"), list(sources()), ids=lambda part: getattr(part, "stem", part)
)
def test_a_room_imports_only_rooms_above_it_and_what_they_export(floor, path):
    assert list(faults(ast.parse(path.read_text(encoding="utf-8")), floor)) == []


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        ("from hms_utils.plots import save", "images imports plots"),
        ("from hms_utils.eeg.montage import bipolar", "which eeg does not export"),
        ("from hms_utils.eeg import _name", "which eeg does not export"),
        ("import hms_utils.answers", "images imports answers"),
        ("from hms_utils import eeg\neeg.montage.bipolar()", "images uses eeg.montage"),
    ],
)
def test_the_plan_can_be_broken(source, fault):
    assert any(fault in found for found in faults(ast.parse(source), "images"))


def test_every_module_has_its_place():
    modules = {path.stem for path in PACKAGE.glob("*.py")} - {"__init__", "__main__"}
    assert modules == {*BASE, *TOP}
    rooms = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert rooms == set(ROOMS)


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_says_what_it_is_for_and_exports_what_others_use(room):
    tree = ast.parse((PACKAGE / room / "__init__.py").read_text(encoding="utf-8"))
    text = ast.get_docstring(tree)
    assert all(words in text.lower() for words in ("in come", "out go", "notebook")), text
    users = [path for floor, path in sources() if floor != room]
    users += sorted((paths.REPOSITORY / "benchmarks").glob("*.py"))
    text = "\n".join(path.read_text(encoding="utf-8") for path in users)
    for path in sorted((paths.REPOSITORY / "notebooks").glob("*.ipynb")):
        text += "\n".join(cell.source for cell in nbformat.read(path, as_version=4).cells)
    public = ("mel_spectrogram", "score", "check")  # which others call
    unused = [name for name in exports(room) if name not in public and name not in text]
    assert unused == []


def notebook_sources(path):
    cells = nbformat.read(path, as_version=4).cells
    lines = "\n".join(cell.source for cell in cells if cell.cell_type == "code").splitlines()
    return "\n".join(line for line in lines if not line.lstrip().startswith("%"))


@pytest.mark.parametrize(
    "path", sorted((paths.REPOSITORY / "notebooks").glob("*.ipynb")), ids=lambda path: path.stem
)
def test_notebooks_take_few_names_and_only_exported_ones(path):
    tree = ast.parse(notebook_sources(path))
    found = list(imports(tree))
    assert 0 < len(found) <= 8
    assert list(faults(tree, TOP[-1])) == []


def test_only_networks_loads_tensorflow():
    for floor, path in sources():
        if floor != "networks":
            tree = ast.parse(path.read_text(encoding="utf-8"))
            heads = set()
            for node in ast.walk(tree):
                if isinstance(node, ast.Import):
                    heads |= {alias.name.split(".")[0] for alias in node.names}
                elif isinstance(node, ast.ImportFrom):
                    heads.add((node.module or "").split(".")[0])
            assert not heads & {"tensorflow", "keras"}, path
    rooms = ", ".join(f"hms_utils.{room}" for room in ROOMS if room != "networks")
    code = f"import sys, {rooms}; print('tensorflow' in sys.modules or 'keras' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=paths.REPOSITORY, capture_output=True, text=True
    )
    assert done.stdout == "False\n", done.stderr
