"""What the user chose to keep, encrypted at rest, and how it is found again."""
