import pytest

from preprocessing.command import InputError
from preprocessing.manifest import find_normal_class, read_dataset


def edit(folder, old, new, *, count=1):
    path = folder / "manifest.csv"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, count))


def test_a_data_set_reads_back(small_dataset):
    dataset = read_dataset(small_dataset, check_files=True)
    assert dataset.classes == ["bad", "good"] and dataset.normal_class == "good"
    assert set(dataset.rows("train", "test")["split"]) == {"train", "test"}
    assert read_dataset(small_dataset / "manifest.csv").name == dataset.name


@pytest.mark.parametrize(
    "old, new, message",
    [
        (",train,", ",tarin,", r"line \d+: split must be one of .* Received: 'tarin'"),
        ("sample_id,path", "sample,path", "lacks the column"),
        (",good,train,", ",god,train,", r"line \d+: label 'god' is none of"),
    ],
)
def test_nonsense_names_the_row(small_dataset, old, new, message):
    edit(small_dataset, old, new)
    with pytest.raises(InputError, match=message):
        read_dataset(small_dataset)


def test_a_group_in_two_splits_is_refused(small_dataset):
    lines = (small_dataset / "manifest.csv").read_text().splitlines()
    train = next(line.split(",") for line in lines if ",train," in line)
    number = next(i for i, line in enumerate(lines) if ",test," in line)
    cells = lines[number].split(",")
    cells[4] = train[4]
    lines[number] = ",".join(cells)
    (small_dataset / "manifest.csv").write_text("\n".join(lines) + "\n")
    with pytest.raises(InputError, match="must lie in one split"):
        read_dataset(small_dataset)


def test_changed_and_missing_files_are_named(small_dataset):
    dataset = read_dataset(small_dataset)
    path = small_dataset / dataset.manifest["path"][3]
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(InputError, match=r"line 5: .* was changed"):
        read_dataset(small_dataset, check_files=True)
    path.unlink()
    with pytest.raises(InputError, match=r"line 5: .* is missing"):
        read_dataset(small_dataset, check_files=True)


def test_a_folder_without_manifest_says_what_to_do(tmp_path):
    with pytest.raises(InputError, match="pipenv run folders"):
        read_dataset(tmp_path)


def test_the_normal_class_is_found_or_asked_for():
    assert find_normal_class(["MT_Free", "MT_Crack"]) == "MT_Free"
    assert find_normal_class(["a", "b"], "b") == "b"
    with pytest.raises(InputError, match="--normal-class NAME"):
        find_normal_class(["a", "b"])
    with pytest.raises(InputError, match="Did you mean 'good'"):
        find_normal_class(["good", "bad"], "goood")
