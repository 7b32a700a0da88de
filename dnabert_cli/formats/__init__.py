"""Readers and writers, one file per format; no biology, no torch."""
