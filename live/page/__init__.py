"""The browser page of a live inspection."""
