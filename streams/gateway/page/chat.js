/** The chat page: what its visitor does, and what follows from it. */

import * as memories from "./memory.js";
import { giveUp, hearts, send, shown, toggle, undo } from "./reactions.js";
import { atEnd, canReact, element, one, paint, say, tell, toEnd } from "./view.js";
import { post, Problem, reply as stream, signIn } from "./wire.js";

let memory = memories.load();
/** Ends the reply that is being written; null where none is. */
let writing = null;
let retry = () => {};
const items = new WeakMap();
const field = one("#message");
const { CUT } = memories;
const NOTHING = one("#empty").textContent;
const FORGOTTEN = "You have asked to be forgotten: nothing is left here, and what was stored is to be deleted.";

/** Ask what the field holds. */
function ask() {
  const text = field.value.trim();
  if (writing) return say("A reply is being written. Stop it first, or wait for its end.");
  if (!text) return field.focus();
  field.value = "";
  add({ role: "user", text });
  return answer();
}

/** Have the last message answered. */
async function answer() {
  tell(one("#problem"), null);
  const [reply, own] = [memories.blankReply(), memory];
  setWriting(new AbortController());
  say("The reply is being written.");
  try {
    await stream(memories.messages(own.turns), own.conversation, writing.signal, (piece) => hear(own, reply, piece));
    reply.note = "";
    if (own === memory) say(reply.text || "The reply is empty.");
  } catch (error) {
    if (own === memory) ended(reply, error);
  }
  setWriting(null);
  if (own !== memory) return; // another conversation has begun
  show(reply);
  memories.save(memory);
}

function hear(own, reply, piece) {
  own.conversation ??= piece.conversation ?? null;
  reply.response = piece.response ?? reply.response;
  reply.served = piece.served ?? reply.served;
  if (!piece.text || own !== memory) return;
  reply.text += piece.text;
  items.has(reply) ? show(reply, true) : add(reply, true);
}

function ended(reply, error) {
  if (error.name === "AbortError") {
    reply.note = "Stopped here.";
    return say("The reply was stopped.");
  }
  return fail(error, answerAgain);
}

function answerAgain() {
  if (memory.turns.at(-1).role === "assistant") drop(memory.turns.at(-1));
  return answer();
}

/** Say what went wrong, and how to try again. */
function fail(error, again) {
  if (!(error instanceof Problem)) console.error(error);
  retry = again;
  tell(one("#problem"), error instanceof Problem ? error.message : "Something went wrong on this page.", error.again);
  toEnd();
}

function add(turn, busy = false) {
  const follow = atEnd() || turn.role === "user";
  memory.turns.push(turn);
  draw(turn, busy);
  memories.save(memory);
  if (follow) toEnd();
}

function draw(turn, busy = false) {
  const until = memory.turns.slice(0, memory.turns.indexOf(turn) + 1);
  const item = element(turn, until.filter((each) => each.role === "assistant").length);
  items.set(turn, item);
  one("#talk").append(item);
  one("#empty").hidden = true;
  if (turn.role === "assistant") paint(item, turn, busy);
}

function drop(turn) {
  items.get(turn).remove();
  memory.turns = memory.turns.filter((each) => each !== turn);
}

/** Show a reply, and what else depends on it, as it is now. */
function show(reply, busy = false) {
  const follow = atEnd();
  if (items.has(reply)) paint(items.get(reply), reply, busy);
  showCount();
  if (follow && busy) toEnd();
}

const counted = () => `${hearts(memory)} ${hearts(memory) === 1 ? "heart" : "hearts"} given`;
const showCount = () => (one("#hearts").textContent = counted());

function setWriting(controller) {
  writing = controller;
  const focused = [one("#send"), one("#stop")].includes(document.activeElement);
  one("#send").hidden = Boolean(writing);
  one("#stop").hidden = !writing;
  if (focused) field.focus(); // the button that had it is gone
}

/** Change a reply's reactions by `act`, show that, and send it. */
function react(reply, act) {
  if (!canReact(reply) || one(".signs", items.get(reply)).hidden) return;
  const before = shown(reply);
  act(reply);
  const given = [...shown(reply)].filter((each) => !before.has(each)).map((each) => `${each} given`);
  const taken = [...before].filter((each) => !shown(reply).has(each)).map((each) => `${each} taken back`);
  say(`${[...given, ...taken].join(", ") || "Nothing to undo"}. ${counted()}.`);
  deliver(reply);
}

function deliver(reply) {
  const own = memory;
  const changed = () => {
    if (own !== memory) return;
    show(reply);
    memories.save(memory);
  };
  send(reply, changed);
  changed();
}

/** The reply that an event is about. */
function replyOf(event) {
  const item = event.target.closest(".reply");
  return memory.turns.find((turn) => item && items.get(turn) === item);
}

function clicked(event) {
  const [reply, button] = [replyOf(event), event.target.closest("button")];
  if (!reply || !button) return;
  if (button.dataset.reaction) react(reply, () => toggle(reply, button.dataset.reaction));
  else deliver(reply);
}

function pressed(event) {
  const reply = replyOf(event);
  if (!reply || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  if (event.key === "h") react(reply, () => toggle(reply, "love"));
  if (event.key === "u") react(reply, () => undo(reply));
}

function begin(fresh, words = NOTHING) {
  writing?.abort();
  memory = fresh;
  memories.save(memory);
  one("#talk").replaceChildren();
  one("#empty").textContent = words;
  one("#empty").hidden = false;
  tell(one("#problem"), null);
  showCount();
  field.focus();
}

function beginAnew() {
  for (const turn of memory.turns) if (turn.waiting?.length) send(turn, () => {}); // the last time to try
  begin(memories.blank(hearts(memory)));
  say("A new conversation has begun.");
}

/** Have everything deleted that the visitor has said. */
async function forget() {
  const [dialog, yes] = [one("#forgetting"), one("#forgetting [value=yes]")];
  yes.disabled = true;
  try {
    await stillness();
    await post("v1/erasures", {});
    memories.forget();
    begin(memories.blank(), FORGOTTEN);
    say(FORGOTTEN);
    dialog.close();
  } catch (error) {
    tell(one(".problem", dialog), `You are not forgotten yet. ${error.message} Then press the button again.`);
  }
  yes.disabled = false;
}

/** Wait until nothing of the visitor's is on its way: what came after the request would be kept. */
async function stillness() {
  await giveUp(memory);
  if (!writing) return;
  writing.abort();
  await new Promise((done) => setTimeout(done, 1_000)); // the gateway still writes down what was shown of the reply
}

async function enter() {
  tell(one("#problem"), null);
  try {
    await signIn();
  } catch (error) {
    return fail(error, enter);
  }
  for (const turn of memory.turns) if (turn.waiting?.length) deliver(turn); // under their old keys: they count once
  const last = memory.turns.at(-1);
  if (last?.role === "user") fail(new Problem("Your last message has no reply yet."), answerAgain);
  else if (last?.note === CUT) fail(new Problem("The last reply broke off before its end."), answerAgain);
}

function listen() {
  one("#ask").addEventListener("submit", (event) => (event.preventDefault(), ask()));
  field.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return; // Enter also chooses a composed character
    event.preventDefault();
    ask();
  });
  one("#stop").addEventListener("click", () => writing?.abort());
  one("#problem button").addEventListener("click", () => (field.focus(), retry()));
  one("#talk").addEventListener("click", clicked);
  one("#talk").addEventListener("keydown", pressed);
  one("#new").addEventListener("click", beginAnew);
  const dialog = one("#forgetting");
  one("#forget").addEventListener("click", () => (tell(one(".problem", dialog), null), dialog.showModal()));
  one("[value=no]", dialog).addEventListener("click", () => dialog.close());
  one("[value=yes]", dialog).addEventListener("click", forget);
  window.addEventListener("pagehide", () => memories.save(memory)); // with what came of a reply until then
  one("#theme").value = document.documentElement.dataset.theme;
  one("#theme").addEventListener("change", (event) => memories.chooseTheme(event.target.value));
}

listen();
for (const turn of memory.turns) draw(turn);
showCount();
toEnd();
enter();
