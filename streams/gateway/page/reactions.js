/** What a visitor says about replies: shown at once, sent in order, kept until the gateway has taken it. */

import { newKey, post } from "./wire.js";

/** A dislike denies the others; love and like go together. */
const DENIES = { love: ["dislike"], like: ["dislike"], dislike: ["love", "like"] };

/**
 * The reactions that a reply has, those included that are still to be taken.
 * @param {import("./memory.js").ReplyTurn} reply
 * @returns {Set<string>}
 */
export function shown(reply) {
  const on = new Set(reply.saved);
  for (const { reaction, action } of reply.waiting) action === "added" ? on.add(reaction) : on.delete(reaction);
  return on;
}

/** @param {import("./memory.js").Memory} memory @returns {number} hearts that the visitor has given */
export function hearts(memory) {
  return memory.heartsBefore + memory.turns.filter((turn) => turn.saved && shown(turn).has("love")).length;
}

/**
 * Set a reaction, or take it back where it is set.
 * @param {import("./memory.js").ReplyTurn} reply
 * @param {"love"|"like"|"dislike"} reaction
 */
export function toggle(reply, reaction) {
  const on = shown(reply);
  if (on.has(reaction)) return change(reply, [{ reaction, action: "removed" }]);
  const denied = DENIES[reaction].filter((each) => on.has(each));
  change(reply, [...denied.map((each) => ({ reaction: each, action: "removed" })), { reaction, action: "added" }]);
}

/**
 * Turn the last change of a reply's reactions back; done twice, it is made again.
 * @param {import("./memory.js").ReplyTurn} reply
 * @returns {boolean} whether there was one
 */
export function undo(reply) {
  const last = reply.undo;
  change(reply, last);
  return last.length > 0;
}

function change(reply, changes) {
  reply.waiting.push(...changes.map((each) => ({ ...each, key: newKey() })));
  reply.undo = changes.toReversed().map(({ reaction, action }) => ({
    reaction, action: action === "added" ? "removed" : "added",
  }));
}

const underWay = new Map();

/**
 * Send a reply's changes, one after the other. One that may be sent again waits, with those after it; its key stays, so
 * that the gateway counts it once even where only the answer was lost. One that is refused for good is dropped, and the
 * reply looks as it did before it.
 * @param {import("./memory.js").ReplyTurn} reply
 * @param {() => void} changed is called whenever the reply is to be shown anew
 */
export function send(reply, changed) {
  if (!underWay.has(reply)) underWay.set(reply, sendAll(reply, changed).finally(() => underWay.delete(reply)));
  return underWay.get(reply);
}

/**
 * Send no more of what waits, and wait for what is under way.
 * @param {import("./memory.js").Memory} memory
 */
export async function giveUp(memory) {
  for (const { waiting } of memory.turns) waiting?.splice(1);
  await Promise.all(underWay.values());
}

async function sendAll(reply, changed) {
  reply.unsaved = null;
  while (reply.waiting.length) {
    const { key, ...said } = reply.waiting[0];
    try {
      await post("v1/reactions", { response_id: reply.response, ...said }, {
        headers: { "Idempotency-Key": key },
        keepalive: true, // a heart given just before the tab closes still arrives
      });
      take(reply);
    } catch (error) {
      const missed = said.action === "added" ? "saved" : "taken back";
      reply.unsaved = `Your ${said.reaction} was not ${missed}. ${error.message}`;
      if (error.again ?? true) break;
      reply.waiting.shift();
    }
    changed();
  }
  changed();
}

function take(reply) {
  const { reaction, action } = reply.waiting.shift();
  reply.saved = reply.saved.filter((each) => each !== reaction);
  if (action === "added") reply.saved.push(reaction);
}
