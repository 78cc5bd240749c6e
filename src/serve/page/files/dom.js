// The DOM: builds and updates elements. Texts from outside become text nodes and attributes, never markup.

const SVG = "http://www.w3.org/2000/svg";

function build(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "on") element.on = value;
    // A link leads to a place of this page or of this port, and nowhere else.
    else if (name === "href" && !/^(#\/|v1\/)/.test(value)) throw new Error(`no link to ${value}`);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  for (const [name, listener] of Object.entries(element.on ?? {})) element.addEventListener(name, listener);
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

export const h = (tag, attributes, ...children) => build(document.createElement(tag), attributes, children);
export const s = (tag, attributes, ...children) => build(document.createElementNS(SVG, tag), attributes, children);

// Makes `old` look like `fresh` and keeps what did not change, so that focus, selection and open details stay.
export function update(old, fresh) {
  const sameKind = old.nodeType === fresh.nodeType && old.nodeName === fresh.nodeName;
  if (!sameKind || old.on || fresh.on || old.dataset?.key !== fresh.dataset?.key) {
    if (sameKind && old.dataset?.key !== undefined && old.dataset.key === fresh.dataset?.key) return;
    old.replaceWith(fresh);
    return;
  }
  if (old.nodeType === Node.TEXT_NODE) {
    if (old.data !== fresh.data) old.data = fresh.data;
    return;
  }
  for (const { name } of [...old.attributes]) {
    if (!fresh.hasAttribute(name) && !(name === "open" && old.nodeName === "DETAILS")) old.removeAttribute(name);
  }
  for (const { name, value } of fresh.attributes) {
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  updateChildren(old, [...fresh.childNodes]);
}

export function updateChildren(parent, fresh) {
  const old = [...parent.childNodes];
  fresh.forEach((child, index) => (index < old.length ? update(old[index], child) : parent.append(child)));
  old.slice(fresh.length).forEach((child) => child.remove());
}

// Texts.

export const path = (...names) => names.map(encodeURIComponent).join("/");

export function clock(millis, day = false) {
  const date = new Date(millis);
  const pad = (number) => String(number).padStart(2, "0");
  const time = `${pad(date.getHours())}:${pad(date.getMinutes())}:${pad(date.getSeconds())}`;
  const sameDay = date.toDateString() === new Date().toDateString();
  return day || !sameDay ? `${date.getFullYear()}-${pad(date.getMonth() + 1)}-${pad(date.getDate())} ${time}` : time;
}

export function span(seconds) {
  if (seconds < 0) return "0 s";
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172800) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86400)} d`;
}

export const time = (millis) => {
  const iso = Number.isFinite(millis) ? new Date(millis).toISOString() : "";
  return h("time", { datetime: iso, title: iso }, clock(millis));
};

export const number = (value) =>
  Math.abs(value) >= 1000 || Number.isInteger(value) ? String(Math.round(value)) : String(Number(value.toPrecision(3)));

export const badge = (text, kind = text) => h("span", { class: `badge ${kind}` }, text);

export const plural = (count, one, many = `${one}s`) => `${count} ${count === 1 ? one : many}`;

// Pieces that pages share.

export const sheet = (title, ...content) =>
  h("section", { class: "sheet", "aria-label": title }, h("h2", {}, title), ...content);

export const facts = (pairs) =>
  h("dl", { class: "facts" }, pairs.filter(([, value]) => value !== null && value !== undefined && value !== "")
    .map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]));

// A table: columns are [title, cell of an item, class]. On a phone each row becomes a block.
export function table(caption, columns, items, row = () => ({})) {
  const head = h("thead", {}, h("tr", {}, columns.map(([title, , kind]) => h("th", { scope: "col", class: kind }, title))));
  const body = items.map((item) => h("tr", row(item), columns.map(([title, cell, kind], index) =>
    h(index === 0 ? "th" : "td", { scope: index === 0 ? "row" : undefined, class: kind, "data-is": index === 0 ? undefined : title }, cell(item)))));
  return h("div", { class: "scroll" }, h("table", { class: "stack" }, h("caption", { class: "unseen" }, caption), head, h("tbody", {}, body)));
}

// Conditions that are well while they are False.
const NEGATIVE = /^(ClockSkew|Degraded|GateMisasked|Open|RollbackBlocked)$/;

// The conditions of one of our API objects.
export const conditions = (caption, list) =>
  table(caption, [
    ["Condition", (each) => each.type],
    ["Status", (each) => badge(each.status, NEGATIVE.test(each.type) ? { True: "False", False: "True" }[each.status] : each.status)],
    ["Reason", (each) => each.reason],
    ["Message", (each) => each.message],
  ], list ?? []);
