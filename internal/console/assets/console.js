// Keeps a page that shows what is going on up to date: asks for it again and puts the new <main> in the place
// of the old one, unless somebody is in the middle of something. Everything works without it.
(() => {
  const main = document.querySelector("main[data-refresh]");
  if (!main) return;
  const here = new URL(location.href);
  here.searchParams.delete("said"); // what was said once is not said again
  const busy = () => document.hidden || main.contains(document.activeElement) ||
    main.querySelector("details[open], input:checked") || String(getSelection());
  setInterval(async () => {
    if (busy()) return;
    try {
      const answer = await fetch(here, { credentials: "same-origin" });
      if (!answer.ok || answer.redirected) return;
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = page.querySelector("main");
      if (fresh && !busy()) main.replaceChildren(...fresh.childNodes);
    } catch {
      // The daemon is being restarted; the next round asks again.
    }
  }, main.dataset.refresh * 1000);
})();
