"""Measurements of this machine, today: every figure beside a baseline of the same run. A slow figure fails nothing."""
