// The plot: a condition's samples against its limits, and the circuit's states as a band under them.

import { clock, h, number, s } from "./dom.js";

const HOUR = 3600000;
const BAND = 26;
const LEFT = 62;
const RIGHT = 12;
const TOP = 14;

// The time that is shown: all that is remembered of the last hour, and some before the trip.
export function window(circuit, now) {
  const first = circuit.samples.length ? circuit.samples[0][0] : now - 60000;
  const trip = circuit.lastTrip && circuit.lastTrip.at > now - HOUR ? circuit.lastTrip.at - 120000 : now - HOUR;
  const from = Math.max(first, Math.min(trip, now - 60000), now - HOUR);
  return [Math.min(from, now - 30000), now];
}

// A sample's mark: its class is told by its form, and not by color alone.
export function mark(kind, x, y) {
  if (kind === "Bad") return s("path", { class: "sample Bad", d: `M${x} ${y - 5.5}l5 9.5h-10z` });
  if (kind === "Unknown") return s("path", { class: "sample Unknown", d: `M${x - 4} ${y - 4}l8 8m0-8l-8 8` });
  return s("circle", { class: "sample Good", cx: x, cy: y, r: 4 });
}

export const legend = (rule) => h("ul", { class: "legend" },
  ["Good", "Bad", "Unknown"].map((kind) => h("li", {}, s("svg", { class: "mark", width: 14, height: 14, viewBox: "0 0 14 14", "aria-hidden": "true" }, mark(kind, 7, 7)), kind)),
  rule.limit !== null && h("li", {}, `dashed: Bad ${rule.bad} ${number(rule.limit)} ${rule.unit}`),
  rule.clear !== null && h("li", {}, `dotted: clear again at ${number(rule.clear)} ${rule.unit}`));

function scale(values) {
  let low = Math.min(...values);
  let high = Math.max(...values);
  if (low > 0 && low < high * 0.6) low = 0;
  const pad = (high - low || Math.abs(high) || 1) * 0.1;
  return [low === 0 ? 0 : low - pad, high + pad];
}

// Round numbers between two others.
function ticks(low, high, count) {
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((each) => each >= rough);
  const found = [];
  for (let at = Math.ceil(low / step) * step; at <= high; at += step) found.push(Number(at.toPrecision(12)));
  return found;
}

function timeTicks(from, to, width) {
  const steps = [5, 10, 15, 30, 60, 120, 300, 600, 900, 1800].map((seconds) => seconds * 1000);
  const step = steps.find((each) => (to - from) / each <= width / 90) ?? HOUR;
  const found = [];
  for (let at = Math.ceil(from / step) * step; at <= to; at += step) found.push(at);
  return found;
}

// What stood when: the moves, each until the next.
export function spans(circuit, from, to) {
  const moves = circuit.moves.length ? circuit.moves : [{ at: from, state: circuit.circuit.state, shadow: circuit.circuit.shadow, override: circuit.circuit.override }];
  return moves
    .map((move, index) => ({ ...move, from: index === 0 ? Math.min(move.at, Math.max(from, move.at)) : Math.max(from, move.at), to: index + 1 < moves.length ? moves[index + 1].at : to }))
    .filter((each) => each.to > from && each.to > each.from);
}

function band(circuit, x, from, to, y) {
  return spans(circuit, from, to).map((each) => {
    const left = x(Math.max(each.from, from));
    const width = Math.max(x(each.to) - left, 1.5);
    const label = each.override ?? (each.state === "HalfOpen" ? `HalfOpen ${each.admitPercent} %` : each.state);
    return s("g", {},
      s("rect", { class: `state ${each.state}`, x: left, y, width, height: BAND }),
      each.override && s("rect", { class: "forced", x: left + 1.5, y: y + 1.5, width: Math.max(width - 3, 1), height: BAND - 3 }),
      width > label.length * 7 + 8 && s("text", { class: `name ${each.state}`, x: left + 6, y: y + 17 }, label));
  });
}

// The plot of one rule; `width` is that of the place it is drawn in.
export function plot(circuit, index, width, now) {
  const rule = circuit.rules[index];
  const [from, to] = window(circuit, now);
  const samples = circuit.samples.filter(([at, of]) => of === index && at >= from);
  const numbers = samples.filter(([, , , value]) => value !== null);
  const narrow = width < 520;
  const drawn = numbers.length > 0 || rule.limit !== null;
  const bottom = TOP + (drawn ? (narrow ? 170 : 210) : 30);
  const height = bottom + 14 + BAND + 24;
  const x = (at) => LEFT + ((Math.min(Math.max(at, from), to) - from) / (to - from)) * (width - LEFT - RIGHT);
  const limits = [rule.limit, rule.clear].filter((each) => each !== null);
  const [low, high] = scale(drawn ? [...numbers.map(([, , , value]) => value), ...limits] : [0, 1]);
  const y = (value) => bottom - ((value - low) / (high - low)) * (bottom - TOP);
  const parts = [];
  if (drawn) {
    for (const tick of ticks(low, high, 4)) {
      parts.push(s("line", { class: "grid", x1: LEFT, x2: width - RIGHT, y1: y(tick), y2: y(tick) }),
        s("text", { x: LEFT - 6, y: y(tick) + 4, "text-anchor": "end" }, `${number(tick)} ${rule.unit}`));
    }
    if (limits.length === 2) {
      const top = Math.min(y(limits[0]), y(limits[1]));
      parts.push(s("rect", { class: "between", x: LEFT, y: top, width: width - LEFT - RIGHT, height: Math.abs(y(limits[0]) - y(limits[1])) }));
    }
    if (rule.clear !== null) parts.push(s("line", { class: "clear", x1: LEFT, x2: width - RIGHT, y1: y(rule.clear), y2: y(rule.clear) }));
    if (rule.limit !== null) parts.push(s("line", { class: "limit", x1: LEFT, x2: width - RIGHT, y1: y(rule.limit), y2: y(rule.limit) }));
  }
  for (const at of timeTicks(from, to, width - LEFT)) {
    const place = Math.min(x(at), width - 28);
    parts.push(s("text", { x: place, y: height - 6, "text-anchor": "middle" }, clock(at).slice(-8)));
  }
  if (circuit.lastTrip && circuit.lastTrip.at >= from) {
    const at = x(circuit.lastTrip.at);
    const right = at > width - 60;
    parts.push(s("line", { class: "trip", x1: at, x2: at, y1: TOP - 8, y2: bottom + 14 }), s("text", { class: "labeled limit-text", x: at + (right ? -5 : 5), y: TOP, "text-anchor": right ? "end" : "start" }, "trip"));
  }
  // A value stands until the next one.
  const line = numbers.map(([at, , , value], number_) => `${number_ ? "H" : "M"}${x(at).toFixed(1)}${number_ ? "V" : " "}${y(value).toFixed(1)}`).join("");
  if (line) parts.push(s("path", { class: "value", d: `${line}H${x(to).toFixed(1)}` }));
  for (const [at, , kind, value] of samples) {
    parts.push(s("g", {}, s("title", {}, `${clock(at)} ${value === null ? "no value" : `${number(value)} ${rule.unit}`}, ${kind}`), mark(kind, Number(x(at).toFixed(1)), value === null ? bottom - 7 : Number(y(value).toFixed(1)))));
  }
  parts.push(...band(circuit, x, from, to, bottom + 14));
  const bad = samples.filter(([, , kind]) => kind === "Bad").length;
  const label = `${rule.condition} from ${clock(from)} to ${clock(to)}: ${samples.length} samples, ${bad} of them Bad. Bad is ${rule.test}. The circuit is ${circuit.circuit.state}.`;
  return s("svg", { class: "plot", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label }, parts);
}
