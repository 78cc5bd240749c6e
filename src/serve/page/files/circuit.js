// A circuit and a trip: what it measures, what was decided, what was done about it, and what to type.

import { badge, clock, conditions, facts, h, number, path, plural, sheet, span, table, time } from "./dom.js";
import { badges, rules } from "./lists.js";
import { legend, plot } from "./plot.js";

const NAMES = {
  Alert: "Alert",
  RollbackSchema: "Rollback of the schema",
  Latched: "Latched",
  Suppressed: "Suppressed",
  OverrideEnded: "Override ended",
  RemoveOverride: "Override removed",
  EnforceContract: "Admission",
};

// How an entry of a story looks: by the state that it leads to, or by how it ended.
const tone = (entry) => (entry.verdict === "Failed" ? "Failed" : entry.action === "State" ? entry.operation : entry.verdict);

function readings(circuit) {
  const shown = circuit.samples.slice(-60).reverse();
  return h("details", {}, h("summary", {}, "The samples as a table"), shown.length === 0 ? h("p", { class: "note" }, "None is remembered.") : table("Samples, newest first", [
    ["When", ([at]) => time(at), "tight"],
    ["Condition", ([, rule]) => circuit.rules[rule]?.condition ?? ""],
    ["Value", ([, rule, , value]) => (value === null ? "no value" : `${number(value)} ${circuit.rules[rule]?.unit ?? ""}`)],
    ["Counts as", ([, , kind]) => badge(kind)],
  ], shown));
}

function plots(circuit) {
  const width = Math.max(300, Math.min(1140, document.documentElement.clientWidth - (document.documentElement.clientWidth > 720 ? 74 : 50)));
  return circuit.rules.map((rule, index) => [
    h("h3", {}, rule.condition),
    h("p", { class: "note" }, `Bad when ${rule.test}. ${circuit.takes ? `A trip takes ${circuit.takes}.` : ""}`),
    legend(rule),
    plot(circuit, index, width, circuit.now),
  ]);
}

// What the last samples before a trip were: the story begins with them.
function before(circuit, trip) {
  const at = circuit.lastTrip?.id === trip ? circuit.lastTrip.at : null;
  if (at === null) return [];
  const rule = circuit.rules.findIndex((each) => each.condition === circuit.lastTrip.condition);
  const found = circuit.samples.filter(([when, of]) => when <= at + 50 && when > at - 900000 && of === rule);
  let first = found.length;
  while (first > 0 && found[first - 1][2] !== "Good") first -= 1;
  return found.slice(Math.max(first, found.length - 12)).map(([when, of, kind, value]) => entry({
    at: when,
    tone: kind,
    title: `${circuit.rules[of].condition} ${value === null ? "has no value" : `is ${number(value)} ${circuit.rules[of].unit}`}`,
    text: `counts as ${kind}`,
  }));
}

const entry = ({ at, tone: kind, title, text, extra }) =>
  h("li", { class: kind }, time(at), h("b", {}, title), text && h("p", {}, text), extra);

// What a trip of this circuit sheds.
function sheds(circuit) {
  const named = (cluster) => cluster.replaceAll("{name}", circuit.circuit.object).replaceAll("{namespace}", circuit.circuit.namespace);
  return (circuit.shed ?? []).map((each) => `${each.percent} % of ${named(each.cluster)}`).join(", ");
}

// What follows from a state that was moved to.
function follows(told, circuit) {
  if (!circuit || told.action !== "State" || told.verdict !== "Enforced") return null;
  const shed = circuit.circuit.cause === "Illegal" ? "" : sheds(circuit);
  const text = {
    Open: shed ? `Envoys shed ${shed}; the gate refuses.` : "Nothing is shed; the gate refuses.",
    HalfOpen: "Envoys let a part of the traffic through; the gate refuses.",
    Closed: "Nothing is shed any more; the gate passes.",
  }[told.operation];
  return text && h("p", { class: "faint" }, text);
}

function shedding(circuit) {
  const { proxies } = circuit;
  const shed = sheds(circuit);
  const state = circuit.circuit.state;
  if (!shed) return "The policy sheds no cluster.";
  if (circuit.circuit.cause === "Illegal") return "Nothing is shed: malformed reports are no evidence of sickness.";
  const now = state === "Closed" ? "Nothing is shed now" : `Shedding ${shed}, ${circuit.circuit.admitPercent} % admitted`;
  return `${now}; ${proxies.holding} of ${plural(proxies.subscribed, "proxy holds", "proxies hold")} layer ${circuit.layer} as published${proxies.refusing ? `, ${proxies.refusing} refusing it` : ""}.`;
}

function rollback(circuit) {
  const wanted = (circuit.onTrip ?? []).includes("RollbackSchema");
  const incident = circuit.incidents.at(0);
  if (!wanted) return "The policy asks for no rollback.";
  const said = circuit.contractConditions?.find((each) => each.type === "RollbackBlocked");
  if (!incident) return said ? `${said.reason}: ${said.message}` : "No rollback is on record for this kind.";
  const target = incident.target === undefined ? "" : ` to revision ${incident.target}`;
  return `${incident.state}${target}${incident.reason ? `: ${incident.reason}` : ""}${incident.message ? `: ${incident.message}` : ""} (trip ${incident.tripId})`;
}

function storySheet(trip) {
  const { circuit } = trip;
  const told = trip.story.map((each) => entry({
    at: each.at,
    tone: tone(each),
    title: `${NAMES[each.operation] ?? each.operation}${each.action === "State" ? (each.verdict === "Observed" ? " (observed only)" : "") : ` (${each.verdict.toLowerCase()})`}`,
    text: each.reason,
    extra: each.action === "Effect" ? h("p", { class: "faint" }, each.resource) : follows(each, circuit),
  }));
  const list = [...(circuit ? before(circuit, trip.id) : []), ...told];
  return sheet("What happened, in order",
    trip.note && h("p", { class: "note" }, trip.note),
    list.length > 0 && h("ol", { class: "story" }, list),
    trip.omitted > 0 && h("p", { class: "note" }, `${plural(trip.omitted, "entry", "entries")} in the middle are left out; the audit log has them.`));
}

function nowSheet(circuit) {
  const { gate } = circuit;
  return sheet("Now", facts([
    ["Mesh", shedding(circuit)],
    ["Gate", [badge(gate.passes ? "passes" : gate.state === "Unknown" ? "unknown" : "refuses", gate.passes ? "Good" : gate.state === "Unknown" ? "Unknown" : "Bad"), " ", gate.reason]],
    ["Explained by", root(circuit.circuit.inhibitedBy)],
    ["Rollback", rollback(circuit)],
    ["Recovery", recovery(circuit)],
  ]));
}

// The policy whose outage explains this one.
const root = (name) => name && [
  h("a", { href: `#/policies/${path(...name.split("/"))}` }, name),
  ", which is not Closed either: this circuit pages nobody, and its trips roll nothing back.",
];

function recovery(circuit) {
  const { state, until, latched } = circuit.circuit;
  const left = until ? (Date.parse(until) - circuit.now) / 1000 : null;
  if (latched) return "It has tripped too often and stays Open until a person acts.";
  if (state === "Open" && left !== null) return left > 0 ? `HalfOpen at the soonest in ${span(left)}, at ${clock(Date.parse(until))}.` : "HalfOpen as soon as its evidence is confirmed.";
  if (state === "HalfOpen") return `${circuit.circuit.admitPercent} % of traffic is admitted; ${circuit.probe ? `${circuit.probe[0]} of ${circuit.probe[1]} Good samples in this step` : ""}${left !== null ? `; it reopens at ${clock(Date.parse(until))} without them` : ""}.`;
  return circuit.lastTrip ? "It has recovered." : "It has not tripped.";
}

function proxySheet(circuit) {
  const { proxies } = circuit;
  if (!circuit.layer) return null;
  return sheet(`Proxies that subscribe to layer ${circuit.layer}`,
    h("p", {}, `${proxies.holding} of ${plural(proxies.subscribed, "proxy holds", "proxies hold")} it as published${proxies.refusing ? `, ${proxies.refusing} refusing it` : ""}.`),
    proxies.listed.length > 0 && table("Proxies", [
      ["Node", (each) => each.node],
      ["Layer", (each) => badge(each.refused ? "refuses it" : each.holds ? "holds it" : "behind", each.refused ? "Failed" : each.holds ? "Good" : "HalfOpen")],
      ["Address", (each) => each.address],
      ["In its own words", (each) => each.refused],
    ], proxies.listed),
    proxies.subscribed > proxies.listed.length && h("p", { class: "note" }, `${proxies.subscribed - proxies.listed.length} more; those that refuse or are behind come first.`));
}

function commandSheet(circuit) {
  const copy = (text) => async (event) => {
    const button = event.currentTarget;
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "Copied";
    } catch {
      // Without HTTPS a page may not write to the clipboard; the text is selected instead.
      getSelection().selectAllChildren(button.previousElementSibling);
      button.textContent = "Selected";
    }
    setTimeout(() => { button.textContent = "Copy"; }, 2000);
  };
  return sheet("What to type", h("ul", { class: "commands" }, circuit.commands.map(({ what, command }) =>
    h("li", {}, h("span", {}, what), h("div", {}, h("pre", {}, command), h("button", { type: "button", "aria-label": `Copy: ${what}`, "data-key": command, on: { click: copy(command) } }, "Copy"))))));
}

function about(circuit) {
  const it = circuit.circuit;
  return sheet("About", facts([
    ["Object", `${circuit.objectKind ?? ""} ${it.namespace}/${it.object}`],
    ["Policy", h("a", { href: `#/policies/${path(it.namespace, it.policy)}` }, `${it.namespace}/${it.policy}`)],
    ["Contract", circuit.contract && h("a", { href: `#/contracts/${path(circuit.contract)}` }, circuit.contract)],
    ["Mode", it.mode],
    ["State since", it.since && [time(Date.parse(it.since)), ` (${span((circuit.now - Date.parse(it.since)) / 1000)})`]],
    ["By evidence alone", it.override || it.mode === "Observe" ? it.shadow : null],
    ["Override", it.override],
    ["Last trip", circuit.lastTrip && [h("a", { class: "code", href: `#/trips/${path(circuit.lastTrip.id)}` }, circuit.lastTrip.id), " at ", time(circuit.lastTrip.at)]],
    ["Backoff level", circuit.record?.level ? String(circuit.record.level) : null],
    ["JSON", h("a", { href: `v1/circuits/${path(it.namespace, it.policy, it.object)}` }, "this page as JSON")],
  ]));
}

const body = (circuit, ...first) => [
  sheet("Values", plots(circuit), readings(circuit)),
  ...first,
  nowSheet(circuit),
  h("div", { class: "columns" }, h("div", {}, commandSheet(circuit)), h("div", {}, about(circuit))),
  proxySheet(circuit),
  h("details", { class: "sheet" }, h("summary", {}, "Rules and conditions"), rules(circuit.rules), conditions("Conditions of the policy", circuit.conditions), conditions("Conditions of the contract", circuit.contractConditions)),
];

export async function circuitPage({ ask, names }) {
  const circuit = await ask(`v1/circuits/${path(...names)}`);
  const title = `${names[2]}: ${circuit.circuit.state}`;
  const trip = circuit.lastTrip ? await ask(`v1/trips/${path(circuit.lastTrip.id)}`).catch(() => null) : null;
  return {
    title,
    announce: `${names[2]} is ${circuit.circuit.state}`,
    content: [h("h1", {}, names[2], " ", badges(circuit.circuit)), ...body(circuit, trip && storySheet(trip))],
  };
}

export async function tripPage({ ask, names }) {
  const trip = await ask(`v1/trips/${path(...names)}`);
  const { circuit } = trip;
  const title = circuit ? `Trip of ${circuit.circuit.object}` : `Trip ${trip.id}`;
  const heading = h("h1", {}, circuit ? ["Trip of ", h("a", { href: `#/circuits/${path(circuit.circuit.namespace, circuit.circuit.policy, circuit.circuit.object)}` }, circuit.circuit.object)] : "Trip", " ", h("span", { class: "code" }, trip.id), " ", circuit && badges(circuit.circuit));
  const last = circuit?.lastTrip;
  const rule = last && circuit.rules.find((each) => each.condition === last.condition);
  const what = last?.id === trip.id && last.condition && `${last.condition} was ${typeof last.value === "number" ? `${number(last.value)} ${rule?.unit ?? ""}` : String(last.value)}: Bad when ${rule?.test ?? "its rule says so"}.`;
  return {
    title,
    announce: circuit ? `${title}: ${circuit.circuit.state}` : title,
    content: [
      heading,
      what && h("p", {}, what),
      h("p", { class: "note" }, trip.stands ? "It is being recovered from." : "It is over."),
      ...(circuit ? body(circuit, storySheet(trip)) : [storySheet(trip)]),
    ],
  };
}
