"""The notebooks as they are committed: clean, small, and runnable by papermill."""

import ast
import re
import statistics

import nbformat
import pytest

from hms_utils import chain, paths

FOLDER = paths.REPOSITORY / "notebooks"


@pytest.fixture(params=chain.NOTEBOOKS)
def notebook(request):
    return nbformat.read(FOLDER / f"{request.param}.ipynb", as_version=4)


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def parameters(notebook):
    tagged = [c for c in notebook.cells if "parameters" in c.metadata.get("tags", [])]
    assert len(tagged) == 1
    return tagged[0]


def test_folder_holds_the_chains_notebooks_and_no_others():
    assert sorted(path.stem for path in FOLDER.glob("*.ipynb")) == list(chain.NOTEBOOKS)


def test_committed_without_outputs(notebook):
    nbformat.validate(notebook)
    for cell in code_cells(notebook):
        assert cell.outputs == []
        assert cell.execution_count is None
    assert notebook.metadata.kernelspec.name == "python3"


def test_texts_are_short_and_so_are_most_cells(notebook):
    lines = [len(cell.source.splitlines()) for cell in code_cells(notebook)]
    assert statistics.median(lines) <= 6
    words = [0]  # from one code cell to the next
    for cell in notebook.cells:
        if cell.cell_type == "code":
            words.append(0)
        else:
            words[-1] += len(cell.source.split())
    assert max(words) <= 90, words


def test_cells_are_few_and_short_and_define_nothing(notebook):
    assert len(notebook.cells) < 60
    for cell in code_cells(notebook):
        assert len(cell.source.splitlines()) <= 15, cell.source
        python = re.sub(r"(?m)^%.*", "", cell.source)  # without magics
        names = [type(node).__name__ for node in ast.parse(python).body]
        assert not {"FunctionDef", "ClassDef"} & set(names), cell.source


def test_one_title_an_overview_and_an_end(notebook):
    text = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
    titles = [line for source in text for line in source.splitlines() if line.startswith("# ")]
    assert len(titles) == 1
    assert text[0].startswith(titles[0])
    assert "| reads | writes |" in text[0]
    assert any(source.startswith("## What was written") for source in text)


def test_parameters_are_plain_literals_with_comments(notebook):
    cell = parameters(notebook)
    assert notebook.cells.index(cell) <= 2
    for line in cell.source.splitlines():
        (node,) = ast.parse(line).body
        assert isinstance(node, ast.Assign)
        assert node.targets[0].id.isupper()
        ast.literal_eval(node.value)
        assert "  # " in line


def test_full_scale_names_parameters_of_its_notebooks():
    for name, values in chain.FULL.items():
        cell = parameters(nbformat.read(FOLDER / f"{name}.ipynb", as_version=4))
        own = {
            node.targets[0].id: ast.literal_eval(node.value) for node in ast.parse(cell.source).body
        }
        for parameter, value in values.items():
            assert type(own[parameter]) is type(value)
            line = next(part for part in cell.source.splitlines() if part.startswith(parameter))
            (written,) = re.findall(r"full: ([^)]+)\)", line)
            assert (
                written == value if isinstance(value, str) else ast.literal_eval(written) == value
            )
