/** A picture: drawn, dropped, pasted or chosen. */

import { at, make } from "./elements.js";

const SIDE = 280;
const PREVIEW = 84;

export function offerPicture(holder, manifest, ask) {
  const [height, width, channels = 1] = manifest.inputs[0].shape.slice(1);
  const isGrey = channels === 1;
  const canvas = make("canvas", { id: "canvas", width: SIDE, height: Math.round(SIDE * height / width), role: "img", "aria-label": isGrey ? "Drawing area" : "The picture" });
  const seen = make("canvas", { width, height, class: "seen", "aria-hidden": true });
  const file = make("input", { id: "picture", type: "file", accept: "image/*" }), swap = make("input", { id: "swap", type: "checkbox" });
  const erase = make("button", { type: "button" }, "Clear");
  const sheet = blank(canvas, seen, isGrey, swap);
  const send = blob => blob && ask(request(blob, swap.checked), () => ({ field: file }));
  let chosen = null;  // a file stays as it is; what is drawn is sent as PNG

  const choose = async picture => {
    chosen = picture;
    await sheet.show(picture);
    send(chosen);
  };
  const sendDrawing = () => canvas.toBlob(blob => { chosen = blob; send(blob); }, "image/png");
  erase.onclick = () => { chosen = null; file.value = ""; sheet.clear(); ask(); };
  file.onchange = () => file.files[0] && choose(file.files[0]);
  swap.onchange = () => { sheet.swap(); send(chosen); };
  holder.closest("form").onreset = null;
  if (isGrey) letDraw(canvas, sheet, sendDrawing);
  takeDropped(holder, choose);

  const hint = isGrey ? "Draw here, or drop or paste a picture." : "Drop or paste a picture here.";
  const asSeen = make("figure", { class: "asseen" }, seen, make("figcaption", { class: "quiet" }, `about what the model gets: ${height} × ${width} pixels`));
  holder.append(
    make("div", { class: "easel" }, canvas, make("div", {}, make("p", {}, hint), asSeen)),
    make("p", { class: "buttons" }, erase, make("label", { class: "check", for: "swap" }, swap, " swap dark and light")),
    make("p", { class: "buttons" }, make("label", { for: "picture" }, "or a file "), file),
  );
  sheet.clear();
}

function request(blob, isSwapped) {
  const body = new FormData();
  body.append("file", blob, blob.name || "drawing.png");
  return { query: isSwapped ? "?invert=true" : "", body, curl: `-F file=@'${(blob.name || "drawing.png").replaceAll("'", "'\\''")}'` };
}

/** The canvas, and beside it the same at the model's own size. */
function blank(canvas, seen, isGrey, swap) {
  const pen = canvas.getContext("2d"), small = seen.getContext("2d");
  const scale = PREVIEW / Math.max(seen.width, seen.height);
  seen.style.width = `${seen.width * scale}px`;
  seen.style.height = `${seen.height * scale}px`;
  const refresh = () => {
    small.clearRect(0, 0, seen.width, seen.height);
    small.imageSmoothingQuality = "high";
    small.drawImage(canvas, 0, 0, seen.width, seen.height);
    const filter = `${isGrey ? "grayscale(1) " : ""}${swap.checked ? "invert(1)" : ""}`;
    canvas.style.filter = seen.style.filter = filter.trim();
  };
  const fill = colour => { pen.fillStyle = colour; pen.fillRect(0, 0, canvas.width, canvas.height); };
  Object.assign(pen, { lineWidth: Math.max(20, canvas.width / seen.width), lineCap: "round", lineJoin: "round", strokeStyle: "#fff" });
  return {
    pen,
    refresh,
    swap: refresh,
    clear: () => {
      if (isGrey) fill("#000");
      else pen.clearRect(0, 0, canvas.width, canvas.height);
      canvas.classList.toggle("bare", !isGrey);
      refresh();
    },
    show: async picture => {
      fill("#fff");
      canvas.classList.remove("bare");
      try {
        const image = await createImageBitmap(picture);
        pen.drawImage(image, 0, 0, canvas.width, canvas.height);
      } catch { /* a format that this browser cannot show; the server may read it */ }
      refresh();
    },
  };
}

function letDraw(canvas, { pen, refresh }, done) {
  const place = event => [event.offsetX * canvas.width / canvas.clientWidth, event.offsetY * canvas.height / canvas.clientHeight];
  const stroke = event => { pen.lineTo(...place(event)); pen.stroke(); refresh(); };
  canvas.classList.add("drawable");
  canvas.onpointerdown = event => { canvas.setPointerCapture(event.pointerId); pen.beginPath(); pen.moveTo(...place(event)); stroke(event); };
  canvas.onpointermove = event => event.buttons && stroke(event);
  canvas.onpointerup = done;
}

function takeDropped(holder, choose) {
  const picture = transfer => [...(transfer ? transfer.files : [])].find(file => file.type.startsWith("image/"));
  const take = transfer => picture(transfer) && choose(picture(transfer));
  const area = at("try");
  area.ondragover = event => { event.preventDefault(); area.classList.add("over"); };
  area.ondragleave = () => area.classList.remove("over");
  area.ondrop = event => { event.preventDefault(); area.classList.remove("over"); take(event.dataTransfer); };
  document.onpaste = event => holder.isConnected && take(event.clipboardData);
}
