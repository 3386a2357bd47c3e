"""Every statement this project sends to PostgreSQL."""
