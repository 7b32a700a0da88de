"""The skeleton of pages: one file that asks for nothing, whatever the texts in it are."""

import json
import re
from importlib import resources

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnabert_cli.analysis.pages.page import (
    definitions,
    escaped,
    render_page,
    short_number,
    svg_image,
)

HOSTILE = "</script><script>alert(1)</script>"
PACKAGE = resources.files("dnabert_cli.analysis.pages")
ASSETS = sorted(each.name for each in PACKAGE.iterdir() if each.name.endswith((".js", ".css")))


def data_of(page):
    """The text of the data as a browser cuts it out."""
    return re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)[
        1
    ]


def test_equal_content_gives_equal_text():
    pages = {render_page("t", "<p>b</p>", scripts=["motifs.js"], data={"a": [1]}) for _ in range(2)}

    assert len(pages) == 1


def test_page_names_its_language_and_encoding():
    page = render_page("t", "")

    assert page.startswith('<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">')


def test_title_is_text_in_the_window_and_the_heading():
    page = render_page("<b>&", "")

    assert "<title>&lt;b&gt;&amp;</title>" in page
    assert "<h1>&lt;b&gt;&amp;</h1>" in page


def test_policy_refuses_everything_but_what_the_file_holds():
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', render_page("t", ""))[1]

    assert policy.startswith("default-src 'none'; ")
    assert "http" not in policy
    assert "*" not in policy


def test_data_come_back_whole_from_an_element_they_cannot_end():
    data = {"name": HOSTILE, "other": "<!-- & é 𝄞 \u2028"}

    text = data_of(render_page("t", "", scripts=["motifs.js"], data=data))

    assert "<" not in text
    assert json.loads(text) == data


@given(st.text(st.characters(exclude_categories=())))
def test_any_text_can_be_written_as_utf8(text):
    page = render_page(text, escaped(text), scripts=["motifs.js"], data={"text": text})

    page.encode("utf-8")
    assert json.loads(data_of(page)) == {"text": text}


def test_numbers_that_are_none_are_refused_in_data():
    with pytest.raises(ValueError, match="JSON"):
        render_page("t", "", scripts=["motifs.js"], data={"x": float("nan")})


def test_scripts_follow_the_shared_one_in_their_order():
    page = render_page("t", "", scripts=["viz_landscape.js", "motifs.js"])

    starts = [page.index(word) for word in ("const Page =", "const Landscape =", "function sortBy")]
    assert starts == sorted(starts)


def test_a_page_without_scripts_has_none_and_does_not_miss_them():
    page = render_page("t", "<p>text</p>")

    assert "<script" not in page
    assert "<noscript" not in page


def test_a_page_with_scripts_says_what_is_lost_without():
    assert "JavaScript is off" in render_page("t", "", scripts=["motifs.js"])


@pytest.mark.parametrize("name", ASSETS)
def test_assets_hold_neither_an_address_nor_the_end_of_their_element(name):
    text = PACKAGE.joinpath(name).read_text("utf-8")
    text = text.replace("http://www.w3.org/2000/svg", "")  # a name, never fetched

    assert "://" not in text
    assert "</" not in text


@pytest.mark.parametrize("name", [name for name in ASSETS if name.endswith(".js")])
def test_scripts_are_strict_and_never_read_text_as_html(name):
    text = PACKAGE.joinpath(name).read_text("utf-8")

    assert text.startswith("'use strict';\n")
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", text)


def test_definitions_are_plain_text():
    assert "<dt>a&lt;</dt><dd>&quot;b&amp;</dd>" in definitions([("a<", '"b&')])
    assert definitions([]) == ""


def test_svg_becomes_an_image_with_a_description():
    image = svg_image("<svg/>", 'a "logo"')

    assert image == '<img src="data:image/svg+xml;base64,PHN2Zy8+" alt="a &quot;logo&quot;">'


@pytest.mark.parametrize(
    ("value", "short"),
    [
        (0.123456, 0.1235),
        (-1.5e-07, -1.5e-07),
        (123456.0, 123500),
        (2.0, 2),
        (-0.0, 0),
        (None, None),
        (float("nan"), None),
        (float("inf"), None),
    ],
)
def test_numbers_keep_four_digits(value, short):
    assert short_number(value) == short


def test_whole_numbers_are_written_without_a_point():
    assert json.dumps([short_number(3.0), short_number(-0.0)]) == "[3, 0]"
