"""What reaches every open page as it happens; knows no page."""
