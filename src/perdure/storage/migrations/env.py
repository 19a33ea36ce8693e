"""Alembic's entry point.

Runs the migrations on the connection that `storage.migrate` hands over.
"""

from alembic import context

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=None,
    transactional_ddl=True,
)
# The caller's transaction also holds the lock, so it commits both.
context.run_migrations()
