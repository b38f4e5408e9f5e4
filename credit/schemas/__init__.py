"""Schemas: raw tables, feature views and contracts, decision records."""
