// The token lab: an image becomes tokens, and tokens an image, in the page itself.
import * as ort from "./ort/ort.wasm.min.mjs";

const here = new URL(".", import.meta.url).href;
ort.env.wasm.numThreads = 1;
ort.env.logLevel = "error";
const $ = id => document.getElementById("lab-" + id);
const lab = document.getElementById("lab"), still = matchMedia("(prefers-reduced-motion: reduce)").matches;

// ---- the model

const bytes = async name => new Uint8Array(await (await fetch(here + name)).arrayBuffer());
// the runtime lies packed, a quarter of its size; a server may have said so, then the browser has unpacked it
const unpacked = async name => {
  const data = await bytes(name), packed = data[0] === 0x1f && data[1] === 0x8b;
  return packed ? new Response(new Blob([data]).stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer() : data.buffer;
};
const longs = (rows, k) => new ort.Tensor("int64", BigInt64Array.from(rows.flatMap(r => r.slice(0, k)), BigInt), [rows.length, k]);
let data, decoder, encoder, queue = Promise.resolve();

// a session runs one thing at a time
const inTurn = f => (queue = queue.then(f, f));

// images (0..1) of the first k of several rows of tokens
const decode = (rows, k) => inTurn(async () => {
  const {images} = await decoder.run({tokens: longs(rows, k)}), n = data.height * data.width;
  return rows.map((_, i) => images.data.slice(i * n, i * n + n));
});
const encode = image => inTurn(async () => {
  const x = new ort.Tensor("float32", Float32Array.from(image, v => v / 255), [1, 1, data.height, data.width]);
  return Array.from((await (await encoder).run({images: x})).tokens.data, Number);
});

// ---- what is shown: the image (0..255), its own tokens, the tokens as exchanged, k, and the chosen token

const now = {image: null, own: null, tokens: null, k: 32, at: 0, source: 0};

function paint(canvas, values, colour) {                   // values 0..1, or -1..1 with colours for more and less
  const c = canvas.getContext("2d"), out = c.createImageData(canvas.width, canvas.height);
  values.forEach((v, i) => {
    const g = Math.round(255 * v), rgba = colour ? [...colour[v > 0 ? 0 : 1], Math.min(255, Math.abs(g) * 1.5)] : [g, g, g, 255];
    out.data.set(rgba, 4 * i);
  });
  c.putImageData(out, 0, 0);
}
const colours = () => ["--more", "--less"].map(o => getComputedStyle(lab).getPropertyValue(o).split(",").map(Number));
const minus = (a, b) => Array.from(a, (v, i) => v - b[i]);
const decibels = (a, b) => -10 * Math.log10(minus(a, b).reduce((s, d) => s + d * d, 0) / a.length);
const edited = i => now.tokens[i] !== now.own[i];

function showTokens() {
  [...$("tokens").children].forEach((b, i) => {
    const aside = text => `<span class="visually-hidden">${text}</span>`;
    b.innerHTML = `${aside("word ")}${now.tokens[i]}<small>${aside(", token ")}${i + 1}</small>`
      + aside((edited(i) ? ", exchanged" : "") + (i < now.k ? "" : ", beyond k"));
    b.setAttribute("aria-pressed", i === now.at);
    b.classList.toggle("beyond", i >= now.k);
    b.classList.toggle("edited", edited(i));
    b.tabIndex = i === now.at ? 0 : -1;
  });
  $("which").value = now.at + 1;
  $("word").value = $("word-text").value = now.tokens[now.at];
  $("undo").disabled = !now.tokens.some((_, i) => edited(i));
  $("k").value = $("k-text").value = now.k;
}

// one drawing at a time; what changes meanwhile is drawn next, before the rest of the other words' pictures
let drawing = null, again = false;
function draw() {
  showTokens();
  again = true;
  return drawing ??= (async () => {
    while (again) {
      again = false;
      await drawOnce();
    }
    drawing = null;
  })();
}

async function drawOnce() {
  const {image, own, tokens, k} = {...now, tokens: [...now.tokens]}, x = image.map(v => v / 255);
  const some = tokens.slice(0, k).some((t, i) => t !== own[i]);
  const [picture, before] = await decode([tokens, own], k);
  paint($("image"), x);
  for (const o of ["picture", "picture-2"]) paint($(o), picture);
  paint($("error"), minus(picture, x), colours());
  for (const o of ["change", "change-2"]) paint($(o), minus(picture, before), colours());
  lab.dataset.first ??= Math.round(performance.now());       // milliseconds to the first picture
  $("db").textContent = `${k} byte${k === 1 ? "" : "s"}, PSNR ${decibels(picture, x).toFixed(1)} dB`;
  const shift = decibels(picture, x) - decibels(before, x);
  $("changed").textContent = some ? `${shift < 0 ? "−" : "+"}${Math.abs(shift).toFixed(1)} dB` : "nothing yet: exchange one below";
  lab.dataset.tokens = JSON.stringify(tokens);
  lab.dataset.k = k;
  await drawWords(tokens, k);
}

async function drawWords(tokens, k) {
  const at = now.at, choices = data.choices[at], used = at < k;
  $("words-title").textContent = used ? "What other words would draw in its place:"
    : `What other words would draw in its place, if the first ${at + 1} tokens were used:`;
  for (let i = 0; i < choices.length && !again; i += 4) {
    const some = choices.slice(i, i + 4);
    const pictures = await decode(some.map(w => tokens.map((t, n) => n === at ? w : t)), Math.max(k, at + 1));
    some.forEach((word, j) => {
      const b = $("words").children[i + j];
      paint(b.firstChild, pictures[j]);
      b.lastChild.textContent = b.dataset.word = word;
      b.setAttribute("aria-label", `Word ${word} for token ${at + 1}`);
      b.setAttribute("aria-pressed", word === tokens[at]);
    });
  }
}

// ---- controls

const set = change => { Object.assign(now, change); return draw(); };
const say = (i, word) => {
  now.tokens[i] = word;
  return set({k: Math.max(now.k, i + 1)});
};
function choose(i) {
  [...$("images").children].forEach((b, j) => b.setAttribute("aria-pressed", i === j));
  return set({image: data.images[i], own: data.codes[i], tokens: [...data.codes[i]], source: i});
}

// buttons in a group: one stop for Tab, arrows go on from there
function arrows(group, onMove = () => {}) {
  group.addEventListener("keydown", e => {
    const all = [...group.children], i = all.indexOf(e.target.closest("button"));
    const wide = all.filter(o => o.offsetTop === all[0].offsetTop).length;
    const step = {ArrowRight: 1, ArrowLeft: -1, ArrowDown: wide, ArrowUp: -wide, Home: -i, End: all.length - 1 - i}[e.key];
    if (step === undefined || !all[i + step]) return;
    e.preventDefault();
    all.forEach((b, j) => b.tabIndex = j === i + step ? 0 : -1);
    all[i + step].focus();
    onMove(i + step);
  });
}

function button(group, onClick, more = []) {
  const b = document.createElement("button"), canvas = document.createElement("canvas");
  b.type = "button";
  canvas.width = data.width;
  canvas.height = data.height;
  b.append(...(more.length ? more : [canvas]));
  b.tabIndex = group.children.length ? -1 : 0;
  b.addEventListener("click", onClick);
  group.append(b);
  return b;
}

function controls() {
  data.images.forEach((image, i) => {
    const b = button($("images"), () => choose(i));
    b.setAttribute("aria-label", `A handwritten ${i}`);
    paint(b.firstChild, image.map(v => v / 255));
  });
  for (let i = 0; i < data.tokens; i++) button($("tokens"), () => set({at: i}), [new Text(i + 1)]).className = "lab-token";
  data.choices[0].forEach((_, j) => {
    const b = button($("words"), () => say(now.at, data.choices[now.at][j]));
    b.className = "lab-word";
    b.append(document.createElement("span"));
  });
  arrows($("images"));
  arrows($("tokens"), i => set({at: i}));
  arrows($("words"));
  $("k").addEventListener("input", e => { stop(); set({k: +e.target.value}); });
  $("word").addEventListener("input", e => say(now.at, +e.target.value));
  $("undo").addEventListener("click", () => set({tokens: [...now.own]}));
  $("play").addEventListener("click", () => playing ? stop() : play());
}

let playing = null;
function stop() {
  clearTimeout(playing);
  playing = null;
  $("play").textContent = "Play";
}
function play() {
  $("play").textContent = "Stop";
  now.k = 0;
  const step = async () => {
    await draw();
    if (playing === null) return;
    if (now.k === data.tokens) return stop();
    now.k++;
    playing = setTimeout(step, still ? 600 : 150);
  };
  playing = setTimeout(step, 0);
}

// ---- a digit of one's own

function drawingPad() {
  const pad = $("pad"), c = pad.getContext("2d", {willReadFrequently: true});
  const pen = {x: 140, y: 80, down: false};
  let ink = null;                                          // the strokes, without the mark of the keyboard's pen
  const clean = () => { c.fillStyle = "#000"; c.fillRect(0, 0, 280, 280); ink = c.getImageData(0, 0, 280, 280); };
  Object.assign(c, {lineWidth: 24, lineCap: "round", lineJoin: "round", strokeStyle: "#fff"});
  clean();
  const line = (x, y) => {
    c.putImageData(ink, 0, 0);
    c.beginPath();
    c.moveTo(pen.x, pen.y);
    c.lineTo(x, y);
    c.stroke();
    ink = c.getImageData(0, 0, 280, 280);
    Object.assign(pen, {x, y});
    read();
  };
  const place = e => { const r = pad.getBoundingClientRect(); return [(e.clientX - r.left) * 280 / r.width, (e.clientY - r.top) * 280 / r.height]; };
  pad.addEventListener("pointerdown", e => {
    pad.setPointerCapture(e.pointerId);
    [pen.x, pen.y] = place(e);
    pen.drag = true;
    line(pen.x, pen.y);
  });
  pad.addEventListener("pointermove", e => { if (pen.drag) e.getCoalescedEvents?.().concat(e).forEach(o => line(...place(o))); });
  for (const end of ["pointerup", "pointercancel"]) pad.addEventListener(end, () => pen.drag = false);
  const mark = () => {
    c.putImageData(ink, 0, 0);
    if (document.activeElement !== pad || pen.drag) return;
    c.fillStyle = pen.down ? "#f60" : "#39f";
    c.beginPath();
    c.arc(pen.x, pen.y, 9, 0, 7);
    c.fill();
  };
  pad.addEventListener("keydown", e => {
    const [dx, dy] = {ArrowLeft: [-12, 0], ArrowRight: [12, 0], ArrowUp: [0, -12], ArrowDown: [0, 12]}[e.key] ?? [0, 0];
    if (e.key === " ") pen.down = !pen.down;
    else if (!dx && !dy) return;
    e.preventDefault();
    const x = Math.min(270, Math.max(10, pen.x + dx)), y = Math.min(270, Math.max(10, pen.y + dy));
    if (pen.down) line(x, y);
    else Object.assign(pen, {x, y});
    mark();
  });
  pad.addEventListener("focus", e => { if (pad.matches(":focus-visible")) mark(); });
  pad.addEventListener("blur", () => { pen.down = false; mark(); });
  $("clear").addEventListener("click", () => { clean(); pen.down = false; choose(now.source); });

  let reading = false, more = false;
  async function read() {
    more = true;
    if (reading) return;
    reading = true;
    while (more) {
      more = false;
      const image = asDigit(ink.data);
      if (!image) continue;
      const own = await encode(image);
      [...$("images").children].forEach(b => b.setAttribute("aria-pressed", false));
      await set({image, own, tokens: [...own]});
    }
    reading = false;
  }
}

// strokes (RGBA, 280x280) to a digit as those of MNIST: 20x20 pixels, centred by mass in 28x28; null without ink
function asDigit(rgba) {
  const S = 280, lit = (x, y) => rgba[4 * (y * S + x)];
  let [x0, y0, x1, y1, sum, mx, my] = [S, S, -1, -1, 0, 0, 0];
  for (let y = 0; y < S; y++) for (let x = 0; x < S; x++) if (lit(x, y) > 20) {
    [x0, y0, x1, y1] = [Math.min(x0, x), Math.min(y0, y), Math.max(x1, x), Math.max(y1, y)];
    sum += lit(x, y);
    mx += x * lit(x, y);
    my += y * lit(x, y);
  }
  if (!sum) return null;
  const step = Math.max(x1 - x0, y1 - y0, 60) / 20, out = new Array(784).fill(0), fine = 6;
  for (let j = 0; j < 28; j++) for (let i = 0; i < 28; i++) {
    let s = 0;
    for (let b = 0; b < fine; b++) for (let a = 0; a < fine; a++) {
      const x = Math.round(mx / sum + (i - 14 + (a + .5) / fine) * step), y = Math.round(my / sum + (j - 14 + (b + .5) / fine) * step);
      if (x >= 0 && y >= 0 && x < S && y < S) s += lit(x, y);
    }
    out[j * 28 + i] = Math.round(s / fine / fine);
  }
  return out;
}

// ---- start: the decoder alone is needed for the first picture

async function start() {
  const runtime = unpacked("ort/ort-wasm-simd-threaded.wasm.gz"), model = bytes("decoder.onnx");
  data = await (await fetch(here + "lab.json")).json();
  controls();
  Object.assign(now, {image: data.images[3], own: data.codes[3], tokens: [...data.codes[3]]});
  showTokens();
  ort.env.wasm.wasmBinary = await runtime;
  decoder = await ort.InferenceSession.create(await model);
  await choose(3);
  $("status").textContent = "";
  lab.dataset.ready = "true";
  encoder = bytes("encoder.onnx").then(o => ort.InferenceSession.create(o));
  drawingPad();
  const dark = new MutationObserver(() => draw());           // the theme was switched
  for (const o of [document.body, document.documentElement]) dark.observe(o, {attributes: true, attributeFilter: ["class"]});
}
start().catch(e => {
  $("status").textContent = `The lab could not start: ${e.message}`;
  lab.dataset.ready = "failed";
  throw e;
});
