"""The page answers first, holds everything it shows, loads nothing, and survives any name."""

import hashlib
import re
import subprocess
import sys
from base64 import b64encode
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from rareevent.errors import OutputError
from rareevent.report.content import RunReport
from rareevent.report.page import render, write_report

HOSTILE = [
    "<script>window.hacked=1</script>",
    '"><img src=x onerror=window.hacked=1>',
    "it's & <b>",
]


class Reader(HTMLParser):
    """Collects tags, attributes that could fetch something, and the text that is shown."""

    def __init__(self):
        super().__init__()
        self.tags, self.fetched, self.words, self.open = [], [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.open.append(tag)
        for name, value in attrs:
            if name in ("src", "href", "srcset", "action", "poster", "data"):
                self.fetched.append(value)
            assert not name.startswith("on"), (tag, name)
            assert name != "style", tag

    def handle_endtag(self, tag):
        while self.open and self.open.pop() != tag:
            pass

    def handle_data(self, data):
        if not {"style", "script"} & set(self.open):
            self.words.append(data)


def read_page(page):
    reader = Reader()
    reader.feed(page)
    return reader


def shown(page):
    return re.sub(r"\s+", " ", " ".join(read_page(page).words))


@pytest.fixture(scope="module")
def small(sample):
    return sample(events=12, rows=1200)


@pytest.fixture(scope="module")
def page(small):
    return render(small)


def test_answer_and_headline_figures_come_before_everything_else(page, small):
    metrics = small.model["metrics"]
    low, high = (round(100 * v) for v in small.model["intervals"]["event_recall_exact"])
    words = shown(page[page.index("<header>") : page.index("</header>")])
    assert f"{metrics['caught']} of {metrics['events']} events were announced" in words
    assert small.verdict in words
    assert f"95 % interval {low}–{high} %" in words
    assert f"{metrics['false_alarms']} in all" in words
    assert "alarms at random: " in words


@pytest.mark.parametrize(
    ("metrics", "sentence"),
    [
        (
            {"events": 9, "caught": 4, "lead_time_median_min": 6.0, "false_alarms_per_day": 2.5},
            "4 of 9 events were announced, half of them at least 6 min ahead, at 2.5 false alarms"
            " per day.",
        ),
        (
            {"events": 9, "caught": 1, "lead_time_median_min": 90, "false_alarms_per_day": 0.0},
            "1 of 9 events was announced 90 min ahead, at 0 false alarms per day.",
        ),
        (
            {"events": 1, "caught": 0, "lead_time_median_min": None, "false_alarms_per_day": None},
            "None of 1 event was announced.",
        ),
        ({"events": 0, "caught": 0}, "There is no event in the test part"),
    ],
)
def test_answer_is_one_sentence_of_the_figures(metrics, sentence):
    assert sentence in shown(render(RunReport("a", "id", "now", "", model={"metrics": metrics})))


def test_without_skill_the_answer_is_that_and_no_catch():
    metrics = {"events": 9, "caught": 4, "false_alarms_per_day": 2.5}
    bare = RunReport("a", "id", "now", "", model={"metrics": metrics}, skill={"has_skill": False})
    words = shown(render(bare))

    assert "No evidence that these events can be predicted from these sensors" in words
    assert "4 of 9 events were announced" not in words
    assert "4 of 9 events were announced" in shown(render(replace(bare, skill=None)))


def test_sections_come_in_the_order_in_which_they_are_asked(page):
    ids = re.findall(r'<section id="(\w+)"', page)
    assert ids == [
        "compare", "timeline", "tradeoff", "rows", "events", "importance", "data", "audit",
        "training", "config", "glossary",
    ]  # fmt: skip


def test_fleet_has_a_table_by_asset(sample):
    page = render(sample(assets=4, events=12, rows=400))
    table = page[page.index('<section id="assets"') :]
    assert all(f"machine {i:03d}" in table[: table.index("</section>")] for i in range(1, 5))


def test_every_uncaught_event_is_listed_with_its_reason(page, small):
    listed = page[page.index('<section id="events"') :]
    listed = listed[: listed.index("<details>")]
    for event in small.model["events"]:
        assert (event["time"][:16] in listed) == (event["outcome"] != "caught")
    assert "no alarm in its catch window" in listed


def test_an_event_that_was_silenced_names_the_alarm_that_did_it(sample):
    report = sample(events=12)
    missed = next(e for e in report.model["events"] if e["outcome"] == "missed")
    missed["silenced"] = True
    alarms = report.model["alarms"]
    before = [a for a in alarms if a["asset"] == missed["asset"] and a["tick"] < missed["tick"]]

    page = render(report)

    assert f"the alarm at {before[-1]['time'][:16]} kept it silent" in page


def test_page_refers_to_nothing_outside_itself(page):
    reader = read_page(page)
    assert set(reader.fetched) <= {"data:,"}
    assert not {"img", "iframe", "object", "embed", "link rel"} & set(reader.tags)
    css = page[page.index("<style>") : page.index("</style>")]
    assert "url(" not in css
    assert "@import" not in css


def test_policy_admits_only_the_pages_own_style_and_script(page):
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)[1].replace("&#39;", "'")
    assert "default-src 'none'" in policy
    for tag, kind in (("style", "style-src"), ("script", "script-src")):
        text = page[page.rindex(f"<{tag}>") + len(tag) + 2 : page.rindex(f"</{tag}>")]
        digest = b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{kind} 'sha256-{digest}'" in policy


def test_hostile_names_are_shown_as_text(small, sample):
    fleet = sample(events=9, rows=300, names=HOSTILE)
    page = render(
        replace(
            fleet,
            name=HOSTILE[0],
            verdict=HOSTILE[1],
            config_yaml=HOSTILE[0],
            channels=HOSTILE[1],
            notes=[HOSTILE[0]],
            baselines={HOSTILE[0]: fleet.baselines["logistic"]},
            dropped={HOSTILE[0]: 3},
            quality={
                "columns": [{"name": HOSTILE[1], "dirty": 2, "dirty_values": {HOSTILE[0]: 2}}]
            },
            audit={"mode": HOSTILE[0], "checks": [], "warnings": [HOSTILE[1]]},
        )
    )
    reader = read_page(page)  # it also refuses every on… attribute
    assert reader.tags.count("script") == 1
    assert "img" not in reader.tags
    assert HOSTILE[0] in shown(page)
    assert HOSTILE[2] in shown(page)


def test_same_report_gives_the_same_page(small, page):
    assert render(small) == page


def test_leaky_run_says_so_loudly_and_others_do_not(small, page):
    assert "do not believe them" in shown(render(replace(small, leaky=True)))
    assert "do not believe them" not in shown(page)


def test_failed_check_of_the_audit_is_named_first_and_unfolded(small):
    checks = [
        {"name": "scaling: learned from earlier rows only", "passed": True, "detail": ""},
        {"name": "models: no event on both sides", "passed": False, "detail": "2 events"},
    ]
    page = render(replace(small, audit={"mode": "m", "checks": checks}))
    section = page[page.index('<section id="audit"') :]
    assert "FAILED models: no event on both sides 2 events" in shown(
        section[: section.index("<details>")]
    )
    assert "The other 1 check passed" in shown(section)


def test_age_clock_counts_in_cycles(sample):
    words = shown(render(sample(assets=5, events=8, rows=200, dated=False)))
    assert "per 1,000 cycles" in words
    assert "per day" not in words
    assert " min " not in words
    assert "cycle" in words


def test_test_part_without_an_event_says_what_cannot_be_said(sample):
    words = shown(render(sample(events=0, rows=400, baselines={})))
    assert "nothing can be said about catching one" in words
    assert "No baseline was run" in words
    assert "None" not in words


def test_bare_report_still_makes_a_page():
    words = shown(render(RunReport("bare", "id", "now", "", model={})))
    assert "There is no event in the test part" in words
    assert "None" not in words
    assert "nan" not in words


def test_many_assets_stay_one_small_page(sample):
    page = render(sample(assets=100, events=60, rows=300))
    assert "Shown are the 24 of 100 assets" in page
    assert len(page) < 1_000_000


def test_too_few_blocks_are_given_as_the_reason_for_missing_intervals(small):
    model = {**small.model, "blocks": {"kind": "time", "count": 4, "length": 1}}
    assert "4 stretches of time are too few" in shown(render(replace(small, model=model)))


def test_report_replaces_a_file_whole_and_leaves_nothing_beside_it(small, tmp_path):
    path = tmp_path / "deep" / "report.html"
    write_report(small, path)
    write_report(replace(small, name="other"), path)
    assert "<title>other" in path.read_text(encoding="utf-8")
    assert list(path.parent.iterdir()) == [path]


def test_unwritable_path_is_an_output_error_that_names_it(small, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match=r"file/report\.html: cannot be written"):
        write_report(small, tmp_path / "file" / "report.html")
    assert (tmp_path / "file").read_text() == "in the way"


def test_importing_the_report_loads_neither_jinja_nor_matplotlib():
    code = (
        "import sys, rareevent.report.page, rareevent.report.plots;"
        "print(sorted({'jinja2', 'matplotlib', 'pandas', 'sklearn'} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
