"""The data of the platform: frozen dataclasses, each the one place of truth for its JSON."""
