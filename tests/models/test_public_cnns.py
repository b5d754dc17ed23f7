"""Test that each public CNN has the layers and parameters that follow from its public program."""

from __future__ import annotations

import pytest

from fer_lib.backend import keras
from fer_lib.errors import FerError
from fer_lib.models import public_cnns
from fer_lib.settings import PublicCnnSettings

layers = keras.layers


@pytest.mark.parametrize("name", public_cnns.PUBLIC_CNNS)
def test_it_has_the_parameters_of_its_program(name):
    """With one channel, as in the programs; three channels only widen the first kernel."""
    facts = public_cnns.PUBLIC_CNNS[name]
    grey, used = (public_cnns.build(name, channels=channels) for channels in (1, 3))
    assert grey.count_params() == facts.parameters
    first = next(layer for layer in used.layers if isinstance(layer, layers.Conv2D))
    height, width, _, filters = first.kernel.shape
    assert used.count_params() - grey.count_params() == 2 * height * width * filters
    assert (used.input_shape, used.output_shape) == ((None, 48, 48, 3), (None, 7))
    assert facts.address.startswith("https://github.com/")


def test_their_maps_shrink_as_in_their_programs():
    def sizes(name, kind):
        return [layer.output.shape[1] for layer in public_cnns.build(name).layers if isinstance(layer, kind)]

    assert sizes("mini_xception", layers.Add) == [22, 11, 6, 3]
    assert sizes("four_convolutions", layers.Conv2D) == [46, 44, 20, 8]
    assert sizes("five_convolutions", (layers.MaxPooling2D, layers.AveragePooling2D)) == [20, 7, 1]
    rates = [layer.rate for layer in public_cnns.build("four_convolutions").layers if isinstance(layer, layers.Dropout)]
    assert rates == [0.25, 0.25, 0.5]


def test_another_name_is_refused():
    with pytest.raises(FerError, match="did you mean 'mini_xception'"):
        public_cnns.build("minixception")


def test_the_setting_knows_them_all():
    assert PublicCnnSettings().names == tuple(public_cnns.PUBLIC_CNNS)
