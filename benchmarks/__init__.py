"""Measurements a person can repeat with `make bench`; results go to build/benchmarks/."""
