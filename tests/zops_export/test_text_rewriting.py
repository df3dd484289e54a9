"""Ids inside texts get their new numbers, and nothing else is touched."""

from __future__ import annotations

from array import array

import pytest

from zops_export.id_maps import IdMap
from zops_export.text_rewriting import TextRewriter, with_known_uploads, with_new_paths

# Each table has other new ids, so that none can be taken for another.
STARTS = {
    "zerver_realm": 50,
    "zerver_userprofile": 1000,
    "zerver_stream": 2000,
    "zerver_usergroup": 3000,
    "zerver_message": 70000,
}
KNOWN = range(1, 100)


@pytest.fixture(scope="module")
def texts() -> TextRewriter:
    """Ids 1 to 99 are known: users get 1000 more, channels 2000, groups 3000, messages 70000."""
    return TextRewriter(
        {
            table: IdMap(array("q", KNOWN), [start + ident for ident in KNOWN])
            for table, start in STARTS.items()
        }
    )


# --- rendered HTML


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            '<p><span class="user-mention" data-user-id="12">@Iago</span> hi</p>',
            '<p><span class="user-mention" data-user-id="1012">@Iago</span> hi</p>',
        ),
        (
            '<span class="user-mention silent" data-user-id="12">Iago</span>',
            '<span class="user-mention silent" data-user-id="1012">Iago</span>',
        ),
        (
            '<span class="user-group-mention" data-user-group-id="12">@x</span>',
            '<span class="user-group-mention" data-user-group-id="3012">@x</span>',
        ),
        (
            '<a class="stream" data-stream-id="5" href="/#narrow/channel/5-general">#general</a>',
            '<a class="stream" data-stream-id="2005" '
            'href="/#narrow/channel/2005-general">#general</a>',
        ),
        (
            '<a class="stream-topic" data-stream-id="5" '
            'href="/#narrow/channel/5-a.20b/topic/t.20u/with/77">#a b > t u</a>',
            '<a class="stream-topic" data-stream-id="2005" '
            'href="/#narrow/channel/2005-a.20b/topic/t.20u/with/70077">#a b > t u</a>',
        ),
        (
            '<a class="message-link" href="/#narrow/channel/5-x/topic/y/near/78">m</a>',
            '<a class="message-link" href="/#narrow/channel/2005-x/topic/y/near/70078">m</a>',
        ),
        (
            '<a href="#narrow/stream/5-x/subject/y/near/78">old</a>',
            '<a href="#narrow/stream/2005-x/subject/y/near/70078">old</a>',
        ),
        (
            '<a href="/#narrow/dm/3,4,5-group/near/78">',
            '<a href="/#narrow/dm/1003,1004,1005-group/near/70078">',
        ),
        ('<a href="/#narrow/dm/3-Iago">', '<a href="/#narrow/dm/1003-Iago">'),
        ('<a href="/#narrow/pm-with/3,4-pm">', '<a href="/#narrow/pm-with/1003,1004-pm">'),
        ('<a href="/#narrow/sender/3-Iago">', '<a href="/#narrow/sender/1003-Iago">'),
        ('<a href="#user/12">', '<a href="#user/1012">'),
        ('<a href="/#groups/12/cooks">', '<a href="/#groups/3012/cooks">'),
        ('<a href="#channels/5/a/general">', '<a href="#channels/2005/a/general">'),
        ('<a href="/#streams/5/a">', '<a href="/#streams/2005/a">'),
        (
            '<img class="message_body_gravatar" src="/avatar/12?s=30" title="x">',
            '<img class="message_body_gravatar" src="/avatar/1012?s=30" title="x">',
        ),
        ('<a href="/#narrow/near/9">', '<a href="/#narrow/near/70009">'),
        (
            '<img alt=":x:" class="emoji" src="/user_avatars/2/emoji/images/7.png" title="x">',
            '<img alt=":x:" class="emoji" src="/user_avatars/52/emoji/images/7.png" title="x">',
        ),
        (  # of a server that keeps its files in S3
            '<img alt=":x:" class="emoji" src="https://b.s3.test/2/emoji/images/7.png" title="x">',
            '<img alt=":x:" class="emoji" src="/user_avatars/52/emoji/images/7.png" title="x">',
        ),
        (
            '<img class="emoji" src="http://s3.test:9000/a/2/emoji/images/still/7.png">',
            '<img class="emoji" src="/user_avatars/52/emoji/images/still/7.png">',
        ),
        (
            '<span class="user-mention" data-user-id="1">a</span>'
            '<span class="user-mention" data-user-id="2">b</span>',
            '<span class="user-mention" data-user-id="1001">a</span>'
            '<span class="user-mention" data-user-id="1002">b</span>',
        ),
    ],
)
def test_ids_in_rendered_html(texts: TextRewriter, before: str, after: str) -> None:
    assert texts.html(before) == after
    assert texts.html(f"ü\n{before}\t{before}\U0001f600") == f"ü\n{after}\t{after}\U0001f600"


HUGE = "9" * 6000

UNCHANGED_HTML = [
    "",
    "<p>plain</p>",
    # everybody, and who is not in the export
    '<span class="user-mention channel-wildcard-mention" data-user-id="*">@all</span>',
    '<span class="user-mention" data-user-id="100">@gone</span>',
    '<span class="user-mention" data-user-id="0">@none</span>',
    '<a class="stream" data-stream-id="400" href="/#narrow/channel/400-gone">#gone</a>',
    '<a href="/#narrow/channel/400/topic/x/near/12345">',
    '<a href="/#narrow/dm/400,401-group">',
    '<img class="emoji" src="/user_avatars/400/emoji/images/7.png">',
    # text that only looks like it
    '<code>data-user-id="12"</code>',
    '<pre><code>&lt;span data-user-id="12"&gt;</code></pre>',
    '<p>data-stream-id="5" /user_avatars/2/emoji/images/7.png</p>',
    "<code>#narrow/channel/5-general</code>",
    '<p data-user-id="12">another element</p>',
    '<div class="x" data-stream-id="5"></div>',
    '<spanner data-user-id="12">',
    '<span x-data-user-id="12" data-user-ids="12" data-user-id=12>',
    '<span data-user-id="12a" data-stream-id="-5" data-user-id="1 2">',
    '<span data-user-id="\u0661\u0662">',
    # other servers
    '<a href="https://zulip.example.test/#narrow/channel/5-general">there</a>',
    '<a href="http://127.0.0.1:9991/#narrow/dm/3,4-group/near/78">there</a>',
    '<a href="//zulip.example.test/#narrow/near/78">there</a>',
    '<img src="https://zulip.example.test/user_avatars/2/emoji/images/7.png">',
    '<a href="https://x.test/?to=/user_avatars/2/emoji/images/7.png">',
    '<img src="https://b.s3.test/2/emoji/images/7.png">',
    '<img class="emojis" src="https://b.s3.test/2/emoji/images/7.png">',
    '<img class="emoji" src="https://b.s3.test/400/emoji/images/7.png">',
    '<img class="emoji" src="https://x.test/?to=/2/emoji/images/7.png">',
    f'<img class="emoji" src="https://b.s3.test/{HUGE}/emoji/images/7.png">',
    # names that begin like ids, or hold them
    '<a href="/#narrow/topic/channel.2F5">',
    '<a href="/#narrow/channel/general/topic/5">',
    '<a href="/user_uploads/2/ab/5/near/78">',
    '<a href="#channels/all">',
    '<a href="#user/12a">',
    '<a href="https://zulip.example.test/#user/12">',
    '<a href="#settings/5">',
    '<img src="/avatar/x@zulip.example.test?s=30">',
    '<img src="https://x.test/avatar/12">',
    # numbers that nothing has
    f'<span data-user-id="{HUGE}">',
    f'<a href="/#narrow/channel/{HUGE}-x/near/{HUGE}">',
    f'<a href="/#narrow/dm/{HUGE},{HUGE}-x">',
    f'<img src="/user_avatars/{HUGE}/emoji/7.png">',
]


@pytest.mark.parametrize("text", UNCHANGED_HTML, ids=lambda text: text[:40])
def test_what_is_no_known_id_stays_byte_for_byte(texts: TextRewriter, text: str) -> None:
    assert texts.html(text) == text


def test_known_and_unknown_ids_side_by_side(texts: TextRewriter) -> None:
    before = '<a href="/#narrow/dm/3,400,5-group/near/12345">'
    assert texts.html(before) == '<a href="/#narrow/dm/1003,400,1005-group/near/12345">'


def test_everything_around_stays(texts: TextRewriter) -> None:
    around = "\r\n\t&lt;&amp;&nbsp; \u00a0\u2028\x0b <B  CLASS = 'x'>é</B><br/>\\ \"' {}%s \\1"
    mention = '<span  class="user-mention"\n data-user-id="12"  >@x</span>'
    expected = around + mention.replace('"12"', '"1012"') + around
    assert texts.html(around + mention + around) == expected


# --- what users type


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("@**Iago|12** hi", "@**Iago|1012** hi"),
        ("@_**Iago|12**", "@_**Iago|1012**"),
        ("(@**a|1** and @**b|2**)", "(@**a|1001** and @**b|1002**)"),
        ("@**|12**", "@**|1012**"),
        ("@_**a|b|12**", "@_**a|b|1012**"),
        ("[me](#user/12), /#channels/5/general", "[me](#user/1012), /#channels/2005/general"),
        ("#**tea>black@78**", "#**tea>black@70078**"),
        ("see #**tea>a@b.test@78**, @**Iago|12**", "see #**tea>a@b.test@70078**, @**Iago|1012**"),
        ("#narrow/id/78", "#narrow/id/70078"),
        ("#narrow/-channel/5-x/-sender/3-Iago", "#narrow/-channel/2005-x/-sender/1003-Iago"),
        ("#narrow/dm-including/3-Iago", "#narrow/dm-including/1003-Iago"),
        ("#narrow/group-pm-with/3,4-group", "#narrow/group-pm-with/1003,1004-group"),
        (
            "see [it](#narrow/channel/5-general/topic/x/near/78).",
            "see [it](#narrow/channel/2005-general/topic/x/near/70078).",
        ),
        ("/#narrow/dm/3,4-group", "/#narrow/dm/1003,1004-group"),
        ("<#narrow/stream/5-x>", "<#narrow/stream/2005-x>"),
        ('"#narrow/channel/5"', '"#narrow/channel/2005"'),
        ("#narrow/channel/5\n#narrow/channel/6", "#narrow/channel/2005\n#narrow/channel/2006"),
        (
            "@_**Iago|12** [said](#narrow/channel/5-x/topic/y/near/78):\n```quote\nhi\n```",
            "@_**Iago|1012** [said](#narrow/channel/2005-x/topic/y/near/70078):\n```quote\nhi\n```",
        ),
    ],
)
def test_ids_in_what_was_typed(texts: TextRewriter, before: str, after: str) -> None:
    assert texts.markdown(before) == after


@pytest.mark.parametrize(
    "text",
    [
        "",
        "plain | text ** with | signs **12**",
        "@**Iago**",
        "@*group*",
        "@**all**",
        "#**general>topic**",
        "@**gone|400**",
        "@**Iago|12*",
        "@**Iago|12 **",
        "**Iago|12**",
        "@**two\nlines|12**",
        f"@**Iago|{HUGE}**",
        "@**Iago|\u0661\u0662**",
        "https://zulip.example.test/#narrow/channel/5-general/near/78",
        "[x](https://zulip.example.test/#narrow/channel/5)",
        "[x](//zulip.example.test/#narrow/channel/5)",
        "x#narrow/channel/5",
        "x/#user/12 x#user/12 //#user/12",
        "##narrow/channel/5",
        'data-user-id="12" /user_avatars/2/emoji/images/7.png',
        "#narrow/channel/400/near/12345",
    ],
    ids=lambda text: text[:40],
)
def test_other_words_stay(texts: TextRewriter, text: str) -> None:
    assert texts.markdown(text) == text


# --- paths of uploads

PATHS = {
    "2/ab/OldToken/notes.txt": "9/7/NewToken/notes.txt",
    "2/1f/OtherOld/gr\u00fc\u00dfe a+b.png": "9/c/OtherNew/gr\u00fc\u00dfe a+b.png",
}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("[n](/user_uploads/2/ab/OldToken/notes.txt)", "[n](/user_uploads/9/7/NewToken/notes.txt)"),
        (
            '<img src="/user_uploads/thumbnail/2/ab/OldToken/notes.txt/840x560.webp">',
            '<img src="/user_uploads/thumbnail/9/7/NewToken/notes.txt/840x560.webp">',
        ),
        (
            "https://old.example.test/user_uploads/2/ab/OldToken/notes.txt",
            "https://old.example.test/user_uploads/9/7/NewToken/notes.txt",
        ),
        ("2/1f/OtherOld/gr\u00fc\u00dfe a+b.png", "9/c/OtherNew/gr\u00fc\u00dfe a+b.png"),
        ("2/1f/OtherOld/gr%C3%BC%C3%9Fe%20a%2Bb.png", "9/c/OtherNew/gr%C3%BC%C3%9Fe%20a%2Bb.png"),
        (
            "2/ab/OldToken/notes.txt 2/ab/OldToken/notes.txt 2/1f/OtherOld/gr\u00fc\u00dfe a+b.png",
            "9/7/NewToken/notes.txt 9/7/NewToken/notes.txt 9/c/OtherNew/gr\u00fc\u00dfe a+b.png",
        ),
        ("2/ab/OldToken/other.txt", "2/ab/OldToken/other.txt"),
        ("2/ab/oldtoken/notes.txt", "2/ab/oldtoken/notes.txt"),
        ("", ""),
    ],
)
def test_paths_of_uploads(before: str, after: str) -> None:
    assert with_new_paths(before, PATHS) == after


def test_without_paths_nothing_changes() -> None:
    assert with_new_paths("2/ab/OldToken/notes.txt", {}) == "2/ab/OldToken/notes.txt"


# --- links to uploads, of all that came along


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("[n](/user_uploads/2/ab/OldToken/notes.txt)", "[n](/user_uploads/9/7/NewToken/notes.txt)"),
        (
            '<img src="/user_uploads/thumbnail/2/ab/OldToken/notes.txt/840x560.webp">',
            '<img src="/user_uploads/thumbnail/9/7/NewToken/notes.txt/840x560.webp">',
        ),
        (
            "/user_uploads/download/2/ab/OldToken/notes.txt",
            "/user_uploads/download/9/7/NewToken/notes.txt",
        ),
        (
            "/user_uploads/2/1f/OtherOld/gr%C3%BC%C3%9Fe%20a%2Bb.png",
            "/user_uploads/9/c/OtherNew/gr%C3%BC%C3%9Fe%20a%2Bb.png",
        ),
        ("/user_uploads/2/ShortOld/notes.txt#x", "/user_uploads/9/ShortNew/notes.txt#x"),
        ("2/ab/OldToken/notes.txt", "2/ab/OldToken/notes.txt"),
        ("/user_uploads/2/ab/OldToken/other.txt", "/user_uploads/2/ab/OldToken/other.txt"),
        ("/user_uploads/2", "/user_uploads/2"),
        ("/user_uploads/", "/user_uploads/"),
    ],
)
def test_links_to_uploads(before: str, after: str) -> None:
    paths = PATHS | {"2/ShortOld/notes.txt": "9/ShortNew/notes.txt"}
    assert with_known_uploads(before, paths) == after


def test_the_address_of_an_emoji(texts: TextRewriter) -> None:
    assert texts.emoji_path("/user_avatars/2/emoji/images/7.png") == (
        "/user_avatars/52/emoji/images/7.png"
    )
    assert texts.emoji_path("/user_avatars/x/emoji") == "/user_avatars/x/emoji"
    of_bucket = "https://b.s3.test/2/emoji/images/still/7.png"
    assert texts.emoji_path(of_bucket) == "/user_avatars/52/emoji/images/still/7.png"
    unknown = "https://b.s3.test/400/emoji/images/7.png"
    assert texts.emoji_path(unknown) == unknown
