"""YAML files -> the desired configuration. Each rejection is a file in tests/configs, its words beside it as .txt."""

from __future__ import annotations

import re
import time
from itertools import permutations
from pathlib import Path

import pytest

from gatewayd.config.document import parse_document
from gatewayd.config.load import Desired, InvalidConfiguration, digest_files, load_files, read_files
from gatewayd.config.secrets import SecretReader
from gatewayd.gateways import Gateway

CASES = Path(__file__).parents[1] / "configs"


def load(*paths: Path, directory: Path | None = None) -> Desired:
    return load_files(read_files(paths), SecretReader({}, directory or paths[0].parent))


def problems_of(*paths: Path, directory: Path | None = None) -> list[str]:
    with pytest.raises(InvalidConfiguration) as error:
        load(*paths, directory=directory)
    assert str(error.value).splitlines() == [str(problem) for problem in error.value.problems]
    return [str(problem) for problem in error.value.problems]


#: name of the file -> its lines, as line:column: path: message; one that ends in … may go on
MESSAGES = {path.name: path.with_suffix(".txt").read_text().splitlines() for path in sorted(CASES.glob("*.bad.yaml"))}


def test_there_are_files_for_all_kinds_of_mistakes_and_no_words_without_a_file() -> None:
    assert len(MESSAGES) >= 50
    assert {path.with_suffix(".yaml").name for path in CASES.glob("*.txt")} == set(MESSAGES)


@pytest.mark.parametrize("name", MESSAGES)
def test_a_bad_file_is_told_with_every_error_and_its_place(name: str) -> None:
    told = [text.removeprefix(f"{CASES / name}:").replace(str(CASES), "CONFIGS") for text in problems_of(CASES / name)]
    assert len(told) == len(MESSAGES[name])
    for text, expected in zip(told, MESSAGES[name], strict=True):
        assert text == expected or (expected.endswith("…") and text.startswith(expected[:-1]))


@pytest.mark.parametrize("name", MESSAGES)
def test_the_place_of_a_bad_key_is_where_it_stands(name: str) -> None:
    lines = (CASES / name).read_bytes().decode(errors="replace").splitlines()
    for message in MESSAGES[name]:
        found = re.match(r"(\d+):(\d+): (?:.*\.)?([^.:]+): (?:unknown key|this key is written twice)", message)
        if found and found[3].isidentifier():
            assert lines[int(found[1]) - 1][int(found[2]) - 1 :].startswith(found[3])


@pytest.mark.parametrize("path", sorted(CASES.glob("*.good.yaml")), ids=lambda path: path.name)
def test_a_good_file_loads(path: Path) -> None:
    load(path)


def test_the_example_of_the_contract_means_what_it_says() -> None:
    desired = load(CASES / "contract.good.yaml")
    assert desired.owner == "file:default"
    assert list(desired.gateways) == ["deepseek", "openrouter"]
    record = desired.gateways["deepseek"]
    assert (record.file, record.line) == (str(CASES / "contract.good.yaml"), 5)
    assert record.gateway.models[1].price is not None
    assert record.gateway.models[1].price.cache_read == 0.028
    assert record.gateway.fallback == ("openrouter",)
    assert record.gateway.limits.tokens_per_minute == 400_000
    assert record.gateway.token_limits.requests_per_minute == 30


def test_scalars_are_read_as_yaml_1_2() -> None:
    record = load(CASES / "scalars.good.yaml").gateways["on"].gateway
    assert record.name == "0123"
    assert [(row.name, row.upstream_model) for row in record.models] == [
        ("no", "1:30"),
        ("yes", "2024-01-01"),
        ("~", "null"),
        ("1_000", "off"),
    ]
    assert (record.models[0].max_output_tokens, record.models[1].context_window) == (123, 8192)


def test_an_anchor_may_be_used_twice() -> None:
    gateways = load(CASES / "anchors.good.yaml").gateways
    assert gateways["first"].gateway.upstream.timeouts == gateways["second"].gateway.upstream.timeouts


def write(directory: Path, **files: str) -> Path:
    for name, text in files.items():
        (directory / f"{name}.yaml").write_text(text)
    return directory


ONE = "version: 1\ngateways:\n  demo:\n    upstream: {base_url: https://api.example.com}\n"


def test_the_same_id_in_two_files_names_both_places(tmp_path: Path) -> None:
    write(tmp_path, a=ONE, b=f"# later\n{ONE}")
    assert problems_of(tmp_path, directory=tmp_path) == [
        f"{tmp_path}/b.yaml:4:3: gateways.demo: this id is taken by {tmp_path}/a.yaml:3; rename or remove one"
    ]


def test_two_sources_in_one_directory_name_both_places(tmp_path: Path) -> None:
    write(tmp_path, a="version: 1\nsource: one\n", b="version: 1\nsource: two\n", c="version: 1\n")
    (told,) = problems_of(tmp_path, directory=tmp_path)
    assert told.startswith(
        f"{tmp_path}/b.yaml:2:9: source: one directory is one source, and {tmp_path}/a.yaml:2 says one"
    )


def test_a_source_named_in_one_file_is_that_of_all(tmp_path: Path) -> None:
    write(tmp_path, a=ONE, b="version: 1\nsource: team\n")
    assert load(tmp_path, directory=tmp_path).owner == "file:team"


def test_a_fallback_may_be_in_another_file_even_a_bad_one(tmp_path: Path) -> None:
    write(tmp_path, a=f"{ONE}    fallback: [other]\n", b="version: 1\ngateways:\n  other: {colour: blue}\n")
    assert all("fallback" not in text.split(": ")[1] for text in problems_of(tmp_path, directory=tmp_path))


def test_the_errors_of_all_files_are_told(tmp_path: Path) -> None:
    write(tmp_path, a="version: 7\n", b="- 1\n", c=ONE)
    assert [text.split(":")[0] for text in problems_of(tmp_path, directory=tmp_path)] == [
        f"{tmp_path}/a.yaml",
        f"{tmp_path}/b.yaml",
    ]


def test_only_yaml_files_directly_in_the_directory_are_read_by_name(tmp_path: Path) -> None:
    for name in ("b.yml", "a.yaml", ".hidden.yaml", "_draft.yaml", "readme.md", "c.yaml.bak"):
        (tmp_path / name).write_text("version: 1\n")
    (tmp_path / "sub.yaml").mkdir()
    (tmp_path / "examples").mkdir()
    (tmp_path / "examples" / "x.yaml").write_text("version: 1\n")
    assert [Path(file.name).name for file in read_files([tmp_path])] == ["a.yaml", "b.yml"]


def test_the_digest_follows_names_and_contents(tmp_path: Path) -> None:
    write(tmp_path, a="one", b="two")
    first = digest_files(read_files([tmp_path]))
    assert digest_files(read_files([tmp_path])) == first
    write(tmp_path, b="three")
    second = digest_files(read_files([tmp_path]))
    (tmp_path / "b.yaml").rename(tmp_path / "c.yaml")
    third = digest_files(read_files([tmp_path]))
    assert len({first, second, third}) == 3


def test_a_file_that_cannot_be_read_is_an_error_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").symlink_to(tmp_path / "nowhere")
    assert problems_of(tmp_path, directory=tmp_path) == [
        f"{tmp_path}/a.yaml:1:1: cannot be read: No such file or directory"
    ]


def test_a_file_beyond_one_mebibyte_is_refused(tmp_path: Path) -> None:
    (tmp_path / "big.yaml").write_text(ONE + "#" * 1024 * 1024)
    assert problems_of(tmp_path, directory=tmp_path) == [
        f"{tmp_path}/big.yaml:1:1: the file is larger than 1024 KiB; split it"
    ]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"[" * 100_000, "1:52: nested more than 50 levels deep"),
        (b"{a: " * 2_000, "1:202: nested more than 50 levels deep"),
        (b"version: 1\n'\x1b[2J': 1\n", "2:2: a character that YAML does not allow; remove it"),
        (b'version: 1\n"\\e[2J\\nx": 1\n', "2:1: \\x1b[2J\\nx: holds a control character; remove it"),
    ],
)
def test_hostile_bytes_are_one_problem_of_one_line(content: bytes, says: str) -> None:
    told = [str(problem) for problem in parse_document("x.yaml", content).problems]
    assert told == [f"x.yaml:{says}"]


def test_a_byte_order_mark_is_no_error() -> None:
    assert parse_document("x.yaml", b"\xef\xbb\xbfversion: 1\n").value == {"version": 1}


def test_a_secret_file_may_lie_where_secrets_lie(tmp_path: Path) -> None:
    credentials = tmp_path / "credentials"
    configs = tmp_path / "configs"
    configs.mkdir()
    names = ["/run/secrets/x", f"{credentials}/x", "x.key", f"{configs}/x.key"]
    write(
        configs,
        **{
            f"f{i}": ONE.replace("demo", f"d{i}").replace("com}", f"com, api_key: {{file: {n}}}}}")
            for i, n in enumerate(names)
        },
    )
    reader = SecretReader({"CREDENTIALS_DIRECTORY": str(credentials)}, configs)
    assert len(load_files(read_files([configs]), reader).gateways) == 4


def test_a_reference_into_a_file_that_cannot_be_read_is_not_called_wrong(tmp_path: Path) -> None:
    write(tmp_path, a=f"{ONE}    fallback: [other]\n", b="version: 1\ngateways:\n  other: {\n")
    assert [text.split(":")[0] for text in problems_of(tmp_path, directory=tmp_path)] == [f"{tmp_path}/b.yaml"]


def test_the_order_of_files_never_matters(tmp_path: Path) -> None:
    write(tmp_path, a=f"{ONE}    fallback: [other]\n", b=ONE.replace("demo", "other"), c="version: 1\nsource: team\n")
    files = read_files([tmp_path])
    reader = SecretReader({}, tmp_path)
    results = [load_files(order, reader) for order in permutations(files)]
    assert len(results) == 6
    assert all(result == results[0] for result in results)


def test_what_was_pasted_for_a_name_is_never_repeated(tmp_path: Path) -> None:
    key = "gsk_abcdefghij0123456789"
    forms = [key, f"{{env: {key}}}", f"{{file: {key}/x}}", f"{{file: /etc/{key}}}", f"[{key}]", f"{{env: [{key}]}}"]
    records = "".join(
        f"  g{i}: {{upstream: {{base_url: https://x.example, api_key: {form}}}}}\n" for i, form in enumerate(forms)
    )
    write(tmp_path, a=f"version: 1\ngateways:\n{records}")
    told = problems_of(tmp_path, directory=tmp_path)
    assert len(told) == 5  # {file: KEY/x} may become a file yet
    assert key not in "".join(told)


def test_a_thousand_gateways_take_less_than_a_second_of_processor_time(tmp_path: Path) -> None:
    records = "".join(
        f"""  g{i}:
    name: Gateway {i}
    upstream: {{base_url: https://api.example.com, api_key: {{env: G{i}_API_KEY}}, timeouts: {{connect: 5, idle: 300}}}}
    models:
      - {{name: "claude-*opus*", upstream_model: big, context_window: 131072, max_output_tokens: 65536}}
      - {{name: "*", upstream_model: small, vision: false, price: {{input: 0.28, output: 0.42}}}}
    fallback: [g0]
"""
        for i in range(1, 1000)
    )
    write(tmp_path, a="version: 1\ngateways:\n  g0: {upstream: {base_url: https://x.example}}\n" + records)
    before = time.process_time()
    assert len(load(tmp_path, directory=tmp_path).gateways) == 1000
    assert time.process_time() - before < 1


def test_every_field_of_the_record_can_be_written() -> None:
    text = (CASES / "contract.good.yaml").read_text()
    assert [name for name in Gateway.model_fields if f"{name}:" not in text] == ["server_tools"]
