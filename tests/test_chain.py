"""The runner: the whole chain at a tiny scale, its parameters and its failures."""

import asyncio
import gc
import logging
import re
import shutil
import sys
from html import unescape

import nbformat
import numpy as np
import pandas as pd
import papermill
import pytest
from click.testing import CliRunner
from nbformat.v4 import new_code_cell, new_notebook

from hms_utils import answers, chain, images, networks, paths, scores
from hms_utils.cli import main
from hms_utils.constants import PREDICTION_COLUMNS, WELL_VOTED
from hms_utils.networks import engines

TRAINING = ("EPOCHS=1", "WELL_EPOCHS=1", "BACKBONE_WEIGHTS=none", "BATCH_SIZE=8")
TINY = ("REDUCE=[8,8]", "N_FOLDS=2", "EPOCHS_RANDOM=1", *TRAINING)


def run(*arguments):
    return CliRunner().invoke(main, ["run", *map(str, arguments)], catch_exceptions=False)


def options(assignments):
    return [part for assignment in assignments for part in ("-p", assignment)]


def check_result(result, data_dir, output_dir):
    assert result.exit_code == 0, result.output
    table = pd.read_csv(output_dir / "submission.csv")
    answers.check(table, pd.read_csv(data_dir / "test.csv"))
    assert f"Submission: {output_dir / 'submission.csv'}" in result.output
    for name in chain.NOTEBOOKS:
        line = next(part for part in result.output.splitlines() if part.startswith(name))
        headline = paths.read_json(output_dir / "metrics" / f"{name}.json")["headline"]
        assert headline in line
        executed = nbformat.read(output_dir / "executed" / f"{name}.ipynb", as_version=4)
        assert any(cell.get("outputs") for cell in executed.cells)
    return table


def test_whole_chain_on_a_sample_with_two_damaged_recordings(sample_dir, tmp_path, monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "Agg")  # as where there is no screen; pictures stay
    data_dir = tmp_path / "data"
    shutil.copytree(sample_dir, data_dir)
    damaged = [sorted((data_dir / folder).iterdir())[1] for folder in ("train_eegs", "test_eegs")]
    for path in damaged:
        path.write_bytes(path.read_bytes()[:5000])
    arguments = ["--data-dir", data_dir, "--output-dir", tmp_path, *options(TINY)]
    result = run(*arguments)
    table = check_result(result, data_dir, tmp_path).set_index("eeg_id")
    for path in damaged:
        assert f"{path.parent.name}/{path.name}: expected a whole parquet file" in result.output
    assert "1 of 4 recordings had something wrong, 1 got the prior" in result.output
    problems = pd.read_csv(tmp_path / "submission_problems.csv")
    assert problems.eeg_id.tolist() == [int(damaged[1].stem)]
    index = pd.read_parquet(tmp_path / "spectrograms" / "train" / "index.parquet")
    assert int(damaged[0].stem) not in set(index.eeg_id)
    voted = scores.mean_vote(index[index.n_votes >= WELL_VOTED])
    np.testing.assert_allclose(table.loc[int(damaged[1].stem)], voted, atol=1e-6)
    assert "SYNTHETIC" in result.output
    assert "quick scale" in result.output
    metrics = paths.read_json(tmp_path / "metrics" / "04_efficientnet_b0.json")
    assert metrics["backbone_weights"] == "random weights, as asked"
    assert {line["model"] for line in metrics["scorecard"]} == {
        "uniform",
        "prior of all rows",
        "prior",
        "prior by votes",
        "efficientnet_b0, raw",
        "efficientnet_b0",
        "floor (estimate)",
    }
    blend = paths.read_json(tmp_path / "blend.json")
    assert sum(part["share"] for part in blend["models"].values()) == pytest.approx(1)
    assert f"Report: {tmp_path / 'report.html'}" in result.output
    page = unescape((tmp_path / "report.html").read_text(encoding="utf-8"))
    for name in chain.NOTEBOOKS:
        assert f'<h2 id="{name}">' in page
        assert paths.read_json(tmp_path / "metrics" / f"{name}.json")["headline"] in page

    for name, number in {"01_eda": 12, "02_spectrograms": 3, "05_comparison": 9}.items():
        executed = nbformat.read(tmp_path / "executed" / f"{name}.ipynb", as_version=4)
        outputs = [output for cell in executed.cells for output in cell.get("outputs", [])]
        assert sum("image/png" in output.get("data", {}) for output in outputs) >= number, name

    # A fold that is trained again answers the same to the byte.
    oof, fold = tmp_path / "oof" / "cnn.parquet", tmp_path / "models" / "cnn" / "fold1.keras"
    before = oof.read_bytes(), engines.load(fold).get_weights()
    fold.unlink()
    result = run(*arguments[:4], "--only", "3", *options(TRAINING[:2]), "-p", "BATCH_SIZE=8")
    assert result.exit_code == 0, result.output
    assert result.output.count("already trained") == 1
    assert oof.read_bytes() == before[0]
    for one, two in zip(engines.load(fold).get_weights(), before[1], strict=True):
        np.testing.assert_array_equal(one, two)


@pytest.mark.real_data
def test_whole_chain_on_real_eeg_from_a_weights_file(
    real_dir, tmp_path, imagenet_file, monkeypatch
):
    monkeypatch.setenv("KERAS_HOME", str(imagenet_file.parents[1]))
    settings = [*TINY, "BACKBONE_WEIGHTS=imagenet"]
    result = run("--data-dir", real_dir, "--output-dir", tmp_path, "--quick", *options(settings))
    metrics = paths.read_json(tmp_path / "metrics" / "04_efficientnet_b0.json")
    assert metrics["backbone_weights"].startswith("pretrained weights that are not Keras' (MD5 ")
    assert len(check_result(result, real_dir, tmp_path)) == 6
    assert "SYNTHETIC" not in result.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--only", "9"], "notebook number of 01, 02, 03, 04, 05, 06, found 9"),
        (["--only", "03", "--from", "04"], "either --from and --to, or --only"),
        (["--from", "04", "--to", "3"], "expected --to 3 not before --from 04"),
        (["-p", "EPOCH=3"], 'found "EPOCH=3"; the parameters are AUGMENT, BACKBONE_WEIGHTS'),
        (["-p", "EPOCHS"], 'found "EPOCHS"'),
        (["-p", "EPOCHS=many"], "EPOCHS: expected a value of type int like"),
        (["-p", "EPOCHS=2.5"], "EPOCHS: expected a value of type int like"),
        (["-p", "DATA_DIR=x"], "the folders are set by --data-dir and --output-dir"),
        (["--only", "05", "-p", "EPOCHS=3"], "the parameters are EXPLAINED"),
        (["--data-dir", "/nonexistent"], "no such folder"),
        (["--output-dir", "/tmp/{braces}"], "without braces"),
    ],
)
def test_wrong_arguments_are_refused_in_one_line(sample_dir, tmp_path, arguments, message):
    given = ["--data-dir", sample_dir] if "--data-dir" not in arguments else []
    given += ["--output-dir", tmp_path] if "--output-dir" not in arguments else []
    result = run(*given, *arguments)
    assert result.exit_code == 1
    assert message in result.output
    assert "Traceback" not in result.output
    assert not (tmp_path / "executed").exists()


def test_values_are_of_the_notebooks_types():
    chosen = chain.read_parameters(
        ["EPOCHS=3", "LEARNING_RATE=1", "BACKBONE_WEIGHTS=none"], chain.NOTEBOOKS
    )
    assert chosen["03_cnn_baseline"] == {"EPOCHS": 3, "LEARNING_RATE": 1.0}
    assert chosen["04_efficientnet_b0"]["BACKBONE_WEIGHTS"] == "none"
    assert chosen["01_eda"] == {}


def test_earlier_stage_is_named(sample_dir, tmp_path):
    result = run("--data-dir", sample_dir, "--output-dir", tmp_path, "--only", "03")
    assert result.exit_code == 1
    assert "run notebooks/02_spectrograms.ipynb first" in result.output
    assert "executed/03_cnn_baseline.ipynb" in result.output


def test_what_would_fail_after_hours_is_refused_at_once(sample_dir, tmp_path):
    folder = tmp_path / "data"
    shutil.copytree(sample_dir, folder)
    (folder / "test.csv").unlink()
    arguments = ["--data-dir", folder, "--output-dir", tmp_path / "out"]
    result = run(*arguments)
    assert result.exit_code == 1
    assert "test.csv: expected the competition's test table" in result.output
    assert "[1/6]" not in result.output


@pytest.fixture(scope="module")
def default_sample(tmp_path_factory):
    """The folder of a Run All of the first notebook, from notebooks/ and without data."""
    if paths.find_data_dir() is not None:
        pytest.skip("this machine has data, so no sample is made")
    output = tmp_path_factory.mktemp("default")
    papermill.execute_notebook(
        paths.REPOSITORY / "notebooks" / "01_eda.ipynb",
        output / "01_eda.ipynb",
        {"OUTPUT_DIR": str(output)},
        kernel_name="python3",
        cwd=paths.REPOSITORY / "notebooks",
        progress_bar=False,
    )
    return output


def test_first_notebook_runs_without_data(default_sample):
    executed = nbformat.read(default_sample / "01_eda.ipynb", as_version=4)
    text = "".join(o.text for c in executed.cells for o in c.get("outputs", []) if "text" in o)
    assert "the generated sample, as no data was found" in text
    assert "SYNTHETIC" in text
    assert len(list((default_sample / "figures").glob("pattern_*.png"))) == 7


def test_cnn_beats_the_prior_and_finds_cases_on_the_default_sample(default_sample):
    """Two claims in one test, as two processes would each train the network."""
    for number in ("02", "03"):
        data_dir = default_sample / "sample_data"
        result = run("--data-dir", data_dir, "--output-dir", default_sample, "--only", number)
        assert result.exit_code == 0, result.output
    # Where ten or more voted, which its last stage is for, with the whole interval.
    oof = pd.read_parquet(default_sample / "oof" / "cnn.parquet")
    answers = {"cnn": oof[list(PREDICTION_COLUMNS)].to_numpy(), "prior": scores.fold_priors(oof)}
    difference = scores.differences(oof, answers, [("cnn", "prior")]).iloc[1]
    assert difference.group == scores.WELL
    assert difference.high < -0.05

    # Its nearest cases have the panel's class more often than chance and than pixels have it.
    pictures, index = images.load(default_sample / "spectrograms" / "train", quiet=True)
    folds, rows = images.assign_folds(index, default_sample), np.arange(len(index))
    networks.seal(default_sample, {"cnn": {"temperature": 1.0, "share": 1.0}}, index, 10.0)
    ensemble = networks.Ensemble(default_sample)
    found = networks.nearest_cases(ensemble, "cnn", pictures, folds, rows)
    shared = networks.shared_classes(scores.consensus(index), folds, rows, *found)
    summary = scores.summarise(shared, index.patient_id)
    assert summary.low["- chance"] > 0.02
    assert summary.low["- pixels"] > 0


def test_a_bad_table_stops_the_chain_and_leaves_nothing_whole(sample_dir, tmp_path):
    folder = tmp_path / "data"
    shutil.copytree(sample_dir, folder)
    table = pd.read_csv(folder / "train.csv").drop(columns="lpd_vote")
    table.to_csv(folder / "train.csv", index=False)
    output = tmp_path / "out"
    result = run("--data-dir", folder, "--output-dir", output, "--from", "02", *options(TINY))
    assert result.exit_code == 1
    line = next(part for part in result.output.splitlines() if part.startswith("02_spectro"))
    assert "train.csv: expected 15 columns, missing ['lpd_vote']" in line
    assert "[2/5]" not in result.output
    assert (output / "executed" / "02_spectrograms.ipynb").is_file()
    assert not (output / "spectrograms" / "train").exists()
    assert not (output / "metrics" / "02_spectrograms.json").exists()


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("print('before')\nraise KeyError('why')", "KeyError: 'why'"),
        ("import os\nos._exit(1)", "the kernel died"),
        ("raise MemoryError", "MemoryError: too little memory; free some memory, or take fewer"),
    ],
)
def test_failure_is_reported_with_its_cell(sample_dir, tmp_path, monkeypatch, source, message):
    monkeypatch.setattr(paths, "REPOSITORY", tmp_path)
    (tmp_path / "notebooks").mkdir()
    parameters = new_code_cell("DATA_DIR = ''", metadata={"tags": ["parameters"]})
    broken = new_notebook(
        cells=[parameters, new_code_cell("print(DATA_DIR)"), new_code_cell(source)],
        metadata={"kernelspec": {"name": "python3", "display_name": "", "language": "python"}},
    )
    for name in chain.NOTEBOOKS:
        nbformat.write(broken, tmp_path / "notebooks" / f"{name}.ipynb")
    result = run("--data-dir", sample_dir, "--output-dir", tmp_path / "out")
    assert result.exit_code == 1
    assert f"01_eda failed in {'' if 'died' in message else 'cell [4]: '}{message}" in result.output
    assert str(sample_dir) in result.output  # what the notebook printed until then
    assert "02_eda" not in result.output
    assert (tmp_path / "out" / "executed" / "01_eda.ipynb").is_file()
    page = unescape((tmp_path / "out" / "report.html").read_text(encoding="utf-8"))
    assert f"FAILED:</b> {'' if 'died' in message else 'cell [4]: '}{message}" in page


def test_too_little_room_for_addresses_is_refused_at_once(sample_dir, tmp_path, monkeypatch):
    monkeypatch.setattr(chain.resource, "getrlimit", lambda _: (10**9, -1))
    result = run("--data-dir", sample_dir, "--output-dir", tmp_path)
    assert result.exit_code == 1
    assert "too little memory: expected room for 2 GB of addresses or more, found" in result.output
    assert "[1/6]" not in result.output


def test_a_kernel_of_another_python_is_not_taken(sample_dir, tmp_path, monkeypatch):
    """A stale one of the user's has the same name, and would come first."""
    other = tmp_path / "jupyter" / "kernels" / "python3"
    argv = ["/nonexistent/python", "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    spec = {"argv": argv, "display_name": "3", "language": "python"}
    paths.write_json(other / "kernel.json", spec)
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    monkeypatch.setattr(paths, "REPOSITORY", tmp_path)
    parameters = new_code_cell("DATA_DIR = ''", metadata={"tags": ["parameters"]})
    notebook = new_notebook(
        cells=[parameters, new_code_cell("import sys\nprint(sys.executable)")],
        metadata={"kernelspec": {"name": "python3", "display_name": "", "language": "python"}},
    )
    (tmp_path / "notebooks").mkdir()
    nbformat.write(notebook, tmp_path / "notebooks" / "01_eda.ipynb")
    result = run("--data-dir", sample_dir, "--output-dir", tmp_path / "out", "--only", "01")
    assert result.exit_code == 0, result.output
    assert f"\n      {sys.executable}\n" in result.output


def test_full_scale_is_passed_to_the_notebooks(sample_dir, tmp_path, imagenet_file, monkeypatch):
    passed = {}

    def execute(name, values, output_dir):
        passed[name] = values
        return chain.Result(name, 1.0, 10**9, "fine", output_dir, False)

    monkeypatch.setattr(chain, "_execute", execute)
    monkeypatch.setattr(chain, "scores", lambda _: "")
    arguments = ["--data-dir", sample_dir, "--output-dir", tmp_path]
    monkeypatch.setattr("hms_utils.networks.weights.WEIGHTS_URL", "http://127.0.0.1:9/none.h5")
    assert "or set BACKBONE_WEIGHTS to auto or none" in run(*arguments, "--full").output
    assert passed == {}  # what would fail in 04 is not begun
    monkeypatch.setenv("KERAS_HOME", str(imagenet_file.parents[1]))
    assert run(*arguments, "--full", "-p", "EPOCHS=2").exit_code == 0
    assert passed["02_spectrograms"]["REDUCE"] == [1, 1]
    assert passed["04_efficientnet_b0"]["BACKBONE_WEIGHTS"] == "imagenet"
    assert passed["03_cnn_baseline"]["EPOCHS"] == 2  # what is asked for wins
    assert "DATA_DIR" not in passed["03_cnn_baseline"]
    (sample_dir / paths.SYNTHETIC_MARK).rename(tmp_path / "mark")
    try:
        result = run(*arguments)
    finally:
        (tmp_path / "mark").rename(sample_dir / paths.SYNTHETIC_MARK)
    assert "full scale" in result.output
    assert run(*arguments).output.count("quick scale") == 1
    assert "REDUCE" not in passed["02_spectrograms"]


def test_a_time_budget_is_of_all_notebooks_together(sample_dir, tmp_path, monkeypatch):
    passed, now = {}, [0.0]
    monkeypatch.setattr(chain.time, "perf_counter", lambda: now[0])

    def execute(name, values, output_dir):
        passed[name] = values
        now[0] += 3600
        late = name == "04_efficientnet_b0"
        return chain.Result(name, 3600, 10**9, "two folds are left", output_dir, late, late)

    monkeypatch.setattr(chain, "_execute", execute)
    arguments = ["--data-dir", sample_dir, "--output-dir", tmp_path, "--to", "5"]
    result = run(*arguments, *options(["TIME_BUDGET_HOURS=2.5"]))
    assert result.exit_code == 75
    assert "04_efficientnet_b0 is out of time: two folds are left" in result.output
    assert "TIME_BUDGET_HOURS" not in passed["02_spectrograms"]
    assert passed["03_cnn_baseline"]["TIME_BUDGET_HOURS"] == pytest.approx(0.5)
    assert 0 < passed["04_efficientnet_b0"]["TIME_BUDGET_HOURS"] < 1e-6  # 0 would be no limit
    assert "05_comparison" not in passed


def test_a_notebook_that_ends_in_time_is_told_from_one_that_fails(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "REPOSITORY", tmp_path)
    (tmp_path / "notebooks").mkdir()
    source = "class TimeIsUp(RuntimeError):\n    pass\n\nraise TimeIsUp('one of two')"
    metadata = {"kernelspec": {"name": "python3", "display_name": "", "language": "python"}}
    notebook = new_notebook(cells=[new_code_cell(source)], metadata=metadata)
    nbformat.write(notebook, tmp_path / "notebooks" / "03_cnn_baseline.ipynb")
    (tmp_path / "executed").mkdir()
    result = chain._execute("03_cnn_baseline", {}, tmp_path)
    assert result.failed and result.out_of_time
    assert result.headline == "one of two"
    assert "OUT OF TIME: one of two" in chain.table([result])


def test_an_interrupted_cell_leaves_no_word_of_its_task(tmp_path, monkeypatch, caplog):
    async def wait():
        await asyncio.Event().wait()

    def execute(*_, **__):
        loop = asyncio.new_event_loop()
        task = loop.create_task(wait())
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()
        del task
        gc.collect()  # the task goes, pending, before anybody hears of the interruption
        raise KeyboardInterrupt

    monkeypatch.setattr(chain.papermill, "execute_notebook", execute)
    monkeypatch.setattr(logging.getLogger("asyncio"), "level", logging.WARNING)
    (tmp_path / "metrics").mkdir()
    with pytest.raises(KeyboardInterrupt):
        chain._execute("03_cnn_baseline", {}, tmp_path)
    assert "Task was destroyed" not in caplog.text


def test_a_disk_that_is_too_small_is_told_before_anything_runs(sample_dir, tmp_path, monkeypatch):
    monkeypatch.setattr(chain, "_execute", lambda name, *_: pytest.fail(f"{name} was run"))
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(chain.shutil, "disk_usage", lambda _: usage._replace(free=10**5))
    arguments = ["--data-dir", sample_dir, "--output-dir", tmp_path / "out"]
    result = run(*arguments)
    assert result.exit_code == 1
    line = (
        r"Error: .*out: expected [\d,]+\.\d MB of disk for the images of \d+ windows, found 0\.1;"
    )
    assert re.search(line, result.output)
    tiny = [*arguments, "-p", "REDUCE=[8, 8]", "-p", "MAX_PATIENTS=1"]
    monkeypatch.setattr(chain.shutil, "disk_usage", lambda _: usage._replace(free=0))
    result = run(*tiny)
    assert re.search(r"expected 0\.0\d*[1-9]\d* MB of disk for .*, found 0;", result.output)
