"""How the server is called, and where."""

from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import parse_qs, urlsplit

from sqlalchemy import make_url

from perdure.embedded.postgres import postgres_url
from perdure.embedded.postgres_cluster import PostgresCluster
from perdure.embedded.private_folder import SOCKET_PATH_BYTES_MAX


def test_the_socket_is_in_the_cluster_where_its_name_fits() -> None:
    # pytest's own folders may be too deep.
    with TemporaryDirectory() as folder:
        cluster = PostgresCluster(Path(folder))
        assert cluster.socket_dir == cluster.folder == Path(folder).resolve() / "postgres"


def test_a_deep_folder_and_a_comma_get_a_short_socket_folder_of_their_own(tmp_path: Path) -> None:
    deep, comma = (PostgresCluster(tmp_path / name) for name in ("x" * 150, "a,b"))
    for cluster in (deep, comma):
        assert len(f"{cluster.socket_dir}/.s.PGSQL.5432.lock") <= SOCKET_PATH_BYTES_MAX
        assert "," not in str(cluster.socket_dir)
    assert deep.socket_dir != comma.socket_dir
    assert PostgresCluster(tmp_path / ("x" * 150)).socket_dir == deep.socket_dir


def test_the_url_is_read_alike_by_libpq_and_sqlalchemy(tmp_path: Path) -> None:
    folder = tmp_path / "with space"
    url = postgres_url(folder)
    socket_dir = str(PostgresCluster(folder).socket_dir)
    assert parse_qs(urlsplit(url).query)["host"] == [socket_dir]
    parsed = make_url(url)
    assert (parsed.username, parsed.database) == ("postgres", "perdure")
    assert parsed.query["host"] == socket_dir


def test_the_server_listens_on_its_socket_only_and_commits_durably(tmp_path: Path) -> None:
    arguments = PostgresCluster(tmp_path).server_arguments()
    for setting in ("listen_addresses=", "fsync=on", "synchronous_commit=on"):
        assert setting in arguments


def test_what_nobody_keeps_still_outlives_its_processes(tmp_path: Path) -> None:
    arguments = PostgresCluster(tmp_path, is_kept=False).server_arguments()
    for setting in ("fsync=off", "full_page_writes=off", "synchronous_commit=on"):
        assert any(argument == setting for argument in arguments), setting
