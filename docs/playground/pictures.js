// Pictures that are drawn here, and those that visitors open. All become three planes of numbers from 0 to 1.

const SIDE = 160;
const MOST = 224;

function canvas(width, height) {
  const made = document.createElement("canvas");
  [made.width, made.height] = [width, height];
  return made;
}

function planes(from) {
  const { width, height } = from;
  const { data } = from.getContext("2d").getImageData(0, 0, width, height);
  const n = width * height;
  const values = new Float32Array(3 * n);
  for (let i = 0; i < n; i++) for (let c = 0; c < 3; c++) values[c * n + i] = data[4 * i + c] / 255;
  return { width, height, values };
}

/** A function of (x, y) in -1..1 to three values. */
function computed(of) {
  const made = canvas(SIDE, SIDE);
  const context = made.getContext("2d");
  const image = context.createImageData(SIDE, SIDE);
  for (let y = 0; y < SIDE; y++) {
    for (let x = 0; x < SIDE; x++) {
      const colour = of((2 * x + 1) / SIDE - 1, (2 * y + 1) / SIDE - 1);
      image.data.set([...colour.map((v) => 255 * Math.min(1, Math.max(0, v))), 255], 4 * (y * SIDE + x));
    }
  }
  context.putImageData(image, 0, 0);
  return made;
}

function harbour() {
  const made = canvas(SIDE, SIDE);
  const c = made.getContext("2d");
  c.scale(SIDE / 100, SIDE / 100);
  const sky = c.createLinearGradient(0, 0, 0, 62);
  sky.addColorStop(0, "#27447f");
  sky.addColorStop(0.6, "#e58f6c");
  sky.addColorStop(1, "#ffd9a0");
  c.fillStyle = sky;
  c.fillRect(0, 0, 100, 62);
  c.fillStyle = "#fff1c9";
  c.beginPath();
  c.arc(69, 45, 8, 0, 7);
  c.fill();
  c.fillStyle = "#46446f";
  c.beginPath();
  c.moveTo(0, 62);
  for (const [x, y] of [[0, 48], [14, 40], [24, 49], [38, 36], [52, 52], [63, 47], [80, 55], [100, 44], [100, 62]]) c.lineTo(x, y);
  c.fill();
  const sea = c.createLinearGradient(0, 62, 0, 100);
  sea.addColorStop(0, "#d98a68");
  sea.addColorStop(0.35, "#3c5c86");
  sea.addColorStop(1, "#12233f");
  c.fillStyle = sea;
  c.fillRect(0, 62, 100, 38);
  c.strokeStyle = "#ffe3b577";
  c.lineWidth = 0.9;
  for (let i = 0; i < 15; i++) {
    const y = 64 + 2.3 * i;
    c.beginPath();
    for (let x = 0; x <= 100; x += 2) c.lineTo(x, y + 0.6 * Math.sin(x * 0.5 + i * 1.7));
    c.stroke();
  }
  for (const [x, y, s] of [[30, 76, 1], [80, 70, 0.55]]) {
    c.fillStyle = "#f7f3ea";
    c.beginPath();
    c.moveTo(x, y - 34 * s);
    c.quadraticCurveTo(x + 17 * s, y - 16 * s, x + 15 * s, y - 4 * s);
    c.lineTo(x, y - 4 * s);
    c.fill();
    c.fillStyle = "#d6433b";
    c.beginPath();
    c.moveTo(x - 1.5 * s, y - 29 * s);
    c.quadraticCurveTo(x - 10 * s, y - 14 * s, x - 11 * s, y - 4 * s);
    c.lineTo(x - 1.5 * s, y - 4 * s);
    c.fill();
    c.fillStyle = "#23202a";
    c.beginPath();
    c.moveTo(x - 15 * s, y - 2 * s);
    c.lineTo(x + 18 * s, y - 2 * s);
    c.quadraticCurveTo(x + 12 * s, y + 5 * s, x - 8 * s, y + 5 * s);
    c.fill();
  }
  return made;
}

function flowers() {
  return computed((x, y) => {
    let colour = [0.1 + 0.1 * y, 0.28 + 0.1 * x, 0.22];
    for (const [cx, cy, size, turn, petals, paint] of [[-0.35, -0.25, 0.5, 0.3, 6, [0.96, 0.42, 0.45]], [0.45, 0.4, 0.55, 0.1, 8, [0.98, 0.8, 0.32]],
      [0.55, -0.55, 0.33, 0.7, 5, [0.55, 0.56, 0.97]], [-0.55, 0.62, 0.34, 0, 7, [0.93, 0.93, 0.97]]]) {
      const [dx, dy] = [x - cx, y - cy];
      const r = Math.hypot(dx, dy) / size;
      const edge = 0.62 + 0.36 * Math.cos(petals * (Math.atan2(dy, dx) + turn));
      if (r < 0.2) colour = [0.45, 0.27, 0.1];
      else if (r < edge) colour = paint.map((v) => v * (0.6 + 0.4 * r));
    }
    return colour;
  });
}

function letters() {
  const made = canvas(SIDE, SIDE);
  const c = made.getContext("2d");
  c.fillStyle = "#f4efe2";
  c.fillRect(0, 0, SIDE, SIDE);
  c.fillStyle = "#1d2a44";
  c.textBaseline = "middle";
  c.textAlign = "center";
  const lines = [["deform", 40, 0.2], ["CONV", 46, 0.5], ["y = Σ w·x", 27, 0.78]];
  for (const [text, size, y] of lines) {
    c.font = `700 ${(size * SIDE) / 160}px Georgia, "Times New Roman", "DejaVu Serif", serif`;
    c.fillText(text, SIDE / 2, y * SIDE);
    c.fillStyle = c.fillStyle === "#1d2a44" ? "#b3372f" : "#1d2a44";
  }
  return made;
}

const rings = () => computed((x, y) => {
  const wave = 0.5 + 0.5 * Math.cos(34 * (x * x + y * y));
  return [wave, wave * 0.9, 0.25 + 0.7 * wave];
});

const bricks = () => computed((x, y) => {
  const row = Math.floor((y + 1) * 5);
  const u = (x + 1) * 2.5 + (row % 2) * 0.5;
  const v = (y + 1) * 5 - row;
  const mortar = u - Math.floor(u) < 0.07 || v < 0.14;
  const tint = 0.75 + 0.25 * Math.sin(12.9 * Math.floor(u) + 78.2 * row);
  return mortar ? [0.84, 0.81, 0.76] : [0.68 * tint, 0.33 * tint, 0.25 * tint];
});

export const built = { harbour, flowers, letters, rings, bricks };

export function picture(name) {
  return planes(built[name]());
}

/** A picture from a file, made small enough to be computed at every move. */
export async function opened(file) {
  const bitmap = await createImageBitmap(file);
  const scale = Math.min(1, MOST / Math.max(bitmap.width, bitmap.height));
  const [width, height] = [bitmap.width, bitmap.height].map((extent) => Math.max(8, Math.round(extent * scale)));
  const made = canvas(width, height);
  made.getContext("2d").drawImage(bitmap, 0, 0, width, height);
  bitmap.close();
  return planes(made);
}
