import numpy as np

from preprocessing.splitting.series import find_runs, last_numbers


def names_of(*starts, step=15, length=5):
    return [f"exp{k}_num_{start + step * k}" for start in starts for k in range(length)]


def test_runs_of_numbers_are_found_in_each_class():
    names = names_of(100, 9000, 31000, 77000) + names_of(200, 5000, 60000)
    labels = ["good"] * 20 + ["crack"] * 15
    runs = find_runs(labels, names)
    assert runs.tolist() == np.repeat(np.arange(7), 5).tolist()
    shuffled = np.random.default_rng(0).permutation(35)
    again = find_runs([labels[i] for i in shuffled], [names[i] for i in shuffled])
    same = runs[shuffled][:, None] == runs[shuffled]
    assert (same == (again[:, None] == again)).all()


def test_numbers_that_count_on_say_nothing():
    frames = [f"frame_{number:04d}" for number in range(60)]
    assert find_runs(["good"] * 60, frames) is None
    assert find_runs(["good"] * 30, ["part"] * 30) is None
    gone = [f"frame_{number}" for number in range(100) if number % 7]
    assert find_runs(["good"] * len(gone), gone) is None


def test_two_days_are_no_parts():
    names = [f"{day + number}" for day in (0, 10**6) for number in range(20)]
    assert find_runs(["good"] * 40, names) is None


def test_last_numbers():
    assert last_numbers(["exp1_num_0042", "none"]) == [42, -1]
