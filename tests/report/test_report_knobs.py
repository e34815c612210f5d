"""The page's knobs: the script prints what Python computes from the numbers stored on the page."""

import base64
import hashlib
import html
import json
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clvsim.knobs import MOST_BYTES, POINTS, Effects, Knobs, Lines
from clvsim.report import format as fmt
from clvsim.report import knobs as page
from clvsim.report import write_report
from clvsim.types import RunResult
from tests.report.factory import DRAWS, demo

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"),
    *("--proxy-server=127.0.0.1:9", "--enable-logging=stderr", "--v=0"),
]
LEVERS = {f"lever_{i}": (f"Lever {i} <&>", 4_000.0 - 1_200.0 * i, 3_000.0) for i in range(6)}
LEVERS |= {"upsell_soft": ("Gentle upsell", 9_000.0, 5_000.0), "conversion": ("Landing page", 100.0, 2_000.0)}
KEYS = ("finance.gross_margin", "finance.cost_per_order", "acquisition.channels.ads.cost_per_visitor",
        *(f"scenario.lever_{i}.post.cost" for i in range(6)), "scenario.upsell_soft.upsell.price")  # fmt: skip
TERMS = ((), *((k,) for k in range(10)), (0, 9))
REST = np.array([0.35, 1.5, 0.4, 0.02, 0.5, 1.0, 2.0, 3.0, 0.001, 15.0])
EFFECTS = (("upsell_soft", "scenario.upsell_soft.upsell.take"), ("conversion", "scenario.conversion.conversion.size"))


def with_knobs(**changed: Any) -> RunResult:
    """The demonstration with eight levers of 1,000 draws and twelve sizes each, whose sum is what it shows."""
    result, rng = replace(demo(LEVERS), **changed), np.random.default_rng(5)
    coefficients = np.array([np.prod(REST[list(term)]) for term in TERMS])
    means = {"plan_value": 104_230.0, "rlv_per_customer": 26.31, "pav_per_newcomer": 41.4, "visitor_value": 0.828}
    levels = rng.normal(size=(4, 12, DRAWS)) * np.array(list(means.values()))[:, None, None] * 0.05
    levels[:, 3:] = 0.0
    for row, mean in enumerate(means.values()):
        levels[row, 0] += mean - np.einsum("t,tn->n", coefficients, levels[row])
    deltas = rng.normal(size=(len(LEVERS), 12, DRAWS)) * 1_000 / np.where(coefficients > 0, coefficients, 1)[:, None]
    deltas[:, :, :50] = 0.0  # draws in which levers do nothing
    for row, name in enumerate(LEVERS):
        rest = np.einsum("t,tn->n", coefficients, deltas[row])
        deltas[row, 0] += np.where(np.arange(DRAWS) < 50, 0.0, result.delta_draws[name] - rest)
    at = np.stack([np.linspace(0.03, 0.15, POINTS), np.linspace(-0.04, 0.1, POINTS)])
    mean = 60_000 * at + 3e5 * at**2
    given = Lines.of(tuple(path for _, path in EFFECTS), rng.normal(2_000, 1_500, size=(2, 1, DRAWS)))
    effects = Effects(tuple(name for name, _ in EFFECTS), at, mean, 0.03 * mean + 10, given)
    knobs = Knobs(KEYS, REST, TERMS, Lines.of(tuple(means), levels), Lines.of(tuple(LEVERS), deltas), effects)
    assert not knobs.problem()
    table = result.comparison.copy()
    table.loc[(table["metric"] == "rlv_per_customer") & (table["scenario"] == "baseline"), "mean"] = 26.31
    return replace(result, knobs=knobs, comparison=table)


@pytest.fixture(scope="module")
def result() -> RunResult:
    return with_knobs()


def stored(text: str) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="knobs-data">(.*?)</script>', text, re.DOTALL)
    assert found
    return json.loads(found[1])


def test_page_keeps_to_its_limits(result: RunResult, tmp_path: Path) -> None:
    text = write_report(result, tmp_path).read_text("utf-8")
    data = re.search(r'id="knobs-data">(.*?)</script>', text, re.DOTALL)
    assert data
    assert len(data[1]) <= MOST_BYTES
    assert "<" not in data[1]
    assert len(text.encode()) <= 1_000_000
    assert len(page.script().encode()) <= 15_000
    digest = base64.b64encode(hashlib.sha256(page.script().encode()).digest()).decode()
    assert f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'; base-uri" in text
    assert f"<script>{page.script()}</script>" in text
    assert not re.search(r"\son[a-z]+\s*=", re.sub(r"<script.*?</script>", "", text, flags=re.DOTALL))
    for word in ("eval", "innerHTML", "Function(", "http", "fetch", "import"):
        assert word not in page.script(), word
    assert re.search(r'<section id="knobs"[^>]* hidden>', text)


def test_page_without_knobs_has_no_script(tmp_path: Path) -> None:
    text = write_report(demo(), tmp_path).read_text("utf-8")
    assert "<script" not in text
    assert "script-src" not in text


def test_numbers_on_the_page_add_up_to_its_figures(result: RunResult) -> None:
    """At rest, from the stored integers: equal to what is printed, but for the rounding of a size."""
    assert result.knobs
    data = page.page_data(result, result.knobs)
    found = page.position(data, REST.tolist())
    panel = page.panel(result)
    assert panel
    assert [row[0] for row in found.levels] == [row.cells[0] for row in panel.levels]
    order = page.shown(result)
    for row, name in zip(found.levers, order, strict=True):
        values = result.delta_draws[name.name].copy()
        values[:50] = 0.0
        place = data["levers"][order.index(name)]["place"]
        assert row[0] == page._money(float(values.mean()), place, data, signed=True)


@pytest.mark.parametrize("place", [-2, -1, 0, 1, 3])
def test_numbers_are_written_as_elsewhere_on_the_page(place: int) -> None:
    """Halves alone are rounded otherwise: away from zero."""
    for value in np.random.default_rng(place + 9).normal(0, 4e4, 500):
        assert page._digits(value, place, signed=True) == fmt.number(value, place, signed=True)
    assert page._digits(2.5, 0) == "3"
    assert page._digits(-1250.0, 2) == "−1,300"
    assert page._digits(-0.2, 0, signed=True) == "0"
    for currency in ("USD", "CHF", "", "£"):
        data = {"currency": page._currency(replace(demo(), currency=currency))}
        assert page._money(-4100.3, place, data, signed=True) == fmt.money(-4100.3, place, currency, signed=True)


def positions(data: dict[str, Any], panel: page.Panel, number: int) -> list[dict[str, Any]]:
    """Random ones: some prices, and in every second an effect at a step of its slider."""
    rng = np.random.default_rng(77)
    found = []
    for turn in range(number):
        prices = [float(v) for v in REST]
        for k in rng.choice(len(prices), rng.integers(1, 4), replace=False):
            prices[k] = round(float(rng.uniform(0, 1 if k == 0 else 3 * REST[k] + 0.1)), 4)
        moved = None
        if turn % 2:
            k = int(rng.integers(len(panel.effects)))
            one = panel.effects[k]
            low, step = float(one.low), float(one.step)
            steps = round((float(one.high) - low) / step)
            moved = [k, float(f"{low + step * int(rng.integers(steps + 1)):.10g}")]
        found.append({"prices": prices, "moved": moved})
    return found


DRIVER = """
(() => {
  const panel = document.getElementById("knobs"), out = [], took = [];
  const inputs = panel.querySelectorAll("input[data-price]"), sliders = panel.querySelectorAll("input[data-effect]");
  const cells = [...panel.querySelectorAll("[data-cell]")];
  const told = () => Object.fromEntries(cells.map((cell) => [cell.dataset.cell, cell.textContent]));
  const printed = told();
  for (const one of POSITIONS) {
    panel.querySelector("[data-reset]").disabled = false;
    panel.querySelector("[data-reset]").click();
    one.prices.forEach((value, k) => { inputs[k].value = String(value); });
    let at = null;
    const start = performance.now();
    if (one.moved) {
      const slider = sliders[one.moved[0]];
      slider.value = String(one.moved[1]);
      at = slider.valueAsNumber;
      slider.dispatchEvent(new Event("input"));
    } else { inputs[0].dispatchEvent(new Event("input")); }
    took.push(performance.now() - start);
    const order = [...panel.querySelectorAll("tr[data-lever]")].map((row) => Number(row.dataset.lever));
    out.push({ cells: told(), order, at, chip: panel.querySelector(".chip").textContent,
               command: panel.querySelector("[data-command]").textContent });
  }
  panel.querySelector("[data-reset]").click();
  const result = { out, took, printed, reset: told(), width: document.documentElement.scrollWidth, seen: !panel.hidden,
                   labelled: [...panel.querySelectorAll("input")].every((i) => i.labels.length === 1) };
  inputs[1].value = "-3";
  inputs[1].dispatchEvent(new Event("input"));
  result.refused = [inputs[1].getAttribute("aria-invalid"), panel.querySelector(".chip").textContent];
  const pre = document.createElement("pre");
  pre.id = "driven";
  pre.textContent = JSON.stringify(result);
  document.body.append(pre);
})();
"""


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="no chromium, chromium-browser or google-chrome on PATH")
def test_script_prints_what_python_computes(result: RunResult, tmp_path: Path) -> None:
    path = write_report(result, tmp_path / "run")
    text = path.read_text("utf-8")
    data, panel = stored(text), page.panel(result)
    assert panel
    asked = positions(data, panel, 200)
    driver = DRIVER.replace("POSITIONS", json.dumps(asked))
    digest = base64.b64encode(hashlib.sha256(driver.encode()).digest()).decode()
    text = text.replace("script-src '", f"script-src 'sha256-{digest}' '", 1)
    path.write_text(text.replace("</body>", f"<script>{driver}</script></body>"), "utf-8")
    done = subprocess.run(
        [str(CHROMIUM), *FLAGS, f"--user-data-dir={tmp_path / 'profile'}", "--window-size=390,900", "--dump-dom",
         path.as_uri()],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    assert [line for line in done.stderr.splitlines() if "CONSOLE" in line] == []
    found = re.search(r'<pre id="driven">(.*?)</pre>', done.stdout, re.DOTALL)
    assert found
    told = json.loads(html.unescape(found[1]))
    assert told["seen"]
    assert told["labelled"]
    assert told["printed"] == told["reset"]
    assert told["refused"][0] == "true"
    assert told["refused"][1].startswith("Nothing moved")
    assert told["width"] <= 500  # the narrowest window of a headless browser; nothing scrolls sideways
    for one, shown in zip(asked, told["out"], strict=True):
        moved = (one["moved"][0], shown["at"]) if one["moved"] else None
        if moved:
            assert shown["at"] == pytest.approx(one["moved"][1], rel=1e-9, abs=1e-12)
        exact = page.position(data, one["prices"], moved)
        cells = {f"level.{i}.{j}": text for i, row in enumerate(exact.levels) for j, text in enumerate(row)}
        cells |= {f"lever.{i}.{j}": text for i, row in enumerate(exact.levers) for j, text in enumerate(row)}
        assert shown["cells"] == cells | {"today": exact.today}
        assert shown["order"] == exact.order
        number = sum(p != r for p, r in zip(one["prices"], REST, strict=True)) + (moved is not None)
        assert shown["chip"] == f"You moved {number} assumption{'s' if number > 1 else ''}"
        added = shown["command"].removeprefix(result.command).split()
        assert len(added) == number
        assert all(re.fullmatch(r"[a-z0-9_.]+=-?[0-9.e-]+", word) for word in added)
    print(f"a move took {np.mean(told['took']):.1f} ms, at most {max(told['took']):.1f}")
