/**
 * What the page remembers over a reload, as long as its tab lives: the conversation, its reactions, and the count of
 * hearts in conversations before it. The choice of colours stays longer.
 *
 * @typedef {{key: string, reaction: string, action: "added"|"removed"}} Change a change of reactions, with the
 *   Idempotency-Key under which it is sent, however often
 * @typedef {{role: "user", text: string}} UserTurn
 * @typedef {{role: "assistant", text: string, response: string|null, served: object|null, note: string,
 *   saved: string[], waiting: Change[], undo: object[], unsaved: string|null}} ReplyTurn
 * @typedef {{conversation: string|null, turns: (UserTurn|ReplyTurn)[], heartsBefore: number}} Memory
 */

const NAME = "loveloop.chat";

/** @returns {Memory} nothing said yet */
export const blank = (heartsBefore = 0) => ({ conversation: null, turns: [], heartsBefore });

/** The note under a reply that did not come to its end; every reply has it until it has. */
export const CUT = "It broke off here.";

/** @returns {ReplyTurn} a reply of which nothing has come yet */
export const blankReply = () => ({
  role: "assistant", text: "", response: null, served: null, note: CUT, saved: [], waiting: [], undo: [], unsaved: null,
});

/** @returns {Memory} what was saved in this tab */
export function load() {
  try {
    return { ...blank(), ...JSON.parse(sessionStorage.getItem(NAME)) };
  } catch {
    return blank(); // forbidden, or written by another version
  }
}

/** @param {Memory} memory */
export function save(memory) {
  attempt(() => sessionStorage.setItem(NAME, JSON.stringify(memory)));
}

/** Remove everything that this site has stored in the browser, but for the cookie: the gateway takes it back itself. */
export function forget() {
  attempt(() => sessionStorage.clear());
  attempt(() => localStorage.clear());
}

/** @param {"system"|"light"|"dark"} theme */
export function chooseTheme(theme) {
  document.documentElement.dataset.theme = theme;
  attempt(() => localStorage.setItem("loveloop.theme", theme));
}

/**
 * The conversation in OpenAI's form. Texts of a user that follow one another, since a reply failed, become one
 * message: many models take only turns that alternate.
 * @param {(UserTurn|ReplyTurn)[]} turns
 */
export function messages(turns) {
  const said = [];
  for (const { role, text } of turns) {
    const last = said.at(-1);
    if (last?.role === role) last.content += `\n\n${text}`;
    else said.push({ role, content: text });
  }
  return said;
}

/** Without storage (forbidden, or full) the page works as ever and forgets at a reload. */
function attempt(store) {
  try {
    store();
  } catch {
    // see above
  }
}
