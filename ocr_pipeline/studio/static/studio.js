// The review page: what is shown next is here before it is needed, so that a key only changes what is on the screen.
// A decision belongs to what was shown when the key went down. Decisions are sent in their order; none is thrown away.
"use strict";
const $ = (id) => document.getElementById(id);
const review = $("review");
if (review) {
  const queue = review.dataset.queue, AHEAD = 40, LOW = 30;
  let items = [], outbox = [], skipped = [], done = null, isLoading = false, isSending = false, isAtEnd = false, failure = "";
  const reviewer = () => $("reviewer").value.trim();

  async function ask(path, body) {
    const answer = await fetch(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ queue, reviewer: reviewer(), ...body }) });
    const said = await answer.json();
    if (!answer.ok) throw new Error(said.error || answer.statusText);
    return said;
  }

  function show() {
    const item = items[0];
    $("problem").textContent = failure;
    $("card").innerHTML = item ? item.html : isAtEnd && !isLoading ? $("finished").innerHTML : "<p class='facts'>…</p>";
    document.querySelectorAll("button[data-decision]").forEach((button, place) => {
      const choice = item && item.choices[place];
      button.hidden = !choice;
      button.disabled = !choice || !reviewer() || failure !== "";
      if (choice) { button.dataset.decision = choice[1]; button.firstChild.textContent = choice[0]; }
    });
    $("skip").disabled = !item;
    review.dataset.key = item ? item.key : "";
    if (done) {
      const own = done.decided_by_reviewer + outbox.length;
      $("share").max = Math.max(done.pairs, 1); $("share").value = own;
      const parts = [`${own.toLocaleString("en")} of ${done.pairs.toLocaleString("en")} decided by ${reviewer() || "you"}`, `${(done.decided_by_anyone).toLocaleString("en")} by anyone`];
      if (done.disputed) parts.push(`${done.disputed} disputed`);
      $("progress").textContent = parts.concat(done.agreements).join(" · ");
    }
  }

  async function load() {
    if (isLoading || isAtEnd) return;
    isLoading = true;
    try {
      const who = reviewer();
      const have = items.map((item) => item.key).concat(outbox.map((one) => one.key));
      const said = await ask("api/next", { have, skipped, limit: AHEAD });
      if (who !== reviewer()) return;
      done = said.progress;
      items = items.concat(said.items);
      isAtEnd = said.items.length === 0;
    } catch (error) { failure = `Not loaded: ${error.message}`; }
    finally { isLoading = false; show(); }
  }

  async function send() {
    if (isSending || !outbox.length) return;
    isSending = true;
    const sent = outbox.slice();
    try {
      const said = await ask("api/decide", { decisions: sent.map(({ key, decision, note }) => ({ key, decision, note })) });
      outbox = outbox.slice(sent.length);
      done = said.progress;
      failure = "";
    } catch (error) { failure = `Not stored: ${error.message}; ${outbox.length} decisions wait, press R to try again`; }
    finally { isSending = false; show(); }
    if (!failure && outbox.length) send();
  }

  function decide(decision) {
    if (!items.length || !decision || !reviewer() || failure) return;
    const item = items.shift(), note = $("note").value.trim();
    $("note").value = "";
    outbox.push({ key: item.key, decision, note });
    show(); send();
    if (items.length < LOW) load();
  }

  function skip() {
    const item = items.shift();
    if (!item) return;
    skipped = skipped.filter((key) => key !== item.key).concat(item.key);
    isAtEnd = false;
    show();
    if (items.length < LOW) load();
  }

  async function undo() {
    while (isSending || (outbox.length && !failure)) await new Promise((resolve) => setTimeout(resolve, 20));
    try {
      const said = await ask("api/undo", {});
      done = said.progress;
      if (said.item) { skipped = skipped.filter((key) => key !== said.item.key); items = [said.item, ...items.filter((item) => item.key !== said.item.key)]; }
      $("said").textContent = said.said;
    } catch (error) { failure = `Not taken back: ${error.message}`; }
    show();
  }

  function restart() { items = []; isAtEnd = false; done = null; failure = ""; load(); }

  document.addEventListener("keydown", (event) => {
    if (event.repeat || event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName)) return;
    const key = event.key.toLowerCase();
    const button = document.querySelector(`button[data-key="${CSS.escape(key)}"]`);
    if (button && !button.hidden) { event.preventDefault(); button.click(); }
    else if (key === "r" && failure) { failure = ""; send(); load(); show(); }
  });
  document.querySelectorAll("button[data-decision]").forEach((button) => button.addEventListener("click", () => decide(button.dataset.decision)));
  $("skip").addEventListener("click", skip);
  $("undo").addEventListener("click", undo);
  $("reviewer").addEventListener("change", () => { const url = new URL(location); url.searchParams.set("reviewer", reviewer()); window.history.replaceState({}, "", url); restart(); });
  window.addEventListener("beforeunload", (event) => { if (outbox.length) event.preventDefault(); });
  load();
}
document.querySelectorAll("form.filters select").forEach((one) => one.addEventListener("change", () => one.form.submit()));
document.querySelectorAll("button[data-fetch]").forEach((button) => button.addEventListener("click", async () => {
  button.disabled = true;
  const answer = await fetch(button.dataset.fetch, { method: "POST", headers: { "Content-Type": "application/json" }, body: "{}" });
  const said = await answer.json();
  $(button.dataset.into).innerHTML = answer.ok ? said.html : "";
  if (!answer.ok) $(button.dataset.into).textContent = said.error;
  button.disabled = false;
}));
