"""Web pages of results: one HTML file each, with nothing to install and nothing to fetch."""
