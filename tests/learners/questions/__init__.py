"""Ten questions that are asked in public again and again, each remade as a small program.

Where a thread is cited it was read; nothing of it was copied, and the program is our own, with the
mistake that the thread is about moved into the little network of all programs here.
"""
