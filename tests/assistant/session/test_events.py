"""Events as JSON: one object each, named after what happened."""

import json
import typing

from assistant.answers import Answer, Basis, Found
from assistant.seeing.text import TextLine
from assistant.session import events


def test_every_event_is_one_json_object() -> None:
    line = TextLine("Total", ((0.04, 1), (2, 1), (2, 3), (0, 3)), 0.98765)
    for event, expected in (
        (events.StateChanged(events.State.IDLE), {"event": "state_changed", "state": "idle"}),
        (
            events.SettingsChanged("verbosity", 2),
            {"event": "settings_changed", "name": "verbosity", "value": 2},
        ),
        (events.Closed(), {"event": "closed"}),
        (
            events.AnswerGiven(
                Answer("total", (Found("5.50", "Total", (line,)),), Basis.READ, model="pocket"),
                "The total is 5.50.",
            ),
            {
                "event": "answer_given",
                "answer": "The total is 5.50.",
                "basis": "read",
                "evidence": [
                    {
                        "text": "Total",
                        "box": [[0.0, 1], [2, 1], [2, 3], [0, 3]],
                        "confidence": 0.988,
                    }
                ],
                "model": "pocket",
                "skill": "total",
                "values": [
                    {
                        "label": "Total",
                        "value": "5.50",
                        "lines": [
                            {
                                "text": "Total",
                                "box": [[0.0, 1], [2, 1], [2, 3], [0, 3]],
                                "confidence": 0.988,
                            }
                        ],
                    }
                ],
                "in_parts": False,
            },
        ),
    ):
        assert json.loads(json.dumps(event.to_json())) == expected


def test_every_event_has_a_name_of_its_own() -> None:
    kinds = typing.get_args(events.Event)
    assert len(kinds) == 11 and all(hasattr(kind, "to_json") for kind in kinds)
