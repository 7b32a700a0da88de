import os

import pysam

from dnabert_cli.formats.htslib_messages import complaint


def say(*lines):
    def again():
        os.write(2, "".join(f"{line}\n" for line in lines).encode())
        raise OSError("failed")

    return again


def test_last_error_is_told_without_its_mark():
    lines = ("[E::one] first", "[E::two] second", "[W::three] third at chr1:5", "other")
    assert complaint(pysam, say(*lines)) == "second"


def test_warning_that_names_a_record_stands_in_for_an_error():
    lines = ("[W::one] odd at chr1:5", "[W::two] which may cause later processing to fail")
    assert complaint(pysam, say(*lines)) == "odd at chr1:5"


def test_nothing_said_is_nothing():
    assert complaint(pysam, say("something else")) == ""


def test_standard_error_and_verbosity_are_as_before(capfd):
    before = pysam.get_verbosity()
    complaint(pysam, say("[E::one] first"))
    os.write(2, b"shown\n")
    assert capfd.readouterr().err == "shown\n"
    assert pysam.get_verbosity() == before


def test_closed_standard_error_is_no_error(monkeypatch):
    monkeypatch.setattr("dnabert_cli.formats.htslib_messages._STDERR", 987_654)
    assert complaint(pysam, say("[E::one] first")) == ""
