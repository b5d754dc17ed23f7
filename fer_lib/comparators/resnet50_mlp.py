"""ResNet50 and MLP by the shared recipe: the network with self-attention, without its attention."""

from __future__ import annotations

from fer_lib.backend import keras
from fer_lib.comparators.recipe import RecipeSettings
from fer_lib.comparators.resnet50_attention import ResNet50Attention
from fer_lib.models import resnet50_mlp


class ResNet50Mlp(ResNet50Attention):
    """chen2023's model, trained as :class:`ResNet50Attention` is, of which it is the control; same parameters."""

    name = first_learner = "resnet50_mlp"
    title = "ResNet50 + MLP"
    source = "chen2023, section 2.2"
    differs = "trained by the shared recipe, not by chen2023's Table 1 alone: the control of self-attention"
    control = ""

    def build(self, settings: RecipeSettings, classes: int) -> keras.Model:
        """Build the uncompiled network; raise FerError if the weights are not available."""
        return resnet50_mlp.build(self._made_of(settings), image_size=self.image_size, classes=classes)
