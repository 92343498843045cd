"""The table of verdicts is whole, whatever ended the runs that wrote it."""

import csv
import os
import time

import pytest

from goodparts.command import InputError
from live.record.verdicts import COLUMNS, Verdicts


def rows_of(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_lines_are_there_at_once_and_the_header_once(tmp_path):
    path = tmp_path / "out" / "verdicts.csv"
    for number in range(2):
        verdicts = Verdicts(path)
        name = f'hot/a, "{number}".png'
        verdicts.add(name, number, "accept", why="good", score=0.25, predicted="ok")
        row = rows_of(path)[-1]  # before it is closed
        verdicts.close()
        assert tuple(row) == COLUMNS
        assert row["path"] == name and row["score"] == "0.25"
    assert len(rows_of(path)) == 2


def test_cut_off_line_is_ended(tmp_path):
    path = tmp_path / "verdicts.csv"
    Verdicts(path).close()
    with path.open("a") as file:
        file.write("hot/a.png,3,acc")
    verdicts = Verdicts(path)
    verdicts.add("hot/b.png", 4, "reject")
    verdicts.close()
    assert [row["path"] for row in rows_of(path)] == ["hot/a.png", "hot/b.png"]
    assert list(verdicts.judged_in("hot")) == ["b.png"]


def test_names_that_are_not_utf8_are_written_escaped_and_known_again(tmp_path):
    name = os.fsdecode(b"hot\xff/part\xe9.png")
    verdicts = Verdicts(tmp_path / "verdicts.csv")
    verdicts.add(name, 0, "accept")
    assert verdicts.num_lost == 0
    assert list(verdicts.judged_in(os.path.dirname(name))) == ["part%E9.png"]
    verdicts.close()
    assert rows_of(verdicts.path)[0]["path"] == "hot%FF/part%E9.png"


def test_another_table_is_not_written_into(tmp_path):
    path = tmp_path / "verdicts.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match="contains a different table"):
        Verdicts(path)
    assert path.read_text() == "a,b\n1,2\n"
    with pytest.raises(InputError, match="Is a directory"):
        Verdicts(tmp_path)


def test_full_disk_loses_whole_lines_and_nothing_else(tmp_path):
    path = tmp_path / "verdicts.csv"
    verdicts = Verdicts(path)
    verdicts.add("a.png", 0, "accept")
    file, verdicts._file = verdicts._file, Full(verdicts._file)
    verdicts.add("b.png", 1, "accept")
    assert verdicts.num_lost == 1 and verdicts.problem == "the disk is full"
    verdicts._file = file
    verdicts.add("c.png", 2, "accept")
    verdicts.close()
    assert [row["path"] for row in rows_of(path)] == ["a.png", "c.png"]


class Full:
    """Half a line fits."""

    def __init__(self, file):
        self.file = file

    def write(self, content):
        return self.file.write(content[: len(content) // 2])

    def __getattr__(self, name):
        return getattr(self.file, name)


def test_files_of_the_folder_are_known_by_any_name_of_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    verdicts = Verdicts(tmp_path / "verdicts.csv")
    before = time.time_ns()
    verdicts.add("hot/a.png", 0, "accept")
    verdicts.add(os.path.join(tmp_path, "hot", "b.png"), 1, "unreadable")
    verdicts.add("other/c.png", 2, "accept")
    found = verdicts.judged_in("./hot/")
    verdicts.close()
    assert sorted(found) == ["a.png", "b.png"]
    assert abs(found["a.png"] - before) < 10**10


@pytest.mark.parametrize(
    "line",
    [
        "{folder}/b.png,0,accept,,0.1,good,2026-11-25T1",
        "{folder}/b.png,0,accept,,0.1,good,2026-13-01T00:00:00+00:00",
        "{folder}/b.png,0,accept,,0.1,good,2026-11-25T10:00:00",
        '"{folder}/b,x.png,0,accept',
        "b" * 200_000,
    ],
)
def test_lines_that_were_cut_or_edited_are_passed_over(tmp_path, line):
    verdicts = Verdicts(tmp_path / "verdicts.csv")
    verdicts.add(str(tmp_path / "a.png"), 0, "accept", score=0.1, predicted="good")
    with open(tmp_path / "verdicts.csv", "a") as file:
        file.write(line.format(folder=tmp_path) + "\n")
    verdicts.add(str(tmp_path / "c.png"), 1, "accept", score=0.1, predicted="good")
    assert set(verdicts.judged_in(tmp_path)) == {"a.png", "c.png"}
    verdicts.close()
