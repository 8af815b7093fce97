"""How the tests run: Hypothesis draws new examples every time, and the same ones where CI is set.

--hypothesis-profile=long draws many more.
"""

import os

from hypothesis import HealthCheck, settings

settings.register_profile(
    "house", deadline=None, max_examples=60, derandomize="CI" in os.environ, print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.register_profile("long", settings.get_profile("house"), max_examples=2000, derandomize=False)
settings.load_profile("house")
