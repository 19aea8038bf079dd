/** Turns of a conversation as elements. Texts are set as text alone: what a model or a person writes stays words. */

import { shown } from "./reactions.js";

const forOperators = new URLSearchParams(location.search).has("operator");

/** @param {string} selector @param {ParentNode} [within] @returns {HTMLElement} */
export const one = (selector, within = document) => within.querySelector(selector);

/**
 * Make the element of a turn.
 * @param {import("./memory.js").UserTurn|import("./memory.js").ReplyTurn} turn
 * @param {number} number of the reply, from 1
 * @returns {HTMLLIElement}
 */
export function element(turn, number) {
  const template = one(turn.role === "user" ? "#user-turn" : "#reply-turn");
  const item = template.content.firstElementChild.cloneNode(true);
  if (turn.role === "user") one(".text", item).textContent = turn.text;
  else one("article", item).setAttribute("aria-label", `Reply ${number}`);
  return item;
}

/**
 * Show a reply as it is now.
 * @param {HTMLLIElement} item
 * @param {import("./memory.js").ReplyTurn} reply
 * @param {boolean} busy whether more of it comes
 */
export function paint(item, reply, busy = false) {
  one("article", item).setAttribute("aria-busy", String(busy));
  setText(one(".text", item), reply.text);
  setText(one(".note", item), reply.note);
  one(".note", item).hidden = busy || !reply.note;
  paintSigns(item, reply, busy);
  paintUnsaved(item, reply);
  if (forOperators && reply.served) paintServed(one(".served", item), reply.served);
}

function paintSigns(item, reply, busy) {
  const signs = one(".signs", item);
  signs.hidden = busy || !canReact(reply);
  signs.setAttribute("aria-label", "What you say about this reply");
  const on = shown(reply);
  for (const button of signs.children) button.setAttribute("aria-pressed", String(on.has(button.dataset.reaction)));
}

/** @param {import("./memory.js").ReplyTurn} reply */
export const canReact = (reply) => Boolean(reply.response && reply.text) && reply.served?.recorded !== false;

function paintUnsaved(item, reply) {
  const box = one(".unsaved", item);
  if (!reply.unsaved && box.contains(document.activeElement)) one("article", item).focus(); // the button goes away
  const hidden = box.hidden;
  tell(box, reply.unsaved, reply.waiting.length > 0);
  if (hidden && !box.hidden) box.scrollIntoView({ block: "nearest" });
}

function paintServed(details, served) {
  details.hidden = false;
  const rows = Object.entries(served).map(([name, value]) => {
    const [term, about] = [document.createElement("dt"), document.createElement("dd")];
    term.textContent = name;
    about.textContent = value ?? "none";
    return [term, about];
  });
  one("dl", details).replaceChildren(...rows.flat());
}

/**
 * Show a problem, or hide it.
 * @param {HTMLElement} box holds a paragraph, and mostly a button
 * @param {string|null} words
 * @param {boolean} again whether the button is offered
 */
export function tell(box, words, again = true) {
  setText(one("p", box), words ?? "");
  const button = one("button", box);
  if (button) button.hidden = !again;
  box.hidden = !words;
}

/** Have a screen reader say something; the same words twice are said twice. */
export function say(words) {
  const status = one("#status");
  status.textContent = "";
  setTimeout(() => (status.textContent = words), 50); // readers miss a change within one turn of the event loop
}

/** An unchanged text is left alone: readers would say it again, and a selection in it would be lost. */
function setText(place, text) {
  if (place.textContent !== text) place.textContent = text;
}

/** @returns {boolean} whether the end of the conversation is in sight */
export function atEnd() {
  const { scrollHeight, scrollTop, clientHeight } = scroller();
  return scrollHeight - scrollTop - clientHeight < 80;
}

export function toEnd() {
  scroller().scrollTop = scroller().scrollHeight;
}

/** The conversation scrolls by itself where the window is high enough, else with the whole page. */
function scroller() {
  const main = one("main");
  return getComputedStyle(main).overflowY === "auto" ? main : document.scrollingElement;
}
