"""What the table of `bench.access` says of figures."""

from bench.access_stage import Figure
from bench.access_table import OTHER, OURS, Results, lines, table
from bench.access_works import WORKS, Row

RATE = Row("reading", "messages/s", 1)
WAIT = Row("waiting", "ms", 50)


def results(row: Row, ours: list[Figure], other: list[Figure]) -> Results:
    made = Results()
    for server, figures in ((OURS, ours), (OTHER, other)):
        for figure in figures:
            made.add(row, server, figure)
    return made


def test_the_ratio_is_above_1_where_we_are_better() -> None:
    (line,) = lines([RATE], results(RATE, [Figure(0.001, 0.002)], [Figure(0.003, 0.001)]))
    assert (line.ratio, line.cpu_ratio, line.met) == (3, 2, True)
    assert list(line.cells()) == ["reading", "messages/s", "1000 (2000)", "333 (1000)", "3", "2", "1", "yes", "0"]


def test_a_goal_that_is_not_met_is_marked() -> None:
    made = results(WAIT, [Figure(0.1, 0.0)], [Figure(0.5, 0.0)])
    assert "| waiting | ms | 100 (0) | 500 (0) | 5 | - | 50 | **NO** | 0 |" in table([WAIT], made)


def test_medians_are_told_and_all_stalls() -> None:
    figures = [Figure(0.1, 0.1, (0.06,)), Figure(0.2, 0.3), Figure(0.9, 0.2, (0.08, 0.07))]
    made = results(WAIT, figures, [])
    made.add_between(WAIT, [0.1])
    (line,) = lines([WAIT], made)
    assert line.ours == Figure(0.2, 0.2, (0.06, 0.08, 0.07))
    assert list(line.cells())[-2:] == ["-", "**3** (80 ms at most)"]
    assert made.stalls_in_all() == 4


def test_without_the_other_server_there_is_no_ratio() -> None:
    (line,) = lines([RATE], results(RATE, [Figure(0.001, 0.001)], []))
    assert (line.ratio, line.met) == (None, None)
    assert line.values()["mailboxd"] == {"value": 1000.0, "cpu": 0.001}


def test_rows_have_names_of_their_own() -> None:
    names = [row.name for work in WORKS for row in work.rows]
    assert len(names) == len(set(names))
