"""Test the comparators' shared parts: patterns, histograms, Gabor energies, belief networks, small networks."""

import numpy as np
import pytest
from sklearn.neural_network import BernoulliRBM

from fer_lib import comparators
from fer_lib.backend import keras
from fer_lib.comparators import autoencoder, belief, gabor, lbp, lbp_cnn, patch_selection, small_networks
from fer_lib.comparators.gb_dbns_sae import joined
from fer_lib.comparators.lbp_var_dbn import fine_tuned
from fer_lib.datasets import splits
from fer_lib.errors import FerError


def test_patterns_of_a_known_picture():
    """An edge from dark to bright: right, both to the right, above and below are at least as bright as the middle."""
    edge = np.tile(np.array([0, 100, 200], np.uint8), (1, 3, 1))
    assert lbp.codes(edge, "default")[0, 1, 1] == 1 + 2 + 4 + 64 + 128
    assert lbp.codes(edge, "uniform")[0, 1, 1] == 5
    diagonal = 100 * np.sqrt(0.5)  # of the neighbours between pixels, above and below the middle's 100
    expected = (2 * 100**2 + 4 * diagonal**2) / 8
    np.testing.assert_allclose(lbp.variances(edge)[0, 1, 1], expected, rtol=1e-4)


def test_patterns_at_the_border_and_of_even_grey():
    even = np.full((2, 5, 7), 90, np.uint8)
    for method, bins in lbp.BINS.items():
        patterns = lbp.codes(even, method)
        assert patterns.shape == even.shape
        assert len(np.unique(patterns)) == 1, f"{method}: a border is seen"
        assert patterns.max() < bins
    assert (lbp.variances(even) == 0).all()
    noise = np.random.default_rng(0).integers(0, 256, (9, 90, 90), np.uint8)
    assert {method: len(np.unique(lbp.codes(noise, method))) for method in lbp.BINS} == lbp.BINS


def test_histograms_on_a_grid():
    patterns = np.zeros((2, 4, 5), np.uint8)
    patterns[0, :2, :3] = 1  # the first of two by two patches has three columns
    patterns[1, 3, 4] = 2
    shares = lbp.grid_histograms(patterns, 3, grid=2)
    assert shares.shape == (2, 4, 3)
    np.testing.assert_array_equal(shares[0], [[0, 1, 0], [1, 0, 0], [1, 0, 0], [1, 0, 0]])
    np.testing.assert_allclose(shares[1, 3], [0.75, 0, 0.25])
    with pytest.raises(ValueError, match="cannot be divided"):
        lbp.grid_histograms(patterns, 3, grid=5)


def test_batches_are_joined_in_order(monkeypatch):
    images = np.random.default_rng(0).integers(0, 256, (11, 6, 6), np.uint8)
    whole = lbp.by_batches(lambda faces: lbp.codes(faces, "uniform"), images)
    monkeypatch.setattr(lbp, "FACES_A_BATCH", 4)
    np.testing.assert_array_equal(lbp.by_batches(lambda faces: lbp.codes(faces, "uniform"), images), whole)


@pytest.mark.parametrize("orientation", range(4))
@pytest.mark.parametrize("scale", range(2))
def test_gabor_energy_is_highest_at_a_gratings_orientation_and_scale(orientation, scale):
    angle, frequency = orientation * np.pi / 4, gabor.HIGHEST / 2**scale  # an octave apart: every second scale
    rows, columns = np.mgrid[:48, :48]
    wave = np.sin(2 * np.pi * frequency * (columns * np.cos(angle) + rows * np.sin(angle)))
    grating = (127 + 100 * wave).astype(np.uint8)[np.newaxis]
    found = gabor.energies(grating, gabor.bank(3, 4), cells=8).reshape(3, 4, 64).mean(axis=2)
    assert found[2 * scale].argmax() == orientation
    assert np.unravel_index(found.argmax(), found.shape) == (2 * scale, orientation)


def test_gabor_energy_has_its_place_and_does_not_see_brightness_or_contrast():
    face = np.full((1, 48, 48), 100, np.uint8)
    face[0, 12:18, 30:36] = np.where(np.arange(6) % 4 < 2, 60, 140)  # the cell (2, 5) of eight by eight
    kernels = gabor.bank(2, 4)
    found = gabor.energies(face, kernels, cells=8).reshape(2, 4, 8, 8)
    assert np.unravel_index(found[0, 0].argmax(), (8, 8)) == (2, 5)
    brighter = (face.astype(float) * 1.5 + 20).astype(np.uint8)
    np.testing.assert_allclose(gabor.energies(brighter, kernels, cells=8).ravel(), found.ravel(), atol=1e-4)
    assert np.abs(gabor.energies(np.full((1, 48, 48), 7, np.uint8), kernels, cells=8)).max() == 0
    with pytest.raises(ValueError, match="cells of one size"):
        gabor.energies(face, kernels, cells=7)


def test_a_belief_layer_transforms_as_scikit_learns_machine():
    visible = np.random.default_rng(0).random((60, 12)).astype(np.float32)
    (layer,) = belief.fit_stack(visible, [5], updates=30, seed=3)
    mixed = visible[np.random.default_rng(3).permutation(60)]
    machine = BernoulliRBM(5, learning_rate=belief.LEARNING_RATE, batch_size=belief.BATCH, n_iter=10, random_state=3)
    np.testing.assert_allclose(layer(visible), machine.fit(mixed).transform(visible), atol=1e-5)


def test_a_network_starts_with_what_the_belief_networks_learnt():
    visible = np.random.default_rng(0).random((40, 2, 12)).astype(np.float32)
    stacks = [belief.fit_stack(visible[:, scale], [6, 4], updates=10, seed=scale) for scale in range(2)]
    hidden = np.concatenate([belief.transform(stack, visible[:, scale]) for scale, stack in enumerate(stacks)], axis=1)
    encoders = autoencoder.fit_stacked(hidden, [3], updates=4, seed=0)
    network = joined(stacks, encoders, classes=5)
    assert network.output_shape == (None, 5)
    below = keras.Model(network.input, network.get_layer("sae1").output)
    found = np.asarray(below.predict_on_batch(visible))
    np.testing.assert_allclose(found, belief.transform(encoders, hidden), atol=1e-5)
    plain = fine_tuned(stacks[0], 5)
    below = keras.Model(plain.input, plain.get_layer("hidden2").output)
    found = np.asarray(below.predict_on_batch(visible[:, 0]))
    np.testing.assert_allclose(found, belief.transform(stacks[0], visible[:, 0]), atol=1e-5)


def test_an_autoencoder_layer_reads_again_what_it_wrote():
    """Patterns of two sources: two numbers describe them, and training must approach them better than the mean."""
    rng = np.random.default_rng(0)
    sources = rng.random((64, 2)) > 0.5
    visible = np.repeat(sources, 6, axis=1).astype(np.float32)
    (encoder,) = autoencoder.fit_stacked(visible, [2], updates=600, seed=0)
    kinds, places = np.unique(sources, axis=0, return_inverse=True)
    hidden = encoder(visible)
    centres = np.stack([hidden[places.ravel() == kind].mean(axis=0) for kind in range(len(kinds))])
    distances = np.linalg.norm(centres[:, np.newaxis] - centres, axis=2)[np.triu_indices(len(kinds), 1)]
    assert distances.min() > 0.2


def test_features_in_the_range_of_the_training_faces():
    known = belief.UnitRange.of(np.array([[0, 2, 5], [4, 2, 7]], np.float32))
    np.testing.assert_allclose(known(np.array([[1, 3, 8], [-1, 2, 6]])), [[0.25, 1, 1], [0, 0, 0.5]])
    again = belief.UnitRange.from_arrays(known.arrays())
    np.testing.assert_array_equal(again.low, known.low)


def test_folds_keep_people_together():
    codes, people = np.tile([0, 1], 30), np.repeat(np.arange(12), 5)
    divided = splits.search_folds(codes, people, count=5, seed=0)
    assert len(divided) == 5
    for fold in divided:
        assert not set(people[fold.train]) & set(people[fold.test])
    assert sorted(np.concatenate([fold.test for fold in divided])) == list(range(60))
    for alone in (np.zeros(60, int), codes):  # one person; two, each with one expression
        with pytest.raises(FerError, match="holds out whole subjects"):
            splits.search_folds(codes, alone, count=5, seed=0)
    assert splits.sample(codes, 100, seed=0).tolist() == list(range(60))
    some = splits.sample(codes, 20, seed=0)
    assert np.bincount(codes[some]).tolist() == [10, 10]
    assert (np.diff(some) > 0).all()


def test_the_patches_that_tell_are_selected():
    """Patch 3 tells all three expressions apart, patch 7 the last from the others; the rest is noise."""
    rng = np.random.default_rng(0)
    codes = np.tile([0, 1, 2], 60)
    histograms = rng.random((180, 12, 8)).astype(np.float32)
    histograms[np.arange(180), 3, codes] += 1
    histograms[codes == 2, 7, 5] += 0.6
    found = patch_selection.select(histograms, codes, groups=np.arange(180) // 3, most=(1, 1), seed=0)
    assert found.common.tolist() == [3]
    assert found.specific[2].tolist() == [7]
    assert 3 not in np.concatenate(found.specific)
    assert set(found.union) >= {3, 7}
    even = patch_selection.select(np.ones((180, 12, 8)), codes, groups=None, most=(2, 1), seed=0)
    assert len(even.common) == 2


def test_discriminants_of_a_face_do_not_see_its_label():
    rng = np.random.default_rng(0)
    histograms, targets = rng.random((30, 2, 4)), np.eye(2)[np.tile([0, 1], 15)]
    divided = splits.search_folds(targets.argmax(axis=1), None, count=3, seed=0)
    before = patch_selection.discriminants(histograms, targets, folds=divided)
    changed = targets.copy()
    held_out = divided[0].test
    changed[held_out] = 1 - changed[held_out]
    after = patch_selection.discriminants(histograms, changed, folds=divided)
    np.testing.assert_allclose(after[held_out], before[held_out])


def test_a_small_network_stops_where_the_held_out_faces_are_told_best():
    rng = np.random.default_rng(0)
    codes = np.tile([0, 1], 40)
    features = (rng.random((80, 3)) + codes[:, np.newaxis]).astype(np.float32)
    seen = []

    def build():
        x = keras.Input((3,))
        return keras.Model(x, keras.layers.Dense(2, activation="softmax")(x))

    def inputs(rows, rng):
        seen.append((len(rows), rng is not None))
        return features[rows]

    budget = small_networks.Budget(epochs=6, learning_rate=0.1, batch_size=16)
    network, epochs = small_networks.fit(build, codes, inputs=inputs, groups=None, budget=budget, seed=0)
    assert 1 <= epochs <= 6
    assert seen[0] == (16, False)  # a fifth is held out, as it is
    assert seen[1:] == [(16, True)] * (6 * 4 + epochs * 5)
    assert (small_networks.predict(network, features).argmax(axis=1) == codes).mean() > 0.8
    lost = small_networks.Budget(epochs=2, learning_rate=float("nan"))
    with pytest.raises(FerError, match="lower the learning rate"):
        small_networks.fit(build, codes, inputs=inputs, groups=None, budget=lost, seed=0)


def test_patterns_are_taken_of_moved_faces(monkeypatch):
    """A rotated edge has other patterns; without augmentation the network sees only those of the faces."""
    images = np.zeros((20, 12, 12), np.uint8)
    images[:, :, 6:] = 200
    coded, seen = lbp_cnn.coded, []

    def watched(faces):
        seen.extend(map(bytes, faces))
        return coded(faces)

    monkeypatch.setattr(lbp_cnn, "coded", watched)
    for augment, kinds in ((False, range(1, 2)), (True, range(10, 1000))):
        comparator = comparators.create("lbp_cnn", filters=(2,), dense_units=2, epochs=1, augment=augment)
        comparator.fit(images, np.tile([0, 1], 10))
        assert len(set(seen)) in kinds
