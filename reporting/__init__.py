"""Reporting: the report, the mistakes and the recommendation for deployment."""
