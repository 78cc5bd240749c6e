// The page: which part of it is shown, and how it is kept true.

import { h, updateChildren } from "./dom.js";
import { circuitPage, tripPage } from "./circuit.js";
import { circuits, contract, contracts, overview, policies, policy, proxies } from "./lists.js";

const PAGES = [
  [/^\/?$/, overview, "Overview"],
  [/^\/circuits$/, circuits, "Circuits"],
  [/^\/circuits\/([^/]+)\/([^/]+)\/([^/]+)$/, circuitPage, "Circuits"],
  [/^\/trips\/([^/]+)$/, tripPage, "Circuits"],
  [/^\/proxies$/, proxies, "Proxies"],
  [/^\/policies$/, policies, "Policies"],
  [/^\/policies\/([^/]+)\/([^/]+)$/, policy, "Policies"],
  [/^\/contracts$/, contracts, "Contracts"],
  [/^\/contracts\/([^/]+)$/, contract, "Contracts"],
];

// Without events it is asked anew this often, in milliseconds.
const POLL = 5000;

const main = document.getElementById("main");
const live = document.getElementById("live");
const trouble = document.getElementById("trouble");
const said = document.getElementById("said");

let paused = false;
let asking = false;
let again = false;
let events = null;

function place() {
  const [at, query = ""] = (location.hash.replace(/^#/, "") || "/").split("?");
  for (const [pattern, page, name] of PAGES) {
    const match = at.match(pattern);
    if (match) return { page, name, names: match.slice(1).map(decode), query: new URLSearchParams(query) };
  }
  return null;
}

function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

// A document of this port. What it answers instead of one is shown as it is.
async function ask(path) {
  const answer = await fetch(path, { headers: { accept: "application/json" } });
  if (!answer.ok) throw Object.assign(new Error((await answer.text()).trim()), { status: answer.status });
  return answer.json();
}

async function draw({ focus = false } = {}) {
  if (asking) {
    again = true;
    return;
  }
  asking = true;
  const hash = location.hash;
  const at = place();
  try {
    const drawn = at
      ? await at.page({ ask, names: at.names, query: at.query, draw })
      : { title: "Nothing here", content: [h("h1", {}, "Nothing here"), h("p", {}, "The address names no page.")] };
    if (location.hash === hash) show(at, drawn);
    problem(null);
  } catch (failure) {
    if (failure.status === 404) show(at, { title: "Not found", content: [h("h1", {}, "Not found"), h("p", {}, failure.message)] });
    else problem(`What is shown may be out of date: ${failure.message || "no answer"}`);
  }
  asking = false;
  if (focus) main.focus({ preventScroll: true });
  if (again) {
    again = false;
    draw();
  }
}

function show(at, { title, content, announce }) {
  document.title = `${title} · fusegate`;
  updateChildren(main, content.flat(Infinity).filter(Boolean));
  main.dataset.drawn = location.hash || "#/";
  for (const link of document.querySelectorAll("nav a")) {
    if (link.textContent === at?.name) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  if (announce && said.textContent !== announce) said.textContent = announce;
}

function problem(text) {
  trouble.hidden = !text;
  if (trouble.textContent !== (text ?? "")) trouble.textContent = text ?? "";
}

// Events, or asking now and then where there are none.
function listen() {
  events?.close();
  events = new EventSource("v1/events");
  events.addEventListener("changed", () => {
    if (!paused && !document.hidden) draw();
  });
}

setInterval(() => {
  if (paused || document.hidden || events?.readyState === EventSource.OPEN) return;
  if (events?.readyState === EventSource.CLOSED) listen();
  draw();
}, POLL);

live.addEventListener("click", () => {
  paused = !paused;
  live.setAttribute("aria-pressed", String(!paused));
  live.textContent = paused ? "Paused" : "Live";
  if (!paused) draw();
});

document.getElementById("skip").addEventListener("click", (event) => {
  event.preventDefault();
  main.focus();
});
document.addEventListener("visibilitychange", () => {
  if (!document.hidden && !paused) draw();
});
addEventListener("hashchange", () => {
  scrollTo(0, 0);
  draw({ focus: true });
});
let width = innerWidth;
addEventListener("resize", () => {
  if (innerWidth !== width) draw();
  width = innerWidth;
});

ask("v1/overview")
  .then(({ installation }) => {
    document.getElementById("cluster").textContent = installation.directory ?? `cluster ${installation.cluster}`;
  })
  .catch(() => {});
draw();
listen();
