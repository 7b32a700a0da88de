"""The page of `dnabert motifs --report`: what it holds, and what it does in a real browser."""

import re

import pytest

from dnabert_cli.analysis.pages.motif_page import (
    N_BINS,
    ReportMotif,
    histogram,
    motif_page,
    scientific,
)

HOSTILE = "</script><script>document.title = 'broken'</script>"
LOGO = '<svg xmlns="http://www.w3.org/2000/svg" width="100" height="30"></svg>'


def report_motif(name="one", **changes):
    fields = {
        "consensus": "TATAAA",
        "logo_svg": LOGO,
        "n_positive": 9,
        "n_negative": 2,
        "n_instances": 12,
        "p_value": 1e-5,
        "q_value": 2e-4,
        "positions": [0.1, 0.11, 0.9],
        "members": ["TATAAAA", "CTATAAA"],
    }
    return ReportMotif(name=name, **fields | changes)


def toy_page():
    hostile_logo = LOGO.replace("></svg>", "><script>alert(1)</script></svg>")
    motifs = [
        report_motif("m10", n_instances=5, p_value=1e-12, reverse_logo_svg=LOGO),
        report_motif("m9", n_instances=12, p_value=float("nan"), match_name=HOSTILE, match_q=0.01),
        report_motif(HOSTILE, n_instances=100, p_value=1e-3, logo_svg=hostile_logo),
    ]
    return motif_page(motifs, title="Toy", summary=[("Model", "none")])


def test_equal_content_gives_equal_text():
    assert toy_page() == toy_page()


def test_table_can_be_read_without_scripts():
    page = motif_page([report_motif()], title="Toy")

    values = re.findall(r'data-heading="([^"]*)" data-value="[^"]*">([^<]*)<', page)
    assert values == [
        ("Instances", "12"),
        ("Positive sequences", "9"),
        ("Negative sequences", "2"),
        ("p", "1.0e-05"),
        ("q", "2.0e-04"),
    ]
    assert "<li>TATAAAA</li><li>CTATAAA</li>" in page


def test_match_stands_below_the_logo_it_belongs_to():
    page = motif_page(
        [report_motif(match_name="MA0108.1 TBP", match_q=0.002, match_logo_svg=LOGO)], title="Toy"
    )

    order = [page.index(text) for text in ("logo of one", "MA0108.1 TBP", "logo of MA0108.1")]
    assert order == sorted(order)
    assert "(q 2.0e-03)" in page


@pytest.mark.parametrize(("shift", "moved"), [(32, "MA0108.1"), (-32, "one, TATAAA"), (0, None)])
def test_the_logo_that_begins_later_is_moved_to_its_column(shift, moved):
    motif = report_motif(match_name="MA0108.1", match_logo_svg=LOGO, match_shift_pixels=shift)

    images = re.findall(
        r'alt="logo of ([^"]*)" style="margin-left:32px"', motif_page([motif], title="")
    )

    assert images == ([] if moved is None else [moved])


def test_no_motifs_give_the_sentence_and_no_table():
    page = motif_page([], title="Toy", sentence="No stretch was <long> enough.")

    assert "<p>No stretch was &lt;long&gt; enough.</p>" in page
    assert "<table" not in page
    assert "<script" not in page


def test_no_motifs_are_told_even_without_a_sentence():
    assert "<p>No motif was found.</p>" in motif_page([], title="Toy")


@pytest.mark.parametrize(
    ("value", "text"),
    [(1.23e-10, "1.2e-10"), (1.0, "1.0e+00"), (0.0, "<1e-300"), (float("nan"), "-"), (None, "-")],
)
def test_p_values_are_written_with_a_power_of_ten(value, text):
    assert scientific(value) == text


def test_bars_count_the_instances_of_each_part_of_the_axis():
    bars = re.findall(r"<title>([^<]*)</title>", histogram([-30, -30, 0, 19, 20], (-20, 20)))

    assert bars == ["-20 to -18: 2", "0 to 2: 1", "18 to 20: 2"]
    assert N_BINS == 20


def test_histogram_tells_its_peak_in_words():
    assert 'aria-label="3 instances, most of them (2) between 0.1 and 0.15"' in histogram(
        [0.1, 0.12, 0.9], (0.0, 1.0)
    )
    assert "0 instances" in histogram([], (0.0, 1.0))


@pytest.fixture
def page(browser, tmp_path):
    """The toy page in the browser; at the end nothing has gone wrong and nothing been fetched."""
    path = tmp_path / "page.html"
    path.write_text(toy_page(), encoding="utf-8")
    browser.open(path)
    yield browser
    assert browser.problems == []
    assert [url for url in browser.requests if not url.startswith("data:")] == [path.as_uri()]


def names(page):
    return page.evaluate(
        "Array.from(document.querySelectorAll('.name'), (node) => node.textContent)"
    )


def test_names_and_logos_run_nothing(page):
    assert page.evaluate("document.title") == "Toy"
    assert HOSTILE in names(page)


def test_headings_sort_both_ways_and_say_so(page):
    page.click("th:nth-child(2) button")
    assert names(page) == ["m10", "m9", HOSTILE]
    assert page.text("#status") == "sorted by Instances, ascending"

    page.click("th:nth-child(2) button")

    assert names(page) == [HOSTILE, "m9", "m10"]
    assert page.evaluate("document.querySelector('th:nth-child(2)').ariaSort") == "descending"


def test_names_sort_by_the_numbers_in_them(page):
    page.focus("th:nth-child(1) button")
    page.press("Enter")

    assert names(page) == [HOSTILE, "m9", "m10"]


def test_what_has_no_p_value_comes_last_both_ways(page):
    page.click("th:nth-child(5) button")
    assert names(page) == ["m10", HOSTILE, "m9"]

    page.click("th:nth-child(5) button")

    assert names(page) == [HOSTILE, "m10", "m9"]
    assert page.evaluate("document.querySelectorAll('[aria-sort]').length") == 1


def test_other_strand_takes_the_place_of_the_logo(page):
    strands = ".two-strands .strand:not([hidden]) img"
    assert page.evaluate(f"document.querySelector('{strands}').alt") == "logo of m10, TATAAA"

    page.click(".two-strands button")

    assert page.evaluate(f"document.querySelector('{strands}').alt") == (
        "logo of m10, reverse complement"
    )


def test_print_leaves_out_buttons(page):
    page.media("print")

    assert not page.is_visible(".two-strands button")
    assert page.is_visible("table.motifs")
    page.media("")


@pytest.mark.parametrize("width", [1280, 1221, 900, 420])
def test_long_logos_do_not_widen_the_page(browser, tmp_path, width):
    wide = LOGO.replace('width="100"', 'width="600"')
    path = tmp_path / "page.html"
    motif = report_motif("name " * 20, consensus="ACGTACGTAC" * 3, logo_svg=wide)
    path.write_text(motif_page([motif], title="Toy"), encoding="utf-8")

    browser.open(path, width)

    assert browser.evaluate("document.documentElement.scrollWidth") == width
