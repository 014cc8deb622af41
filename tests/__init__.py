"""The tests of coord. `unit` mirrors the packages; the other folders say what they prove."""
