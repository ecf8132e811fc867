"""The colours of the strip, by numbers: readable in both themes, and told apart by who sees fewer of them."""

import itertools
import re
from pathlib import Path

import pytest

CSS = (Path(__file__).parent.parent.parent / "widgets/src/shared/base.css").read_text(encoding="utf-8")
TYPES = ("node", "tool", "llm", "checkpoint", "error")
# JupyterLab's --jp-layout-color1 and --jp-layout-color2.
BACKS = {"light": ("#ffffff", "#eeeeee"), "dark": ("#212121", "#424242")}

# What a dichromat sees of linear RGB: Machado, Oliveira and Fernandes 2009, severity 1.0.
DICHROMATS = {
    "protanope": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    "deuteranope": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881)),
    "tritanope": ((1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602), (0.004733, 0.691367, 0.303900)),
}


def colours(theme):
    blocks = re.findall(r"\{([^{}]*--vcr-node:[^{}]*)\}", CSS)
    block = blocks[("light", "dark").index(theme)]
    return dict(re.findall(r"--vcr-([a-z]+): (#[0-9a-f]{3,6});", block))


def linear(colour):
    """Return a #rrggbb colour as linear RGB (IEC 61966-2-1)."""
    digits = colour.lstrip("#")
    digits = "".join(2 * digit for digit in digits) if len(digits) == 3 else digits
    values = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    return [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in values]


def contrast(one, other):
    """Return the contrast ratio of WCAG 2.2, 1 to 21."""
    light = sorted(sum(w * v for w, v in zip((0.2126, 0.7152, 0.0722), linear(c), strict=True)) for c in (one, other))
    return (light[1] + 0.05) / (light[0] + 0.05)


def lab(rgb):
    """Return linear RGB as CIE L*a*b*, D65."""
    to_xyz = ((0.4124, 0.3576, 0.1805), (0.2126, 0.7152, 0.0722), (0.0193, 0.1192, 0.9505))
    xyz = [sum(w * v for w, v in zip(row, rgb, strict=True)) for row in to_xyz]
    x, y, z = (
        value ** (1 / 3) if value > 0.008856 else 7.787 * value + 16 / 116
        for value in (v / white for v, white in zip(xyz, (0.9505, 1.0, 1.089), strict=True))
    )
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def difference(one, other, matrix):
    """Return the distance in L*a*b* (CIE 1976) of two colours as a dichromat sees them; 2.3 is just noticeable."""
    seen = [
        [min(1, max(0, sum(w * v for w, v in zip(row, linear(colour), strict=True)))) for row in matrix]
        for colour in (one, other)
    ]
    return sum((a - b) ** 2 for a, b in zip(*map(lab, seen), strict=True)) ** 0.5


def test_the_measure_of_contrast_agrees_with_the_standard():
    assert contrast("#000", "#fff") == 21
    assert round(contrast("#777777", "#ffffff"), 2) == 4.48


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", [*TYPES, "cancelled", "edited", "unknown"])
def test_a_cell_stands_out_from_the_page_and_its_letter_from_the_cell(theme, name):
    known = colours(theme)
    assert contrast(known[name], BACKS[theme][0]) >= 3
    assert contrast(known[name], known["letter"]) >= 4.5


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", ["checkpoint", "node", "llm", "tool", "edited"])
def test_the_name_of_a_role_can_be_read_on_its_message(theme, name):
    assert contrast(colours(theme)[name], BACKS[theme][1]) >= 3


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("eyes", list(DICHROMATS))
def test_the_types_are_told_apart_without_one_kind_of_cone(theme, eyes):
    known = colours(theme)
    worst = min(
        (difference(known[one], known[other], DICHROMATS[eyes]), one, other)
        for one, other in itertools.combinations(TYPES, 2)
    )
    assert worst[0] >= 10, worst
