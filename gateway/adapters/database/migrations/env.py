"""Run by Alembic, over the connection and inside the transaction of migration.py."""

from alembic import context

from gateway.adapters.database.tables import metadata

# Alembic commits after each step where it believes that a database cannot take back a change of tables;
# SQLite can.
context.configure(
    connection=context.config.attributes["connection"], target_metadata=metadata, transactional_ddl=True
)
with context.begin_transaction():
    context.run_migrations()
