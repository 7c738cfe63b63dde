"""Measures the product as it is used: engine, load and sink in processes of their own, beside the bare path."""
