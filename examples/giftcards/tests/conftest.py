"""The servers that the tests run on."""

pytest_plugins = ["perdure.testing.plugin"]
