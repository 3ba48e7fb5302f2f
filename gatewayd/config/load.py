"""YAML files -> the desired configuration. Every error is told, with its place; any error means: nothing is applied.

The files of one directory are one source: an id stands in one of them only, and what they name must exist.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from json import dumps
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from gatewayd.config.document import MAXIMUM_BYTES, Document, Place, Problem, parse_document
from gatewayd.config.secrets import SecretReader
from gatewayd.config.wording import report_all, suggest
from gatewayd.errors import ConfigurationError
from gatewayd.gateways import GATEWAY_ID, Gateway, Model

DEFAULT_SOURCE = "default"
GatewayId = Annotated[str, Field(pattern=GATEWAY_ID)]


class ConfigFile(Model):
    """What one YAML file holds."""

    version: Literal[1]
    """The version of this format."""
    source: GatewayId = DEFAULT_SOURCE
    """Who owns the records of this directory; the same in all of its files."""
    gateways: dict[GatewayId, Gateway] = Field(default_factory=dict)
    """The gateways by id, which is the {id} of their URL: 1 to 63 characters: a-z, 0-9 and -."""


@dataclass(frozen=True, slots=True)
class SourceFile:
    """name: as shown in errors; content: its bytes, or the reason why there are none."""

    name: str
    content: bytes | str


@dataclass(frozen=True, slots=True)
class DesiredGateway:
    id: str
    gateway: Gateway
    file: str
    line: int


@dataclass(frozen=True, slots=True)
class Desired:
    """What the files of one source ask for, by id."""

    source: str = DEFAULT_SOURCE
    gateways: Mapping[str, DesiredGateway] = field(default_factory=dict)

    @property
    def owner(self) -> str:
        return f"file:{self.source}"


class InvalidConfiguration(ConfigurationError):
    """The files have errors; the text holds one line for each."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = tuple(problems)


def read_files(paths: Iterable[Path]) -> list[SourceFile]:
    """The YAML files that the paths mean: a file itself; of a directory those directly in it, by name."""
    files: list[SourceFile] = []
    for path in paths:
        listed = sorted(path.iterdir()) if path.is_dir() else [path]
        files += [_read(file) for file in listed if file is path or _is_configuration(file)]
    return files


def _is_configuration(file: Path) -> bool:
    return file.suffix in (".yaml", ".yml") and file.name[0] not in "._" and not file.is_dir()


def _read(file: Path) -> SourceFile:
    try:
        with file.open("rb") as stream:
            return SourceFile(str(file), stream.read(MAXIMUM_BYTES + 1))
    except OSError as error:
        return SourceFile(str(file), f"cannot be read: {error.strerror}")


def digest_files(files: Sequence[SourceFile]) -> str:
    """Changes when any name or content does."""
    digest = sha256()
    for file in files:
        content = file.content if isinstance(file.content, bytes) else file.content.encode()
        digest.update(f"{len(file.name)}:{file.name}:{len(content)}:".encode())
        digest.update(content)
    return digest.hexdigest()


def load_files(files: Sequence[SourceFile], secrets: SecretReader) -> Desired:
    """InvalidConfiguration holds every problem of every file, in order."""
    documents = [_parse(file) for file in files]
    parsed = [(document, _validate(document)) for document in documents]
    _check_sources(documents)
    _check_ids(documents)
    _check_fallbacks(documents)
    _check_secret_files(documents, secrets)
    problems = sorted(problem for document in documents for problem in document.problems)
    if problems:
        raise InvalidConfiguration(problems)
    sources = [file.source for _, file in parsed if file is not None and "source" in file.model_fields_set]
    return Desired(sources[0] if sources else DEFAULT_SOURCE, _by_id(parsed))


def load_text(name: str, text: str) -> ConfigFile:
    """One file by itself: what it names in others is not looked for. InvalidConfiguration as `load_files`."""
    document = parse_document(name, text.encode())
    file = _validate(document)
    if file is None or document.problems:
        raise InvalidConfiguration(sorted(document.problems))
    return file


def _parse(file: SourceFile) -> Document:
    if isinstance(file.content, bytes):
        return parse_document(file.name, file.content)
    document = Document(file.name)
    document.report(Place(), (), file.content)
    return document


def _validate(document: Document) -> ConfigFile | None:
    if document.value is None and document.problems:
        return None
    try:
        # by way of JSON, where strict means strict about types and a list is still a list
        return ConfigFile.model_validate_json(dumps(document.value), strict=True)
    except ValidationError as error:
        report_all(document, ConfigFile, error)
        return None


def _by_id(parsed: Iterable[tuple[Document, ConfigFile | None]]) -> dict[str, DesiredGateway]:
    return {
        id_: DesiredGateway(id_, gateway, document.file, document.place_of_key(("gateways", id_)).line)
        for document, file in parsed
        if file is not None
        for id_, gateway in file.gateways.items()
    }


def _check_sources(documents: Sequence[Document]) -> None:
    first: tuple[str, Document] | None = None
    for document in documents:
        source = _at(document.value, "source")
        if not isinstance(source, str):
            continue
        if first is None:
            first = (source, document)
        elif source != first[0]:
            path = ("source",)
            where = f"{first[1].file}:{first[1].place_of_key(path).line}"
            text = f"one directory is one source, and {where} says {first[0]}; write the same, or use another directory"
            document.report(document.place_of_value(path), path, text)


def _check_ids(documents: Sequence[Document]) -> None:
    first: dict[str, Document] = {}
    for document in documents:
        for id_ in _gateways(document):
            path = ("gateways", id_)
            if id_ in first:
                where = f"{first[id_].file}:{first[id_].place_of_key(path).line}"
                document.report(document.place_of_key(path), path, f"this id is taken by {where}; rename or remove one")
            first.setdefault(id_, document)


def _check_fallbacks(documents: Sequence[Document]) -> None:
    """Two gateways may be each other's fallback: those of a fallback are not tried in turn, so nothing goes round."""
    known = {id_ for document in documents for id_ in _gateways(document)}
    all_known = all(document.value is not None for document in documents)
    for document in documents:
        for id_, record in _gateways(document).items():
            names = _at(record, "fallback")
            for index, name in enumerate(names if isinstance(names, list) else []):
                path = ("gateways", id_, "fallback", index)
                if name == id_:
                    document.report(document.place_of_value(path), path, "a gateway cannot be its own fallback")
                elif name in names[:index]:
                    document.report(document.place_of_value(path), path, f"{name} is named twice; remove one")
                elif isinstance(name, str) and name not in known and all_known:
                    text = f"no gateway is named {name!r}; {suggest(name, known - {id_})}"
                    document.report(document.place_of_value(path), path, text)


def _check_secret_files(documents: Sequence[Document], secrets: SecretReader) -> None:
    for document in documents:
        for id_, record in _gateways(document).items():
            path = ("gateways", id_, "upstream", "api_key", "file")
            ref = _at(record, *path[2:-1])
            if isinstance(ref, dict) and "stored" in ref:
                text = "a stored key belongs to the UI; write {env: NAME} or {file: PATH}"
                document.report(document.place_of_key((*path[:-1], "stored")), (*path[:-1], "stored"), text)
            file = _at(record, *path[2:])
            refusal = secrets.refusal(file) if isinstance(file, str) else None
            if refusal:
                document.report(document.place_of_value(path), path, refusal)


def _gateways(document: Document) -> dict[str, Any]:
    """The records as written, valid or not, so that one bad record does not make others' references look wrong."""
    gateways = _at(document.value, "gateways")
    return gateways if isinstance(gateways, dict) else {}


def _at(value: Any, *steps: str) -> Any:
    for step in steps:
        value = value.get(step) if isinstance(value, dict) else None
    return value
