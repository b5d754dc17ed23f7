"""Settings of the experiments: one frozen dataclass each, read from a profile in ``profiles/``.

Everything that a paper leaves open is a setting; ``docs/decisions.md`` lists the alternatives and the reasons.
"""

from fer_lib.settings.chen2023 import (
    BaselineCnnSettings,
    InputScaleSettings,
    PublicCnnSettings,
    ResNet50MlpSettings,
    ResNetSettings,
    TrainingSettings,
)
from fer_lib.settings.common import PRETRAIN, TRUNKS, WEIGHTS_NAMES, DataSettings
from fer_lib.settings.comparators import ComparatorSettings
from fer_lib.settings.liu2023 import (
    CkPlusSettings,
    DepthStudySettings,
    ExpansionSettings,
    FaceSettings,
    LeNetSettings,
    ResNet50SvmSettings,
)
from fer_lib.settings.own_network import OwnNetworkSettings
from fer_lib.settings.pretraining import PretrainingSettings, PretrainingStage
from fer_lib.settings.profile import (
    CHECKOUT,
    PROFILES,
    PROJECT,
    Profile,
    change,
    experiment,
    json_schema,
    load_profile,
    profile_file,
    profile_name,
    settings_dict,
    settings_hash,
    trunk_from_environment,
    trunk_named,
    variant_changes,
)

__all__ = [
    "CHECKOUT",
    "PRETRAIN",
    "PROFILES",
    "PROJECT",
    "TRUNKS",
    "WEIGHTS_NAMES",
    "BaselineCnnSettings",
    "CkPlusSettings",
    "ComparatorSettings",
    "DataSettings",
    "DepthStudySettings",
    "ExpansionSettings",
    "FaceSettings",
    "InputScaleSettings",
    "LeNetSettings",
    "OwnNetworkSettings",
    "PretrainingSettings",
    "PretrainingStage",
    "Profile",
    "PublicCnnSettings",
    "ResNet50MlpSettings",
    "ResNet50SvmSettings",
    "ResNetSettings",
    "TrainingSettings",
    "change",
    "experiment",
    "json_schema",
    "load_profile",
    "profile_file",
    "profile_name",
    "settings_dict",
    "settings_hash",
    "trunk_from_environment",
    "trunk_named",
    "variant_changes",
]
