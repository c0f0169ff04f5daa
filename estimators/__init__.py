"""Arithmetic that knows no case: units, formulas, sheets and claims. Imports nothing of ours."""
