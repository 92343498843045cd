import pytest

from backbones import build_backbone


@pytest.fixture(scope="session")
def weights(tmp_path_factory):
    """A weights file of MobileNetV2 with random numbers."""
    path = tmp_path_factory.mktemp("weights") / "mobilenetv2.weights.h5"
    build_backbone("mobilenetv2", weights="none").save_weights(path)
    return path
