"""Sections: parts of pages that know what a visitor has in hand."""
