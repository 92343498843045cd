"use strict";
// The defect scores of the last seconds: dots, triangles and crosses on a time axis,
// and the two thresholds between accept, inspect and reject.

const SPANS_S = [5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600];

// Three figures, four from 1,000 on: 0.123, 12.3, 1235
const short = (value) => {
  const figures = Math.abs(value) < 1000 ? Number(Number(value).toPrecision(3)) : Math.round(value);
  return String(Math.abs(figures) < 1e7 ? figures : Number(value).toExponential(2));
};
const colour = (name) => getComputedStyle(document.body).getPropertyValue(`--${name}`);

// drawTimeline(canvas, [[seconds ago, score, decision], ...], {accept_below, reject_from},
// what the time at the right is called)
function drawTimeline(canvas, scores, lines, end) {
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  const sharpness = window.devicePixelRatio || 1;
  canvas.width = width * sharpness;
  canvas.height = height * sharpness;
  const pen = canvas.getContext("2d");
  pen.scale(sharpness, sharpness);
  pen.font = "12px system-ui, sans-serif";
  const oldest = scores.length ? scores[0][0] : 0;
  const span = SPANS_S.find((step) => oldest <= step * 1.05) ?? oldest;
  const { accept_below: accept, reject_from: reject } = lines;
  const values = [...scores.map((row) => row[1]), accept, reject].filter((v) => v !== null);
  const [low, high] = [Math.min(0, ...values), Math.max(1, ...values)];
  const widest = Math.max(...[low, high].map((value) => pen.measureText(short(value)).width));
  const frame = { left: Math.max(38, widest + 12), right: width - 14, top: 10, bottom: height - 22 };
  const x = (ago) => frame.right - (ago / span) * (frame.right - frame.left);
  const y = (score) => frame.bottom - ((score - low) / (high - low)) * (frame.bottom - frame.top);

  drawZones(pen, frame, y, accept, reject);
  drawAxes(pen, frame, { low, high, span, end, x, y });
  for (const drawn of ["accept", "inspect", "reject"]) {
    for (const [ago, score, decision] of scores) {
      if (decision === drawn && ago <= span) drawMark(pen, decision, x(ago), y(score));
    }
  }
  // Both labels are placed between the thresholds, where there are few dots, if there is room.
  const between = accept === null || reject === null || y(accept) - y(reject) > 40;
  drawLine(pen, frame, accept, y(accept), `accept below ${short(accept)}`, between ? -15 : 3);
  drawLine(pen, frame, reject, y(reject), `reject from ${short(reject)}`, between ? 3 : -15);
}

function drawZones(pen, frame, y, accept, reject) {
  const zone = (name, top, bottom) => {
    pen.fillStyle = colour(`zone-${name}`);
    pen.fillRect(frame.left, top, frame.right - frame.left, bottom - top);
  };
  zone("inspect", frame.top, frame.bottom);
  if (accept !== null) zone("accept", y(accept), frame.bottom);
  if (reject !== null) zone("reject", frame.top, y(reject));
}

function drawAxes(pen, frame, { low, high, span, end, x, y }) {
  pen.fillStyle = colour("soft");
  pen.textBaseline = "middle";
  pen.textAlign = "right";
  for (const value of [low, high]) pen.fillText(short(value), frame.left - 6, y(value));
  pen.textBaseline = "top";
  const num = frame.right - frame.left > 420 ? 4 : 2;
  for (let tick = 0; tick <= num; tick += 1) {
    const ago = (span * tick) / num;
    pen.textAlign = tick === 0 ? "right" : tick === num ? "left" : "center";
    pen.fillText(ago ? `${ago} s ago` : end, x(ago), frame.bottom + 5);
  }
}

function drawLine(pen, frame, value, height, name, offset) {
  if (value === null) return;
  pen.strokeStyle = colour("ink");
  pen.lineWidth = 1.5;
  pen.setLineDash([7, 4]);
  pen.beginPath();
  pen.moveTo(frame.left, height);
  pen.lineTo(frame.right, height);
  pen.stroke();
  pen.setLineDash([]);
  const top = Math.min(Math.max(height + offset, frame.top), frame.bottom - 13);
  pen.textAlign = "left";
  pen.textBaseline = "top";
  pen.fillStyle = colour("label");
  pen.fillRect(frame.left + 4, top - 1, pen.measureText(name).width + 8, 14);
  pen.fillStyle = colour("ink");
  pen.fillText(name, frame.left + 8, top);
}

function drawMark(pen, decision, x, y) {
  pen.fillStyle = pen.strokeStyle = colour(`mark-${decision}`);
  pen.beginPath();
  if (decision === "accept") {
    pen.arc(x, y, 2.5, 0, 7);
    pen.fill();
  } else if (decision === "reject") {
    pen.lineWidth = 2.5;
    pen.moveTo(x - 4, y - 4);
    pen.lineTo(x + 4, y + 4);
    pen.moveTo(x + 4, y - 4);
    pen.lineTo(x - 4, y + 4);
    pen.stroke();
  } else {
    pen.moveTo(x, y - 5);
    pen.lineTo(x + 5, y + 4);
    pen.lineTo(x - 5, y + 4);
    pen.closePath();
    pen.fill();
    pen.lineWidth = 1;
    pen.strokeStyle = "#000";
    pen.stroke();
  }
}
