"""What the simulated conversations are about: prose, code, tool results, Chinese and Japanese, all from the standard
library's own sources or written here. Deterministic for a given random generator."""

from __future__ import annotations

import inspect
import json
import pydoc_data.topics
import random
import re
import textwrap
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

KINDS = ("english", "code", "json", "chinese", "japanese", "output")

_CHINESE = """\
这次重构的目标是把配置的读取和应用分开。读取阶段只负责解析文件，检查每一个字段，并且把所有错误一次性报告给用户；应用阶段则在一个数据库事务里完成，要么全部成功，要么什么都不改变。
我看了一下日志，问题出在连接池上。请求取消以后，连接没有被正确归还，过了几个小时，所有的连接都被占用，新的请求只能一直等待，直到超时为止。
建议先写一个能够重现问题的测试，然后再修改代码。否则我们没有办法确认修复是否真的有效，也无法防止以后再次出现同样的错误。
老张昨天在会议上提到，客户希望在月底之前看到新的报表页面。页面上需要显示每天的请求数量、平均响应时间、失败的比例，以及按照模型划分的费用。
清晨的雾气还没有散去，江边已经有人在打太极拳。卖豆浆的小贩推着三轮车从桥上慢慢走过，车铃声清脆，传得很远。
数据库迁移脚本必须能够重复执行。如果上一次执行到一半失败了，再次运行时不应该因为表已经存在而报错，而应该从正确的位置继续。
这个函数的参数太多了，调用的人很难记住顺序。可以考虑用一个数据类把相关的参数放在一起，这样代码读起来更清楚，也更容易扩展。
根据最新的统计，今年第三季度的出口总额同比增长了百分之七点二，其中高新技术产品所占的比重继续上升，而传统制造业的增长速度有所放缓。
请把下面的说明翻译成英文，注意保留专业术语，不要改变段落的结构。如果遇到不确定的地方，请在旁边加上注释，方便后面的人检查。
缓存的失效策略需要再讨论。目前的做法是每隔五分钟全部清空，这样虽然简单，但是在高峰时段会给后端服务带来很大的压力。
她把信折好，放进抽屉的最里面，然后望着窗外发呆。院子里的桂花开了，香气一阵一阵地飘进来，让人想起小时候的秋天。
部署的时候请注意，旧版本的进程必须等到所有正在处理的请求结束之后才能退出，否则用户会看到连接被重置的错误信息。
"""
_JAPANESE = """\
今回の変更では、設定ファイルの読み込みと適用を分けました。読み込みの段階ではすべての項目を検査し、見つかった誤りをまとめて報告します。適用の段階は一つのトランザクションで行われ、途中で失敗した場合は何も変わりません。
ログを確認したところ、原因は接続プールにあるようです。リクエストが取り消された後、接続が正しく返却されておらず、数時間後にはすべての接続が使用中になってしまいます。
まず問題を再現するテストを書いてから、コードを修正することをお勧めします。そうしないと、修正が本当に有効かどうかを確かめることができません。
昨日の会議で田中さんが、お客様は今月末までに新しいレポート画面を見たいとおっしゃっていました。画面には一日ごとのリクエスト数、平均応答時間、失敗の割合を表示する必要があります。
朝早く駅前の商店街を歩いていると、パン屋から焼きたての香りが漂ってきた。店の前にはもう何人かの人が並んでいて、みんな静かに扉が開くのを待っている。
データベースの移行スクリプトは、何度実行しても同じ結果にならなければなりません。前回の実行が途中で失敗していても、再度実行したときに正しい位置から続けられるようにしてください。
この関数は引数が多すぎて、呼び出す側が順番を覚えられません。関連する引数をデータクラスにまとめると、コードが読みやすくなり、後から拡張するのも簡単になります。
キャッシュをいつ無効にするかについては、もう少し話し合う必要があります。現在は五分ごとにすべて消去していますが、混雑する時間帯にはサーバーに大きな負荷がかかってしまいます。
次の説明文を英語に翻訳してください。専門用語はそのまま残し、段落の構成は変えないようにお願いします。分からないところがあれば、横に注釈を付けておいてください。
祖母の家の裏には小さな畑があって、夏になるとトマトやきゅうりがたくさん採れた。縁側に座って冷たい麦茶を飲みながら、夕立が過ぎるのを待った日のことを今でも思い出す。
新しいバージョンを配備するときは、処理中のリクエストがすべて終わるまで古いプロセスを終了しないでください。そうでなければ、利用者の画面に接続エラーが表示されてしまいます。
テストが時々失敗するのは、時刻に依存している部分があるからだと思います。時計を引数として渡せるようにすれば、この問題は解決できるはずです。
"""


@cache
def _modules() -> tuple[str, ...]:
    """Sources of the standard library."""
    folder = Path(inspect.getfile(json)).parent.parent
    paths = sorted([*folder.glob("*.py"), *folder.glob("asyncio/*.py"), *folder.glob("email/*.py")])
    return tuple(text for path in paths if len(text := path.read_text(encoding="utf-8", errors="replace")) > 4000)


@cache
def _paragraphs() -> tuple[str, ...]:
    """English prose of the language reference."""
    text = "\n\n".join(pydoc_data.topics.topics.values())
    found = [paragraph for paragraph in re.split(r"\n\n+", text) if len(paragraph) > 200 and "::=" not in paragraph]
    return tuple(textwrap.dedent(paragraph) for paragraph in found)


@cache
def _words() -> tuple[str, ...]:
    return tuple(sorted(set(re.findall(r"\b[a-z]{3,11}\b", " ".join(_paragraphs()))))) or ("word",)


def english(rng: random.Random, size: int) -> str:
    out = ""
    while len(out) < size:
        out += " ".join(rng.choice(_paragraphs()).split()) + "\n\n"
    return out


def code(rng: random.Random, size: int) -> str:
    """A piece of a file as a reading tool shows it: plain, numbered, or found by a search."""
    text = rng.choice(_modules())
    start = rng.randrange(max(1, len(text) - size))
    lines = text[start : start + size].split("\n")
    style = rng.randrange(4)
    if style == 0:
        return "\n".join(f"{number:6}→{line}" for number, line in enumerate(lines, start=rng.randrange(1, 900)))
    if style == 1:
        path = f"src/{rng.choice(_words())}_{rng.choice(_words())}.py"
        return "\n".join(f"{path}:{number}:{line}" for number, line in enumerate(lines, start=1) if line.strip())[:size]
    if style == 2:
        return "\n".join(rng.choice("   +-") + line for line in lines)
    return "\n".join(lines)


def json_result(rng: random.Random, size: int) -> str:
    records: list[Any] = []
    indent, separators = rng.choice([(None, (",", ":")), (None, (", ", ": ")), (2, None)])
    while True:
        records.append(_record(rng))
        text = json.dumps(records, indent=indent, separators=separators)
        if len(text) >= size:
            return text


def _record(rng: random.Random) -> dict[str, Any]:
    login = rng.choice(_words())
    return {
        "id": f"{rng.getrandbits(128):032x}" if rng.random() < 0.5 else rng.randrange(10**7),
        "title": _some_words(rng, 2, 9),
        "createdAt": f"2025-{_two(rng, 12)}-{_two(rng, 28)}T{_two(rng, 23)}:{_two(rng, 59)}:00Z",
        "is_open": rng.random() < 0.5,
        "score": round(rng.random() * 100, 3),
        "labels": rng.sample(_words(), rng.randrange(4)),
        "author": {"login": login, "url": f"https://example.com/users/{login}", "site_admin": False},
        "body": _some_words(rng, 0, 40) or None,
    }


def _two(rng: random.Random, most: int) -> str:
    return f"{rng.randint(1, most):02}"


def _some_words(rng: random.Random, least: int, most: int, glue: str = " ") -> str:
    return glue.join(rng.choices(_words(), k=rng.randint(least, most)))


def chinese(rng: random.Random, size: int) -> str:
    return _lines(_CHINESE, rng, size)


def japanese(rng: random.Random, size: int) -> str:
    return _lines(_JAPANESE, rng, size)


def _lines(text: str, rng: random.Random, size: int) -> str:
    """Sentences in ever new order; `size` in UTF-8 bytes, about."""
    sentences = [sentence + "。" for sentence in re.split(r"。\n?", text) if sentence]
    out = ""
    while len(out) * 3 < size:
        out += "".join(rng.sample(sentences, 3)) + rng.choice(["\n", "\n\n", "\n- "])
    return out


def output(rng: random.Random, size: int) -> str:
    """What programs print: logs, listings, test runs, tracebacks."""
    line = rng.choice([_log_line, _listing_line, _test_line])
    out: list[str] = []
    while sum(map(len, out)) < size:
        out.append(line(rng))
    return "\n".join(out)


def _log_line(rng: random.Random) -> str:
    level, place = rng.choice(["INFO", "DEBUG", "WARNING", "ERROR"]), _some_words(rng, 2, 2, ".")
    when = f"2025-11-{_two(rng, 28)} {_two(rng, 23)}:{_two(rng, 59)}:{_two(rng, 59)},{rng.randrange(1000):03}"
    return f"{when} {level} {place}: {_some_words(rng, 3, 10)} in {rng.random() * 900:.3f} ms"


def _listing_line(rng: random.Random) -> str:
    when, name = f"Nov {rng.randint(1, 28):2} {_two(rng, 23)}:{_two(rng, 59)}", _some_words(rng, 2, 2, "_")
    return f"-rw-r--r-- 1 {rng.choice(['root', 'dev'])} staff {rng.randrange(10**6):8} {when} {name}.py"


def _test_line(rng: random.Random) -> str:
    path = f"tests/{rng.choice(_words())}/test_{rng.choice(_words())}.py"
    return f"{path}::test_{_some_words(rng, 4, 4, '_')} PASSED [{rng.randint(1, 99):3}%]"


WRITERS: dict[str, Callable[[random.Random, int], str]] = {
    "english": english,
    "code": code,
    "json": json_result,
    "chinese": chinese,
    "japanese": japanese,
    "output": output,
}


def tools(rng: random.Random, count: int) -> list[dict[str, Any]]:
    return [
        {
            "name": f"{rng.choice(_words()).title()}{rng.choice(_words()).title()}",
            "description": english(rng, rng.randint(200, 2500)),
            "input_schema": {
                "$schema": "http://json-schema.org/draft-07/schema#",
                "type": "object",
                "properties": {
                    rng.choice(_words()): {
                        "type": rng.choice(["string", "number", "boolean"]),
                        "description": " ".join(rng.choice(_paragraphs()).split()[:14]),
                    }
                    for _ in range(rng.randint(1, 7))
                },
                "required": [rng.choice(_words())],
                "additionalProperties": False,
            },
        }
        for _ in range(count)
    ]
