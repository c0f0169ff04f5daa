"""Tables of a page under AppTest, as a person reads them."""

from __future__ import annotations

from xml.etree.ElementTree import fromstring

from streamlit.testing.v1 import AppTest


def tables(page: AppTest) -> list[list[dict[str, str]]]:
    """The rows of each, by column."""
    found = []
    for one in page.get("html"):
        if one.proto.body.startswith('<div class="wide"'):
            root = fromstring(one.proto.body)
            head = ["".join(cell.itertext()) for cell in root.iter("th")]
            rows = [["".join(cell.itertext()) for cell in row.iter("td")] for row in root.iter("tr")]
            found.append([dict(zip(head, row, strict=True)) for row in rows if row])
    return found
