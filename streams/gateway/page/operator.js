/** What operators see: asks the gateway again and again, and writes down what it says. */

const SECONDS = 3;
const KEPT = "loveloop.operator-key";
const TABLES = [
  ["responses", "Responses served", ["policy", "experiment", "arm"]],
  ["reactions", "Reactions", ["reaction", "action"]],
  ["refusals", "Refused requests", ["reason"]],
  ["incomplete", "Responses that were cut", ["why"]],
  ["requests", "Requests", ["path", "status"]],
];
const place = (id) => document.getElementById(id);
let key = kept();

/** The key of this tab; storage may be forbidden, and it is then asked for after each loading. */
function kept() {
  try {
    return sessionStorage.getItem(KEPT);
  } catch {
    return null;
  }
}

function keep(value) {
  key = value;
  try {
    if (value === null) sessionStorage.removeItem(KEPT);
    else sessionStorage.setItem(KEPT, value);
  } catch {
    // it then ends with the page
  }
}

/** An element with a class and children, of which texts stay texts. */
function element(name, className, ...children) {
  const made = document.createElement(name);
  if (className) made.className = className;
  made.append(...children);
  return made;
}

function table(caption, heads, rows) {
  const cell = (name, value) => {
    const number = typeof value === "number";
    const made = element(name, number ? "number" : "", number ? value.toLocaleString() : value || "–");
    if (value === "off") made.className = "off";
    return made;
  };
  const numbers = heads.map((_, place) => rows.length > 0 && typeof rows[0][place] === "number");
  const head = heads.map((name, place) => {
    const made = element("th", numbers[place] ? "number" : "", name);
    made.scope = "col";
    return made;
  });
  const body = rows.map((row) => element("tr", "", ...row.map((value) => cell("td", value))));
  const whole = element(
    "table", "", element("caption", "", caption),
    element("thead", "", element("tr", "", ...head)), element("tbody", "", ...body),
  );
  const scrolled = element("div", "wide", whole);
  scrolled.tabIndex = 0; // so that the keyboard can scroll it
  scrolled.setAttribute("role", "region");
  scrolled.setAttribute("aria-label", caption);
  return scrolled;
}

const total = (rows, wanted = () => true) => rows.filter(wanted).reduce((sum, row) => sum + row.count, 0);
const share = (value) => `${Math.round(value * 1000) / 10} %`;
const seconds = (value) => (value === null ? "–" : `${Math.round(value * 1000)} ms`);

function figures(status) {
  const hearts = (action) => total(status.reactions, (row) => row.reaction === "love" && row.action === action);
  const off = status.experiments.flatMap((each) => each.arms).filter((arm) => arm.off).length;
  const lag = status.acknowledgements;
  return [
    ["Broker", status.broker.broker],
    ["Responses served", total(status.responses)],
    ["Hearts given", hearts("added")],
    ["Hearts taken back", hearts("removed")],
    ["Refused", total(status.refusals)],
    ["Shown, not recorded", status.unrecorded],
    ["Events at the broker", status.broker.acknowledged],
    ["Waiting for it now", lag.waiting],
    ["Acknowledged in (median)", seconds(lag.median_seconds)],
    [`Slowest of ${lag.measured}`, seconds(lag.slowest_seconds)],
    ["Arms that are off", status.kill_switch_read ? off : "switch not read yet"],
  ].map(figure);
}

function figure([name, value]) {
  const shown = typeof value === "number" ? value.toLocaleString() : value ?? "–";
  return element("div", "", element("dt", "", name), element("dd", "", shown));
}

function stored(told) {
  if (told === null) return "Not configured: [operator] sink names the file of loveloop ingest --status.";
  return told.error ?? `as of ${new Date(told.made_at).toLocaleTimeString()}`;
}

/** What the sink says of itself; nothing where it says nothing. */
function showSink(told) {
  place("sink").textContent = stored(told);
  const known = told !== null && told.error === null;
  place("sink-figures").replaceChildren(...(known ? [
    ["Events read", told.events],
    ["Messages to be read", told.lag],
    ["Dead letters", told.dead_letters],
    ["Reactions that wait for their response", told.waiting],
    ["Of them for too long", told.waiting_too_long],
  ].map(figure) : []));
  const reasons = known ? Object.entries(told.dead_letters_by_reason) : [];
  place("dead-letters").replaceChildren(
    ...(reasons.length > 0 ? [table("Dead letters by reason", ["reason", "count"], reasons)] : []));
}

function experiment(each) {
  const rows = each.arms.map((arm) => [
    arm.arm, share(arm.share), arm.policy, arm.digest?.slice(0, 12), arm.off ? "off" : "served",
  ]);
  const where = each.namespace === null ? "" : `, namespace ${each.namespace} ${each.range.join(" to ")}`;
  return element(
    "div", "", element("h3", "", each.name),
    element("p", "quiet", `revision ${each.revision ?? "–"}, coverage ${share(each.coverage)}, ` +
      `holdout ${share(each.holdout)}, compared with ${each.control}${where}`),
    ...(each.held_back === null ? [] : [element("p", "problem", `Nobody is in it: ${each.held_back}`)]),
    table("Arms", ["arm", "share", "policy", "bundle", "now"], rows),
  );
}

function guard(told) {
  if (told === null) return "Not configured: [operator] guard names its web port.";
  if (told.error !== null) return told.error;
  const waiting = Object.values(told.health.lag ?? {}).reduce((sum, lag) => sum + lag, 0);
  const how = told.health.healthy ? "healthy" : `not healthy: ${told.health.reason}`;
  return `${how}; ${waiting.toLocaleString()} messages wait to be counted`;
}

function show(status) {
  place("figures").replaceChildren(...figures(status));
  place("default").textContent = `Users in no experiment get ${status.default}.`;
  const broken = status.routes.error === null ? [] : [element("p", "problem", `The routes: ${status.routes.error}`)];
  place("experiments").replaceChildren(...broken, ...status.experiments.map(experiment));
  const counted = TABLES.filter(([name]) => status[name].length > 0);
  place("counts").replaceChildren(...counted.map(([name, caption, heads]) =>
    table(caption, [...heads, "count"], status[name].map((row) => [...heads.map((head) => row[head]), row.count]))));
  showSink(status.sink);
  place("guard").textContent = guard(status.guard);
  const arms = (status.guard?.arms ?? []).map((arm) => [
    arm.experiment, arm.arm, arm.served, arm.loves, arm.closings, arm.tripped ? "off" : "served",
  ]);
  const heads = ["experiment", "arm", "served", "loves", "closings", "now"];
  place("guard-arms").replaceChildren(...(arms.length > 0 ? [table("Counted by the guard", heads, arms)] : []));
  place("dagster").hidden = status.dagster === null;
  for (const link of place("dagster").querySelectorAll("a"))
    if (status.dagster !== null) link.href = `${status.dagster.replace(/\/$/, "")}/${link.dataset.path}`;
  place("told").textContent = `as of ${new Date(status.made_at).toLocaleTimeString()}`;
}

function problem(words) {
  place("problem").hidden = words === null;
  place("problem").firstElementChild.textContent = words ?? "";
}

async function look() {
  const headers = key === null ? {} : { Authorization: `Bearer ${key}` };
  const answer = await fetch("operator/status", { headers });
  const closed = answer.status === 401 || answer.status === 403;
  place("sign-in").hidden = !closed;
  place("status").hidden = closed;
  if (closed) {
    problem(key === null ? null : "This key is not known here.");
    keep(null);
    place("told").textContent = "For holders of a key.";
    return false;
  }
  if (!answer.ok) throw new Error(`The gateway says ${answer.status}.`);
  show(await answer.json());
  problem(null);
  return true;
}

async function follow() {
  let again = true;
  try {
    again = await look();
  } catch (error) {
    const words = error instanceof TypeError ? "The gateway cannot be reached." : error.message;
    problem(`${words} What is shown is older.`);
  }
  if (again) setTimeout(follow, SECONDS * 1000);
}

place("sign-in").addEventListener("submit", (event) => {
  event.preventDefault();
  keep(place("key").value.trim());
  place("key").value = "";
  follow();
});
follow();
