"""Organizations made by dice: users, channels and messages of every kind that the rules look at."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from tests.zops_export.building import NOW, Builder

if TYPE_CHECKING:
    from collections.abc import Sequence

BOTS = ("welcome-bot", "notification-bot", "emailgateway", "nagios-send-bot")
MESSAGES, CHANNELS, GROUPS, USERS = 90, 6, 5, 9


class RandomRealm:
    """Builds the organization `hill`, and `vale` beside it, the same ones for the same `seed`."""

    def __init__(self, build: Builder, seed: int) -> None:
        self.build = build
        self.dice = random.Random(seed)  # noqa: S311  # no secret
        self.users: list[str] = []
        self.foreigners: list[str] = []
        self.recipients: list[str] = []
        self.messages: list[str] = []

    def _chance(self, share: float) -> bool:
        return self.dice.random() < share

    def _some(self, of: Sequence[str], share: float) -> list[str]:
        return [one for one in of if self._chance(share)]

    def make(self) -> None:
        """All of it."""
        for realm in ("hill", "vale"):
            self.build.realm(realm)
        for number in range(USERS):
            self._user(f"u{number}", owner=number == 0)
        for name in ("fay", "fox"):
            self.build.user(name, "vale", allow_private_data_export=self._chance(0.5))
            self.foreigners.append(name)
        for number in range(CHANNELS):
            self._channel(f"c{number}")
        for number in range(GROUPS):
            self._group(f"g{number}")
        for number in range(MESSAGES):
            self._message(f"m{number}")
        self._belongings()

    def _user(self, name: str, *, owner: bool) -> None:
        dummy = not owner and self._chance(0.3)
        bot = not owner and not dummy and self._chance(0.25)
        settings: dict[str, object] = {
            "is_active": owner or (not dummy and self._chance(0.8)),
            "is_mirror_dummy": dummy,
            "allow_private_data_export": self._chance(0.4),
            "long_term_idle": self._chance(0.3),
            "email_address_visibility": 1 if owner else self.dice.choice([1, 2, 3, 4, 5]),
            "avatar_source": "G",
        }
        if bot:
            settings |= {"is_bot": True, "bot_type": 1}
            settings["bot_owner_id"] = self.build.ids["users"][self.dice.choice(self.users)]
        if owner:
            settings["role"] = 100
        self.build.user(name, "hill", subscribed=owner or self._chance(0.7), **settings)
        self.users.append(name)
        self.recipients.append(name)

    def _channel(self, name: str) -> None:
        self.build.channel(
            name,
            "hill",
            invite_only=self._chance(0.6),
            history_public_to_subscribers=self._chance(0.5),
            deactivated=self._chance(0.2),
        )
        for user in self._some(self.users, 0.4):
            self.build.subscribe(f"#{name}", user, active=self._chance(0.6))
        if self._chance(0.2):
            self.build.subscribe(f"#{name}", "fay")
        self.recipients.append(f"#{name}")

    def _group(self, name: str) -> None:
        members = self._some(self.users, 0.35) or [self.users[0]]
        members += self._some(self.foreigners, 0.15) + self._some(BOTS, 0.05)
        self.build.group(name, *members)
        self.recipients.append(f"{{{name}}}")

    def _message(self, name: str) -> None:
        everybody = [*self.users, *self.foreigners, *BOTS]
        targets = [*self.recipients, *self.foreigners, *BOTS[:2]]
        sender, to = self.dice.choice(everybody), self.dice.choice(targets)
        realm = "vale" if self._chance(0.05) else "hill"
        self.build.message(name, sender, to, self._some(everybody, 0.3), realm=realm)
        self.messages.append(name)

    def _belongings(self) -> None:
        everybody = [*self.users, *self.foreigners]
        for number in range(12):
            sender = self.dice.choice(everybody)
            self.build.scheduled(f"s{number}", sender, self.dice.choice(self.recipients))
        pairs = [(user, message) for user in everybody for message in self.messages]
        for number, (user, message) in enumerate(self.dice.sample(pairs, 30)):
            self.build.reaction(f"r{number}", user, message)
        for number in range(20):
            links = self._some(self.messages, 0.02)
            scheduled = self._some([f"s{one}" for one in range(12)], 0.08)
            self.build.attachment(f"a{number}", self.dice.choice(everybody), links, scheduled)
        for user in everybody:
            self._of_user(user)

    def _of_user(self, user: str) -> None:
        user_id = self.build.ids["users"][user]
        realm = "vale" if user in self.foreigners else "hill"
        realm_id = self.build.ids["realms"][realm]
        self.build.insert(
            "zerver_alertword", realm_id=realm_id, user_profile_id=user_id, word=f"of {user}"
        )
        self.build.insert(
            "zerver_savedsnippet",
            realm_id=realm_id,
            user_profile_id=user_id,
            title=user,
            content="private",
            date_created=NOW,
        )
        self.build.insert(
            "zerver_userpresence", realm_id=realm_id, user_profile_id=user_id, last_update_id=1
        )
        self.build.insert(
            "zerver_userstatus",
            user_profile_id=user_id,
            client_id=self.build.client_id,
            timestamp=NOW,
            status_text="here",
            emoji_name="",
            emoji_code="",
            reaction_type="unicode_emoji",
        )
        muted = self.dice.choice([name for name in self.users if name != user])
        self.build.insert(
            "zerver_muteduser",
            user_profile_id=user_id,
            muted_user_id=self.build.ids["users"][muted],
            date_muted=NOW,
        )
