"""JUnit XML of a gate, for CI systems. Reads the plain dict of a gate result, not the gate."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping

from rsft_bench.harness.types import Json

# Characters that XML 1.0 cannot hold, not even escaped.
_ILLEGAL = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit_xml(result: Mapping[str, Json]) -> str:
    """One test suite with one case per blocking check.

    A regression is a failure, an inconclusive check is skipped with its reason, and a run that is
    not comparable is one error that lists every reason, so the file never looks empty or green.

    Args:
        result: ``GateResult.to_dict()``: verdict, checks, reasons, advice.
    """
    suite = ET.Element("testsuite", name="rsft-bench gate")
    for check in result.get("checks", []):
        _case(suite, check)
    if result["verdict"] == "not comparable" or not len(suite):
        case = ET.SubElement(suite, "testcase", classname="gate", name="comparability")
        reasons = list(result.get("reasons", [])) or ["no blocking check was made"]
        error = ET.SubElement(case, "error", type="not comparable", message=_clean(reasons[0]))
        error.text = _clean("\n".join(reasons))
    for name, tag in (("tests", "testcase"), ("failures", "failure"), ("errors", "error")):
        suite.set(name, str(sum(1 for _ in suite.iter(tag))))
    suite.set("skipped", str(sum(1 for _ in suite.iter("skipped"))))
    advice = [f"verdict: {result['verdict']}", *result.get("advice", [])]
    ET.SubElement(suite, "system-out").text = _clean("\n".join(advice))
    root = ET.Element("testsuites")
    root.append(suite)
    ET.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _case(suite: ET.Element, check: Mapping[str, Json]) -> None:
    case = ET.SubElement(
        suite,
        "testcase",
        classname=_clean(f"gate.{check['suite']}.{check['policy']}"),
        name=_clean(f"{check['variant']} {check['metric']}"),
    )
    text = _clean(_sentence(check))
    if check["verdict"] == "pass":
        ET.SubElement(case, "system-out").text = text
    elif check["verdict"] == "regression":
        ET.SubElement(case, "failure", type="regression", message=text)
    elif check["verdict"] == "inconclusive":
        ET.SubElement(case, "skipped", message=text)
    else:
        ET.SubElement(case, "error", type=_clean(str(check["verdict"])), message=text)


def _sentence(check: Mapping[str, Json]) -> str:
    lower, p = check.get("lower"), check.get("p_adj")
    parts = [f"{check['verdict']}: run - baseline {check['estimate']:+.4f}"]
    parts.append("no lower bound" if lower is None else f"one-sided 95 % lower bound {lower:+.4f}")
    parts.append(f"margin {check['margin']}")
    parts += [] if p is None else [f"p {p:.4f} (Holm)"]
    parts.append(
        f"{check['n']} examples, {check['clusters']} clusters, {check['seeds']} seeds, "
        f"scope {check['scope']}"
    )
    return "; ".join([*parts, *check.get("reasons", ())])


def _clean(text: str) -> str:
    return _ILLEGAL.sub("\N{REPLACEMENT CHARACTER}", text)
