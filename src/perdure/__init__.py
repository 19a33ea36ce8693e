"""Durable business operations on Temporal."""
