"""Check page: somebody's own arrays in, the wrong line out; and what a curve alone allows."""

from tests.pages import open_page, words


def test_x():
    at = open_page("check")
    print(words(at))
    assert not at.exception
