// Steps within a view, such as into a collection and its folders, for the back button of the browser. The history of the browser
// has only numbers: what a step shows is in the memory of the page, and gone with the session.

export class Steps {
  // Another session must not show the steps of this one.
  #session = crypto.getRandomValues(new Uint32Array(2)).join('-');
  #places = [];
  #show;

  // `show` shows the current step and returns a promise.
  constructor(show) {
    this.#show = show;
  }

  // Returns where the user is within the view, or null at its beginning.
  get current() {
    const { session, at } = history.state ?? {};
    return session === this.#session ? this.#places[at] ?? null : null;
  }

  // Goes to a place, or to the beginning of the view if it is null. Waits until it is shown.
  go(place) {
    this.#places.push(place);
    history.pushState({ session: this.#session, at: this.#places.length - 1 }, '', location.hash);
    return this.#show();
  }

  // Shows the current step again.
  reload() {
    return this.#show();
  }
}
