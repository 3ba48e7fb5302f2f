"""New values that a refusal states: a limit, a number of stop sequences, the efforts on offer, schema keywords.

Each function takes (words, body, dialect): the provider's words in lower case with ' for ", the refused body, the row
it was built for; it gives None where the words state nothing that would change this body.
"""

from __future__ import annotations

import re
from typing import Any

from gatewayd.protocol.chat.dialect import Dialect

Body = dict[str, Any]

SMALLEST_LIMIT = 16  # an output limit below this is a misread number

_N = r"[\s:=`'(\[]{0,4}(\d[\d,_]{0,11})(?![\w.]*\d)"
#: How a limit is stated, surest first. Numbers elsewhere in the text are the request's own, ids or codes.
_LIMITS = (
    (rf"\brange\b.{{0,60}}?\d+(?: \(inclusive\))?\s{{0,2}}(?:,|to|and|-|~){_N} \(exclusive\)", -1),
    (rf"\brange\b.{{0,60}}?\d+(?: \(inclusive\))?\s{{0,2}}(?:,|to|and|-|~){_N}", 0),
    (rf"\bbetween \d+ and{_N}", 0),
    (
        rf"(?:less than or equal to|less or equal to|<=|≤|at most|up to|no more than|not exceed){_N}",
        0,
    ),
    (rf"\d > {_N},? which is the maximum", 0),
    (rf"(?:maximum|max)\b[^.;\d]{{0,60}}?(?: is| of|:|=|\(){_N}", 0),
    (rf"limit(?:ed)?\b[^.;\d]{{0,40}}?(?: is| of| to|:){_N}", 0),
    (rf"exceeds?\b[^.;\d]{{0,60}}?{_N}", 0),
    (rf"(?:less|lower|smaller) than{_N}", -1),
)


def stated_limit(words: str, body: Body, _dialect: Dialect) -> int | None:
    """The output limit, where it is below what was asked for."""
    asked = body.get("max_tokens", body.get("max_completion_tokens"))
    if not asked or "stream=true" in words:  # Fireworks: a limit for answers in one piece only
        return None
    for pattern, step in _LIMITS:
        for found in re.finditer(pattern, words):
            limit = int(re.sub(r"\D", "", found[1])) + step
            if SMALLEST_LIMIT <= limit < asked:
                return limit
    return None


def stated_stops(words: str, body: Body, _dialect: Dialect) -> int | None:
    """How many stop sequences are taken, where fewer than were sent."""
    numbers = [int(number) for number in re.findall(r"(?:maximum length|at most|up to|maximum of|max) (\d)\b", words)]
    return max((number for number in numbers if number < len(body["stop"])), default=None)


OFFERS = r"(?:supported values|one of|expected|must be|options|allowed values|valid values)"
_EFFORTS = ("minimal", "low", "medium", "high", "xhigh", "max")


def offered_efforts(words: str, _body: Body, dialect: Dialect) -> list[str] | None:
    """The efforts that the text offers, behind the refused one."""
    offered = re.split(OFFERS, words, maxsplit=1)[-1]
    names = [name for name in _EFFORTS if re.search(rf"['`]{name}['`]|\b{name}(?=,| or | and |\W*$)", offered)]
    return names if names and tuple(names) != dialect.effort_levels else None


def poorer_format(_words: str, _body: Body, dialect: Dialect) -> str | None:
    return {"json_schema": "json_object", "json_object": "none"}.get(dialect.response_format)


def next_placeholder(_words: str, _body: Body, dialect: Dialect) -> str | None:
    """For thinking that must come back but is lost: an empty text; where that counts as missing, a dot."""
    return {None: "", "": "."}.get(dialect.thinking_placeholder)


_KEYWORDS = {
    name.lower(): name
    for name in (
        "$schema", "$id", "$comment", "additionalProperties", "const", "contentEncoding", "contentMediaType", "default",
        "dependentRequired", "dependentSchemas", "deprecated", "else", "examples", "exclusiveMaximum",
        "exclusiveMinimum", "format", "if", "maxItems", "maxLength", "maxProperties", "maximum", "minItems",
        "minLength", "minProperties", "minimum", "multipleOf", "not", "pattern", "patternProperties", "propertyNames",
        "readOnly", "then", "title", "unevaluatedProperties", "uniqueItems", "writeOnly",
    )
}  # fmt: skip
_QUOTED = r"['`](\$?[a-z]+)['`]"
_REFUSED_KEYWORD = re.compile(
    rf"(?:unknown name|unknown|unsupported|unrecognized|unexpected|disallowed)(?: json)?(?: schema)?"
    rf"(?: keyword| field| key| property| properties)?s?:? {_QUOTED}"
    rf"|{_QUOTED}(?: keyword| field)? (?:is |are )?(?:not permitted|not supported|not allowed|unsupported|disallowed)"
)
_GEMINI_FORMAT = "supported for string type"  # only 'enum' and 'date-time' are supported for STRING type


def refused_keywords(words: str, _body: Body, dialect: Dialect) -> list[str] | None:
    """JSON Schema keywords that are themselves refused, added to those that are dropped. Names of properties that
    happen to be keywords are not: what is wrong with a property is the client's."""
    named = [first or second for first, second in _REFUSED_KEYWORD.findall(words)]
    named += ["format"] if _GEMINI_FORMAT in words else []
    known = [_KEYWORDS[name] for name in named if name in _KEYWORDS]
    added = [name for name in dict.fromkeys(known) if name not in dialect.schema_drop]
    return [*dialect.schema_drop, *added] if added else None
