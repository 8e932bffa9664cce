"""Where configuration values come from: preset, file, environment, ``--set``, flags, in that order.

Works on plain mappings and hands the merged result to ``config.parse_config`` once. Paths in a
file are relative to the file, paths given on the command line to the working folder.
"""

from __future__ import annotations

import os
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from rsft_bench.harness.config import RunConfig, parse_config
from rsft_bench.harness.errors import ConfigError
from rsft_bench.harness.presets import DEFAULT_PRESET, preset
from rsft_bench.harness.types import Json

ENV_PREFIX = "RSFT_BENCH_"
_PATH_KEYS = ("path", "file")
_NAMED_LISTS = ("suites", "policies")


class Source(NamedTuple):
    """A config, the stem that names its run folder and the preset it began with."""

    config: RunConfig
    stem: str
    preset: str | None = None


def load_config(
    file: Path | None = None,
    *,
    preset_name: str | None = None,
    sets: Sequence[str] = (),
    overrides: Mapping[str, Json] | None = None,
    limit: int | None = None,
    environ: Mapping[str, str] | None = None,
) -> Source:
    """Merge all sources and validate once.

    Args:
        file: YAML config; None means a preset alone.
        preset_name: ``--preset``; wins over ``RSFT_BENCH_PRESET``, which wins over the file's
            ``preset`` key. Without a file the default is ``quick``.
        sets: ``key=value`` texts of ``--set``.
        overrides: dotted key to value, from flags; applied last.
        limit: ``--limit``, the option ``limit`` of every suite; ``RSFT_BENCH_LIMIT`` is the same
            in its own place of the order, before ``--set``.
        environ: the environment; ``None`` reads ``os.environ``.

    Raises:
        ConfigError: unreadable file, broken YAML, unknown key, value out of range.
        UnknownNameError: unknown preset.
    """
    env = os.environ if environ is None else environ
    content = {} if file is None else read_yaml(file)
    in_file = content.pop("preset", None)
    if in_file is not None and not isinstance(in_file, str):
        raise ConfigError(f"{file}: key 'preset' = {in_file!r}: must be the name of a preset")
    chosen = preset_name or env.get(f"{ENV_PREFIX}PRESET") or in_file
    if chosen is None and file is None:
        chosen = DEFAULT_PRESET
    raw: dict[str, Json] = {} if chosen is None else preset(chosen)
    if file is not None:
        raw = merge(raw, anchor_paths(content, file.resolve().parent))
    here = Path.cwd()
    raw = _limited(raw, env_number(env, "LIMIT", 1))
    for key, value in [*env_overrides(env), *map(parse_set, sets), *(overrides or {}).items()]:
        raw = anchor_paths(assign(raw, key, value), here)
    raw = _limited(raw, limit)
    stem = file.stem if file is not None else str(chosen)
    where = str(file) if file is not None else f"preset {chosen}"
    config = parse_config(raw, f"{where} with --set" if sets else where)
    return Source(config, config.name or stem, chosen)


def from_mapping(content: Mapping[str, Json]) -> Source:
    """A config from a mapping that may hold ``preset``; paths are relative to the working folder.

    Raises:
        ConfigError, UnknownNameError: as ``load_config``.
    """
    given = dict(content)
    chosen = given.pop("preset", None)
    start = preset(str(chosen)) if chosen is not None else {}
    config = parse_config(merge(start, anchor_paths(given, Path.cwd())), "mapping")
    begun = None if chosen is None else str(chosen)
    return Source(config, config.name or begun or "run", begun)


def env_overrides(env: Mapping[str, str]) -> list[tuple[str, Json]]:
    """Config keys set through the environment: ``RSFT_BENCH_SEEDS`` and ``RSFT_BENCH_SET``.

    ``RSFT_BENCH_SET`` holds ``key=value`` pairs separated by semicolons.
    """
    found: list[tuple[str, Json]] = []
    if env.get(f"{ENV_PREFIX}SEEDS"):
        found.append(("seeds", parse_seeds(env[f"{ENV_PREFIX}SEEDS"])))
    pairs = env.get(f"{ENV_PREFIX}SET", "")
    return found + [parse_set(text.strip()) for text in pairs.split(";") if text.strip()]


def env_number(env: Mapping[str, str], name: str, least: int) -> int | None:
    """A whole number of the environment, None where it is unset. Raises ConfigError."""
    text = env.get(ENV_PREFIX + name)
    if not text:
        return None
    try:
        value = int(text)
    except ValueError:
        value = least - 1
    if value < least:
        raise ConfigError(
            f"{ENV_PREFIX}{name}: {text!r} is not a whole number of at least {least}; mend or unset"
        )
    return value


def _limited(raw: dict[str, Json], limit: int | None) -> dict[str, Json]:
    """The config with one ``limit`` for every suite; as it is where there is none."""
    suites = raw.get("suites")
    for i in range(len(suites)) if limit is not None and isinstance(suites, list) else ():
        raw = assign(raw, f"suites.{i}.limit", limit)
    return raw


def parse_seeds(text: str) -> list[Json]:
    """'0,1,2' or '0-4' as a list of integers.

    Raises:
        ConfigError: anything else.
    """
    first, dash, last = text.partition("-")
    try:
        if dash and int(last) < int(first):
            raise ValueError("the range runs backwards")
        return list(range(int(first), int(last) + 1)) if dash else [int(s) for s in text.split(",")]
    except ValueError:
        raise ConfigError(f"seeds {text!r}: write 0,1,2 or a rising range such as 0-4") from None


def read_yaml(path: Path) -> dict[str, Json]:
    """Read a YAML mapping.

    Raises:
        ConfigError: missing, unreadable, broken (with line number), empty or not a mapping.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(f"config {path}: no such file; see examples/") from None
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise ConfigError(f"config {path}: cannot be read: {reason}") from None
    content = _parse_yaml(text, str(path))
    if content is None:
        raise ConfigError(f"config {path}: is empty; write at least `preset: {DEFAULT_PRESET}`")
    if not isinstance(content, dict):
        kind = type(content).__name__
        raise ConfigError(f"config {path}: must be a mapping of keys to values, not a {kind}")
    return {str(key): value for key, value in content.items()}


def parse_set(text: str) -> tuple[str, Json]:
    """Split ``a.0.b=value``; the value is YAML.

    Raises:
        ConfigError: no ``=``, an empty key, or a value that is not YAML.
    """
    key, equals, value = text.partition("=")
    if not equals or not all(part.strip() for part in key.split(".")):
        raise ConfigError(f"--set {text!r}: write key=value, such as training.steps=50")
    return key.strip(), _parse_yaml(value, f"--set {key}")


def merge(base: Mapping[str, Json], over: Mapping[str, Json]) -> dict[str, Json]:
    """``over`` on top of ``base``: mappings merge key by key, everything else is replaced."""
    out = dict(base)
    for key, value in over.items():
        both = isinstance(value, Mapping) and isinstance(out.get(key), Mapping)
        out[key] = merge(out[key], value) if both else value
    return out


def assign(raw: Mapping[str, Json], key: str, value: Json) -> dict[str, Json]:
    """A copy of ``raw`` with the dotted ``key`` set; indexes address existing list elements.

    A suite or policy given as a bare name becomes a mapping when an option of it is set.

    Raises:
        ConfigError: an index that is no number or lies outside the list.
    """
    result: dict[str, Json] = _assign(raw, key.split("."), value, key)
    return result


def anchor_paths(raw: Mapping[str, Json], folder: Path) -> dict[str, Json]:
    """Make relative paths of data sets and policies absolute, seen from ``folder``."""
    out = dict(raw)
    for key in _NAMED_LISTS:
        if isinstance(out.get(key), list):
            out[key] = [_anchored(item, folder) for item in out[key]]
    reward, evaluation = out.get("reward"), out.get("evaluation")
    if isinstance(reward, Mapping) and "labels" in reward:
        out["reward"] = {**reward, "labels": _anchored(reward["labels"], folder)}
    if isinstance(evaluation, Mapping) and evaluation.get("satisfaction") not in (None, "index"):
        named = _anchored({"path": evaluation["satisfaction"]}, folder)
        out["evaluation"] = {**evaluation, "satisfaction": named["path"]}
    return out


def _anchored(item: Json, folder: Path) -> Json:
    if not isinstance(item, Mapping):
        return item
    return {
        key: str((folder / Path(value).expanduser()).resolve())
        if key in _PATH_KEYS and isinstance(value, str)
        else value
        for key, value in item.items()
    }


def _assign(node: Any, parts: Sequence[str], value: Json, key: str) -> Any:
    if not parts:
        return value
    head, rest = parts[0], parts[1:]
    if isinstance(node, list | tuple):
        if not head.isdigit() or int(head) >= len(node):
            raise ConfigError(f"key {key!r}: {head!r} is no index of a list of {len(node)}")
        index = int(head)
        inner = {"name": node[index]} if rest and isinstance(node[index], str) else node[index]
        return [*node[:index], _assign(inner, rest, value, key), *node[index + 1 :]]
    if node is not None and not isinstance(node, Mapping):
        raise ConfigError(f"key {key!r}: {head!r} lies inside the plain value {node!r}")
    mapping = dict(node or {})
    mapping[head] = _assign(mapping.get(head), rest, value, key)
    return mapping


class _Loader(yaml.SafeLoader):
    """Safe YAML that refuses a key given twice, which YAML would resolve in silence."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[object] = set()
        for key_node, _ in node.value:
            if key_node.value in seen and isinstance(key_node, yaml.ScalarNode):
                problem = f"key {key_node.value!r} is given twice"
                raise yaml.MarkedYAMLError(problem=problem, problem_mark=key_node.start_mark)
            if isinstance(key_node, yaml.ScalarNode):
                seen.add(key_node.value)
        return super().construct_mapping(node, deep)


def _parse_yaml(text: str, where: str) -> Any:
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506  (a SafeLoader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or "not valid YAML"
        at = "" if mark is None else f", line {mark.line + 1}, column {mark.column + 1}"
        raise ConfigError(f"{where}{at}: broken YAML: {problem}") from None
