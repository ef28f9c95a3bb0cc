"""The tests of fedsock: the same tree as fedsock/, ``test_`` before each name."""
