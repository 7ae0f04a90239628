"""Pages that people read in a browser: of one result, and of a folder of results."""
