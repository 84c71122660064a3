import numpy as np
import pytest

from hms_utils.networks import AUGMENTATIONS, inputs, make_dataset

N_IMAGES = 10


@pytest.fixture
def images():
    rng = np.random.default_rng(0)
    return [rng.integers(50, 200, (N_IMAGES, 4, 8, 32), np.uint8) for _ in range(2)]


def batches(dataset):
    return [[part.numpy() for part in batch] for batch in dataset]


def augmented(images, *names, repeats=100, seed=0):
    """Return pairs of an image and what was made of it."""
    dataset = make_dataset(
        images,
        np.arange(N_IMAGES).repeat(repeats),
        np.eye(N_IMAGES).repeat(repeats, axis=0),
        batch_size=50,
        augment=names,
        seed=seed,
    )
    stack = np.stack(images, axis=1)
    parts = batches(dataset)
    changed = np.concatenate([pictures for pictures, _ in parts])
    rows = np.concatenate([targets.argmax(axis=1) for _, targets in parts])
    return stack[rows], changed


def test_rows_come_in_order_with_targets_and_weights(images):
    rows = [7, 2, 5]
    targets, weights = np.eye(6, dtype=np.float32)[:3], np.array([1, 2, 3], np.float32)
    first, second = batches(make_dataset(images, rows, targets, weights, batch_size=2))
    assert first[0].shape == (2, 2, 4, 8, 32)
    assert first[0].dtype == np.uint8
    for view in range(2):
        np.testing.assert_array_equal(first[0][:, view], images[view][[7, 2]])
        np.testing.assert_array_equal(second[0][:, view], images[view][[5]])
    np.testing.assert_array_equal(np.concatenate([first[1], second[1]]), targets)
    np.testing.assert_array_equal(second[2], [3])


def test_the_same_seed_changes_images_alike(images):
    def changed(seed):
        rows = list(range(N_IMAGES)) * 2
        dataset = make_dataset(images, rows, batch_size=5, augment=("swap", "mask"), seed=seed)
        return np.concatenate([pictures for (pictures,) in batches(dataset)])

    first = changed(1)
    assert not np.array_equal(first[:N_IMAGES], first[N_IMAGES:])  # each pass in another way
    np.testing.assert_array_equal(changed(1), first)
    assert not np.array_equal(changed(2), first)


def test_sides_are_swapped_by_the_name_of_the_chain(images):
    before, after = augmented(images, "swap")
    swapped = (after == before[:, :, [1, 0, 3, 2]]).all(axis=(1, 2, 3, 4))
    same = (after == before).all(axis=(1, 2, 3, 4))
    assert (swapped ^ same).all()
    assert swapped.mean() == pytest.approx(0.5, abs=0.06)


def test_time_is_reversed(images):
    before, after = augmented(images, "reverse")
    turned = (after == before[..., ::-1]).all(axis=(1, 2, 3, 4))
    assert (turned ^ (after == before).all(axis=(1, 2, 3, 4))).all()
    assert turned.mean() == pytest.approx(0.5, abs=0.06)


def test_stripes_of_time_and_frequency_are_masked_in_each_view(images):
    before, after = augmented(images, "mask")
    hidden = after == 0
    assert (after == before)[~hidden].all()
    np.testing.assert_array_equal(hidden, hidden[:, :, :1].repeat(4, axis=2))  # in all chains
    columns, rows = hidden.all(axis=(2, 3)), hidden.all(axis=(2, 4))
    np.testing.assert_array_equal(hidden[:, :, 0], columns[:, :, None, :] | rows[:, :, :, None])
    for stripes, length in ((columns, 32), (rows, 8)):
        assert stripes.sum(axis=2).max() <= np.ceil(0.15 * length)
        edges = np.abs(np.diff(stripes.astype(int), axis=2, prepend=0, append=0)).sum(axis=2)
        assert set(np.unique(edges)) <= {0, 2}  # one stripe
        assert (stripes.any(axis=(0, 1))).all()  # it falls everywhere
    assert (columns[:, 0] != columns[:, 1]).any()


def test_gain_shifts_the_whole_image_and_keeps_what_is_missing(images):
    images[0][:, :, :2] = 0
    before, after = augmented(images, "gain")
    assert (after[before == 0] == 0).all()
    shifts = np.array(
        [np.unique(a[b > 0].astype(int) - b[b > 0]) for a, b in zip(after, before, strict=True)]
    )
    assert shifts.shape[1] == 1
    reach = 4 * 255 / 60
    assert shifts.min() == pytest.approx(-reach, abs=1)
    assert shifts.max() == pytest.approx(reach, abs=1)
    dark = [np.full((N_IMAGES, 4, 8, 32), 3, np.uint8)]
    assert set(np.unique(augmented(dark, "gain")[1])) <= set(range(1, 21))  # does not wrap


def test_a_quarter_of_images_lose_views_but_for_their_middle(images):
    before, after = augmented(images, "narrow", repeats=200)
    lost = after == 0
    assert (after == before)[~lost].all()
    columns = lost.any(axis=(2, 3))
    np.testing.assert_array_equal(columns, lost.all(axis=(2, 3)))  # whole columns, all chains
    np.testing.assert_array_equal(columns, columns[..., ::-1])  # the middle is what is left
    views = columns.any(axis=2)
    # Each of the two in half of a quarter, so both in a quarter of it.
    np.testing.assert_allclose(views.mean(axis=0), 0.125, atol=0.03)
    assert views.all(axis=1).mean() == pytest.approx(0.0625, abs=0.02)
    assert set(32 - columns[views].sum(axis=1)) == set(range(0, 17, 2))


def test_mixup_mixes_images_and_targets_alike():
    images = [np.stack([np.full((4, 8, 32), 10 * k, np.uint8) for k in range(N_IMAGES)])]
    dataset = make_dataset(
        images, range(N_IMAGES), np.eye(N_IMAGES), batch_size=5, augment=("mixup",), seed=0
    )
    shares = []
    for pictures, targets in batches(dataset):
        np.testing.assert_allclose(targets.sum(axis=1), 1, rtol=1e-6)
        level = targets @ (10 * np.arange(N_IMAGES))
        assert np.abs(pictures - level[:, None, None, None, None]).max() <= 0.5 + 1e-4
        shares += list(targets.max(axis=1))
    assert min(shares) >= 0.5
    assert len({round(float(share), 3) for share in shares}) > 3


def test_unknown_augmentation_is_refused(images):
    with pytest.raises(ValueError, match=r"among swap reverse .* mixup, found \['flop'\]"):
        make_dataset(images, [0], batch_size=1, augment=("swap", "flop"))


def test_flips_are_the_four_mirror_images(images):
    stack = np.stack(images, axis=1)[:3]
    swapped = stack[:, :, [1, 0, 3, 2]]
    found = inputs.flips(stack).numpy().reshape(3, 4, *stack.shape[1:])
    for number, expected in enumerate([stack, swapped, stack[..., ::-1], swapped[..., ::-1]]):
        np.testing.assert_array_equal(found[:, number], expected)


def test_examples_show_each_augmentation(images):
    image = np.stack(images, axis=1)[0]
    examples = inputs.augmentation_examples(image, AUGMENTATIONS)
    assert list(examples) == ["as it is", *AUGMENTATIONS]
    np.testing.assert_array_equal(examples["swap"], image[:, [1, 0, 3, 2]])
    for name in AUGMENTATIONS:
        assert not np.array_equal(examples[name][0], image[0])


def test_mean_image_is_of_windows_from_first_to_last():
    few = [np.arange(3, dtype=np.uint8)[:, None, None, None] * np.ones((4, 2, 5), np.uint8)] * 2
    np.testing.assert_array_equal(inputs.mean_image(few), np.ones((2, 4, 2, 5)))
    many = [np.repeat(np.arange(2, dtype=np.uint8), 1000)[:, None, None, None]]
    assert inputs.mean_image(many).dtype == np.float32
    assert inputs.mean_image(many) == 0.5
