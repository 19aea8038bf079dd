/** The demo of `heart.js`: a product that asks for a reply and puts a heart under it. */

import { post, signIn } from "./wire.js";

const [answer, told] = [document.querySelector("#answer"), document.querySelector("#told")];

async function ask() {
  const content = document.querySelector("#question").value;
  await signIn();
  const asked = await post("v1/chat/completions", { model: "loveloop", messages: [{ role: "user", content }] });
  const completion = await asked.json();
  const [text, heart] = [document.createElement("p"), document.createElement("loveloop-heart")];
  text.textContent = completion.choices[0].message.content;
  heart.setAttribute("response", completion.id);
  heart.setAttribute("gateway", new URL(".", location.href).href);
  answer.replaceChildren(text, heart);
}

document.querySelector("#ask").addEventListener("submit", (event) => {
  event.preventDefault();
  told.textContent = "The reply is being written.";
  ask().then(() => (told.textContent = ""), (error) => (told.textContent = error.message));
});
answer.addEventListener("loveloop-reaction", ({ detail }) => (told.textContent = `Love was ${detail.action}.`));
