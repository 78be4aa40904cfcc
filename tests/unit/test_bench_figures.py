"""What the bench computes from measured values, and what its table says."""

import pytest

from bench.figures import Figures, Row, Target, number, percentile
from bench.table import render

RATE = "tasks/s"


def rows() -> list[Row]:
    return [
        Row("drain", "ours", RATE, (300.0, 100.0, 200.0)),
        Row("drain", "ours, events off", RATE, (400.0,)),
        Row("drain", "slow", RATE, (2.0, 4.0)),
        Row("drain", "absent", "", (), "no such package"),
    ]


def cells(table: str, who: str) -> list[str]:
    lines = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in table.splitlines()]
    return next(line for line in lines if line[1:2] == [who])


@pytest.mark.parametrize(
    ("values", "median"), [((3.0, 1.0, 2.0), 2.0), ((1.0, 2.0), 1.5), ((7.0,), 7.0), ((), None)]
)
def test_a_rows_figure_is_the_median_of_its_rounds(values: tuple[float, ...], median: float | None) -> None:
    assert Row("drain", "ours", RATE, values).median == median


def test_the_spread_is_from_the_least_to_the_greatest_value() -> None:
    assert rows()[0].spread == (100.0, 300.0)
    assert rows()[3].spread is None


def test_a_ratio_is_ours_divided_by_the_other() -> None:
    figures = Figures(rows())
    assert figures.ratio(rows()[2]) == 200.0 / 3.0
    assert figures.ratio(rows()[1]) == 0.5


def test_there_is_no_ratio_to_what_was_not_run_or_has_another_unit() -> None:
    figures = Figures(rows())
    assert figures.ratio(rows()[3]) is None
    assert figures.ratio(Row("drain", "slow", "ms", (1.0,))) is None
    assert figures.ratio(Row("drain", "slow", RATE, (0.0,))) is None


def test_a_wait_below_zero_meets_no_target_by_its_sign() -> None:
    early = Row("latency", "other", "ms", (-0.3,))
    figures = Figures([Row("latency", "ours", "ms", (3.0,)), early], (Target("ms", "<=", 0.6, "other"),))
    assert figures.target(early) == (figures.targets[0], None)


def test_nothing_has_a_ratio_where_ours_was_not_run() -> None:
    assert Figures(rows()[2:]).ratio(rows()[2]) is None


@pytest.mark.parametrize(
    ("bound", "below", "equal", "above"),
    [(">=", False, True, True), ("<=", True, True, False), ("<", True, False, False)],
)
def test_a_target_is_met_on_its_side_of_the_bound(bound: str, below: bool, equal: bool, above: bool) -> None:
    target = Target(RATE, bound, 2.0)
    assert [target.is_met(value) for value in (1.9, 2.0, 2.1)] == [below, equal, above]


def test_a_bound_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="use >=, <= or <"):
        Target(RATE, "==", 2.0).is_met(2.0)


def test_a_target_without_an_opponent_is_about_ours_alone() -> None:
    figures = Figures(rows(), (Target(RATE, ">=", 150.0),))
    assert figures.target(rows()[0]) == (figures.targets[0], 200.0)
    assert figures.target(rows()[2]) is None


def test_the_table_says_who_met_what_by_the_ratio() -> None:
    targets = (Target(RATE, ">=", 100, "slow"), Target(RATE, "<=", 0.6, "ours, events off"))
    table = render([Figures(rows(), targets)])
    assert cells(table, "slow") == ["drain", "slow", RATE, "3", "2 - 4", "66.7", "≥ 100 missed (66.7)"]
    assert cells(table, "ours, events off")[-2:] == ["0.500", "≤ 0.600 met (0.500)"]
    assert cells(table, "ours")[5] == ""


def test_the_table_says_why_something_has_failed() -> None:
    table = render([Figures(rows())])
    assert cells(table, "absent")[3] == "failed"
    assert "- drain, absent: no such package." in table


def test_the_table_has_the_same_columns_in_every_line() -> None:
    lines = [line for line in render([Figures(rows())]).splitlines() if line.startswith("|")]
    assert len(lines) == 6
    assert {line.count("|") for line in lines} == {8}
    assert len({len(line) for line in lines}) == 1


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (12345.6, "12,346"),
        (123.4, "123"),
        (12.34, "12.3"),
        (1.234, "1.23"),
        (0.1234, "0.123"),
        (0, "0"),
        (7, "7"),
    ],
)
def test_a_figure_is_shown_with_the_digits_that_count(value: float, text: str) -> None:
    assert number(value) == text


def test_a_percentile_is_a_value_that_was_measured() -> None:
    values = [float(n) for n in range(100, 0, -1)]
    assert percentile(values, 0.5) == 51.0
    assert percentile(values, 0.99) == 100.0
    assert percentile([3.0], 0.99) == 3.0
    with pytest.raises(ValueError, match="no values"):
        percentile([], 0.5)
