"""Where an account's cookies come from, one file per kind of source, each behind `ports.CookieSource`."""
