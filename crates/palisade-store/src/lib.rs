//! API keys and users in SQL.
