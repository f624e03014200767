"""One self-contained page: the question and the answer, charts, tables, and how to do it again."""
