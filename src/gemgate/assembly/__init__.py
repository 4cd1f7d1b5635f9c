"""The composition root: settings become a running node or fleet front. The only package that knows everybody."""
