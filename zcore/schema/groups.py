"""User groups: each is a row of usergroup, and one with a name has a row of namedusergroup too."""

from __future__ import annotations

from sqlalchemy import Column, String, Table, Text, UniqueConstraint

from zcore.schema.columns import (
    big_id,
    column,
    exported,
    flag,
    foreign_key,
    info,
    metadata,
    reference_to,
)
from zcore.schema.facts import ColumnFacts, ExportFile, ExtraKey
from zcore.schema.types import BIG_ID, UtcDateTime

zerver_usergroup = Table(
    "zerver_usergroup",
    metadata,
    big_id(),
    foreign_key("realm_id", "zerver_realm"),
    info=exported(ExportFile.REALM, 33, "zerver_usergroup", required=True),
)

zerver_namedusergroup = Table(
    "zerver_namedusergroup",
    metadata,
    Column(
        "usergroup_ptr_id",
        BIG_ID,
        reference_to("zerver_usergroup"),
        primary_key=True,
        autoincrement=False,
        info=info(ColumnFacts(json_key="usergroup_ptr")),
    ),
    column("name", String(100)),
    column("description", Text),
    flag("is_system_group", False),
    flag("deactivated", False, server_default="false"),
    column("date_created", UtcDateTime, null=True),
    foreign_key("creator_id", "zerver_userprofile", null=True),
    foreign_key("realm_id", "zerver_realm", json_key="realm_for_sharding"),
    foreign_key("can_add_members_group_id", "zerver_usergroup"),
    foreign_key("can_join_group_id", "zerver_usergroup"),
    foreign_key("can_leave_group_id", "zerver_usergroup"),
    foreign_key("can_manage_group_id", "zerver_usergroup"),
    foreign_key("can_mention_group_id", "zerver_usergroup"),
    foreign_key("can_remove_members_group_id", "zerver_usergroup"),
    UniqueConstraint("realm_id", "name"),
    info=exported(
        ExportFile.REALM,
        36,
        "zerver_namedusergroup",
        required=True,
        extra_keys=(ExtraKey("id", column="usergroup_ptr_id"),),
    ),
)

zerver_usergroupmembership = Table(
    "zerver_usergroupmembership",
    metadata,
    big_id(),
    foreign_key("user_group_id", "zerver_usergroup"),
    foreign_key("user_profile_id", "zerver_userprofile"),
    UniqueConstraint("user_group_id", "user_profile_id"),
    info=exported(ExportFile.REALM, 34, "zerver_usergroupmembership", required=True),
)

zerver_groupgroupmembership = Table(
    "zerver_groupgroupmembership",
    metadata,
    big_id(),
    foreign_key("supergroup_id", "zerver_usergroup"),
    foreign_key("subgroup_id", "zerver_namedusergroup"),
    UniqueConstraint("supergroup_id", "subgroup_id", name="zerver_groupgroupmembership_uniq"),
    info=exported(ExportFile.REALM, 35, "zerver_groupgroupmembership", required=True),
)
