"""Composes the rest into a story: what arithmetic, theory and simulation say of one design, side by side."""
