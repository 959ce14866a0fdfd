"""Selected rows, and one action on all of them."""
