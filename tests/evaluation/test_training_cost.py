import shutil

from evaluation.comparison.training_cost import cost
from evaluation.run_folder import read_run
from goodparts.files import write_json


def make_costly(run, seconds, megabytes, members=None):
    config = {**run.config, "wall_time_s": seconds, "peak_memory_mb": megabytes}
    if members is not None:
        config["members"] = [f"../{member.name}" for member in members]
    write_json(run.folder / "config.json", config)
    return read_run(run.folder)


def test_an_ensemble_costs_what_its_members_cost(dataset, make_run):
    a, b, both, outer = (make_run(dataset, name) for name in ("a", "b", "c", "d"))
    a, b = make_costly(a, 10.0, 500), make_costly(b, 20.0, 300)
    both = make_costly(both, 0.5, 100, [a, b])
    assert cost(a) == {"wall_time_s": 10.0, "peak_memory_mb": 500, "note": ""}
    assert cost(both) == {
        "wall_time_s": 30.5,
        "peak_memory_mb": 500,
        "note": "including its 2 members",
    }
    # an ensemble of an ensemble pays for each run once: 1 + 0.5 + 10 + 20
    outer = make_costly(outer, 1.0, 50, [both, a])
    assert cost(outer)["wall_time_s"] == 31.5
    shutil.rmtree(b.folder)
    assert cost(both)["wall_time_s"] == 0.5
    assert "excluding its members" in cost(both)["note"]
