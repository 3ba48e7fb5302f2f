"""What a tool message says."""

from __future__ import annotations

from typing import Any

import pytest

from tests.protocol.chat.building import Built, assistant, build, call, image, result, text, user


def with_result(content: Any, dialect: str = "generic", **fields: Any) -> Built:
    return build([user("a"), assistant(call()), user(result(content=content, **fields))], dialect=dialect)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("plain", "plain"),
        (" kept \n", " kept \n"),
        ([text("a"), text("b")], "a\nb"),
        ([text("a"), text("")], "a"),
        ([{"type": "tool_reference", "tool_name": "mcp__x"}], "Tool mcp__x is available now."),
        ([{"type": "search_result", "title": "T", "source": "u", "content": [text("hit")]}], "Search result: T u\nhit"),
        ("", "(no output)"),
        (" \n", "(no output)"),
        ([], "(no output)"),
        (None, "(no output)"),
        ([{"type": "unheard_of"}], "(no output)"),
    ],
)
def test_the_text_of_a_result(content: Any, said: str) -> None:
    assert with_result(content).messages[2] == {"role": "tool", "tool_call_id": "toolu_1", "content": said}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("not found", "Error: not found"),
        ("", "Error: (no output)"),
        ("Error: not found", "Error: not found"),
        ("error reading", "error reading"),
        ("<tool_use_error>x</tool_use_error>", "<tool_use_error>x</tool_use_error>"),
        ("Exit code 3\nx", "Exit code 3\nx"),
        ("No error here", "Error: No error here"),
    ],
)
def test_an_error_says_so_once(content: str, said: str) -> None:
    assert with_result(content, is_error=True).messages[2]["content"] == said


def test_an_image_moves_behind_a_line_that_names_the_call() -> None:
    built = with_result([text("page 1"), image()])
    assert [message["content"] for message in built.messages[2:]] == [
        "page 1\n[The attachments of this result are in the next user message.]",
        [
            {"type": "text", "text": "[Attachments of the result of Read, call toolu_1:]"},
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
        ],
    ]
    assert built.codes == ["tool_results.media_moved"]


def test_a_result_that_is_an_image_alone_has_text_all_the_same() -> None:
    assert with_result([image()]).messages[2]["content"] == (
        "[The attachments of this result are in the next user message.]"
    )


def test_attachments_of_parallel_results_come_in_the_order_of_the_calls_before_what_the_user_says() -> None:
    built = build(
        [
            user("a"),
            assistant(call("t1"), call("t2")),
            user("so?", result("t2", [image("BBBB")]), result("t1", [image("AAAA")])),
        ]
    )
    assert [message["role"] for message in built.messages] == ["user", "assistant", "tool", "tool", "user"]
    assert [part.get("text") or part["image_url"]["url"][-4:] for part in built.messages[-1]["content"]] == [
        "[Attachments of the result of Read, call t1:]",
        "AAAA",
        "[Attachments of the result of Read, call t2:]",
        "BBBB",
        "so?",
    ]


def test_a_document_moves_too() -> None:
    document = {"type": "document", "title": "T", "source": {"type": "text", "data": "body"}}
    built = with_result([document])
    assert built.messages[3]["content"] == ("[Attachments of the result of Read, call toolu_1:]\n\nDocument: T\n\nbody")


def test_an_image_that_cannot_be_sent_leaves_its_placeholder_in_the_result() -> None:
    built = with_result([image()], dialect="deepseek")
    assert built.messages[2]["content"] == "[An image was here; this model takes no images.]"
    assert len(built.messages) == 3
    assert built.codes == ["images.placeholder"]
