"""Numbers and decisions as words and pictures: the report, the mistakes, the advice."""
