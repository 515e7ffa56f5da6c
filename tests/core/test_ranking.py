"""Which of some tasks is best."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datmo.core.entity.task import Task
from datmo.core.ranking import rank_of, ranked, ranked_value
from datmo.errors import InvalidArgument

VALUES = st.one_of(st.floats(), st.integers(), st.booleans(), st.text(max_size=2), st.none())


def task(number: int, results: dict[str, object]) -> Task:
    return Task(
        id=str(number),
        model_id="m",
        session_id="s",
        command="x",
        status="SUCCESS",
        created_at=datetime.now(UTC),
        results=results,
    )


@given(st.lists(VALUES, max_size=8), st.booleans())
def test_the_best_come_first_and_those_without_a_number_last(values: list[object], ascending: bool) -> None:
    tasks = [task(number, {"a": {"b": each}}) for number, each in enumerate(values)]
    order = rank_of(f"stats.a.b {'asc' if ascending else 'desc'}")
    found = ranked(tasks, order)
    assert sorted(each.id for each in found) == sorted(each.id for each in tasks)
    numbers = [ranked_value(each, order) for each in found]
    having = [number for number in numbers if number is not None]
    assert having == sorted(having, reverse=not ascending)
    assert numbers[len(having) :] == [None] * (len(numbers) - len(having))


def test_stats_and_results_are_the_same_of_a_task() -> None:
    one = task(1, {"accuracy": 0.9})
    assert ranked_value(one, rank_of("stats.accuracy")) == ranked_value(one, rank_of("results.accuracy")) == 0.9
    assert ranked_value(one, rank_of("results.loss")) is None


@pytest.mark.parametrize("text", ["label", "results", "", "results.a b"])
def test_what_no_task_has_is_refused(text: str) -> None:
    with pytest.raises(InvalidArgument):
        rank_of(text)
