"""The HTML of messages whose images get thumbnails: only what waits for them is written anew."""

from __future__ import annotations

import pytest

from zops_queue.thumbnails.rendered import Shown, with_thumbnail, without_image

PATH = "4/a0/yTcxTFrLrdhaCZlLIIqC0R6f/größe 8.png"
SHOWN = Shown("/user_uploads/thumbnail/x/840x560.webp", "632x861", "image/png", False, None)
WAITING = (
    '<img class="image-loading-placeholder" data-original-content-type="image/png"'
    ' data-original-dimensions="632x861" src="/static/images/loading/loader-black.svg">'
)
DONE = (
    '<img data-original-content-type="image/png" data-original-dimensions="632x861"'
    ' src="/user_uploads/thumbnail/x/840x560.webp">'
)


def block(image: str, path: str = PATH) -> str:
    link = f'<a href="/user_uploads/{path}" title="größe &amp; 8">{image}</a>'
    return f'<div class="message_inline_image">{link}</div>'


BEFORE = (
    "<p>Grün &amp; <b>gut</b> \u2028 &copy;<br/>\n"
    f'<a href="/user_uploads/{PATH}">one</a></p>\n<ul>\n<li>x<br>\n'
)
AFTER = "</li>\n</ul>\n<p>the\r\nend &lt;&nbsp;</p>"


def test_only_the_image_is_written_anew() -> None:
    html = f"{BEFORE}{block(WAITING)}{AFTER}"
    assert with_thumbnail(html, PATH, SHOWN) == f"{BEFORE}{block(DONE)}{AFTER}"
    assert without_image(html, PATH) == f"{BEFORE}{AFTER}"


def test_an_image_that_moves_and_one_that_browsers_cannot_show() -> None:
    shown = Shown('/a"b&c', "1x2", "image/tiff", True, "4032x3024.webp")
    assert with_thumbnail(block(WAITING), PATH, shown) == block(
        '<img data-animated="true" data-original-content-type="image/tiff"'
        ' data-original-dimensions="1x2" data-transcoded-image="4032x3024.webp"'
        ' src="/a&quot;b&amp;c">'
    )


def test_several_images_in_one_message() -> None:
    other = "4/a0/other.png"
    html = f"{block(WAITING)}\n{block(WAITING, other)}\n{block(WAITING)}"
    assert (
        with_thumbnail(html, PATH, SHOWN)
        == f"{block(DONE)}\n{block(WAITING, other)}\n{block(DONE)}"
    )
    assert without_image(html, other) == f"{block(WAITING)}\n\n{block(WAITING)}"


@pytest.mark.parametrize(
    "html",
    [
        "",
        "<p>no image</p>",
        block(DONE),
        block(WAITING, "4/a0/other.png"),
        block(WAITING, f"{PATH}x"),
        block(WAITING).replace("message_inline_image", "message_embed"),
        f'<p><a href="/user_uploads/{PATH}">{WAITING}</a></p>',
        f"{block(DONE)}<p>{WAITING}</p>",
        "<p>image-loading-placeholder</p>",
        f"<pre>{block(WAITING).replace('<', '&lt;')}</pre>",
    ],
)
def test_what_waits_for_nothing_stays(html: str) -> None:
    assert with_thumbnail(html, PATH, SHOWN) is None
    assert without_image(html, PATH) is None


def test_a_path_that_is_written_with_percent_signs() -> None:
    quoted = "4/a0/yTcxTFrLrdhaCZlLIIqC0R6f/gr%C3%B6%C3%9Fe%208.png"
    assert with_thumbnail(block(WAITING, quoted), PATH, SHOWN) == block(DONE, quoted)


def test_a_message_of_nothing_but_an_image_that_is_none() -> None:
    assert without_image(f"{block(WAITING)}\n", PATH) == ""
