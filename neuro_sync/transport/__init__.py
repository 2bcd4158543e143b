"""Requests and WebSockets, with retries and tokens; knows no jobs."""
