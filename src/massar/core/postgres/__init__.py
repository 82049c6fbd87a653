"""Django's PostgreSQL backend, whose pool bears a database that was stopped or started again."""
