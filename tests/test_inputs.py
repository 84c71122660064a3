import numpy as np
import pytest

from hms_utils.inputs import make_dataset


@pytest.fixture
def images():
    rng = np.random.default_rng(0)
    return [rng.integers(1, 256, (10, 4, 8, 16), np.uint8) for _ in range(2)]


def batches(dataset):
    return [[part.numpy() for part in batch] for batch in dataset]


def test_rows_come_in_order_with_targets_and_weights(images):
    rows = [7, 2, 5]
    targets, weights = np.eye(6, dtype=np.float32)[:3], np.array([1, 2, 3], np.float32)
    first, second = batches(make_dataset(images, rows, targets, weights, batch_size=2))
    assert first[0].shape == (2, 2, 4, 8, 16)
    assert first[0].dtype == np.uint8
    for view in range(2):
        np.testing.assert_array_equal(first[0][:, view], images[view][[7, 2]])
        np.testing.assert_array_equal(second[0][:, view], images[view][[5]])
    np.testing.assert_array_equal(np.concatenate([first[1], second[1]]), targets)
    np.testing.assert_array_equal(second[2], [3])


def test_augmented_images_are_swapped_or_reversed(images):
    stack = np.stack(images, axis=1)
    swapped = stack[:, :, [1, 0, 3, 2]]
    versions = [stack, swapped, stack[..., ::-1], swapped[..., ::-1]]
    dataset = make_dataset(images, range(10), np.eye(10), batch_size=5, augment=True, seed=1)
    seen = []
    epochs = [batches(dataset), batches(dataset)]
    for epoch in epochs:
        for pictures, targets in epoch:
            for picture, row in zip(pictures, targets.argmax(axis=1), strict=True):
                left = picture > 0
                kinds = [k for k, v in enumerate(versions) if (picture == v[row])[left].all()]
                assert len(kinds) == 1
                seen.append((int(row), kinds[0]))
    assert sorted(row for row, _ in seen[:10]) == list(range(10))
    assert {kind for _, kind in seen} == {0, 1, 2, 3}
    assert seen[:10] != seen[10:]  # another order, other coins
    again = make_dataset(images, range(10), np.eye(10), batch_size=5, augment=True, seed=1)
    np.testing.assert_array_equal(batches(again)[0][0], epochs[0][0][0])


def test_a_quarter_of_images_lose_one_view_but_for_its_middle(images):
    dataset = make_dataset(images, [*range(10)] * 200, np.eye(10)[[0] * 2000], batch_size=50,
                           augment=True, seed=0)  # fmt: skip
    lost = np.concatenate([pictures == 0 for pictures, _ in batches(dataset)])
    columns = lost.any(axis=(2, 3))
    np.testing.assert_array_equal(columns, lost.all(axis=(2, 3)))  # whole columns, all chains
    np.testing.assert_array_equal(columns, columns[..., ::-1])  # the middle is what is left
    views = columns.any(axis=2)
    assert not views.all(axis=1).any()
    assert views.any(axis=1).mean() == pytest.approx(0.25, abs=0.04)
    widths = 16 - columns[views].sum(axis=1)
    assert set(widths) == {0, 2, 4, 6, 8}
