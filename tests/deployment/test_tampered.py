"""Bundles that are whole by their hashes and make no sense: one clear line for each."""

import io
import json
import re
import shutil
import subprocess
import sys
import threading
import zipfile
import zlib
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from deployment import runtime
from deployment.bundle import ABOUT, seal
from deployment.runtime import load_bundle
from goodparts.command import InputError
from goodparts.files import read_json

ROOT = Path(__file__).parents[2]
NAN, INF = float("nan"), float("inf")
MAX_LINE = 600  # characters, the path of the bundle included
ENDLESS = threading.Event()


def field(path, value):
    """Sets a field, such as `model.members.0.classes`, or removes it (value `...`)."""

    def tamper(about, folder):
        *way, last = [int(x) if x.isdecimal() else x for x in path.split(".")]
        place = about
        for step in way:
            place = place[step]
        if value is ...:
            del place[last]
        else:
            place[last] = value(place[last]) if callable(value) else value

    return tamper


def both(*tampers):
    def tamper(about, folder):
        for each in tampers:
            each(about, folder)

    return tamper


def everywhere(name, value):
    """Sets a field of the model and of its members."""

    def tamper(about, folder):
        for model in (about["model"], *about["model"].get("members", [])):
            model[name] = value

    return tamper


def content(name, change):
    """Changes the bytes of a file."""

    def tamper(about, folder):
        path = find(folder, name)
        path.write_bytes(change(path.read_bytes()))

    return tamper


def arrays(name, **changes):
    """Changes arrays of an npz file by functions."""

    def tamper(about, folder):
        path = find(folder, name)
        with np.load(path) as stored:
            found = dict(stored)
        for key, change in changes.items():
            found[key] = change(found.get(key))
        found = {key: value for key, value in found.items() if value is not None}
        np.savez_compressed(path, **found)

    return tamper


def network(change):
    """Changes the network of the bundle by a function of its `onnx.ModelProto`."""

    def tamper(about, folder):
        path = find(folder, "network.onnx")
        model = onnx.load(path)
        change(model)
        path.write_bytes(model.SerializeToString())

    return tamper


def find(folder, name):
    (path,) = folder.rglob(name)
    return path


def bomb(about, folder):
    """An array of 8 GB of zeros, 8 MB on disk: the header is right."""
    header = io.BytesIO()
    about_zeros = {"descr": "<f8", "fortran_order": False, "shape": (2**30,)}
    np.lib.format.write_array_header_1_0(header, about_zeros)
    deflate = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    start = deflate.compress(header.getvalue()) + deflate.flush(zlib.Z_FULL_FLUSH)
    zeros = deflate.compress(bytes(2**20)) + deflate.flush(zlib.Z_FULL_FLUSH)
    with zipfile.ZipFile(find(folder, "combiner.npz"), "w") as out:
        out.writestr("bias.npy", start + zeros * 2**13 + deflate.flush())
        (info,) = out.infolist()  # written as it is, and then called compressed
        info.compress_type = zipfile.ZIP_DEFLATED
        info.file_size = len(header.getvalue()) + 2**33


def hollow(about, folder):
    """A header that promises 8 TB, without them: memory is not taken for it."""
    header = io.BytesIO()
    promised = {"descr": "<f8", "fortran_order": False, "shape": (2**40,)}
    np.lib.format.write_array_header_1_0(header, promised)
    with zipfile.ZipFile(find(folder, "views.npz"), "w") as out:
        out.writestr("views.npy", header.getvalue())


def pickled(about, folder):
    path = find(folder, "views.npz")
    with np.load(path) as stored:
        found = dict(stored)
    np.savez(path, **(found | {"limit": np.array([{}], object)}))


def nested(levels):
    def tamper(about, folder):
        model = about["model"]
        for _ in range(levels):
            twice = [json.loads(json.dumps(model)) for _ in range(2)]
            model = {**about["model"], "members": twice[: 1 + (levels < 5)]}
        about["model"] = model

    return tamper


def itself(about, folder):
    """An ensemble among its own members, as far as JSON can say that."""
    for _ in range(3):
        again = json.loads(json.dumps(about["model"]))
        about["model"]["members"][0] = again


def wider_input(model):
    for place in (1, 2):
        model.graph.input[0].type.tensor_type.shape.dim[place].dim_value = 64


def external(model):
    tensor = model.graph.initializer[0]
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/hostname")


def nan_weights(model):
    largest = max(model.graph.initializer, key=lambda each: len(each.raw_data))
    values = numpy_helper.to_array(largest).copy()
    values.flat[-1] = NAN
    largest.CopyFrom(numpy_helper.from_array(values, largest.name))


def nan_answer(model):
    """Finite weights whose answer is NaN: the trial has to find it."""
    append(model, "Log", "Neg")


def half_answer(model):
    """Half of every probability."""
    model.graph.initializer.append(numpy_helper.from_array(np.float32(0.5), "half"))
    append(model, ("Mul", "half"))


def append(model, *operators):
    """Puts operators behind the output."""
    graph, name = model.graph, model.graph.output[0].name
    last = next(node for node in graph.node if name in node.output)
    last.output[0] = given = "before"
    for number, operator in enumerate(operators):
        kind, *more = [operator] if isinstance(operator, str) else operator
        made = name if number == len(operators) - 1 else f"between{number}"
        graph.node.append(helper.make_node(kind, [given, *more], [made]))
        given = made


def branch(model):
    name = model.graph.output[0].name
    value = helper.make_tensor_value_info("kept", TensorProto.FLOAT, None)
    body = helper.make_graph(
        [helper.make_node("Identity", ["before"], ["kept"])], "body", [], [value]
    )
    yes = numpy_helper.from_array(np.array(True), "yes")
    model.graph.initializer.append(yes)
    last = next(node for node in model.graph.node if name in node.output)
    last.output[0] = "before"
    model.graph.node.append(
        helper.make_node("If", ["yes"], [name], then_branch=body, else_branch=body)
    )


def foreign_operator(model):
    model.graph.node[0].domain = "com.example"


def unknown_operator(model):
    model.graph.node[0].op_type = "NoSuchOperator"


def functions(model):
    model.functions.add(name="f", domain="")


CASES = {
    # of the whole
    "no decision": (field("decision", ...), "lacks decision"),
    "decision a list": (field("decision", [0, 1]), "decision must be an object"),
    "name empty": (field("name", "  "), "name must be one line"),
    "name endless": (field("name", "x" * 10**6), "name must be one line"),
    "name of two lines": (field("name", "a\nb"), "name must be one line"),
    "made a number": (field("made", 2026), "made must be text"),
    "precision unknown": (field("precision", "fp64"), "precision must be one of"),
    "engine unknown": (field("engine.name", "../x"), "engine.name must be one of"),
    "cost a text": (field("cost", "none"), "cost must be an object"),
    "views missing": (field("views", "other.npz"), "views must be the name of a file"),
    "views a number": (field("views", 0), "views must be text"),
    # of the lines
    "line NaN": (field("decision.accept_below", NAN), "NaN is not a finite number"),
    "line infinite": (field("decision.reject_from", INF), "Infinity is not a finite"),
    "line text NaN": (
        field("decision.reject_from", "nan"),
        "reject_from must be a num",
    ),
    "line text": (field("decision.accept_below", "0.5"), "accept_below must be a num"),
    "line a bool": (field("decision.accept_below", True), "accept_below must be a num"),
    "line huge": (field("decision.reject_from", 10**400), "reject_from must be a num"),
    "line a list": (field("decision.reject_from", [1]), "reject_from must be a number"),
    "lines unordered": (
        both(
            field("decision.accept_below", 0.9),
            field("decision.reject_from", 0.1),
        ),
        "accept_below must be at most reject_from",
    ),
    "lines infinitely unordered": (
        field("decision.accept_below", "inf"),
        "accept_below must be at most reject_from",
    ),
    "floor beyond 1": (field("decision.least_probability", 1.5), "least_probability"),
    "floor text": (field("decision.least_probability", "no"), "least_probability must"),
    "instance scores a list": (
        field("decision.instance_scores", [0.5]),
        "decision.instance_scores must be an object",
    ),
    "instance score a text": (
        field("decision.instance_scores", {"pit": "0.5"}),
        "decision.instance_scores.'pit'. must be a number",
    ),
    "instance score negative": (
        field("decision.instance_scores", {"pit": -1}),
        "decision.instance_scores.'pit'. must be a number",
    ),
    "no false rejects": (field("decision.false_rejects", 0), "false_rejects must be b"),
    "all false rejects": (
        field("decision.false_rejects", 1.0),
        "false_rejects must be",
    ),
    # of the classes
    "no classes": (field("model.classes", []), r"model.classes must have 1 to 1000"),
    "classes a text": (field("model.classes", "good"), "classes must be a list"),
    "class twice": (field("model.classes", ["good", "good"]), "'good' twice"),
    "class a number": (
        field("model.classes", ["good", 1]),
        r"classes\[1\] must be text",
    ),
    "class a list": (
        field("model.classes", ["good", []]),
        r"classes\[1\] must be text",
    ),
    "class empty": (
        field("model.classes", ["good", ""]),
        r"classes\[1\] must be one l",
    ),
    "normal class missing": (
        field("model.normal_class", "fine"),
        "normal_class must be",
    ),
    "normal class a list": (field("model.normal_class", ["good"]), "normal_class must"),
    "one class more": (
        everywhere("classes", ["bad", "good", "worse"]),
        "classes|shape|bias|svm",
    ),
    "classes of a member": (
        field("model.members.0.classes", ["good", "worse"]),
        r"members\[0\].classes must be the same as those of the ensemble",
    ),
    # of the model
    "family unknown": (field("model.members.0.family", "os"), "no model family 'os'"),
    "family a list": (field("model.family", ["bovw"]), "family must be text"),
    "outputs unknown": (
        field("model.outputs", ["score", "x"]),
        "outputs must be one of",
    ),
    "outputs without score": (
        field("model.outputs", ["classes"]),
        "that include score",
    ),
    "outputs it has not": (
        both(
            field("model.outputs", ["score"]), field("decision.least_probability", None)
        ),
        "returns score, classes instead of score",
    ),
    "a floor without classes": (field("model.outputs", ["score"]), "must be null"),
    "frames huge": (
        both(
            field("model.outputs", ["score", "classes", "clips"]),
            field("model.num_frames", 10**9),
        ),
        "num_frames must be a whole number, 2 to 256",
    ),
    "frames none": (field("model.num_frames", 0), "num_frames must be a whole number"),
    "frames a bool": (
        field("model.num_frames", True),
        "num_frames must be a whole num",
    ),
    "frames a fraction": (field("model.num_frames", 1.0), "num_frames must be a whole"),
    "map range reversed": (
        both(
            field("model.outputs", ["score", "classes", "map"]),
            field("model.map_range", [2.0, 1.0]),
        ),
        r"map_range must be \[low, high\], ascending",
    ),
    "map range without maps": (
        field("model.map_range", [0, 1]),
        "map_range must be null",
    ),
    "maps without range": (
        field("model.outputs", ["score", "classes", "map"]),
        "map_range must be a list",
    ),
    "maps it has not": (
        both(
            field("model.outputs", ["score", "classes", "map"]),
            field("model.map_range", [0.0, 1.0]),
        ),
        "returns score, classes instead of score, classes, map",
    ),
    "no members": (field("model.members", []), "members must have 1 to"),
    "members not of an ensemble": (
        field("model.members.0.members", []),
        "must have members if and only if it is an ensemble",
    ),
    "an ensemble without members": (
        field("model.members", ...),
        "must have members if and only if it is an ensemble",
    ),
    "members deep": (nested(10), "nested members at more than 3 levels"),
    "a member of itself": (itself, "nested members at more than 3 levels"),
    "a member a number": (field("model.members.0", 7), r"members\[0\] must be an obj"),
    # of the families
    "file missing": (field("model.file", "gone.npz"), "model.file must be the name of"),
    "file outside": (field("model.file", "../x.npz"), "model.file must be the name of"),
    "another kind of file": (
        field("model.file", "views.npz"),
        "views.npz must contain",
    ),
    "combiner unknown": (
        field("model.combiner", "os.system"),
        "combiner must be one of",
    ),
    "another combiner": (
        field("model.combiner", "weighted"),
        "combiner.npz must contain",
    ),
    "a calibration less": (
        field("model.calibrations", lambda x: x[1:]),
        "must have 2 to",
    ),
    "temperature zero": (
        field("model.calibrations.0.temperature", 0),
        r"calibrations\[0\].temperature must be a number",
    ),
    "steps of a text": (
        field("model.calibrations.1", {"kind": "isotonic", "steps": "x"}),
        "steps must be a list",
    ),
    "size huge": (
        field("model.members.1.image_size", [10**6, 32]),
        "image_size must be a whole number, 1 to 10000",
    ),
    "size of one": (
        field("model.members.1.image_size", [1, 1]),
        "expects images of the shape",
    ),
    "size a text": (
        field("model.members.0.settings.image_size", "9"),
        "must be a list",
    ),
    "features unknown": (
        field("model.members.0.settings.features", "surf"),
        "features must be one of sift, orb",
    ),
    "other features": (
        field("model.members.0.settings.features", "orb"),
        "cannot inspe",
    ),
    # of arrays
    "npz cut": (
        content("combiner.npz", lambda x: x[:-30]),
        "combiner.npz cannot be read",
    ),
    "npz empty": (content("svm.npz", lambda x: b""), "svm.npz cannot be read"),
    "npz in the middle": (
        content("views.npz", lambda x: x[:900] + bytes(50) + x[950:]),
        "views.npz cannot be read",
    ),
    "npz of a npy": (
        content("views.npz", lambda x: npy(np.zeros(3))),
        "cannot be read",
    ),
    "npz bomb": (bomb, "8,589,934,720 bytes when unpacked; at most"),
    "npz hollow": (hollow, "does not match its shape"),
    "npz pickled": (pickled, "limit.npy holds object"),
    "npz lacks": (
        arrays("vocabulary.npz", words=lambda x: None),
        "words is not a file",
    ),
    "npz NaN": (arrays("combiner.npz", bias=lambda x: x * NAN), "bias in .* are NaN"),
    "npz infinite": (
        arrays("views.npz", limit=lambda x: x + INF),
        "limit in views.npz",
    ),
    "npz shape": (arrays("combiner.npz", bias=lambda x: x[:1]), r"bias in .*\(1,\)"),
    "npz dimensions": (arrays("svm.npz", vectors=lambda x: x[0]), "vectors in .*shape"),
    "npz text": (
        arrays("svm.npz", mean=lambda x: x.astype(str)),
        "must contain numbers",
    ),
    "npz complex": (
        arrays("svm.npz", mean=lambda x: x.astype(complex)),
        "mean.npy holds complex",
    ),
    "npz kernel": (
        arrays("svm.npz", kernel=lambda x: np.array("poly")),
        "kernel of rbf, linear, sigmoid",
    ),
    "npz other classes": (
        arrays("svm.npz", classes=lambda x: x[::-1]),
        "classes in .*svm.npz must be",
    ),
    "npz more": (
        arrays("combiner.npz", extra=lambda x: np.zeros(1)),
        "must contain the ar",
    ),
    "views narrow": (
        arrays("views.npz", views=lambda x: x[:, :9]),
        "views in views.npz",
    ),
    # of networks
    "onnx cut": (
        content("network.onnx", lambda x: x[:-1000]),
        "network.onnx is damaged",
    ),
    "onnx empty": (content("network.onnx", lambda x: b""), "it contains no network"),
    "onnx text": (
        content("network.onnx", lambda x: b"<?xml version='1.0'?>"),
        "damaged",
    ),
    "onnx of another size": (
        network(wider_input),
        r"expects images of the shape \(64, 64, 3\)",
    ),
    "onnx outside": (network(external), "keeps weights outside"),
    "onnx NaN": (network(nan_weights), "weights that are NaN"),
    "onnx If": (network(branch), "has a branch or loop"),
    "onnx foreign": (network(foreign_operator), "operator of 'com.example'"),
    "onnx unknown": (network(unknown_operator), "cannot inspect"),
    "onnx functions": (network(functions), "holds functions"),
}
OF_A_NETWORK = {  # without an ensemble, which brings shares to a sum of 1, above it
    "answer NaN": (network(nan_answer), "NaN, infinite|do not sum to 1"),
    "answer halved": (network(half_answer), "their sum is 0.5"),
    "three classes": (
        field("model.classes", ["bad", "good", "worse"]),
        r"probabilities must have the shape \(3,\), but has \(2,\)",
    ),
    "fewer classes": (
        field("model.classes", ["good"]),
        "probabilities must have the shape",
    ),
}
TEXTS = {  # of bundle.json as it is sealed
    "a key twice": ('"precision": "fp32"', '"precision": "fp32", "precision": "fp32"'),
    "NaN beside": ('"num_at_a_line": 0', '"num_at_a_line": 0, "more": NaN'),
    "beyond floats": ('"num_at_a_line": 0', '"num_at_a_line": 1e999'),
    "cut": ('"run":', ""),
    "deep": ('"num_at_a_line": 0', '"num_at_a_line": ' + "[" * 10**5 + "]" * 10**5),
    "digits": ('"num_at_a_line": 0', '"num_at_a_line": ' + "9" * 5000),
}


def npy(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def resealed(bundle, folder, tamper=lambda about, folder: None):
    """A copy of a bundle that was tampered with, its hashes right again."""
    shutil.copytree(bundle, folder)
    about = read_json(folder / ABOUT)
    for name in ("format", "files", "sha256"):
        del about[name]
    tamper(about, folder)
    seal(folder, about)
    return folder


def line_of(folder):
    """What is said of a bundle that is refused."""
    with pytest.raises(InputError) as refused:
        load_bundle(folder)
    said = str(refused.value)
    assert "\n" not in said and len(said) < MAX_LINE and str(folder) in said
    assert "[Errno" not in said and "Traceback" not in said
    return said


@pytest.mark.parametrize("name", ["network", "bovw", "ensemble"])
def test_what_is_only_sealed_again_is_loaded(bundles, tmp_path, name):
    inspector = load_bundle(resealed(bundles[name], tmp_path / "same.goodparts"))
    image = np.full((50, 60, 3), 90, np.uint8)
    wanted = load_bundle(bundles[name]).inspect(image)
    assert inspector.inspect(image).defect_score == wanted.defect_score


@pytest.mark.parametrize("case", CASES)
def test_an_ensemble_that_makes_no_sense_is_refused(bundles, tmp_path, case, capfd):
    tamper, expected = CASES[case]
    said = line_of(resealed(bundles["ensemble"], tmp_path / "t.goodparts", tamper))
    assert re.search(expected, said), said
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("case", OF_A_NETWORK)
def test_a_network_that_makes_no_sense_is_refused(bundles, tmp_path, case):
    tamper, expected = OF_A_NETWORK[case]
    said = line_of(resealed(bundles["network"], tmp_path / "t.goodparts", tamper))
    assert re.search(expected, said), said


@pytest.mark.parametrize("case", TEXTS)
def test_json_that_says_two_things_or_none_is_refused(bundles, tmp_path, case):
    folder = resealed(bundles["bovw"], tmp_path / "t.goodparts")
    text, (old, new) = (folder / ABOUT).read_text(), TEXTS[case]
    assert text.count(old) == 1
    (folder / ABOUT).write_text(text.replace(old, new))
    assert re.search(
        r"bundle.json is damaged: .* Export the run again", line_of(folder)
    )


@pytest.mark.parametrize("case", ["lines unordered", "npz cut", "onnx unknown"])
def test_predict_ends_in_one_line(bundles, tmp_path, part_folder, case):
    tamper, expected = CASES[case]
    folder = resealed(bundles["ensemble"], tmp_path / "t.goodparts", tamper)
    command = [
        sys.executable,
        "-m",
        "goodparts",
        "predict",
        folder,
        part_folder / "good",
    ]
    found = subprocess.run(command, capture_output=True, text=True)
    assert found.returncode == 2 and found.stdout == ""
    assert re.fullmatch(f"error: .*{expected}.*\n", found.stderr), found.stderr


def test_what_does_not_answer_in_time_is_given_up(bundles, monkeypatch):
    monkeypatch.setattr(runtime, "LOAD_S", 0.2)
    monkeypatch.setattr(runtime, "load_part", lambda *_: lambda _: ENDLESS.wait())
    with pytest.raises(InputError, match="not load and process one image within 0.2"):
        load_bundle(bundles["bovw"])
    ENDLESS.set()


def test_sizes_are_looked_at_before_files_are_read(bundles, tmp_path, monkeypatch):
    folder = resealed(bundles["bovw"], tmp_path / "t.goodparts")
    monkeypatch.setattr("deployment.bundle.MAX_FILE_BYTES", 1000)
    assert "is too large" in line_of(folder)
    monkeypatch.undo()
    monkeypatch.setattr("deployment.bundle.MAX_BYTES", 1000)
    assert "is too large" in line_of(folder)
    monkeypatch.undo()
    monkeypatch.setattr("deployment.bundle.MAX_FILES", 2)
    assert "more than the 2 files" in line_of(folder)
    monkeypatch.undo()
    monkeypatch.setattr("deployment.bundle.MAX_ABOUT_BYTES", 100)
    assert "has more than 100 bytes" in line_of(folder)


@pytest.mark.parametrize(
    "version, expected",
    [
        (1, "made by an earlier version: export the run again"),
        (3, "made by a later version"),
        ("2", "states no format"),
        (True, "states no format"),
        (-(10**400), "states no format"),
        (10**400, "made by a later version"),
    ],
    ids=["earlier", "later", "text", "bool", "negative", "huge"],
)
def test_bundles_of_other_versions_say_what_to_do(
    bundles, tmp_path, monkeypatch, version, expected
):
    monkeypatch.setattr("deployment.bundle.FORMAT", version)
    folder = resealed(bundles["bovw"], tmp_path / "t.goodparts")
    monkeypatch.undo()
    assert expected in line_of(folder)
