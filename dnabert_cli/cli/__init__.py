"""The command line: options in, one task called, result written."""
