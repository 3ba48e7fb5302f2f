"""How providers depart from the reference: one row of data per provider family, and nothing else.

A row is chosen by the gateway's record, or by the host of its base URL; never by a model's name. Each habit is one
field that a record may override (`upstream.capabilities`); `Dialect` says what each means.
"""

from __future__ import annotations

from types import MappingProxyType

from gatewayd.protocol.chat.dialect import Dialect

__all__ = ["DIALECTS", "Dialect", "dialect_for"]

_GEMINI_UNKNOWN = [
    "$schema",
    "$id",
    "$comment",
    "additionalProperties",
    "const",
    "contentEncoding",
    "contentMediaType",
    "dependentRequired",
    "dependentSchemas",
    "deprecated",
    "else",
    "examples",
    "exclusiveMaximum",
    "exclusiveMinimum",
    "if",
    "multipleOf",
    "not",
    "patternProperties",
    "propertyNames",
    "readOnly",
    "then",
    "unevaluatedProperties",
    "uniqueItems",
    "writeOnly",
]

_ROWS = (
    # the placeholder counts only once a refusal has taught that thinking must come back
    Dialect(name="generic", tool_ids="max40", thinking_placeholder=""),
    Dialect(
        name="openai",
        hosts=("api.openai.com", ".api.openai.com"),
        max_tokens_field="max_completion_tokens",
        response_format="json_schema",
        late_system=True,
        null_content=True,
        pdf="file",
        tool_ids="max40",
        schema_flat_root=True,
        think_tags=False,
    ),
    Dialect(
        name="openai-reasoning",
        max_tokens_field="max_completion_tokens",
        temperature=False,
        top_p=False,
        max_stop=0,
        response_format="json_schema",
        system_role="developer",
        late_system=True,
        null_content=True,
        pdf="file",
        tool_ids="max40",
        schema_flat_root=True,
        thinking_switch="reasoning_effort",
        thinking_off=False,
        effort_levels=("low", "medium", "high"),
        think_tags=False,
    ),
    Dialect(
        name="azure",
        hosts=(".openai.azure.com", ".services.ai.azure.com", ".cognitiveservices.azure.com", ".models.ai.azure.com"),
        key_header="api-key",
        max_tokens_field="max_completion_tokens",
        response_format="json_schema",
        null_content=True,
        tool_ids="max40",
        schema_flat_root=True,
    ),
    Dialect(
        name="deepseek",
        hosts=("api.deepseek.com",),
        max_stop=16,
        response_format="json_object",
        late_system=True,
        images=False,
        thinking_replay="reasoning_content",
        thinking_placeholder="",
        tool_choice_thinking=False,
        thinking_switch="thinking",
        effort_levels=("low", "high", "max"),
    ),
    Dialect(
        name="moonshot",
        hosts=("api.moonshot.ai", "api.moonshot.cn", "api.kimi.com"),
        temperature=False,
        top_p=False,
        response_format="json_object",
        prefill_flag="partial",
        thinking_replay="reasoning_content",
        thinking_placeholder=".",  # an empty one counts as missing
        tool_choice_thinking=False,
        thinking_switch="thinking",
    ),
    Dialect(
        name="zai",
        hosts=("api.z.ai", "open.bigmodel.cn"),
        max_stop=1,
        response_format="json_object",
        thinking_replay="reasoning_content",
        tool_choice_required="",
        tool_choice_named=False,
        parallel_tool_calls=False,
        thinking_switch="thinking",
    ),
    Dialect(
        name="minimax",
        hosts=("api.minimax.io", "api.minimaxi.com", "api.minimax.chat"),
        max_stop=0,
        thinking_replay="reasoning_details",
        tool_choice_required="",
        tool_choice_named=False,
        parallel_tool_calls=False,
        images=False,
        extra_body=MappingProxyType({"reasoning_split": True}),
        reasoning_repeats_think=True,
    ),
    Dialect(
        name="qwen",
        hosts=(
            "dashscope.aliyuncs.com",
            ".dashscope.aliyuncs.com",
            "dashscope-intl.aliyuncs.com",
            "dashscope-us.aliyuncs.com",
        ),
        top_k=True,
        response_format="json_object",
        prefill_flag="partial",
        tool_choice_required="",
        tool_choice_thinking=False,
        thinking_switch="enable_thinking",
    ),
    Dialect(
        name="mistral",
        hosts=("api.mistral.ai", "codestral.mistral.ai"),
        response_format="json_schema",
        prefill_flag="prefix",
        tool_ids="alnum9",
        tool_choice_required="any",
    ),
    Dialect(name="groq", hosts=("api.groq.com",)),
    Dialect(name="cerebras", hosts=("api.cerebras.ai",), response_format="json_schema", images=False),
    Dialect(
        name="xai",
        hosts=("api.x.ai", ".api.x.ai"),
        response_format="json_schema",
        late_system=True,
    ),
    Dialect(
        name="gemini",
        hosts=("generativelanguage.googleapis.com",),
        response_format="json_schema",
        thought_signatures=True,
        parallel_tool_calls=False,
        schema_drop=tuple(_GEMINI_UNKNOWN),
        schema_flat_root=True,
        schema_inline_refs=True,
        thinking_switch="reasoning_effort",
        thinking_off=False,
        effort_levels=("low", "medium", "high"),
    ),
    Dialect(
        name="openrouter",
        hosts=("openrouter.ai",),
        top_k=True,
        response_format="json_schema",
        pdf="file",
        thinking_replay="reasoning_details",
        schema_flat_root=True,
        tool_ids="max40",
        thinking_switch="reasoning",
        effort_levels=("low", "medium", "high", "xhigh"),
    ),
    Dialect(name="together", hosts=("api.together.xyz", "api.together.ai"), top_k=True, response_format="json_schema"),
    Dialect(
        name="fireworks",
        hosts=("api.fireworks.ai",),
        top_k=True,
        response_format="json_schema",
        thinking_replay="reasoning_content",
    ),
    Dialect(name="digitalocean", hosts=("inference.do-ai.run", ".agents.do-ai.run"), tool_ids="max40"),
    Dialect(
        name="ollama",
        hosts=("ollama.com",),
        response_format="json_schema",
        thinking_replay="reasoning",
        tool_choice=False,
        parallel_tool_calls=False,
    ),
    Dialect(
        name="vllm",
        top_k=True,
        response_format="json_schema",
        thinking_replay="reasoning_content",
        thinking_switch="chat_template_kwargs",
    ),
    Dialect(
        name="sglang",
        top_k=True,
        response_format="json_schema",
        thinking_replay="reasoning_content",
        thinking_switch="chat_template_kwargs",
    ),
    Dialect(
        name="llamacpp",
        top_k=True,
        response_format="json_schema",
        thinking_replay="reasoning_content",
        tool_choice_named=False,
        thinking_switch="chat_template_kwargs",
    ),
    Dialect(
        name="lmstudio",
        top_k=True,
        response_format="json_schema",
        tool_choice_named=False,
        parallel_tool_calls=False,
    ),
)

DIALECTS: dict[str, Dialect] = {row.name: row for row in _ROWS}


def dialect_for(host: str) -> Dialect:
    """The row that names `host`, or a suffix of it, else generic."""
    host = host.lower().rstrip(".")
    for row in _ROWS:
        if any(host == known or (known.startswith(".") and host.endswith(known)) for known in row.hosts):
            return row
    return DIALECTS["generic"]
