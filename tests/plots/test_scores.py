import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from hms_utils import plots, scores
from hms_utils.constants import CLASSES, VOTE_COLUMNS
from hms_utils.plots.style import MARKERS
from hms_utils.scores import classes

mpl.use("Agg")


@pytest.fixture
def axes():
    figure, ax = plt.subplots()
    yield ax
    plt.close(figure)


@pytest.fixture(scope="module")
def panel():
    rng = np.random.default_rng(0)
    prediction = rng.dirichlet(np.full(6, 0.7), 60)
    table = pd.DataFrame(rng.multinomial(12, prediction), columns=list(VOTE_COLUMNS))
    table = table.assign(label_id=range(60), patient_id=np.arange(60) // 2, fold=np.arange(60) % 2)
    return table, prediction


def texts(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def test_learning_curves_go_on_through_the_stages(axes):
    stage = {"stage": ["all rows", "well voted"], "epoch": [1, 1], "loss": [2, 1]}
    history = pd.DataFrame({"fold": [0, 0], **stage, "val_loss": [3, 2], "val_well": [None] * 2})
    plots.learning_curves(history, axes)
    assert axes.lines[0].get_xdata().tolist() == [1, 2]
    assert [text.get_text() for text in axes.texts] == ["all rows", "well voted"]


def by_patients(source, models, patients):
    lines = [
        (source, model, size, 0.5 + 0.01 * len(model)) for model in models for size in patients
    ]
    table = pd.DataFrame(lines, columns=["source", "model", "patients", "kl"])
    return table.assign(low=table.kl - 0.1, high=table.kl + 0.2, group=scores.WELL)


def test_a_run_is_drawn_before_its_learning_curve(axes):
    run = by_patients("run", ["prior", "cnn, random weights", "blend", "floor"], [85])
    curve = by_patients("curve", ["cnn", "efficientnet_b0, random", "prior"], [50, 200])
    plots.by_patients(pd.concat([run, curve]), axes)
    assert [float(label.get_text()) for label in axes.get_xticklabels()] == [50, 85, 200]
    assert texts(axes) == [
        "cnn, curve",
        "efficientnet_b0, random, curve",
        "cnn, random weights: 0.69 (0.59 to 0.89)",
        "blend: 0.55 (0.45 to 0.75)",
    ]
    assert sorted(text.get_text() for text in axes.texts) == ["floor", "prior", "prior, curve"]
    # From random weights dotted, and each network in its colour.
    lines = {line.get_label(): line for line in axes.lines}
    assert lines["efficientnet_b0, random, curve"].get_linestyle() == ":"
    assert lines["cnn, curve"].get_linestyle() == "-"
    points = {bars.get_label(): bars[0] for bars in axes.containers}
    assert points["cnn, random weights: 0.69 (0.59 to 0.89)"].get_color() == (
        lines["cnn, curve"].get_color()
    )
    beside = sorted(float(point.get_xdata()[0]) for point in points.values())
    assert 80 < beside[0] < 85 < beside[1] < 90


def test_a_run_or_a_curve_can_be_drawn_alone(axes):
    plots.by_patients(by_patients("curve", ["cnn", "prior"], [50, 100]), axes)
    assert texts(axes) == ["cnn, curve"]
    axes.clear()
    plots.by_patients(by_patients("run", ["cnn", "blend"], [40]), axes)
    assert axes.get_xlim()[0] < 40 < axes.get_xlim()[1] and axes.get_xscale() == "log"
    assert axes.get_ylabel().startswith("KL divergence to the votes, >= 10 votes")


def test_scorecard_shows_all_models_and_marks(panel, axes, tmp_path):
    table, prediction = panel
    card = scores.scorecard(table, {"cnn": prediction, "other": prediction})
    plots.scorecard(card, axes)
    models = ["prior of all rows", "prior", "cnn", "other"]
    assert sorted(texts(axes)) == sorted(["uniform", *models, "floor (estimate)"])
    assert axes.get_yticklabels()[0].get_text() == "all rows\n60 rows, 30 patients"
    plots.save(axes.figure, tmp_path, "scores")
    assert (tmp_path / "figures" / "scores.png").stat().st_size > 1000
    assert "<image" not in (tmp_path / "figures" / "scores.svg").read_text(encoding="utf-8")


def test_ranking_shows_every_class_and_chance(panel):
    table, prediction = panel
    figure, axes = plt.subplots(1, 2)
    by_class = classes.per_class(table, prediction)
    by_class.loc["LPD", ["n_rows", "n_patients"]] = 41, 25
    by_class.loc["GPD", ["n_rows", "n_patients"]] = 41, 3
    plots.ranking({"cnn": by_class}, axes)
    labels = [label.get_text() for label in axes[0].get_yticklabels()]
    assert labels[1:3] == ["LPD 41", "GPD (few) 41"]
    assert [label.get_text().split()[0] for label in axes[0].get_yticklabels()] == list(CLASSES)
    assert texts(axes[1]) == ["by chance", "cnn"]
    plt.close(figure)


def test_small_groups_are_marked_as_small(panel, axes):
    table, prediction = panel
    plots.scorecard(scores.scorecard(table[:20], {"cnn": prediction[:20]}), axes)
    assert axes.get_yticklabels()[0].get_text() == "all rows (few)\n20 rows, 10 patients"


def test_confusion_counts_every_row_with_a_consensus(panel, axes):
    table, prediction = panel
    plots.confusion(table, prediction, axes)
    counted = sum(int(text.get_text()) for text in axes.texts)
    assert counted == (scores.consensus(table) >= 0).sum() < len(table)
    assert axes.get_ylabel() == "experts' consensus"


def test_confusions_side_by_side_name_the_rows_once(panel):
    figure, axes = plt.subplots(1, 2)
    for ax in axes:
        plots.confusion(*panel, ax)
    labels = [[text.get_text() for text in ax.get_yticklabels()] for ax in axes]
    assert labels[0] == list(CLASSES)
    assert labels[1] == [] or not axes[1].yaxis.get_tick_params()["labelleft"]
    assert axes[1].get_ylabel() == ""
    plt.close(figure)


def test_reliability_has_a_panel_for_each_class(panel):
    figure, axes = plt.subplots(2, 3)
    curve = scores.reliability(*panel)
    plots.reliability({"raw": curve, "blend": curve}, axes)
    assert [ax.get_title() for ax in axes.flat] == list(CLASSES)
    assert texts(axes[0, 0])[0].startswith("raw: 0.")
    for ax in axes.flat:
        (bars,) = ax.collections  # of the last curve alone
        assert len(bars.get_segments()) == 10
        assert ax.get_xscale() == ax.get_yscale() == "function"
    plt.close(figure)


def test_entropies_and_intervals_show_every_window(panel, axes):
    plots.entropies(*panel, axes)
    assert sum(len(points.get_offsets()) for points in axes.collections) == 60
    axes.clear()
    plots.vote_intervals(*panel, 500.0, axes)  # too narrow for some
    bars, *points, rings = axes.collections
    assert len(bars.get_segments()) == 60
    assert sum(len(part.get_offsets()) for part in points) == 60
    ends = [segment[:, 1] for segment in bars.get_segments()]
    cast = {x: y for part in points for x, y in part.get_offsets()}
    outside = [x for x in range(60) if not ends[x][0] <= cast[x] <= ends[x][1]]
    assert rings.get_offsets()[:, 0].tolist() == outside != []
    assert texts(axes)[-1] == "outside its interval"


def test_each_class_has_a_marker_of_its_own(panel, axes):
    assert len(set(MARKERS)) == len(CLASSES)
    plots.entropies(*panel, axes)
    shapes = {part.get_paths()[0].vertices.tobytes() for part in axes.collections}
    assert len(shapes) == len(CLASSES)
