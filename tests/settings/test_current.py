"""The settings in effect: one object, whose parts follow every change."""

from dlserv.settings.config import Config
from dlserv.settings.current import Settings


def test_another_config_is_read_at_once():
    settings = Settings(Config.parse({}))
    settings.config = Config.parse({"general": {"log_size": 7}, "download": {"retries": 3}})
    assert (settings.general.log_size, settings.download.retries) == (7, 3)


def test_limits_stand_before_the_config_s_until_they_are_lifted():
    settings = Settings(Config.parse({"download": {"ratelimit": 5, "retries": 3}}))
    settings.limits = {"ratelimit": 9}
    assert (settings.download.ratelimit, settings.download.retries) == (9, 3)
    settings.config = Config.parse({"download": {"ratelimit": 6}})
    assert settings.download.ratelimit == 9 and settings.config.download.ratelimit == 6
    settings.limits = {}
    assert settings.download.ratelimit == 6
