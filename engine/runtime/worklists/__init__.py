"""Worklists: what events and modalities say of imaging, as facts; the steps that follow; kept, asked and built anew."""
