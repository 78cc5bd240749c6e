// The lists: overview, circuits, proxies, policies and contracts.

import { badge, conditions, facts, h, number, path, plural, s, sheet, span, table, time } from "./dom.js";

const STATES = ["Open", "HalfOpen", "Armed", "Latched", "Suppressed", "Overridden", "Closed"];

const field = (state) => state[0].toLowerCase() + state.slice(1);

// All that is said of how a circuit stands, in badges.
export function badges(circuit) {
  const found = [badge(circuit.state)];
  if (circuit.override) found.push(badge(circuit.override, "Overridden"));
  if (circuit.latched) found.push(badge("Latched"));
  if (circuit.suppressed) found.push(badge("Suppressed"));
  if (circuit.armed && circuit.shadow === "Closed") found.push(badge("Armed"));
  if (circuit.inhibitedBy) found.push(badge("Inhibited"));
  if (circuit.mode === "Observe") found.push(badge("Observe"));
  return found.flatMap((each) => [each, " "]);
}

export const reading = (rule) => {
  const unknown = rule.unknownReason ? ` (${rule.unknownReason})` : "";
  const value = rule.value === null ? "no value" : typeof rule.value === "number" ? `${number(rule.value)} ${rule.unit}`.trim() : String(rule.value);
  const streak = rule.streak > 0 ? `, ${rule.streak} Bad in a row` : "";
  return `${rule.condition} ${value}: ${rule.class ?? "not reported yet"}${unknown}${streak}`;
};

const linkTo = (circuit) => h("a", { href: `#/circuits/${path(circuit.namespace, circuit.policy, circuit.object)}` }, circuit.object);

const circuitTable = (caption, circuits, now) =>
  table(caption, [
    ["Object", (circuit) => linkTo(circuit)],
    ["Policy", (circuit) => h("a", { href: `#/policies/${path(circuit.namespace, circuit.policy)}` }, `${circuit.namespace}/${circuit.policy}`)],
    ["State", badges],
    ["For", (circuit) => (circuit.since ? span((now - Date.parse(circuit.since)) / 1000) : ""), "tight"],
    ["Latest", (circuit) => circuit.rules.map((rule) => h("div", {}, reading(rule)))],
    ["Trip", (circuit) => circuit.tripId && h("a", { class: "code", href: `#/trips/${path(circuit.tripId)}` }, circuit.tripId)],
  ], circuits, (circuit) => ({ class: circuit.state === "Open" ? "pressing" : undefined }));

// How a policy's circuits stand, as a bar.
function bar(counts) {
  const parts = [["Open", counts.open], ["HalfOpen", counts.halfOpen], ["Closed", counts.closed]].filter(([, count]) => count > 0);
  const label = parts.map(([state, count]) => `${count} ${state}`).join(", ") || "no circuits";
  let at = 0;
  const rectangles = parts.map(([state, count]) => {
    const x = at;
    at += (count / counts.total) * 100;
    return s("rect", { class: `state ${state}`, x, y: 0, width: Math.max(at - x, 2), height: 12 });
  });
  return s("svg", { class: "bar plot", viewBox: "0 0 100 12", preserveAspectRatio: "none", role: "img", "aria-label": label }, rectangles);
}

const policyTable = (list) =>
  table("Policies", [
    ["Policy", (policy) => h("a", { href: `#/policies/${path(policy.namespace, policy.name)}` }, policy.name)],
    ["Circuits", (policy) => bar(policy.circuits)],
    ["Not closed", (policy) => `${policy.circuits.open + policy.circuits.halfOpen} of ${policy.circuits.total}`, "number"],
    ["Programmed", (policy) => (policy.proxies === null ? "" : `${policy.acked ?? 0} of ${policy.proxies}`), "number"],
    ["", (policy) => [policy.accepted ? null : badge("Not accepted", "Failed"), policy.mode === "Observe" ? badge("Observe") : null]],
  ], list);

function byNamespace(list) {
  const groups = new Map();
  for (const policy of list) groups.set(policy.namespace, [...(groups.get(policy.namespace) ?? []), policy]);
  return [...groups].map(([namespace, policies]) => [h("h3", {}, namespace), policyTable(policies)]);
}

function headline({ circuits }) {
  if (circuits.total === 0) return "No circuits yet";
  const parts = STATES.filter((state) => state !== "Closed" && circuits[field(state)] > 0).map((state) => `${circuits[field(state)]} ${state}`);
  return parts.length ? `${parts.join(", ")} of ${plural(circuits.total, "circuit")}` : `All ${plural(circuits.total, "circuit")} closed`;
}

export async function overview({ ask }) {
  const all = await ask("v1/overview");
  const { installation: here, proxies: mesh } = all;
  const title = headline(all);
  const tiles = STATES.map((state) => {
    const count = all.circuits[field(state)];
    return h("li", { class: `${state} ${count > 0 ? "some" : ""}` }, h("a", { href: `#/circuits?state=${state}` }, h("b", {}, count), state));
  });
  const problems = all.problems.map((problem) => h("li", {},
    h("b", {}, problem.at ? h("a", { href: `#/${problem.at.split("/").map(encodeURIComponent).join("/")}` }, problem.what) : problem.what),
    h("div", {}, problem.why)));
  const feeds = all.feeds.map((feed) => `${feed.kind}: ${!feed.listed ? "not listed yet" : feed.unconfirmedSeconds === null ? "live" : `not confirmed for ${span(feed.unconfirmedSeconds)}`}`);
  return {
    title,
    announce: title,
    content: [
      h("h1", {}, title),
      h("ul", { class: "tiles", "aria-label": "Circuits by state" }, tiles),
      problems.length > 0 && sheet("Wrong with the installation", h("ul", { class: "problems" }, problems)),
      sheet("Wants looking at", all.troubled.length
        ? circuitTable("Circuits that are not at rest", all.troubled, all.now)
        : h("p", { class: "note" }, "Every circuit is closed and at rest.")),
      h("div", { class: "columns" },
        sheet("Policies by namespace", all.policies.length ? byNamespace(all.policies) : h("p", { class: "note" }, "There are none."),
          all.policiesTotal > all.policies.length && h("p", { class: "note" }, h("a", { href: "#/policies" }, `All ${all.policiesTotal} policies`))),
        h("div", {},
          sheet("Proxies", facts([
            ["Connected here", h("a", { href: "#/proxies" }, plural(mesh.connected, "proxy", "proxies"))],
            ["Programmed", `${mesh.connected - mesh.behind} of ${mesh.connected}`],
            ["Refusing", mesh.refusing > 0 ? badge(String(mesh.refusing), "Failed") : "none"],
          ])),
          sheet("This replica", facts([
            ["Name", here.replica],
            ["Leads", here.leads ? "yes: it writes statuses and alerts" : "no: another replica writes"],
            ["Synced", here.synced ? "yes" : "not yet"],
            ["Runs on", here.directory ?? `cluster ${here.cluster}, namespace ${here.namespace}`],
            ["Objects", String(here.objects)],
            ["Feeds", feeds.map((feed) => h("div", {}, feed))],
            ["Alertmanagers", String(here.alertmanagers)],
            ["Version", here.version],
          ])))),
    ],
  };
}

// A list of which more can be asked for, page after page.
const kept = { key: null, more: [] };

async function pages(ask, address, key) {
  if (kept.key !== key) Object.assign(kept, { key, more: [] });
  const found = [await ask(address)];
  for (const after of kept.more) found.push(await ask(`${address}&continue=${encodeURIComponent(after)}`));
  return { items: found.flatMap((page) => page.items), next: found.at(-1).continue };
}

const more = (next, draw) => next && h("p", {}, h("button", { type: "button", "data-key": `more ${next}`, on: { click: () => { kept.more.push(next); draw(); } } }, "Show more"));

function filterTo(base, query, name, value) {
  const changed = new URLSearchParams(query);
  if (value) changed.set(name, value);
  else changed.delete(name);
  const text = changed.toString();
  history.replaceState(null, "", `#/${base}${text ? `?${text}` : ""}`);
}

function search(base, query, draw, label) {
  let waiting;
  const typed = (event) => {
    clearTimeout(waiting);
    const { value } = event.target;
    waiting = setTimeout(() => {
      filterTo(base, location.hash.split("?")[1] ?? "", "q", value);
      draw();
    }, 150);
  };
  return h("label", { class: "wide" }, label, h("input", { type: "search", name: "q", value: query.get("q") ?? "", autocomplete: "off", "data-key": "search", on: { input: typed } }));
}

export async function circuits({ ask, query, draw }) {
  const asked = new URLSearchParams();
  for (const name of ["namespace", "policy", "state", "q"]) if (query.get(name)) asked.set(name, query.get(name));
  const [{ items, next }, all] = await Promise.all([pages(ask, `v1/circuits?limit=100&${asked}`, String(asked)), ask("v1/overview")]);
  const states = ["", "Troubled", ...STATES];
  const chosen = query.get("state") ?? "";
  const choose = (event) => {
    filterTo("circuits", location.hash.split("?")[1] ?? "", "state", event.target.value);
    draw();
  };
  const label = (state) => (state === "" ? "All" : state === "Troubled" ? "Not at rest" : state);
  const title = chosen ? `Circuits: ${chosen}` : "Circuits";
  const count = next ? `the first ${items.length}` : plural(items.length, "circuit");
  return {
    title,
    announce: `${title}, ${count}`,
    content: [
      h("h1", {}, title),
      h("form", { class: "filters", role: "search", "data-key": `filters ${chosen}`, on: { submit: (event) => event.preventDefault() } },
        search("circuits", query, draw, "Search in namespace, policy and object"),
        h("label", {}, "State", h("select", { name: "state", on: { change: choose } },
          states.map((state) => h("option", { value: state, selected: state === chosen }, label(state)))))),
      h("section", { class: "sheet", "aria-label": "Circuits" },
        h("p", { class: "note" }, `Showing ${count}.`),
        items.length > 0 && circuitTable("Circuits", items, all.now)),
      more(next, draw),
    ],
  };
}

export async function proxies({ ask, query, draw }) {
  const behind = query.get("behind") === "true";
  const { items, next } = await pages(ask, `v1/proxies?limit=100${behind ? "&behind=true" : ""}`, `proxies ${behind}`);
  const choose = (event) => {
    filterTo("proxies", "", "behind", event.target.value);
    draw();
  };
  const version = (of) => (of.names.length === 0 ? (of.wildcard ? "all" : "") : of.names.map((name) => h("div", {}, `${name.name} `,
    name.nacked ? badge("refused", "Failed") : name.acked === name.published ? badge("holds it", "Good") : badge("behind", "HalfOpen"))));
  const refused = (proxy) => proxy.types.filter((of) => of.nacked && of.behind.names > 0).map((of) => h("div", {}, of.nacked.message));
  return {
    title: "Proxies",
    content: [
      h("h1", {}, "Proxies connected to this replica"),
      h("form", { class: "filters", "data-key": `filters ${behind}` }, h("label", {}, "Which", h("select", { on: { change: choose } },
        h("option", { value: "", selected: !behind }, "All"), h("option", { value: "true", selected: behind }, "Behind what is published")))),
      h("section", { class: "sheet", "aria-label": "Proxies" }, items.length ? table("Proxies", [
        ["Node", (proxy) => proxy.node],
        ["Cluster", (proxy) => proxy.cluster],
        ["Runs", (proxy) => proxy.userAgent],
        ["Address", (proxy) => proxy.address],
        ["Since", (proxy) => proxy.connectedSince && time(Date.parse(proxy.connectedSince)), "tight"],
        ["Layers", (proxy) => proxy.types.map(version)],
        ["Refuses, in its own words", refused],
      ], items) : h("p", { class: "note" }, "None is connected.")),
      more(next, draw),
    ],
  };
}

export async function policies({ ask, draw }) {
  const { items, next } = await pages(ask, "v1/policies?limit=500", "policies");
  const shown = items.map((policy) => ({
    ...policy,
    proxies: null,
    circuits: { ...policy.circuits, closed: policy.circuits.total - policy.circuits.open - policy.circuits.halfOpen },
  }));
  return { title: "Policies", content: [h("h1", {}, "Policies"), h("section", { class: "sheet", "aria-label": "Policies" }, shown.length ? byNamespace(shown) : h("p", { class: "note" }, "There are none.")), more(next, draw)] };
}

const json = (title, value) => h("details", { class: "sheet" }, h("summary", {}, title), h("pre", {}, JSON.stringify(value, null, 2)));

export const rules = (list) => table("Rules", [
  ["Condition", (rule) => rule.condition],
  ["Bad when", (rule) => rule.test],
  ["Missing counts as", (rule) => rule.missing],
  ["Stale after", (rule) => (rule.staleAfterSeconds === null ? "" : span(rule.staleAfterSeconds))],
], list);

export async function policy({ ask, names }) {
  const found = await ask(`v1/policies/${path(...names)}`);
  const title = `Policy ${names.join("/")}`;
  return {
    title,
    content: [
      h("h1", {}, title, " ", found.policy.mode === "Observe" && badge("Observe"), !found.policy.accepted && badge("Not accepted", "Failed")),
      found.rejected && h("p", {}, found.rejected),
      sheet("Circuits", facts([
        ["All", h("a", { href: `#/circuits?${new URLSearchParams({ namespace: names[0], policy: names[1] })}` }, plural(found.policy.circuits.total, "circuit"))],
        ...STATES.filter((state) => found.policy.circuits[field(state)] > 0).map((state) => [state, String(found.policy.circuits[field(state)])]),
        ["Contract", found.spec && h("a", { href: `#/contracts/${path(found.spec.contract)}` }, found.spec.contract)],
        ["Kind", found.policy.kind],
        ["Layer", found.layer],
        ["Programmed", found.policy.proxies === null ? null : `${found.policy.acked ?? 0} of ${found.policy.proxies} proxies`],
      ]), bar(found.policy.circuits)),
      sheet("Rules", h("p", {}, found.takes ? `A trip takes ${found.takes}.` : ""), rules(found.rules)),
      sheet("What it says of itself", conditions("Conditions", found.conditions)),
      json("As it was written", found.spec),
    ],
  };
}

export async function contracts({ ask, draw }) {
  const { items, next } = await pages(ask, "v1/contracts?limit=500", "contracts");
  return {
    title: "Contracts",
    content: [
      h("h1", {}, "Contracts"),
      h("section", { class: "sheet", "aria-label": "Contracts" }, items.length ? table("Contracts", [
        ["Contract", (each) => h("a", { href: `#/contracts/${path(each.name)}` }, each.name)],
        ["Kind", (each) => each.kind],
        ["Schemas kept", (each) => String(each.revisions), "number"],
        ["Live", (each) => (each.live === null ? "" : `revision ${each.live}`)],
        ["", (each) => [!each.accepted && badge("Not accepted", "Failed"), each.bad > 0 && badge(plural(each.bad, "bad schema"), "Bad")]],
      ], items) : h("p", { class: "note" }, "There are none.")),
      more(next, draw),
    ],
  };
}

function revision(each) {
  const changes = each.changes?.map((change) => h("li", {}, badge(change.class), " ", h("span", { class: "code" }, change.path), ": ", change.message, h("div", { class: "faint" }, change.reason)));
  return h("li", { class: each.bad ? "Bad" : each.live ? "Good" : "" },
    h("b", {}, `Revision ${each.number}`), " ", each.live && badge("live", "Good"), " ", each.bad && badge("bad", "Bad"), " ", time(each.seenAt),
    each.bad && h("p", {}, "Marked bad by trip ", h("a", { class: "code", href: `#/trips/${path(each.bad)}` }, each.bad), "."),
    each.changes === null ? h("p", { class: "note" }, "The first that is kept.")
      : changes.length === 0 ? h("p", { class: "note" }, "Nothing that a client or an object sees has changed.")
        : h("details", { open: each.live || Boolean(each.bad) }, h("summary", {}, plural(changes.length + each.omitted, "change"), " from the one before"), h("ul", {}, changes)));
}

const queryOf = (spec, key) => spec?.conditions?.find((each) => each.key === key)?.from?.prometheus?.query ?? "";

export async function contract({ ask, names }) {
  const found = await ask(`v1/contracts/${path(...names)}`);
  const title = `Contract ${names[0]}`;
  const { incidents } = found;
  return {
    title,
    content: [
      h("h1", {}, title, " ", !found.contract.accepted && badge("Not accepted", "Failed")),
      found.contract.rejected && h("p", {}, found.contract.rejected),
      sheet("What it says of itself", conditions("Conditions", found.conditions)),
      found.queries.length > 0 && sheet("Queries of Prometheus", table("Queries of Prometheus", [
        ["Key", (each) => each.key],
        ["Query", (each) => h("span", { class: "code" }, queryOf(found.spec, each.key))],
        ["Last run", (each) => each.lastRun && time(Date.parse(each.lastRun)), "tight"],
        ["Series", (each) => String(each.series), "number"],
        ["Objects", (each) => String(each.objects), "number"],
        ["", (each) => (each.error ? [badge("Failed"), " ", each.error] : badge("answered", "Good"))],
      ], found.queries)),
      incidents.length > 0 && sheet("Rollbacks", table("Rollbacks", [
        ["State", (each) => each.state],
        ["Trip", (each) => h("a", { class: "code", href: `#/trips/${path(each.tripId)}` }, each.tripId)],
        ["Target", (each) => (each.target === undefined ? "" : `revision ${each.target}`)],
        ["Why", (each) => [each.reason, each.message].filter(Boolean).join(": ")],
      ], incidents)),
      sheet("Schemas", found.revisions.length ? h("ol", { class: "story", reversed: true }, found.revisions.map(revision))
        : h("p", { class: "note" }, "None is kept: the kind has no CRD, or it has not been seen yet.")),
      found.lint.length > 0 && sheet(`Linting the live schema finds ${plural(found.lint.length + found.lintOmitted, "weakness", "weaknesses")}`,
        h("details", {}, h("summary", {}, "Show them"), h("ul", {}, found.lint.map((each) => h("li", {}, h("span", { class: "code" }, each.path), ` ${each.rule}: ${each.why}; ${each.mend}.`))))),
      json("As it was written", found.spec),
    ],
  };
}
