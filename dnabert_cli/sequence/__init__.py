"""Text and integers: k-mers, windows, groups; no files, no torch."""
