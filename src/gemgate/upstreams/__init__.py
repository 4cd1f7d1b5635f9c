"""Ways to Google: one package or file per way, each behind `ports.Upstream`."""
