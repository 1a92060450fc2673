"""A text in a values file, or after --set, is the same value for the command as for Helm."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from atelier_cli.profile import set_values, yaml_lines
from atelier_cli.profile.merging import with_value

from tests.chart.rendering import HELMS, rendered

pytestmark = pytest.mark.process

PLAIN = re.split(
    r"\s+",
    """y n Y N yes no on off Yes NO On true True TRUE false tRUE ~ null Null NULL
    0 00 01 07 08 09 010 0o17 0O17 017 0x1F 0X1f 0b101 0B11 -0b1 +0b11 0b12 +5 -5 1_000 1__0 _1 1_ 0_8 0x_1F -0x1F -012
    0o8 1e3 1E3 1e+3 1e-3 1.5e3 1.e3 .5e3 5. .5 +.5 -.5 1_0.5 1.0_0 0.1 1.0 10.0 1.10 3.0e3 6.02E+23 0.1e-2 12e03
    0.00001 1e-7 100000000000000000000 18446744073709551615 9223372036854775808 9007199254740993 12345678901234567890.0
    1e21 1e22 1e-400 1e400 -1e400 nan inf NaN 1:30 12:30:45 190:20:30 1:60 1:30.5 -1:30 00:10 2024-01-01
    2024-01-01T00:00:00Z 1.2.3 v1.10 = 0x 0b 0o 0.0 -0 -0.0 +0 1e 1e5f 0e0 0777 0x1p4 1_e3 ... . + -x <<""",
)
SET = [
    "read.a=1.5,read.b=012,read.c=true,read.d=True,read.f=,read.g={},read.h={a,1,},read.i={a, b},read.j=-5,read.k=+5",
    r"read.l=9223372036854775808,read.m= 5,read.n=a=b,read.o=a\,b,read.p\.q=1,read.r[1].x=2,read.s=-0,read.t=00",
    "read.u={1.0,true,null},read.v=y,read.w=~,read.x[0][1]=x,read.x[2]=y,read.A=1_000,read.B=0x1F,read.C=08",
    "read.r[1].y=3,read.D=1:30,read.E=1e2,",
]


@pytest.fixture
def probe(tmp_path: Path) -> Path:
    """A chart that writes its values as JSON."""
    chart = tmp_path / "probe"
    (chart / "templates").mkdir(parents=True)
    (chart / "Chart.yaml").write_text("apiVersion: v2\nname: probe\nversion: 0.1.0\n")
    (chart / "templates" / "NOTES.txt").write_text("none")
    (chart / "templates" / "values.yaml").write_text("values: {{ toJson .Values.read | quote }}\n")
    return chart


def by_helm(probe: Path, helm: str, *files: Path, **arguments: Any) -> Any:
    text = rendered(files, helm=helm, chart=probe, is_cached=False, **arguments)
    return json.loads(yaml_lines.parse(text.partition("\n")[2]).values["values"])


@pytest.mark.parametrize("helm", HELMS)
def test_plain_text_in_a_file_has_helms_type_and_helms_text(probe: Path, tmp_path: Path, helm: str) -> None:
    file = tmp_path / "scalars.yaml"
    file.write_text("read:\n" + "".join(f"  - [{json.dumps(text)}, {text}]\n" for text in PLAIN))
    ours = dict(yaml_lines.read(file).values["read"])
    for text, theirs in by_helm(probe, helm, file):
        are_numbers = [type(value) in (int, float) for value in (ours[text], theirs)]
        assert are_numbers in ([True, True], [False, False]), text
        assert (float(ours[text]) == float(theirs)) if are_numbers[0] else (ours[text] == theirs), text


def test_numbers_are_written_as_helm_writes_them(probe: Path) -> None:
    """Parameters are text: what is tried on one machine is what is tried on a cluster."""
    read = {text: yaml_lines.plain(text) for text in PLAIN}
    numbers = {
        text: value for text, value in read.items() if isinstance(value, int | float) and not isinstance(value, bool)
    }
    ours = [yaml_lines.number_text(value) for value in numbers.values()]
    template = "values: {{ range .Values.read }}{{ toJson . }} {{ end }}\n"
    (probe / "templates" / "values.yaml").write_text(template)
    values = {"read": list(numbers.values())}
    text = rendered(chart=probe, is_cached=False, values=values)
    assert text.partition("values: ")[2].split() == ours


@pytest.mark.parametrize("helm", HELMS)
def test_set_has_helms_types_lists_and_places(probe: Path, helm: str) -> None:
    ours: dict[str, Any] = {}
    for text in SET:
        for where, value in set_values.read(text):
            ours = with_value(ours, where, value)
    assert ours["read"] == by_helm(probe, helm, set=SET)
