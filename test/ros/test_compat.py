"""What differs between the distributions, where the one that is here can tell."""

from __future__ import annotations

from typing import Any

import pytest
from rclpy import subscription

from m3l_perception.compat import with_message_info


class HumbleSubscription:
    """rclpy's of Humble calls back with the message alone, however many arguments are taken."""


def test_callback_is_given_an_empty_info_where_rclpy_has_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(subscription, 'Subscription', HumbleSubscription)
    given: list[tuple[Any, Any]] = []
    with_message_info(lambda message, info: given.append((message, info)))('image')
    assert given == [('image', {})]


def test_callback_stays_as_it_is_where_rclpy_has_an_info() -> None:
    def callback(message: Any, info: Any) -> None:
        """Take both."""

    if not hasattr(subscription.Subscription, 'CallbackType'):
        pytest.skip('this rclpy has no info of messages')
    assert with_message_info(callback) is callback
