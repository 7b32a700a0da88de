"""Pictures as bytes of a PNG, SVG or PDF; the same for the same numbers. No files, no windows."""
