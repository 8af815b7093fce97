"""How the tests run: Hypothesis draws new examples every time, and the same ones where CI is set.

--hypothesis-profile=long draws many more. The whole suite runs in two processes, one of which does all that needs a browser;
files and tests named on the command line run in one.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy is first imported, as rnnviz itself does

import pytest
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadScopeScheduling

settings.register_profile(
    "house", deadline=None, max_examples=60, derandomize="CI" in os.environ, print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.register_profile("long", settings.get_profile("house"), max_examples=2000, derandomize=False)
settings.load_profile("house")


class OneBrowser(LoadScopeScheduling):
    """The tests of a file are run in one process, and all that need a browser in the same one."""

    def _split_scope(self, nodeid):
        file = nodeid.split("::")[0]
        return "browser" if "test_browser" in file else file


def pytest_xdist_make_scheduler(config, log):
    """Who runs what, for xdist."""
    return OneBrowser(config, log)


def pytest_xdist_auto_num_workers(config):
    """What -n auto is: with none, a test one has chosen is run by this very process, and its prints are seen."""
    return 2 if config.args_source is pytest.Config.ArgsSource.TESTPATHS else 0
