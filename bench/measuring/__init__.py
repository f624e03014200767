"""One cell: what it runs, its visits, whether the result is right, and its work by formula."""
