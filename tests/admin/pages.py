"""What tests read out of pages."""

from __future__ import annotations

import re
from html import unescape

import httpx


def form_of(page: httpx.Response, action: str) -> dict[str, str]:
    """The fields of a form as a browser would send them."""
    form = re.search(rf'<form[^>]*action="{re.escape(action)}"[^>]*>(.*?)</form>', page.text, re.S)
    assert form is not None, page.text[:2000]
    fields = {}
    for tag in re.findall(r"<input[^>]*>", form[1]):
        attributes = dict(re.findall(r'(\S+?)="([^"]*)"', tag))
        if "name" in attributes:
            fields[attributes["name"]] = unescape(attributes.get("value", ""))
    for name, options in re.findall(r'<select[^>]*name="([^"]*)"[^>]*>(.*?)</select>', form[1], re.S):
        chosen = re.search(r'value="([^"]*)" selected', options) or re.search(r'value="([^"]*)"', options)
        fields[name] = unescape(chosen[1]) if chosen else ""
    for name, text in re.findall(r'<textarea[^>]*name="([^"]*)"[^>]*>\n?(.*?)</textarea>', form[1], re.S):
        fields[name] = unescape(text)
    return fields


def told(page: httpx.Response) -> str:
    """Its text, without markup."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page.text)).split())
