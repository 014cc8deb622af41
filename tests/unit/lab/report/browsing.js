// Runs at the end of a copy of the page: uses it as a person would, and tells the test what came of it.
(async () => {
  const found = { errors: window.pageErrors };
  const pause = () => new Promise((go) => setTimeout(go, 50));
  const press = (at, key) => at.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
  const click = (at) => at.dispatchEvent(new MouseEvent("click", { bubbles: true, cancelable: true }));

  found.wide = document.documentElement.scrollWidth - document.documentElement.clientWidth;
  found.shown = [...document.querySelectorAll(".run")].map(
    (run) => [...run.querySelectorAll("figure.gantt")].filter((one) => one.offsetHeight > 0).length);

  const theme = document.getElementById("theme");
  found.grounds = [];
  for (const value of ["light", "dark"]) {
    theme.value = value;
    theme.dispatchEvent(new Event("change"));
    found.grounds.push(getComputedStyle(document.body).backgroundColor);
  }

  const cells = [...document.querySelectorAll("a.entry")];
  found.opened = [];
  for (const cell of cells) {
    click(cell);
    await pause();
    const figure = document.querySelector(cell.getAttribute("href"));
    found.opened.push(figure.offsetHeight > 0 && figure.contains(document.activeElement));
  }

  const frame = document.getElementById(cells[0].getAttribute("href").slice(1)).querySelector(".scroll");
  frame.focus();
  found.start = frame.getAttribute("aria-valuetext");
  press(frame, "End");
  found.end = frame.getAttribute("aria-valuetext");
  press(frame, "ArrowLeft");
  found.back = frame.getAttribute("aria-valuetext");

  const blobs = [];
  URL.createObjectURL = (blob) => { blobs.push(blob); return "#"; };
  HTMLAnchorElement.prototype.click = function save() { (found.names ??= []).push(this.download); };
  URL.revokeObjectURL = () => {};
  const figure = frame.closest("figure");
  click(figure.querySelector("[data-export=svg]"));
  click(figure.querySelector("[data-export=png]"));
  for (let turn = 0; turn < 100 && blobs.length < 2; turn += 1) await pause();
  found.types = blobs.map((blob) => blob.type);
  found.svg = await blobs[0].text();
  const image = await createImageBitmap(blobs[1]);
  const canvas = Object.assign(document.createElement("canvas"), { width: image.width, height: image.height });
  const pen = canvas.getContext("2d");
  pen.drawImage(image, 0, 0);
  const pixels = pen.getImageData(0, 0, image.width, image.height).data;
  const colours = new Set();
  for (let at = 0; at < pixels.length; at += 4) colours.add(pixels.slice(at, at + 3).join());
  found.png = [image.width, image.height, colours.size];
  return found;
})().catch((error) => ({ failed: String(error) })).then((found) => {
  // A form may leave the page where nothing else may: its policy forbids to fetch.
  const told = document.createElement("form");
  told.method = "post";
  told.enctype = "text/plain";
  told.action = "/found";
  told.append(Object.assign(document.createElement("textarea"), { name: "found", value: JSON.stringify(found) }));
  document.body.append(told);
  told.submit();
});
