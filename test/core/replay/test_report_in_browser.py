"""The report as a person meets it: opened from disk in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from browser import Browser, find_browser, NAMES
import pytest

PROGRAM = find_browser()

pytestmark = pytest.mark.skipif(
    PROGRAM is None, reason=f'no browser to open the report in: none of {", ".join(NAMES)}'
)

MIDDLE_OF_TIMELINE = """
(() => {
  const timeline = document.querySelector('.timeline');
  timeline.scrollIntoView({block: 'center'});
  const box = timeline.getBoundingClientRect();
  return [box.left + box.width / 2, box.top + box.height / 2];
})()
"""

WORST_IMAGES = """
(async () => {
  const images = [...document.querySelectorAll('details[open] .worst img')];
  images.forEach((image) => { image.loading = 'eager'; });
  await Promise.all(images.map((image) => image.decode()));
  return images.map((image) => [image.alt.split(' ')[0], image.naturalWidth]);
})()
"""


@pytest.fixture
def report(replayed: Path) -> Path:
    return replayed / 'report.html'


@pytest.fixture(scope='module')
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    assert PROGRAM is not None
    with Browser(PROGRAM, tmp_path_factory.mktemp('profile')) as browser:
        yield browser


@pytest.fixture
def page(browser: Browser, report: Path) -> Browser:
    browser.complaints.clear()
    browser.requests.clear()
    browser.open(report)
    return browser


def test_page_opens_from_disk_without_network_or_errors(page: Browser, report: Path) -> None:
    page.evaluate(WORST_IMAGES)
    assert page.evaluate('document.title') == 'Replay: 2 runs'
    assert [r for r in page.requests if not r.startswith('data:')] == [report.resolve().as_uri()]
    assert page.complaints == []


def test_browser_would_have_told_of_errors_and_requests(browser: Browser, tmp_path: Path) -> None:
    wrong = tmp_path / 'wrong.html'
    wrong.write_text('<img src="http://example.invalid/a.png"><script>no.such()</script>')
    browser.open(wrong)
    assert any('no is not defined' in text for text in browser.complaints)
    assert 'http://example.invalid/a.png' in browser.requests


def test_worst_frames_show_rgb_depth_labels_and_truth(page: Browser) -> None:
    images = page.evaluate(WORST_IMAGES)
    assert len(images) >= 12
    assert {what for what, _ in images} == {'RGB', 'depth', 'labels', 'truth'}
    assert all(width == 96 for _, width in images)


def test_frame_under_the_pointer_is_shown(page: Browser) -> None:
    first = page.evaluate("document.querySelector('.viewer img').src")
    page.move_to(*page.evaluate(MIDDLE_OF_TIMELINE))
    said = page.evaluate("document.querySelector('output').textContent")
    assert abs(float(said.split(' s')[0]) - 1.5) < 0.1
    assert page.evaluate("document.querySelector('.viewer img').src") != first
    assert page.evaluate("document.querySelector('.viewer img').alt").endswith(said)


def test_arrow_keys_move_from_frame_to_frame(page: Browser) -> None:
    page.evaluate("document.querySelector('.viewer input').focus()")
    page.press('ArrowRight', 39)
    assert page.evaluate("document.querySelector('.viewer input').value") == '1'
    said = page.evaluate("document.querySelector('output').textContent")
    assert said == page.evaluate(
        "document.querySelector('.viewer input').getAttribute('aria-valuetext')"
    )


def test_worst_frame_is_found_on_the_timeline(page: Browser) -> None:
    time_s = page.evaluate(
        "(() => { const b = document.querySelectorAll('.worst button')[1]; b.click();"
        ' return Number(b.dataset.time); })()'
    )
    said = page.evaluate("document.querySelector('output').textContent")
    assert abs(float(said.split(' s')[0]) - time_s) < 0.06


def test_link_in_the_table_opens_its_run(page: Browser) -> None:
    closed = "document.querySelector('#run-1').open"
    assert page.evaluate(closed) is False
    page.evaluate(
        "new Promise((done) => { addEventListener('hashchange', () => setTimeout(done));"
        ' document.querySelector(\'a[href="#run-1"]\').click(); })'
    )
    assert page.evaluate(closed) is True


def test_nothing_hangs_over_the_edge_of_a_phone(page: Browser, report: Path) -> None:
    page.open(report, width=360, height=740)
    page.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
    assert page.evaluate('document.documentElement.scrollWidth') == 360


def test_colors_follow_the_system(page: Browser) -> None:
    color = 'getComputedStyle(document.body).backgroundColor'
    light = page.evaluate(color)
    page.go_dark()
    assert (light, page.evaluate(color)) == ('rgb(251, 251, 250)', 'rgb(20, 24, 27)')


def test_every_image_says_in_words_what_it_shows(page: Browser) -> None:
    assert page.evaluate('[...document.images].filter((i) => !i.alt).length') == 0
    assert page.evaluate('document.documentElement.lang') == 'en'
