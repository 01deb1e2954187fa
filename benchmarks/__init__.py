"""How fast it is, as ratios to bare SQL in the same run: `make bench`. What the figures mean: docs/performance.md."""
