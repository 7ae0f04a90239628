"use strict";
// A page that is fed: writes into its cards what the server says, and tells it to stop, and that the end has come.
const live = (() => {
  const tell = what => {
    const asked = corticalAttention.model("asked");
    asked.data = {...asked.data, ...what};
  };

  const say = data => {
    for (const [name, [text]] of Object.entries(data)) {
      const place = document.getElementById(name);
      if (place && place.textContent !== text) place.textContent = text;
    }
    if (data.ended[0]) {
      document.getElementById("stop").hidden = true;
      document.body.dataset.ended = "yes";
      tell({seen: [1]});
    }
  };

  // Show the attention so far, of the head and token that are picked.
  const redraw = () => document.getElementById("head").dispatchEvent(new Event("input"));

  const start = () => {
    if (document.body.dataset.ready !== "yes") return setTimeout(start, 20);
    document.getElementById("stop").addEventListener("click", event => {
      event.target.disabled = true;
      tell({stop: [1]});
    });
    say(corticalAttention.model("said").data);
  };
  document.addEventListener("DOMContentLoaded", start);
  return {say, redraw};
})();
