"""Bundles that are refused unless they are the one, or of the one, that was asked."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from deployment.bundle import ABOUT, read_bundle, seal
from deployment.export import export
from deployment.predict import predict
from deployment.trust import SIGNATURE, Trust, read_signing_key
from goodparts.command import InputError
from goodparts.files import read_json
from live.watch import watch

ROOT = Path(__file__).parents[2]
PEM = serialization.Encoding.PEM
PKCS8 = serialization.PrivateFormat.PKCS8
INFO = serialization.PublicFormat.SubjectPublicKeyInfo
OPEN = serialization.NoEncryption()


def write_keys(folder, name, key=None, encryption=OPEN):
    """Paths of a private and a public key."""
    key = key or ed25519.Ed25519PrivateKey.generate()
    private, public = folder / f"{name}.pem", folder / f"{name}_public.pem"
    private.write_bytes(key.private_bytes(PEM, PKCS8, encryption))
    public.write_bytes(key.public_key().public_bytes(PEM, INFO))
    return private, public


@pytest.fixture
def signed(tmp_path):
    """A signed bundle and its public key."""
    private, public = write_keys(tmp_path, "ours")
    folder = tmp_path / "part.goodparts"
    folder.mkdir()
    (folder / "svm.npz").write_bytes(b"arrays")
    seal(folder, {"classes": ["good"]}, signing_key=read_signing_key(private))
    return folder, public


def test_a_signed_bundle_is_read_with_its_key_and_without(signed, tmp_path):
    folder, public = signed
    assert len((folder / SIGNATURE).read_bytes()) == 64
    for trust in (None, Trust(public_key=public)):
        assert read_bundle(folder, trust=trust).files == {"svm.npz": b"arrays"}
    _, other = write_keys(tmp_path, "other")
    with pytest.raises(InputError, match="not signed with the key of .*other_public"):
        read_bundle(folder, trust=Trust(public_key=other))


def test_sealing_again_does_not_sign(signed):
    """Whoever has no key can make the hashes right, and not the signature."""
    folder, public = signed
    (folder / "svm.npz").write_bytes(b"others")
    seal(folder, {"classes": ["good"]})
    assert read_bundle(folder).files == {"svm.npz": b"others"}
    with pytest.raises(InputError, match="not signed with the key .* or was changed"):
        read_bundle(folder, trust=Trust(public_key=public))
    for content in (b"", b"x" * 64, b"x" * 9999):
        (folder / SIGNATURE).write_bytes(content)
        with pytest.raises(InputError, match="not signed with the key"):
            read_bundle(folder, trust=Trust(public_key=public))
    (folder / SIGNATURE).unlink()
    with pytest.raises(InputError, match="is not signed: it has no bundle.sig"):
        read_bundle(folder, trust=Trust(public_key=public))


def test_keys_that_are_none_are_named(signed, tmp_path):
    folder, _ = signed
    curve, curve_public = write_keys(
        tmp_path, "curve", ec.generate_private_key(ec.SECP256R1())
    )
    secret = serialization.BestAvailableEncryption(b"secret")
    locked, _ = write_keys(tmp_path, "locked", encryption=secret)
    text = tmp_path / "text.pem"
    text.write_text("no key")
    for path in (curve_public, locked, text, curve):
        with pytest.raises(InputError, match=f"{path.name} is not an? .*ed25519 key"):
            read_bundle(folder, trust=Trust(public_key=path))
    for path in (curve, locked, text, curve_public):
        with pytest.raises(InputError, match="openssl genpkey -algorithm ed25519"):
            read_signing_key(path)
    with pytest.raises(InputError, match="There is no key .*none.pem"):
        read_signing_key(tmp_path / "none.pem")


def test_without_the_package_one_line_says_what_to_install(signed, monkeypatch):
    folder, public = signed
    monkeypatch.setitem(sys.modules, "cryptography.exceptions", None)
    with pytest.raises(InputError, match="pip install cryptography"):
        read_bundle(folder, trust=Trust(public_key=public))
    assert read_bundle(folder).files


def test_the_sha256_is_that_of_one_bundle(signed):
    folder, _ = signed
    sha256 = read_json(folder / ABOUT)["sha256"]
    assert read_bundle(folder, trust=Trust(sha256.upper())).about["sha256"] == sha256
    seal(folder, {"classes": ["bad"]})
    with pytest.raises(InputError, match=f"is not the required bundle.*, not {sha256}"):
        read_bundle(folder, trust=Trust(sha256))


@pytest.mark.parametrize("name", ["predict", "live"])
def test_the_commands_ask(bundles, part_folder, tmp_path, name):
    private, public = write_keys(tmp_path, "ours")
    folder = shutil.copytree(bundles["bovw"], tmp_path / "part.goodparts")
    about = read_json(folder / ABOUT)
    for field in ("format", "files", "sha256"):
        del about[field]
    sha256 = seal(folder, about, signing_key=read_signing_key(private))
    source = [part_folder / "good"] if name == "predict" else ["--source"]
    if name != "predict":
        source += [part_folder / "good", "--out", tmp_path / "live"]

    def run(*arguments):
        words = [sys.executable, "-m", "goodparts", name, folder, *source, *arguments]
        return subprocess.run(words, capture_output=True, text=True)

    found = run("--require-sha256", sha256, "--require-signature", public)
    assert found.returncode == 0, found.stderr
    for arguments, said in (
        (["--require-sha256", "0" * 64], "is not the required bundle"),
        (["--require-signature", private], "is not an? .*ed25519 key"),
        (["--require-sha256", "12"], "must be 64 hexadecimal digits"),
    ):
        found = run(*arguments)
        assert found.returncode == 2 and "Traceback" not in found.stderr
        assert re.search(said, found.stderr), found.stderr


def test_a_run_folder_cannot_be_asked(runs, bundles, part_folder, tmp_path):
    for trust in (Trust(sha256="0" * 64), Trust(public_key=tmp_path / "k.pem")):
        with pytest.raises(
            InputError, match="is not a bundle, and --require-sha256 and"
        ):
            list(predict(runs["bovw"], [part_folder], trust=trust))
    with pytest.raises(InputError, match="is not the required bundle"):
        watch(bundles["bovw"], str(part_folder), trust=Trust(sha256="0" * 64))


def test_export_signs(runs, tmp_path):
    private, public = write_keys(tmp_path, "ours")
    out = tmp_path / "signed.goodparts"
    sha256 = export(runs["bovw"], out, sign=private)["sha256"]
    bundle = read_bundle(out, trust=Trust(sha256, public))
    assert bundle.about["parity"]["num_images"] > 0
    with pytest.raises(InputError, match="There is no key"):
        export(runs["bovw"], tmp_path / "b.goodparts", sign=tmp_path / "none.pem")
    assert not (tmp_path / "b.goodparts").exists()


def test_openssl_makes_the_keys(tmp_path):
    """The commands of docs/bundles.md."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not installed")
    key, public = tmp_path / "KEY.pem", tmp_path / "PUBLIC.pem"
    for words in (
        ["genpkey", "-algorithm", "ed25519", "-out", key],
        ["pkey", "-in", key, "-pubout", "-out", public],
    ):
        subprocess.run([openssl, *words], check=True)
    folder = tmp_path / "part.goodparts"
    folder.mkdir()
    seal(folder, {}, signing_key=read_signing_key(key))
    assert read_bundle(folder, trust=Trust(public_key=public)).files == {}
