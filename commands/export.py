"""Exports a run as a bundle that needs neither Keras nor TensorFlow.

    goodparts export RUN -o bottle.goodparts [--precision int8] [--sign KEY.pem]
    goodparts export RUN -o network --format savedmodel      (or litert; one network)

The decisions of the bundle and of the run are compared on all images of validate; if
they differ, nothing is written.
"""

from argparse import ArgumentParser, Namespace

from deployment.bundle import SUFFIX
from goodparts.command import InputError
from goodparts.loading import loading
from networks.engines import PRECISIONS
from networks.writing import FORMATS


def add_arguments(parser: ArgumentParser) -> None:
    add = parser.add_argument
    add("run", help="run folder")
    add(
        "-o",
        "--out",
        required=True,
        help=f"path of the new bundle, NAME{SUFFIX}, or of the output of --format",
    )
    add(
        "--precision",
        choices=PRECISIONS,
        default=PRECISIONS[0],
        help="number format of the networks",
    )
    add(
        "--format",
        choices=["bundle", *FORMATS],
        default="bundle",
        help="output format: a bundle, or one network without thresholds as a "
        "SavedModel folder or a LiteRT file",
    )
    add("--sign", metavar="KEY.pem", help="private ed25519 key to sign the bundle with")


def run(arguments: Namespace) -> None:
    is_bundle = arguments.format == "bundle"
    if not is_bundle and (arguments.precision == "int8" or arguments.sign):
        raise InputError("--precision int8 and --sign apply to bundles only.")
    with loading():
        from deployment.export import export, export_keras
        from deployment.int8_cost import cost_text
        from deployment.parity import parity_text
    if is_bundle:
        found = export(
            arguments.run,
            arguments.out,
            precision=arguments.precision,
            sign=arguments.sign,
        )
        parity = found["parity"]
    else:
        found = {}
        parity = export_keras(arguments.run, arguments.out, name=arguments.format)
    for split, cost in found.get("cost", {}).items():
        print(cost_text(split, cost))
    print(parity_text(parity, "the run in int8" if "cost" in found else "the original"))
    if "sha256" in found:
        print(f"sha256 {found['sha256']}")
    print(arguments.out)
