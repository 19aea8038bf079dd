/**
 * A heart for a product's own replies:
 *
 *     <script src="https://GATEWAY/heart.js" defer></script>
 *     <loveloop-heart response="r-..." gateway="https://GATEWAY" user="u-17"></loveloop-heart>
 *
 * Attributes: `response` is the reply's id; `gateway` the address whose /v1/reactions takes the heart (this site's own
 * when left out); `user` who gives it; `loved` is there while it is given. The property `headers` is sent along, such
 * as a key. Each change that the gateway has taken is told by the event `loveloop-reaction`.
 */
{
  const sheet = new CSSStyleSheet(); // a strict Content-Security-Policy forbids style elements, not this
  sheet.replaceSync(`
    button { font: inherit; min-width: 2.75rem; min-height: 2.75rem; border: 0; cursor: pointer }
    button { color: inherit; background: none }
    button:focus-visible { outline: 3px solid currentColor }
    svg { width: 1.4em; vertical-align: middle; fill: none; stroke: currentColor; stroke-width: 1.75 }
    [aria-pressed=true] svg { fill: currentColor; color: var(--loveloop-heart, light-dark(#b3134f, #ff94b4)) }`);
  const PATH = "M12 21C5 15.4 2 12.2 2 8.4A5.4 5.4 0 0 1 12 5.6a5.4 5.4 0 0 1 10 2.8c0 3.8-3 7-10 12.6z";

  const [HTML, SVG] = ["http://www.w3.org/1999/xhtml", "http://www.w3.org/2000/svg"];

  class LoveloopHeart extends HTMLElement {
    static observedAttributes = ["loved", "response"];
    headers = this.headers ?? {}; // set before this script was there
    #wish = null; // a change that is not taken yet; its key stays, so that sent again it counts once

    constructor() {
      super();
      const root = this.attachShadow({ mode: "open", delegatesFocus: true });
      root.adoptedStyleSheets = [sheet];
      const button = made("button", { type: "button", "aria-label": "Love", title: "Love" });
      const icon = made("svg", { viewBox: "0 0 24 24", "aria-hidden": "true" }, SVG);
      icon.append(made("path", { d: PATH }, SVG));
      button.append(icon);
      button.addEventListener("click", () => this.#press());
      root.append(button, " ", made("span", { role: "alert" }));
    }

    connectedCallback() {
      this.#show();
    }

    attributeChangedCallback(name, before, after) {
      if (name === "response" && before !== after) this.#wish = null;
      this.#show();
    }

    async #press() {
      if (this.#wish?.sending) return;
      this.#wish ??= { key: newKey(), action: this.hasAttribute("loved") ? "removed" : "added" };
      const wish = Object.assign(this.#wish, { sending: true, failed: false });
      this.#show();
      const told = { response_id: this.getAttribute("response"), reaction: "love", action: wish.action };
      const taken = await this.#post(wish.key, told);
      if (wish !== this.#wish) return; // the element stands under another reply now
      if (taken) this.#wish = null;
      else Object.assign(wish, { sending: false, failed: true });
      if (taken) this.toggleAttribute("loved", wish.action === "added");
      this.#show();
      const event = new CustomEvent("loveloop-reaction", { bubbles: true, composed: true, detail: told });
      if (taken) this.dispatchEvent(event);
    }

    #post(key, told) {
      const user = this.getAttribute("user");
      return fetch(`${(this.getAttribute("gateway") ?? "").replace(/\/$/, "")}/v1/reactions`, {
        method: "POST",
        keepalive: true,
        headers: { "Content-Type": "application/json", "Idempotency-Key": key, ...this.headers },
        body: JSON.stringify(user ? { ...told, user } : told),
      }).then((answer) => answer.ok, () => false);
    }

    #show() {
      const on = this.#wish && !this.#wish.failed ? this.#wish.action === "added" : this.hasAttribute("loved");
      this.shadowRoot.querySelector("button").setAttribute("aria-pressed", String(on));
      this.shadowRoot.querySelector("span").textContent = this.#wish?.failed ? "Not saved. Press again." : "";
    }
  }

  function made(name, attributes, space = HTML) {
    const element = document.createElementNS(space, name);
    for (const [each, value] of Object.entries(attributes)) element.setAttribute(each, value);
    return element;
  }

  const newKey = () => Array.from(crypto.getRandomValues(new Uint32Array(4)), (part) => part.toString(16)).join("-");
  if (!customElements.get("loveloop-heart")) customElements.define("loveloop-heart", LoveloopHeart);
}
