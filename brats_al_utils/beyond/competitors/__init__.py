"""Controls of the proposed method, and query strategies of others."""
