// What pages gain where scripts run; every page works without. No markup is made of data: the rows of the live tail are
// the server's own.

const all = (selector, root = document) => [...root.querySelectorAll(selector)];
const narrow = new Intl.NumberFormat(undefined, { notation: "compact", maximumFractionDigits: 2 });
const plain = new Intl.NumberFormat();

// Times: the reader's own zone and language.
const full = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const short = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit" });
const hourly = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit" });
const daily = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeZone: "UTC" });
const relative = new Intl.RelativeTimeFormat(undefined, { numeric: "auto", style: "short" });
const UNITS = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];

function ago(moment) {
  const seconds = (moment - Date.now()) / 1000;
  const [unit, size] = UNITS.find(([, size]) => Math.abs(seconds) >= size) ?? ["second", 1];
  return relative.format(Math.round(seconds / size), unit);
}

function showTimes(root = document) {
  for (const time of all("time[datetime]", root)) {
    const moment = new Date(time.dateTime);
    if (Number.isNaN(moment.getTime())) continue;
    if (time.dataset.step) time.textContent = (time.dataset.step === "day" ? daily : hourly).format(moment);
    else time.textContent = "ago" in time.dataset ? ago(moment) : short.format(moment);
    time.title = `${full.format(moment)} (${time.dateTime})`;
  }
}

// Charts: uPlot draws what the table beneath holds.
const SHOW = {
  number: (value) => plain.format(value),
  compact: (value) => narrow.format(value),
  dollars: (value) => `$${value < 0.01 && value > 0 ? value.toPrecision(2) : plain.format(Math.round(value * 100) / 100)}`,
  duration: (value) => (value < 1000 ? `${Math.round(value)} ms` : `${plain.format(Math.round(value / 100) / 10)} s`),
};

function readTable(figure) {
  const table = figure.querySelector("details table");
  const heads = all("th[data-colour]", table);
  const rows = all("tbody tr", table);
  const scale = figure.dataset.show === "dollars" ? 1e-9 : 1;
  const times = rows.map((row) => new Date(row.querySelector("time").dateTime).getTime() / 1000);
  const columns = heads.map((_, index) => rows.map((row) => {
    const value = row.querySelectorAll("td")[index].dataset.value;
    return value === "" ? null : Number(value) * scale;
  }));
  return { times, columns, names: heads.map((head) => head.textContent), colours: heads.map((head) => head.dataset.colour) };
}

function stack(columns) {
  const sums = [];
  columns.forEach((column, index) => sums.push(column.map((value, row) => (value ?? 0) + (index ? sums[index - 1][row] : 0))));
  return sums;
}

const monthDay = { month: "short", day: "numeric" };
function onAxis(moment, daysApart) {
  if (daysApart) return moment.toLocaleDateString(undefined, { ...monthDay, timeZone: "UTC" });
  if (!moment.getHours() && !moment.getMinutes()) return moment.toLocaleDateString(undefined, monthDay);
  return moment.toLocaleTimeString(undefined, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
}

function draw(figure) {
  const { times, columns, names, colours } = readTable(figure);
  const box = figure.querySelector(".plot");
  if (times.length < 2) return;
  const bars = figure.dataset.chart === "bars";
  const probe = document.createElement("i");
  figure.append(probe); // light-dark() is resolved on an element, not in the token
  const colour = (token) => { probe.style.color = `var(${token})`; return getComputedStyle(probe).color; };
  const [muted, line] = [colour("--muted"), colour("--line")];
  const series = colours.map((number) => colour(`--series-${number}`));
  probe.remove();
  const show = SHOW[figure.dataset.show] ?? SHOW.number;
  const daysApart = times[1] - times[0] >= 86400;
  const heights = bars ? stack(columns) : columns;
  const order = names.map((_, index) => (bars ? names.length - 1 - index : index)); // the tallest stack is drawn first
  const axis = { stroke: muted, grid: { stroke: line, width: 1 }, ticks: { stroke: line, width: 1, size: 4 }, font: `11px ${getComputedStyle(figure).fontFamily}` };
  const options = {
    width: box.clientWidth, height: 200, padding: [10, 8, 0, 0],
    cursor: { y: false, drag: { setScale: false, x: false } },
    tzDate: daysApart ? (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC") : undefined,
    scales: { x: { range: bars ? (_, low, high) => [low - (times[1] - times[0]) / 2, high + (times[1] - times[0]) / 2] : undefined },
      y: { range: (_, low, high) => [0, high > 0 ? high * 1.08 : 1] } },
    axes: [{ ...axis, space: 64, size: 30, values: (_, ticks) => ticks.map((tick) => onAxis(new Date(tick * 1000), daysApart)) }, { ...axis, size: 56, values: (_, ticks) => ticks.map((tick) => (show !== SHOW.number ? show(tick) : Number.isInteger(tick) ? narrow.format(tick) : "")) }],
    series: [{ label: figure.querySelector("th").textContent, value: (_, at) => (at == null ? "–" : (daysApart ? daily : hourly).format(new Date(at * 1000))) },
      ...order.map((index) => ({
        label: names[index], stroke: series[index], fill: bars ? series[index] : undefined, width: bars ? 0 : 2,
        paths: bars ? uPlot.paths.bars({ size: [0.72, 48], radius: 0.08 }) : undefined, spanGaps: !bars, points: { show: !bars, size: 5 },
        value: (_u, _v, _s, row) => (row == null || columns[index][row] == null ? "–" : show(columns[index][row])),
      }))],
  };
  box.replaceChildren();
  figure.plot = new uPlot(options, [times, ...order.map((index) => heights[index])], box);
  if (!figure.classList.contains("drawn")) figure.querySelector("details").open = false;
  figure.classList.add("drawn");
}

function drawCharts() {
  const figures = all("figure[data-chart]");
  figures.forEach(draw);
  const resized = new ResizeObserver((entries) => {
    for (const { target } of entries) target.parentElement.plot?.setSize({ width: target.clientWidth, height: 200 });
  });
  figures.forEach((figure) => resized.observe(figure.querySelector(".plot")));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => figures.forEach(draw));
}

// Copy: the text of the button's block.
function copyButtons(root = document) {
  for (const button of all("[data-copy]", root)) {
    if (!navigator.clipboard) continue; // plain HTTP from elsewhere: the browser does not offer it
    button.hidden = false;
    button.addEventListener("click", async () => {
      const label = button.querySelector("span");
      await navigator.clipboard.writeText(button.closest(".copyable").querySelector("pre").textContent);
      label.textContent = "Copied";
      setTimeout(() => { label.textContent = "Copy"; }, 1500);
    });
  }
}

// Filters are sent when they change; empty ones are left out of the address.
function filters() {
  for (const form of all("form[data-auto]")) {
    form.addEventListener("change", () => form.requestSubmit());
    form.addEventListener("submit", () => all("input, select", form).forEach((input) => { input.disabled = input.value === ""; }));
  }
  addEventListener("pageshow", () => all("form[data-auto] :disabled").forEach((input) => { input.disabled = false; }));
}

// Keys: / goes to the filter, j and k from row to row, Enter opens.
function keys() {
  let row = -1;
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, select, [contenteditable]")) return;
    if (event.key === "/") {
      const input = document.querySelector("[data-search]");
      if (input) { event.preventDefault(); input.focus(); }
    } else if (event.key === "j" || event.key === "k") {
      const rows = all("table[data-rows] tbody tr");
      if (!rows.length) return;
      row = Math.min(Math.max(row + (event.key === "j" ? 1 : -1), 0), rows.length - 1);
      rows.forEach((each, index) => each.classList.toggle("chosen", index === row));
      rows[row].querySelector("a")?.focus({ preventScroll: true });
      rows[row].scrollIntoView({ block: "nearest" });
    }
  });
}

// A part of the page that is asked for again while it has `data-poll`, seconds.
function poll(id) {
  const part = document.getElementById(id);
  const seconds = Number(part?.dataset.poll);
  if (!seconds) return;
  setTimeout(async () => {
    if (!document.hidden) {
      const answer = await fetch(location.href, { headers: { accept: "text/html" } }).catch(() => null);
      if (answer?.ok && !answer.redirected) {
        const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById(id);
        if (fresh && fresh.outerHTML !== part.dataset.before) {
          fresh.dataset.before = fresh.outerHTML;
          part.replaceWith(fresh);
          ready(fresh);
        }
      }
    }
    poll(id);
  }, seconds * 1000);
}

// Live tail: rows come as the server's own HTML. It rests in the background, then goes on behind the last row.
function liveTail() {
  const body = document.querySelector("tbody[data-live]");
  const button = document.querySelector("[data-live-toggle]");
  if (!body || !button) return;
  const address = new URL(body.dataset.live, location.href);
  let source, wanted;
  const close = (on = wanted) => { source?.close(); wanted = on; button.setAttribute("aria-pressed", on); };
  const open = () => {
    source = new EventSource(address);
    source.addEventListener("rows", (event) => {
      const holder = document.createElement("tbody");
      holder.innerHTML = event.data;
      showTimes(holder);
      document.querySelector("[data-live-said]").textContent = `${holder.children.length} new`;
      body.closest(".panel").querySelector(".empty")?.remove();
      body.prepend(...holder.children);
      while (body.children.length > 200) body.lastElementChild.remove();
      address.searchParams.set("after", event.lastEventId);
    });
    source.addEventListener("end", () => close(false));
    source.addEventListener("error", () => { if (source.readyState === 2) close(false); });
  };
  button.hidden = false;
  button.addEventListener("click", () => { close(!wanted); if (wanted) open(); });
  document.addEventListener("visibilitychange", () => { close(); if (wanted && !document.hidden) open(); });
}

function ready(root) {
  showTimes(root);
  copyButtons(root);
}

// A question before what cannot be taken back by a click.
document.addEventListener("submit", (event) => {
  const question = event.submitter?.dataset.confirm ?? event.target.dataset.confirm;
  if (question && !confirm(question)) event.preventDefault();
});

ready(document);
drawCharts();
filters();
keys();
liveTail();
all("[data-poll]").forEach((part) => poll(part.id));
setInterval(() => all("time[data-ago]").forEach((time) => { time.textContent = ago(new Date(time.dateTime)); }), 30000);
