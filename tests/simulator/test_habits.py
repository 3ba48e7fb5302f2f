"""The simulated provider refuses the habits that its model's name lists."""

from __future__ import annotations

from typing import Any

import pytest

from gatewayd.simulator.behaviours import behaviour_for
from gatewayd.simulator.habits import HABITS, check_habits
from gatewayd.simulator.refusals import Refused

IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}}
BODY: dict[str, Any] = {
    "max_tokens": 9000, "temperature": 1, "top_p": 1, "stop": ["a"], "stream_options": {}, "parallel_tool_calls": False,
    "tool_choice": {"type": "function", "function": {"name": "f"}},
    "messages": [
        {"role": "user", "content": [IMAGE]}, {"role": "assistant", "content": "a", "reasoning_content": "b"},
    ],
}  # fmt: skip
PLAIN: dict[str, Any] = {"max_completion_tokens": 100, "messages": [{"role": "user", "content": "hi"}]}


@pytest.mark.parametrize("habit", HABITS)
def test_a_habit_is_refused_where_the_body_has_it(habit: str) -> None:
    with pytest.raises(Refused) as told:
        check_habits(BODY, (habit,))
    assert told.value.status in (400, 422)
    assert told.value.build_body()
    check_habits(PLAIN, (habit,))
    check_habits(BODY, ())


def test_the_models_name_lists_habits() -> None:
    assert behaviour_for("sim-refuses-temperature+stop+unknown").refuses == ("temperature", "stop")
