"""Measurements of this machine, today: every figure stands beside a baseline of the same run. A figure fails nothing."""
