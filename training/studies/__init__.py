"""Studies: many training runs that differ in one thing, judged alike, and put into one table."""
