"""Names of classes and labels that say that a part is good."""

import re

NORMAL_NAMES = ("good", "ok", "normal", "no_anomaly", "free", "mt_free", "no_defect")
# Names such as "OK_parts" and "defect-free", by whole words: a word that says good, or
# a defect that is not there, beside words that say nothing.
_GOOD_WORDS = frozenset("good ok okay io pass passed perfect normal".split())
_DEFECT_WORDS = frozenset(
    "defect defects anomaly anomalies fault faults flaw flaws error errors".split()
)
# Signs that only part words. Others, such as ?, !, = or a cross, may say the opposite.
_PARTING = re.compile(r"[\w\s.,&+()\[\]-]*")
_NEUTRAL_WORDS = frozenset(
    "part parts piece pieces item items unit units product products sample samples "
    "image images img imgs picture pictures photo photos data set class train test "
    "front back top bottom side left right inside outside view surface cam camera "
    "station line new old all the".split()
)


def is_normal_name(name: str) -> bool:
    """Whether the name of a class or label says that a part is good.

    A sign or a 0 that may say the opposite leaves it open: "good?", "!ok", "ok_0".

    Example:

    >>> is_normal_name("OK_parts"), is_normal_name("not_ok"), is_normal_name("no_good")
    (True, False, False)
    """
    if name.casefold() in NORMAL_NAMES:
        return True
    if not _PARTING.fullmatch(name) or name.strip() != name.strip().strip("-"):
        return False
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", " ", name)
    spaced = re.sub(r"(?<=[^\W\d_])(?=\d)", " ", spaced.replace(".", ""))
    words = re.findall(r"[^\W_]+", spaced.casefold())
    if any(
        word == "0" and before not in _NEUTRAL_WORDS
        for before, word in zip(["", *words], words, strict=False)
    ):
        return False
    words = [
        each for each in words if not each.isdecimal() and each not in _NEUTRAL_WORDS
    ]
    if words and _GOOD_WORDS.issuperset(words):
        return True
    if len(words) == 1 and words[0].endswith("free"):  # defectfree
        words = [words[0].removesuffix("free"), "free"]
    return len(words) == 2 and (
        (words[0] in _DEFECT_WORDS and words[1] == "free")
        or (words[0] in ("no", "without", "zero", "non") and words[1] in _DEFECT_WORDS)
    )
