"""Draw the pictures of the families that the desk shows: motifdesk/data/thumbnails/FAMILY.svg, one for each family.

python scripts/make_thumbnails.py
"""

from __future__ import annotations

from motifdesk.data import path
from motifdesk.desk.thumbnails import drawn
from motifdesk.topologies import families


def main() -> None:
    folder = path("thumbnails")
    folder.mkdir(exist_ok=True)
    known = families()
    for old in folder.glob("*.svg"):
        if old.stem not in known:
            old.unlink()
    total = 0
    for name in known:
        text = drawn(name)
        (folder / f"{name}.svg").write_text(text, encoding="utf-8")
        total += len(text.encode())
        print(f"{name}: {len(text.encode())} bytes")
    print(f"{len(known)} pictures, {total} bytes")


if __name__ == "__main__":
    main()
