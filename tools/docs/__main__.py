"""`python -m tools.docs pages | check | site`: write the generated pages, say which are stale, build the site."""

from __future__ import annotations

import sys
from pathlib import Path

from tools.docs import site
from tools.docs.pages import PAGES

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


def main(words: list[str]) -> int:
    match words:
        case ["pages"]:
            for name, page in PAGES.items():
                (DOCS / name).write_text(page(), "utf-8")
            return 0
        case ["check"]:
            stale = [
                n for n, page in PAGES.items() if not (DOCS / n).exists() or (DOCS / n).read_text("utf-8") != page()
            ]
            for name in stale:
                print(f"docs/{name} does not say what the code says any more; write it again with: make docs-pages")
            return 1 if stale else 0
        case ["site", *where]:
            built = site.build(ROOT, Path(where[0]) if where else ROOT / "site")
            print(f"{len(built)} pages in {where[0] if where else 'site'}")
            return 0
    print(__doc__)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
