"""The revisions of the schema, without Alembic."""

from alembic.config import Config
from alembic.script import ScriptDirectory

from perdure.storage.revisions import revisions


def test_they_are_alembics_in_its_order() -> None:
    config = Config()
    config.set_main_option("script_location", "perdure.storage:migrations")
    config.set_main_option("path_separator", "os")
    found = ScriptDirectory.from_config(config).iterate_revisions("head", "base")
    assert [one.revision for one in found][::-1] == list(revisions())
