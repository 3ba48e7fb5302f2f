"""What a dialect is: the habits by which providers differ, each one field that a record may override.

The defaults describe the most careful sender: what nearly every provider accepts. The rows are in `dialects`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cache
from types import MappingProxyType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from gatewayd.protocol.names import IdRule


@dataclass(frozen=True, slots=True)
class Dialect:
    """One provider family's habits.

    Who
      name, hosts           `hosts` are exact names, or suffixes when they start with a dot
      key_header            the header of the provider's key; `authorization` gets `Bearer KEY`, any other the bare key

    Top level of the request
      max_tokens_field      the name of the output limit
      max_output_tokens     the largest output limit that is taken; 0: not known
      temperature, top_p, top_k  may be sent; top_k is what nearly nobody takes
      max_stop              how many stop sequences `stop` takes; 0: the field is refused
      stream_options        `stream_options.include_usage` may be sent
      response_format       what structured output the provider takes; `none`: an instruction in the system message
      extra_body            fields added to every body
      cache_control         Anthropic's cache markers are passed on, on content parts

    Messages
      system_role           role of the first message
      late_system           system messages behind the first are accepted
      null_content          `content` beside tool calls is null, not ""
      list_content          content may be a list of parts; without it images cannot be sent
      images                image parts are accepted
      pdf                   `file`: PDF goes as a file part; `text`: its text is extracted
      prefill_flag          key set to true on a last assistant message, where the provider wants one
      thinking_replay       assistant field in which earlier thinking goes back; `none`: it is dropped
      thinking_placeholder  value of that field where the thinking is lost; None: the field is left out
      thought_signatures    Gemini's signatures go back on their tool calls, a stand-in where they are lost
      tool_ids              which tool-call ids are accepted

    Tools
      tool_choice           `tool_choice` may be sent at all
      tool_choice_required  the word for "call some tool"; "": there is none
      tool_choice_named     a single tool may be demanded
      tool_choice_thinking  a choice of tools may be combined with thinking
      parallel_tool_calls   the field may be sent
      schema_drop           JSON Schema keywords removed from tool parameters, at any depth
      schema_flat_root      no anyOf, oneOf, allOf, enum, not at the root of the parameters
      schema_inline_refs    `$ref` is replaced by what it points to

    Thinking
      thinking_switch       where thinking is turned on and off
      thinking_off          that switch has an off position
      effort_levels         efforts accepted beside or by the switch, ascending; empty: none

    Answer
      think_tags            `<think>` at the start of the text is split off
      reasoning_repeats_think  reasoning deltas repeat the `<think>` text of the content: count it once
    """

    name: str
    hosts: tuple[str, ...] = ()
    key_header: str = "authorization"

    max_tokens_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    max_output_tokens: int = 0
    temperature: bool = True
    top_p: bool = True
    top_k: bool = False
    max_stop: int = 4
    stream_options: bool = True
    response_format: Literal["json_schema", "json_object", "none"] = "none"
    extra_body: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}), hash=False)
    cache_control: bool = False

    system_role: Literal["system", "developer"] = "system"
    late_system: bool = False
    null_content: bool = False
    list_content: bool = True
    images: bool = True
    pdf: Literal["file", "text"] = "text"
    prefill_flag: str = ""
    thinking_replay: Literal["none", "reasoning_content", "reasoning", "reasoning_details"] = "none"
    thinking_placeholder: str | None = None
    thought_signatures: bool = False
    tool_ids: IdRule = "any"

    tool_choice: bool = True
    tool_choice_required: str = "required"
    tool_choice_named: bool = True
    tool_choice_thinking: bool = True
    parallel_tool_calls: bool = True
    schema_drop: tuple[str, ...] = ("$schema",)
    schema_flat_root: bool = False
    schema_inline_refs: bool = False

    thinking_switch: Literal[
        "none", "thinking", "enable_thinking", "chat_template_kwargs", "reasoning", "reasoning_effort"
    ] = "none"
    thinking_off: bool = True
    effort_levels: tuple[str, ...] = ()

    think_tags: bool = True
    reasoning_repeats_think: bool = False

    def with_capabilities(self, overrides: Mapping[str, Any]) -> Dialect:
        """This row with single habits replaced; ValueError names an unknown habit or a wrong value."""
        if not overrides:
            return self
        hints = _habits()
        checked = {}
        for name, value in overrides.items():
            if name not in hints:
                raise ValueError(f"capabilities: {name!r} is unknown; one of {', '.join(sorted(hints))}")
            checked[name] = _check(name, value, hints[name])
        return replace(self, **checked)


@cache  # it is asked for with each request to a provider that something was learned of
def _habits() -> dict[str, Any]:
    hints = get_type_hints(Dialect)
    return {f.name: hints[f.name] for f in fields(Dialect) if f.name not in ("name", "hosts")}


def _check(name: str, value: Any, hint: Any) -> Any:
    """`value` as the type that `hint` says, or ValueError in words for the operator."""
    origin = get_origin(hint)
    if origin is Literal:
        choices = get_args(hint)
        if value not in choices or not isinstance(value, str):
            raise ValueError(f"capabilities: {name} is one of {', '.join(choices)}")
        return value
    if origin is tuple:
        if not isinstance(value, list | tuple) or not all(isinstance(item, str) for item in value):
            raise ValueError(f"capabilities: {name} is a list of words")
        return tuple(value)
    if origin is Mapping:
        return _check_extra(name, value)
    if hint is bool and not isinstance(value, bool):
        raise ValueError(f"capabilities: {name} is true or false")
    if hint is int and (not isinstance(value, int) or isinstance(value, bool) or value < 0):
        raise ValueError(f"capabilities: {name} is a whole number, 0 or more")
    if hint is str and not isinstance(value, str):
        raise ValueError(f"capabilities: {name} is a word")
    if hint == str | None and not (value is None or isinstance(value, str)):
        raise ValueError(f"capabilities: {name} is a text or null")
    return value


def _check_extra(name: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise ValueError(f"capabilities: {name} is a mapping of body fields")
    for key in ("model", "messages", "stream", "tools"):
        if key in value:
            raise ValueError(f"capabilities: {name} cannot hold {key}, which comes from the request")
    return MappingProxyType(dict(value))
