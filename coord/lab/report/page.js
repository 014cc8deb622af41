"use strict";
(() => {
  const root = document.documentElement;
  root.classList.add("scripted");

  // The theme: kept for this page where the browser lets it.
  const theme = document.getElementById("theme");
  const remember = (value) => { try { localStorage.setItem("coord-theme", value); } catch { /* no storage for files */ } };
  const recall = () => { try { return localStorage.getItem("coord-theme") || ""; } catch { return ""; } };
  const wear = (value) => { if (value) root.dataset.theme = value; else delete root.dataset.theme; };
  theme.value = recall();
  wear(theme.value);
  theme.addEventListener("change", () => { wear(theme.value); remember(theme.value); });

  // One Gantt of a run at a time: the round and shard that were chosen.
  const shows = new Map();
  for (const pick of document.querySelectorAll(".pick")) {
    const run = document.getElementById(pick.dataset.run);
    const rounds = [...run.querySelectorAll(".round")];
    const byRound = pick.querySelector(".pick-round");
    const byShard = pick.querySelector(".pick-shard");
    const show = (round, shard) => {
      const figures = [...rounds[round].querySelectorAll("figure.gantt")];
      const at = Math.min(shard, figures.length - 1);
      rounds.forEach((one, index) => { one.hidden = index !== round; });
      byRound.value = String(round);
      byShard.replaceChildren(...figures.map((figure, index) => new Option(figure.dataset.shard, String(index))));
      byShard.value = String(at);
      figures.forEach((figure, index) => { figure.hidden = index !== at; });
    };
    if (!rounds.length) continue;
    byRound.addEventListener("change", () => show(Number(byRound.value), Math.max(0, Number(byShard.value))));
    byShard.addEventListener("change", () => show(Number(byRound.value), Number(byShard.value)));
    rounds.forEach((one, round) => one.querySelectorAll("figure.gantt").forEach((figure, shard) => {
      shows.set(figure.id, () => show(round, shard));
    }));
    show(...pick.dataset.start.split(",").map(Number));
  }
  const follow = () => {
    const name = decodeURIComponent(location.hash.slice(1));
    if (!shows.has(name)) return;
    shows.get(name)();
    const figure = document.getElementById(name);
    figure.scrollIntoView({ block: "center" });
    figure.querySelector(".scroll").focus({ preventScroll: true });
  };
  addEventListener("hashchange", follow);
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[href^='#']");
    const href = link && link.getAttribute("href");
    if (href && href === location.hash) { event.preventDefault(); follow(); }
  });

  // What is so at a moment, in words.
  const inside = (pairs, t) => pairs.some(([start, end]) => start <= t && t < end);
  const member = (data, row, t) => {
    const bars = data.bars.filter((bar) => bar[0] === row && bar[1] <= t && t < bar[2]);
    const cold = data.frozen.some(([at, pairs]) => at === row && inside(pairs, t));
    const held = bars.map((bar) => bar[4] ? `could act (${bar[3] ? `seat ${bar[3]}, ` : ""}token ${bar[4]})` : "could act");
    if (cold) held.push("frozen while it holds the claim");
    if (!held.length) held.push(inside(data.present[row], t) ? "could not act" : "not there");
    return `${data.rows[row]} ${held.join(", ")}`;
  };
  const words = (data, t) => {
    const states = Object.entries(data.states).filter(([, pairs]) => inside(pairs, t)).map(([name]) => name);
    const faults = data.faults.filter(([, start, end]) => start <= t && t <= end).map(([name]) => name);
    const parts = [`${t.toFixed(2)} s: ${states.join(", ") || "led"}`];
    if (faults.length) parts.push(`fault: ${faults.join(", ")}`);
    data.rows.forEach((_, row) => parts.push(member(data, row, t)));
    let near = null;
    for (const act of data.acts) if (!near || Math.abs(act[0] - t) < Math.abs(near[0] - t)) near = act;
    if (near) {
      const fate = near[4] ? (near[5] ? "stale, and taken" : "taken") : "refused";
      parts.push(`nearest act: ${near[0].toFixed(3)} s, ${data.rows[near[1]]}, token ${near[2]}, ${near[3] ? "fenced" : "unfenced"} resource, ${fate}`);
    }
    return parts.join(" · ");
  };
  for (const figure of document.querySelectorAll("figure.gantt")) {
    const frame = figure.querySelector(".scroll");
    const svg = frame.querySelector("svg");
    const told = figure.querySelector(".told");
    let data = null;
    let line = null;
    let at = 0;
    const go = (t) => {
      data ??= JSON.parse(figure.querySelector("script").textContent);
      at = Math.min(data.length, Math.max(0, t));
      const box = svg.viewBox.baseVal;
      const x = box.width * (data.left + (data.right - data.left) * (data.length ? at / data.length : 0));
      if (!line) {
        line = document.createElementNS(svg.namespaceURI, "line");
        line.setAttribute("class", "cursor");
        line.setAttribute("y1", "0");
        line.setAttribute("y2", String(box.height - 38));
        svg.append(line);
      }
      line.setAttribute("x1", String(x));
      line.setAttribute("x2", String(x));
      told.textContent = words(data, at);
      frame.setAttribute("aria-valuemax", String(data.length));
      frame.setAttribute("aria-valuenow", at.toFixed(2));
      frame.setAttribute("aria-valuetext", told.textContent);
    };
    told.textContent = "Point at the chart, or focus it and use the arrow keys, to read its values.";
    frame.tabIndex = 0;
    frame.setAttribute("role", "slider");
    frame.setAttribute("aria-label", `Moment in ${figure.dataset.shard}`);
    frame.setAttribute("aria-valuemin", "0");
    frame.setAttribute("aria-valuenow", "0");
    frame.setAttribute("aria-valuetext", "start of the round");
    frame.addEventListener("focus", () => go(at));
    svg.addEventListener("pointermove", (event) => {
      data ??= JSON.parse(figure.querySelector("script").textContent);
      const box = svg.getBoundingClientRect();
      const share = (event.clientX - box.left) / box.width;
      go((share - data.left) / (data.right - data.left) * data.length);
    });
    frame.addEventListener("keydown", (event) => {
      const step = (data ? data.length : 0) / 200 * (event.shiftKey ? 10 : 1);
      const to = { ArrowRight: at + step, ArrowUp: at + step, ArrowLeft: at - step, ArrowDown: at - step, Home: 0, End: Infinity }[event.key];
      if (to === undefined) return;
      event.preventDefault();
      go(to);
    });
  }

  // Export: the figure with its style and the colours of the theme that is worn.
  const alone = (svg) => {
    const copy = svg.cloneNode(true);
    copy.querySelectorAll(".cursor").forEach((one) => one.remove());
    const colours = getComputedStyle(root);
    const rules = document.getElementById("figure-style").textContent
      .replace(/var\((--[\w-]+)\)/g, (_, name) => colours.getPropertyValue(name).trim());
    const style = document.createElementNS(svg.namespaceURI, "style");
    style.textContent = rules;
    copy.prepend(style);
    return new XMLSerializer().serializeToString(copy);
  };
  const save = (blob, name) => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(blob);
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  };
  const picture = (text, svg, name) => {
    const image = new Image();
    image.onload = () => {
      const canvas = document.createElement("canvas");
      canvas.width = svg.viewBox.baseVal.width * 2;
      canvas.height = svg.viewBox.baseVal.height * 2;
      const pen = canvas.getContext("2d");
      pen.fillStyle = getComputedStyle(root).getPropertyValue("--ground").trim();
      pen.fillRect(0, 0, canvas.width, canvas.height);
      pen.drawImage(image, 0, 0, canvas.width, canvas.height);
      canvas.toBlob((blob) => save(blob, `${name}.png`), "image/png");
    };
    image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(text)}`;
  };
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-export]");
    if (!button) return;
    const svg = button.closest("figure").querySelector("svg");
    const text = alone(svg);
    if (button.dataset.export === "svg") save(new Blob([text], { type: "image/svg+xml" }), `${svg.id}.svg`);
    else picture(text, svg, svg.id);
  });
  follow();
})();
