"""The documentation: pages that are generated from the code, and the site that is built from all of them, offline."""
