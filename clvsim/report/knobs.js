"use strict";
(() => {
  const panel = document.getElementById("knobs");
  const data = JSON.parse(document.getElementById("knobs-data").textContent);
  const NBSP = "\u00a0", MINUS = "\u2212", SURE = [0.005, 0.995];
  const all = (selector) => Array.from(panel.querySelectorAll(selector));
  const one = (selector) => panel.querySelector(selector);

  // A line is [level] where all draws are alike, or [0, scale, base64 of int16, lowest byte first], or null.
  const steps = (text) => {
    const bytes = atob(text), out = new Float64Array(bytes.length / 2);
    for (let i = 0; i < out.length; i++) {
      const n = bytes.charCodeAt(2 * i) | (bytes.charCodeAt(2 * i + 1) << 8);
      out[i] = n > 32767 ? n - 65536 : n;
    }
    return out;
  };
  const decoded = (line) => line && { level: line[0], scale: line[1] || 0, steps: line[2] ? steps(line[2]) : null };
  for (const row of [...data.levels, ...data.levers]) row.lines = row.lines.map(decoded);
  for (const effect of data.effects) for (const curve of effect.curves) curve.given = decoded(curve.given);
  const n = data.draws, rest = data.prices.map((price) => price.value);

  // --- arithmetic: as clvsim/report/knobs.py has it, operation by operation ---
  const total = (row, coefficients) => {
    let base = 0;
    row.lines.forEach((line, t) => { if (line) base += coefficients[t] * line.level; });
    const out = new Float64Array(n).fill(base);
    row.lines.forEach((line, t) => {
      if (!line || !line.steps) return;
      const k = coefficients[t] * line.scale, s = line.steps;
      for (let d = 0; d < n; d++) out[d] += k * s[d];
    });
    return out;
  };
  const along = (at, values, x) => {
    const last = at.length - 1;
    if (x <= at[0]) return values[0];
    if (x >= at[last]) return values[last];
    let i = 1;
    while (at[i] < x) i++;
    return values[i - 1] + (values[i] - values[i - 1]) * ((x - at[i - 1]) / (at[i] - at[i - 1]));
  };
  const mean = (x) => { let sum = 0; for (let d = 0; d < n; d++) sum += x[d]; return sum / n; };
  const quantile = (sorted, q) => {
    const h = (n - 1) * q, k = Math.floor(h);
    return sorted[k] + (sorted[Math.min(k + 1, n - 1)] - sorted[k]) * (h - k);
  };
  const summary = (x) => {
    const sorted = Float64Array.from(x).sort();
    return { mean: mean(x), low: quantile(sorted, 0.05), high: quantile(sorted, 0.95) };
  };

  // --- text: the last digit is fixed by the run's own error; halves are rounded away from zero ---
  const digits = (value, place, signed) => {
    const power = Number("1e" + Math.abs(place));
    let units = place < 0 ? Math.floor(Math.abs(value) * power + 0.5) : Math.floor(Math.abs(value) / power + 0.5) * power;
    const sign = units === 0 ? "" : value < 0 ? MINUS : signed ? "+" : "";
    let text = String(units), fraction = "";
    if (place < 0) {
      text = text.padStart(1 - place, "0");
      fraction = "." + text.slice(place);
      text = text.slice(0, place);
    }
    return sign + text.replace(/\B(?=(\d{3})+$)/g, ",") + fraction;
  };
  const money = (value, place, signed) => {
    const text = digits(value, place, signed), [label, before] = data.currency;
    if (!label) return text;
    if (!before) return text + NBSP + label;
    const lead = text[0] === "+" || text[0] === MINUS ? text[0] : "";
    return lead + label + text.slice(lead.length);
  };
  const share = (p, place) => {
    if (p <= SURE[0]) return "<" + NBSP + "1" + NBSP + "%";
    if (p >= SURE[1]) return ">" + NBSP + "99" + NBSP + "%";
    if (place === -1) { const tens = Math.floor(p * 10 + 0.5); if (tens === 0 || tens === 10) place = -2; }
    return digits(p * 100, place + 2) + NBSP + "%";
  };
  const between = (s, place, signed) => "[" + digits(s.low, place, signed) + ", " + digits(s.high, place, signed) + "]";
  const regret = (loss) => {
    const text = money(loss, data.place);
    return loss > 0 && !/[1-9]/.test(text) ? "less than " + money(Number("1e" + data.place), data.place) : text;
  };

  const position = (prices, moved) => {
    const coefficients = data.terms.map((term) => term.reduce((product, k) => product * prices[k], 1));
    const levels = data.levels.map((row) => {
      const s = summary(total(row, coefficients));
      return [money(s.mean, row.place), between(s, row.place)];
    });
    const deltas = data.levers.map((row) => total(row, coefficients));
    if (moved) {
      for (const curve of data.effects[moved.effect].curves) {
        const value = along(curve.at, curve.mean, moved.value), g = curve.given, x = deltas[curve.lever];
        for (let d = 0; d < n; d++) x[d] += value - (g.level + g.scale * (g.steps ? g.steps[d] : 0));
      }
    }
    const best = new Float64Array(n);
    data.levers.forEach((row, i) => {
      if (row.contest) for (let d = 0; d < n; d++) if (deltas[i][d] > best[d]) best[d] = deltas[i][d];
    });
    const means = [];
    const levers = data.levers.map((row, i) => {
      const x = deltas[i], s = summary(x), amount = money(s.mean, row.place, true);
      means.push(s.mean);
      if (!row.contest) return [amount, data.words.happens, data.words.none, data.words.none];
      let above = 0, equal = 0, loss = 0;
      for (let d = 0; d < n; d++) {
        if (x[d] > 0) above++; else if (x[d] === 0) equal++;
        loss += best[d] - x[d];
      }
      const sure = data.chances ? share((above + 0.5 * equal) / n, row.share) : data.words.none;
      return [amount, between(s, row.place, true), sure, regret(loss / n)];
    });
    const order = data.levers.map((_, i) => i);
    order.sort((a, b) => data.levers[a].example - data.levers[b].example || means[b] - means[a] || a - b);
    return { levels, levers, today: regret(mean(best)), order };
  };

  // --- the page ---
  const inputs = all("input[data-price]"), sliders = all("input[data-effect]");
  const cells = all("[data-cell]"), printed = cells.map((cell) => cell.textContent);
  const rows = all("tr[data-lever]"), body = rows.length ? rows[0].parentNode : null;
  const chip = one(".chip"), command = one("[data-command]"), reset = one("[data-reset]"), copy = one("[data-copy]");
  const valid = (input) => input.value !== "" && input.validity.valid;
  let moved = null;

  const arrange = (order) => order.forEach((i, rank) => {
    rows[i].querySelector("[data-rank]").textContent = String(rank + 1);
    body.insertBefore(rows[i], one("tr[data-today]"));
  });
  const show = () => {
    const prices = rest.slice(), changed = [];
    inputs.forEach((input, k) => {
      const number = input.valueAsNumber, fits = valid(input);
      input.setAttribute("aria-invalid", String(!fits));
      if (fits && number !== rest[k]) { prices[k] = number; changed.push(data.prices[k].key + "=" + String(number)); }
    });
    sliders.forEach((slider, k) => {
      const effect = data.effects[k], at = slider.valueAsNumber, own = moved !== null && moved.effect === k;
      const out = one('[data-value="' + k + '"]');
      const read = (effect.log ? Math.expm1(at) : at) * effect.times;
      out.textContent = own ? digits(read, effect.place, effect.signed) + effect.unit : effect.now;
      slider.setAttribute("aria-valuetext", out.textContent);
      const beyond = own && (at < effect.curves[0].at[0] || at > effect.curves[0].at[effect.curves[0].at.length - 1]);
      one('[data-beyond="' + k + '"]').hidden = !beyond;
      if (own) changed.push(effect.key + "=" + String(at));
    });
    const texts = new Map();
    if (changed.length) {
      const found = position(prices, moved);
      found.levels.forEach((row, i) => row.forEach((text, j) => texts.set("level." + i + "." + j, text)));
      found.levers.forEach((row, i) => row.forEach((text, j) => texts.set("lever." + i + "." + j, text)));
      texts.set("today", found.today);
      arrange(found.order);
    } else {
      arrange(data.levers.map((_, i) => i));
    }
    cells.forEach((cell, i) => { cell.textContent = changed.length ? texts.get(cell.dataset.cell) : printed[i]; });
    const words = changed.length === 1 ? " assumption" : " assumptions";
    chip.textContent = changed.length ? "You moved " + changed.length + words : "Nothing moved: the figures of the run";
    panel.classList.toggle("moved", changed.length > 0);
    reset.disabled = !changed.length && moved === null && inputs.every(valid);
    command.textContent = [data.command, ...changed].join(" ");
  };
  inputs.forEach((input) => input.addEventListener("input", show));
  sliders.forEach((slider, k) => slider.addEventListener("input", () => {
    moved = { effect: k, value: slider.valueAsNumber };
    sliders.forEach((other, j) => { if (j !== k) other.value = other.defaultValue; });
    show();
  }));
  reset.addEventListener("click", () => {
    moved = null;
    [...inputs, ...sliders].forEach((input) => { input.value = input.defaultValue; });
    show();
    (inputs[0] || sliders[0]).focus();
  });
  copy.addEventListener("click", () => {
    const range = document.createRange(), selection = window.getSelection();
    range.selectNodeContents(command);
    selection.removeAllRanges();
    selection.addRange(range);
    const done = () => { copy.textContent = "Copied"; };
    const asked = navigator.clipboard ? navigator.clipboard.writeText(command.textContent) : Promise.reject();
    asked.then(done, () => { if (document.execCommand("copy")) done(); });
  });
  [...inputs, ...sliders].forEach((input) => { input.value = input.defaultValue; });
  show();
  panel.hidden = false;
})();
