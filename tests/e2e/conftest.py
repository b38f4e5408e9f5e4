import shutil

import pytest
from demo_platform import DemoPlatform, short_folder
from redis_servers import free_port

from credit.platform import Home


@pytest.fixture(scope="module")
def platform():
    """A platform folder of its own; its service and Redis end with the module."""
    home = Home(short_folder())
    platform = DemoPlatform(home, free_port())
    yield platform
    platform.down()
    shutil.rmtree(home.root)
