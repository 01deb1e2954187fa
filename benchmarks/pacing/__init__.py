"""Replays days of traffic through every strategy and through rivals; see docs/pacing.md. `make bench-pacing`."""
