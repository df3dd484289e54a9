"""What a new organization and a new user find written: Markdown, and how the server renders it.

The server renders a message once, when it is sent, and shows the HTML. So both are kept here side
by side; `CHANNEL_ID` stands for the number of the channel that is linked to.
"""

from __future__ import annotations

from dataclasses import dataclass

from zcore.organizations.bot_messages import Text
from zops_realm.initial_channels import GENERAL_CHANNEL, HELP_CHANNEL, SANDBOX_CHANNEL

MOVING = "moving messages"
EXPERIMENTS = "experiments"
STARTING = "start a conversation"
GREETINGS = "greetings"
WELCOME = "welcome to Zulip!"

CHANNEL_ID = "CHANNEL_ID"
WAVE = '<span aria-label="wave" class="emoji emoji-1f44b" role="img" title="wave">:wave:</span>'
TOUR = "https://static.zulipchat.com/static/navigation-tour-video/zulip-10.mp4"


@dataclass(frozen=True, slots=True)
class IntroductoryMessage:
    """A message that stands in one of the first channels from the beginning."""

    channel: str
    topic: str
    text: Text


_EXAMPLES = Text(
    """\
````spoiler A few things to copy

```python
for name in names:
    greet(name)
```

- a point
- another point

A topic elsewhere: #**Zulip>welcome to Zulip!**

````""",
    """\
<div class="spoiler-block"><div class="spoiler-header">
<p>A few things to copy</p>
</div><div class="spoiler-content" aria-hidden="true">
<div class="codehilite" data-code-language="Python"><pre><span></span><code>\
<span class="k">for</span> <span class="n">name</span> <span class="ow">in</span> \
<span class="n">names</span><span class="p">:</span>
    <span class="n">greet</span><span class="p">(</span><span class="n">name</span>\
<span class="p">)</span>
</code></pre></div>
<ul>
<li>a point</li>
<li>another point</li>
</ul>
<p>A topic elsewhere: <a class="stream-topic" data-stream-id="CHANNEL_ID" \
href="/#narrow/channel/CHANNEL_ID-Zulip/topic/welcome.20to.20Zulip.21">\
#Zulip &gt; welcome to Zulip!</a></p>
</div></div>""",
)

# The first message of a topic is starred for whoever finds it.
INTRODUCTION = (
    IntroductoryMessage(
        HELP_CHANNEL,
        MOVING,
        Text(
            "What landed in the wrong place can be put right: [send messages to another topic]"
            "(/help/move-content-to-another-topic), [give a topic a better name]"
            "(/help/rename-a-topic), or take it [into another channel]"
            "(/help/move-content-to-another-channel).",
            '<p>What landed in the wrong place can be put right: <a href="'
            '/help/move-content-to-another-topic">send messages to another topic</a>, <a href="'
            '/help/rename-a-topic">give a topic a better name</a>, or take it <a href="'
            '/help/move-content-to-another-channel">into another channel</a>.</p>',
        ),
    ),
    IntroductoryMessage(
        HELP_CHANNEL,
        MOVING,
        Text(
            "Practise on this one: open its menu, and send it to a topic of your own choice.",
            "<p>Practise on this one: open its menu, and send it to a topic of your own choice."
            "</p>",
        ),
    ),
    IntroductoryMessage(
        SANDBOX_CHANNEL,
        EXPERIMENTS,
        Text(
            "Nothing in here is meant seriously, so write what you like. This is "
            "[how text is formatted](/help/format-your-message-using-markdown).",
            "<p>Nothing in here is meant seriously, so write what you like. This is "
            '<a href="/help/format-your-message-using-markdown">how text is formatted</a>.</p>',
        ),
    ),
    IntroductoryMessage(SANDBOX_CHANNEL, EXPERIMENTS, _EXAMPLES),
    IntroductoryMessage(
        SANDBOX_CHANNEL,
        STARTING,
        Text(
            "Something new to talk about gets a topic of its own: choose the channel first, then "
            "**Start new conversation**.",
            "<p>Something new to talk about gets a topic of its own: choose the channel first, "
            "then <strong>Start new conversation</strong>.</p>",
        ),
    ),
    IntroductoryMessage(
        SANDBOX_CHANNEL,
        STARTING,
        Text(
            "Two or three words make a good topic: enough for others to see at a glance whether it "
            "concerns them.",
            "<p>Two or three words make a good topic: enough for others to see at a glance whether "
            "it concerns them.</p>",
        ),
    ),
    IntroductoryMessage(
        SANDBOX_CHANNEL,
        STARTING,
        Text(
            "Have a go in this channel. Whatever you begin here disturbs nobody.",
            "<p>Have a go in this channel. Whatever you begin here disturbs nobody.</p>",
        ),
    ),
    IntroductoryMessage(
        GENERAL_CHANNEL,
        GREETINGS,
        Text(
            "Good to have you all here! :wave: Tell the others who you are and what you do.",
            f"<p>Good to have you all here! {WAVE} Tell the others who you are and what you do."
            "</p>",
        ),
    ),
    IntroductoryMessage(
        GENERAL_CHANNEL,
        GREETINGS,
        Text(
            "To answer in a conversation, select a message of it and press `r`.",
            "<p>To answer in a conversation, select a message of it and press <code>r</code>.</p>",
        ),
    ),
    IntroductoryMessage(
        HELP_CHANNEL,
        WELCOME,
        Text(
            "Every message has a topic, and every topic belongs to a channel; this page explains "
            "[what that is good for](/help/introduction-to-topics).",
            "<p>Every message has a topic, and every topic belongs to a channel; this page "
            'explains <a href="/help/introduction-to-topics">what that is good for</a>.</p>',
        ),
    ),
    IntroductoryMessage(
        HELP_CHANNEL,
        WELCOME,
        Text(
            "Select a topic to see that conversation and nothing else. `n` takes you to the next "
            "one in which something is new.",
            "<p>Select a topic to see that conversation and nothing else. <code>n</code> takes you "
            "to the next one in which something is new.</p>",
        ),
    ),
    IntroductoryMessage(
        HELP_CHANNEL,
        WELCOME,
        Text(
            "Whatever you have not read yet waits in your [inbox](/#inbox), one line for each "
            "conversation.",
            '<p>Whatever you have not read yet waits in your <a href="/#inbox">inbox</a>, one line '
            "for each conversation.</p>",
        ),
    ),
)

HELLO = Text(
    "Hello, I am the Welcome Bot. :wave: Only you can read this message.",
    f"<p>Hello, I am the Welcome Bot. {WAVE} Only you can read this message.</p>",
)
THERE_IS_AN_INTRODUCTION = Text(
    "Some conversations have been begun for you to look around in: they wait in your "
    "[inbox](/#inbox).",
    "<p>Some conversations have been begun for you to look around in: they wait in your "
    '<a href="/#inbox">inbox</a>.</p>',
)
FIRST_STEPS = Text(
    "The [first steps](/help/getting-started-with-zulip) are explained on one page.",
    '<p>The <a href="/help/getting-started-with-zulip">first steps</a> are explained on one page.'
    "</p>",
)
BRINGING_PEOPLE_OVER = Text(
    "And for those who run an organization, there is advice on [how everybody gets here]"
    "(/help/moving-to-zulip).",
    "<p>And for those who run an organization, there is advice on "
    '<a href="/help/moving-to-zulip">how everybody gets here</a>.</p>',
)
USING_IT_FOR_A_CLASS = Text(
    "One page is for those who [take part in a class](/help/using-zulip-for-a-class).",
    '<p>One page is for those who <a href="/help/using-zulip-for-a-class">take part in a class</a>.'
    "</p>",
)
SETTING_UP_A_CLASS = Text(
    "And for those who teach, there is advice on [how a class is set up]"
    "(/help/setting-up-zulip-for-a-class).",
    "<p>And for those who teach, there is advice on "
    '<a href="/help/setting-up-zulip-for-a-class">how a class is set up</a>.</p>',
)
SEE_THE_TOUR = Text(
    f"There is also a [short film]({TOUR}) that shows all of it at work.",
    f'<p>There is also a <a href="{TOUR}">short film</a> that shows all of it at work.</p>\n'
    f'<div class="message_inline_image message_inline_video"><a href="{TOUR}" title="short film">'
    f'<video preload="metadata" src="{TOUR}"></video></a></div>',
)
ONLY_A_DEMO = Text(
    "This organization is a demo, and will be deleted with all that is in it, unless somebody "
    "[keeps it](/help/demo-organizations#convert-a-demo-organization-to-a-permanent-organization).",
    "<p>This organization is a demo, and will be deleted with all that is in it, unless somebody "
    '<a href="/help/demo-organizations#convert-a-demo-organization-to-a-permanent-organization">'
    "keeps it</a>.</p>",
)


def paragraphs(*texts: Text) -> Text:
    """`texts` one below the other, as one."""
    return Text(
        "\n\n".join(text.content for text in texts), "\n".join(text.rendered for text in texts)
    )
