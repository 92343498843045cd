"""Backbones: their weights files, their preprocessing and their blocks."""

import hashlib
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import h5py
import keras
import numpy as np
import pytest

from backbones import (
    BACKBONES,
    build_backbone,
    choose_alpha,
    find_weights,
    imagenet_available,
    weights_file,
)
from classification.model import build_features, build_head, join, unfreeze_blocks
from goodparts.command import InputError

PREPROCESS = {
    "mobilenetv2": keras.applications.mobilenet_v2.preprocess_input,
    "resnet50": keras.applications.resnet50.preprocess_input,
    "inceptionresnetv2": keras.applications.inception_resnet_v2.preprocess_input,
}
NETWORKS = {}


LARGE = {"inceptionresnetv2", "efficientnetv2s"}


@pytest.fixture(
    params=[
        pytest.param(name, marks=[pytest.mark.slow] if name in LARGE else [])
        for name in sorted(BACKBONES)
    ]
)
def name(request):
    return request.param


def network(name):
    """A backbone with random weights, built once."""
    if name not in NETWORKS:
        NETWORKS[name] = build_backbone(name, weights="none")
    return NETWORKS[name]


def write_published_layout(model, path):
    """An h5 file as Keras publishes them: a group per layer, names in attributes."""
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [layer.name.encode() for layer in model.layers]
        for layer in model.layers:
            group = file.create_group(layer.name)
            names = [f"{layer.name}/{w.name}:0".encode() for w in layer.weights]
            group.attrs["weight_names"] = names
            for weight_name, weight in zip(names, layer.weights, strict=True):
                group[weight_name.decode()] = np.asarray(weight)


def test_weights_of_the_published_layout_load(name, tmp_path, monkeypatch):
    path = tmp_path / "models" / weights_file(name).name
    path.parent.mkdir()
    write_published_layout(network(name), path)
    md5 = hashlib.md5(path.read_bytes()).hexdigest()
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    entry = BACKBONES[name]._replace(weights_md5=md5)
    monkeypatch.setitem(BACKBONES, name, entry)
    loaded = build_backbone(name, alpha=choose_alpha(name, None))  # as a training
    for ours, theirs in zip(loaded.weights, network(name).weights, strict=True):
        assert np.array_equal(ours, theirs), ours.path


def test_a_changed_file_of_known_hash_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    path = weights_file("resnet50")
    path.parent.mkdir()
    path.write_bytes(b"half a download")
    with pytest.raises(InputError, match="md5 is .*, not 4d473c1d.*Delete it"):
        find_weights("resnet50")


def test_wrong_and_truncated_files_are_refused(tmp_path):
    whole = tmp_path / "narrow.weights.h5"
    build_backbone("mobilenetv2", weights="none", alpha=0.35).save_weights(whole)
    with pytest.raises(InputError, match="another alpha"):
        build_backbone("mobilenetv2", weights=str(whole))
    with pytest.raises(InputError, match="belongs to another network"):
        build_backbone("resnet50", weights=str(whole))
    half = tmp_path / "half.weights.h5"
    half.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    with pytest.raises(InputError, match="half.weights.h5 cannot be used"):
        build_backbone("mobilenetv2", weights=str(half), alpha=0.35)
    with pytest.raises(InputError, match="must be imagenet, none or a file"):
        build_backbone("mobilenetv2", weights="nowhere.h5")


def test_weights_that_cannot_be_had_name_the_file(name, tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setattr("backbones.imagenet_available", lambda *_: False)
    with pytest.raises(InputError, match=f"Put {weights_file(name).name} into"):
        find_weights(name)


@contextmanager
def web_server(status, asked):
    """A server that answers HEAD only; yields its port, notes what was asked."""

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self):
            asked.append(self.path)
            self.send_response(status)
            self.end_headers()

        def log_message(self, *words):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,)).start()
        try:
            yield server.server_port
        finally:
            server.shutdown()


def test_weights_can_be_had_where_their_address_answers(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr("backbones.REACHABLE_WITHIN_S", 60)

    def is_available(port):
        url = f"http://127.0.0.1:{port}/{{alpha}}.h5"
        entry = BACKBONES["mobilenetv2"]._replace(weights_url=url)
        monkeypatch.setitem(BACKBONES, "mobilenetv2", entry)
        return imagenet_available("mobilenetv2", 0.5)

    asked = []
    with web_server(200, asked) as port:
        assert is_available(port)
    assert asked == ["/0.5.h5"]
    assert not is_available(port)  # nobody listens any more
    with web_server(404, asked) as port:
        assert not is_available(port)
    assert asked == ["/0.5.h5"] * 2


def test_preprocessing_is_that_of_keras(name):
    images = np.random.default_rng(0).integers(0, 256, (2, 80, 96, 3), np.uint8)
    features = build_features(name, (80, 96), weights="none")
    backbone = next(x for x in features.layers if isinstance(x, keras.Model))
    entry = BACKBONES[name]
    wanted = images.astype(np.float32) / 128 - 1  # EfficientNetV2-S has it inside
    if name in PREPROCESS:
        wanted = PREPROCESS[name](images.astype(np.float32))
    ordered = images[..., ::-1] if entry.channels == "BGR" else images
    assert np.allclose(
        ordered * entry.scale + np.array(entry.offset), wanted, atol=1e-3
    )
    maps = backbone(wanted, training=False)
    pooled = np.asarray(maps).mean((1, 2))
    assert np.allclose(
        features.predict(images, verbose=0), pooled, rtol=1e-3, atol=1e-4
    )


def test_blocks_are_cut_points_from_image_to_features(name):
    """Nothing but the named layer's output passes from a block to the next."""
    layers = network(name).layers
    names = [layer.name for layer in layers]
    places = [names.index(block) for block in BACKBONES[name].blocks]
    assert places == sorted(places) and places[-1] == len(names) - 1
    for place in places[:-1]:
        before = set(names[:place])
        for layer in layers[place + 1 :]:
            inputs = layer.input if isinstance(layer.input, list) else [layer.input]
            sources = {tensor._keras_history.operation.name for tensor in inputs}
            assert not sources & before, layer.name


def test_the_last_blocks_are_unfrozen_without_their_normalisations():
    features = build_features("mobilenetv2", (32, 32), weights="none")
    classifier = join(features, build_head(1280, 2))

    def trained():
        return {
            variable.path.split("/")[-2] for variable in features.trainable_variables
        }

    unfreeze_blocks(classifier, "mobilenetv2", 2)
    assert trained() == {
        "block_16_expand",
        "block_16_depthwise",
        "block_16_project",
        "Conv_1",
    }
    unfreeze_blocks(classifier, "mobilenetv2", 0)
    assert trained() == set()
    unfreeze_blocks(classifier, "mobilenetv2", 99)
    assert "Conv1" in trained() and not any("BN" in path for path in trained())
