from feature_repo.sql_engine import connect


def test_it_draws_nothing_and_fetches_nothing():
    with connect(threads=1) as connection:
        names = "'enable_progress_bar', 'autoinstall_known_extensions', 'autoload_known_extensions'"
        found = connection.execute(f"SELECT DISTINCT value FROM duckdb_settings() WHERE name IN ({names})").fetchall()
        assert found == [("false",)]
        assert connection.execute("SELECT current_setting('threads')").fetchone() == (1,)
