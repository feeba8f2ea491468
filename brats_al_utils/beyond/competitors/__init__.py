"""Query strategies of others."""
