"""The settings that a user has, and that a realm has as the defaults of its new users."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, Integer, SmallInteger, String, Text

from zcore.schema.columns import column, flag, unsigned


def user_settings() -> list[Column[Any]]:
    """New columns for all settings of a user, each with the value that Zulip starts it with."""
    return [*_display(), *_notifications(), *_topics_and_privacy()]


def _display() -> list[Column[Any]]:
    return [
        flag("enter_sends", False),
        flag("left_side_userlist", False),
        column("default_language", String(50), default="en"),
        column("web_home_view", Text, default="inbox"),
        flag("web_escape_navigates_to_home_view", True),
        flag("fluid_layout_width", False),
        flag("high_contrast_mode", False),
        flag("translate_emoticons", False),
        flag("display_emoji_reaction_users", True),
        flag("twenty_four_hour_time", False),
        flag("starred_message_counts", True),
        flag("web_suggest_update_timezone", True),
        unsigned("color_scheme", default=1),
        unsigned("web_font_size_px", default=16),
        unsigned("web_line_height_percent", default=140),
        column("web_animate_image_previews", Text, default="on_hover"),
        unsigned("demote_inactive_streams", default=1),
        column("web_mark_read_on_scroll_policy", SmallInteger, default=1),
        column("web_channel_default_view", SmallInteger, default=1, server_default="1"),
        column("emojiset", String(20), default="google"),
        unsigned("user_list_style", default=3),
        unsigned("web_stream_unreads_count_display_policy", default=2),
        flag("web_navigate_to_sent_message", True),
        flag("hide_ai_features", False),
    ]


def _notifications() -> list[Column[Any]]:
    return [
        column("email_notifications_batching_period_seconds", Integer, default=120),
        flag("enable_stream_desktop_notifications", False),
        flag("enable_stream_email_notifications", False),
        flag("enable_stream_push_notifications", False),
        flag("enable_stream_audible_notifications", False),
        column("notification_sound", String(20), default="zulip"),
        flag("wildcard_mentions_notify", True),
        flag("enable_followed_topic_desktop_notifications", True),
        flag("enable_followed_topic_email_notifications", True),
        flag("enable_followed_topic_push_notifications", True),
        flag("enable_followed_topic_audible_notifications", True),
        flag("enable_followed_topic_wildcard_mentions_notify", True),
        flag("enable_desktop_notifications", True),
        flag("pm_content_in_desktop_notifications", True),
        flag("enable_sounds", True),
        flag("enable_offline_email_notifications", True),
        flag("message_content_in_email_notifications", True),
        flag("enable_offline_push_notifications", True),
        flag("enable_online_push_notifications", True),
        unsigned("desktop_icon_count_display", default=1),
        flag("enable_digest_emails", True),
        flag("enable_login_emails", True),
        flag("enable_marketing_emails", True),
        unsigned("realm_name_in_email_notifications_policy", default=1),
    ]


def _topics_and_privacy() -> list[Column[Any]]:
    return [
        flag("presence_enabled", True),
        unsigned("automatically_follow_topics_policy", default=3),
        unsigned("automatically_unmute_topics_in_muted_streams_policy", default=2),
        flag("automatically_follow_topics_where_mentioned", True),
        flag("enable_drafts_synchronization", True),
        flag("send_stream_typing_notifications", True),
        flag("send_private_typing_notifications", True),
        flag("send_read_receipts", True),
        flag("receives_typing_notifications", True),
        unsigned("email_address_visibility", default=1),
        flag("allow_private_data_export", False),
    ]
