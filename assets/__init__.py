"""Dagster assets: what the user interface shows, schedules and backfills.

An asset reads, calls one function of the library and returns counts. Assets pass no values; they declare what they
depend on and read and write the store.
"""
