/** What the page says to the gateway, and the sentences that it has for what goes wrong. */

/** A request that failed: `message` is for people, `again` says whether the same request may work later. */
export class Problem extends Error {
  constructor(message, again = true) {
    super(message);
    this.again = again;
  }
}

const WORDS = {
  401: "You are not signed in any more. Reload the page, then try again.",
  403: "It belongs to another visitor.",
  404: "This page does not know the service that it asks. Ask its operators.",
  408: "The connection is too slow at the moment.",
  409: "This was sent before with another meaning, so it was not taken.",
  413: "The conversation has become too long. Start a new one.",
  502: "The model cannot be reached at the moment.",
  503: "Nothing can be saved at the moment, so this was not done.",
  504: "The model took too long to answer.",
};
const BROKEN = "The reply broke off before its end.";
/** What an error within a stream would have been as an answer. */
const CODES = { not_stored: 503, model_failed: 502, model_timeout: 504 };
/** Refusals that stay the same however often one asks. */
const FINAL = new Set([400, 403, 404, 409, 413]);

/**
 * Post JSON to the gateway. A visitor whose cookie is gone gets a new one, once.
 * @param {string} path below the page's own address
 * @param {object} body
 * @param {{headers?: Record<string, string>, signal?: AbortSignal, keepalive?: boolean}} [options]
 * @returns {Promise<Response>} an answer that is no refusal
 */
export async function post(path, body, options = {}) {
  const { headers, ...rest } = options;
  const ask = () =>
    reach(path, {
      ...rest,
      method: "POST",
      headers: { "Content-Type": "application/json", ...headers },
      body: JSON.stringify(body),
    });
  let answer = await ask();
  if (await isNobodys(answer)) {
    await signIn();
    answer = await ask();
  }
  if (!answer.ok) throw await refusal(answer);
  return answer;
}

/**
 * Have the gateway say who the visitor is, and set the cookie that proves it.
 * @returns {Promise<string>} the visitor's name
 */
export async function signIn() {
  const answer = await reach("v1/session", {});
  if (answer.status === 403) throw new Problem("This page is closed: its operators let no visitors in.", false);
  if (!answer.ok) throw await refusal(answer);
  return (await answer.json()).user;
}

/**
 * Stream a reply.
 * @param {object[]} messages OpenAI's messages
 * @param {string|null} conversation its id, null for a new one
 * @param {AbortSignal} signal ends the request
 * @param {(piece: {text?: string, response?: string, conversation?: string, served?: object}) => void} heard
 *   is told what comes, when it comes
 */
export async function reply(messages, conversation, signal, heard) {
  const headers = conversation ? { "X-Loveloop-Conversation": conversation } : {};
  const answer = await post("v1/chat/completions", { model: "loveloop", stream: true, messages }, { headers, signal });
  const [response, named] = ["X-Loveloop-Response", "X-Loveloop-Conversation"].map((name) => answer.headers.get(name));
  heard({ response, conversation: named });
  try {
    for await (const data of dataLines(answer.body)) {
      if (data === "[DONE]") return;
      const chunk = JSON.parse(data);
      if (chunk.error) throw new Problem(WORDS[CODES[chunk.error.code]] ?? BROKEN);
      heard({ text: chunk.choices?.[0]?.delta?.content ?? "", served: chunk.loveloop });
    }
  } catch (error) {
    if (error instanceof Problem || error.name === "AbortError") throw error;
    throw new Problem("The connection broke before the reply came to its end.");
  }
  throw new Problem(BROKEN);
}

/**
 * The values of a stream's `data:` lines; pieces of the stream may end anywhere, within a line or a character.
 * @param {ReadableStream<Uint8Array>} stream
 */
export async function* dataLines(stream) {
  const reader = stream.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      const lines = (rest + part.value).split("\n");
      rest = lines.pop();
      for (const line of lines) if (line.startsWith("data:")) yield line.slice(5).trim();
    }
  } finally {
    reader.cancel().catch(() => {}); // who stops listening lets the connection go
  }
}

/** A name that nobody has drawn before. `crypto.randomUUID` is missing where a page comes by plain HTTP. */
export function newKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

async function reach(path, options) {
  try {
    return await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem("The server cannot be reached. Look at your connection.");
  }
}

/** Whether a request was refused since no cookie said whose it is. */
async function isNobodys(answer) {
  if (answer.status !== 400) return answer.status === 401;
  return (await answer.clone().json().catch(() => null))?.error?.code === "no_user";
}

async function refusal(answer) {
  const said = await answer.json().then((content) => content.error?.message, () => undefined);
  const wait = Number(answer.headers.get("Retry-After")) || 60;
  if (answer.status === 429) return new Problem(`That was too much at once. Wait ${wait} seconds.`);
  if (answer.status === 400) return new Problem(`This was not taken: ${said ?? "the request is not valid"}.`, false);
  return new Problem(WORDS[answer.status] ?? "Something went wrong at the server.", !FINAL.has(answer.status));
}
