// Keeps the page at the present: when the log has grown, asks for this page's live regions and puts them in place.
// Without this script everything works by plain links and forms.
"use strict";
(() => {
  const line = document.getElementById("live-state");
  if (!line || !window.EventSource) return;
  const [refresh, state, button] = [line.querySelector("a"), line.querySelector("span"), line.querySelector("button")];
  const shown = new Map();
  let source = null;
  let busy = false;
  let again = false;

  const say = (word) => {
    state.textContent = line.dataset[word];
    line.className = "live-state live-state--" + word;
    refresh.hidden = word === "now";
  };

  // What the reader is doing stays as it is: a selected text, an open table, the focus.
  const inUse = (region) => {
    const chosen = document.getSelection();
    if (chosen && !chosen.isCollapsed && region.contains(chosen.anchorNode)) return true;
    return region.contains(document.activeElement) && !document.activeElement.id;
  };

  const put = (fresh) => {
    const region = document.getElementById(fresh.id);
    const html = fresh.outerHTML;
    if (!region || shown.get(fresh.id) === html || inUse(region)) return;
    shown.set(fresh.id, html);
    const focused = region.contains(document.activeElement) ? document.activeElement.id : "";
    for (const open of region.querySelectorAll("details[open]")) {
      const same = open.id && fresh.querySelector("#" + CSS.escape(open.id));
      if (same) same.open = true;
    }
    region.replaceWith(document.adoptNode(fresh));
    if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
  };

  const update = async () => {
    if (busy) { again = true; return; }
    busy = true;
    try {
      const answer = await fetch(location.pathname + location.search, { headers: { "Keersluis-Part": "live" } });
      if (answer.ok) {
        const page = new DOMParser().parseFromString(await answer.text(), "text/html");
        page.querySelectorAll("[data-live]").forEach(put);
      }
    } catch { /* the stream says so too, and tries again */ }
    setTimeout(() => { busy = false; if (again) { again = false; update(); } }, 900);
  };

  const follow = () => {
    source = new EventSource(document.body.dataset.stream);
    source.addEventListener("open", () => say("now"));
    source.addEventListener("error", () => say("lost"));
    source.addEventListener("stand", update);
    button.textContent = button.dataset.stop;
  };

  button.addEventListener("click", () => {
    if (source) {
      source.close();
      source = null;
      say("paused");
      button.textContent = button.dataset.follow;
    } else {
      follow();
      update();
    }
  });
  state.hidden = button.hidden = false;
  follow();
})();
