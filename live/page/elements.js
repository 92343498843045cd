"use strict";
// Small helpers of the page. Text goes in as textContent only: class names come from
// folders, errors from anywhere.

const byId = (id) => document.getElementById(id);
const count = (number) => number.toLocaleString("en-GB");

function setText(id, text) {
  if (byId(id).textContent !== text) byId(id).textContent = text;
}

function element(tag, className, ...children) {
  const made = document.createElement(tag);
  made.className = className;
  made.append(...children);
  return made;
}

function shape(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `#${name}`);
  svg.setAttribute("class", `shape ${name}`);
  svg.append(use);
  return svg;
}

const setShape = (id, name) => byId(id).querySelector("use").setAttribute("href", `#${name}`);

function timeOfDay(iso) {
  const time = new Date(iso);
  const clock = time.toLocaleTimeString("en-GB");
  const today = time.toDateString() === new Date().toDateString();
  return today ? clock : `${time.toLocaleDateString("en-GB")} ${clock}`;
}

// "since 12:34:56 (5 min)", of something that began so many seconds ago
function sinceText(seconds) {
  const began = new Date(Date.now() - 1000 * seconds);
  return `since ${timeOfDay(began.toISOString())} (${duration(seconds)})`;
}

function duration(seconds) {
  if (seconds < 60) return `${Math.floor(seconds)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
}
