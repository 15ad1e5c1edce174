// The review page: what is shown next is here before it is needed, so that a key only changes what is on the screen.
// A decision belongs to what was shown, and to who was named, when the key went down. Decisions are sent in their order; none is thrown away.
"use strict";
const $ = (id) => document.getElementById(id);
const review = $("review");
async function post(path, body, timeout_ms) {
  const signal = timeout_ms ? AbortSignal.timeout(timeout_ms) : undefined;
  const answer = await fetch(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body), signal });
  const text = await answer.text();
  let said = {};
  try { said = JSON.parse(text); } catch { throw new Error(text || answer.statusText); }
  if (!answer.ok) throw new Error(said.error || answer.statusText);
  return said;
}
if (review) {
  const queue = review.dataset.queue, AHEAD = 40, LOW = 30, LONGEST_WAIT_MS = 60000;
  let items = [], outbox = [], skipped = [], done = null, isLoading = false, sending = null, isAtEnd = false, failure = "";
  const reviewer = () => $("reviewer").value.trim();
  const ask = (path, who, body) => post(path, { queue, reviewer: who, ...body }, LONGEST_WAIT_MS);
  const waiting = (who) => outbox.filter((one) => one.reviewer === who);

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
      const own = done.decided_by_reviewer + waiting(reviewer()).length;
      $("share").max = Math.max(done.pairs, 1); $("share").value = own;
      const parts = [`${own.toLocaleString("en")} of ${done.pairs.toLocaleString("en")} decided by ${reviewer() || "you"}`, `${(done.decided_by_anyone).toLocaleString("en")} by anyone`];
      if (done.disputed) parts.push(`${done.disputed} disputed`);
      $("progress").textContent = parts.concat(done.agreements).join(" · ");
    }
  }

  async function load() {
    if (isLoading || isAtEnd) return;
    isLoading = true;
    const who = reviewer();
    try {
      const have = items.map((item) => item.key).concat(waiting(who).map((one) => one.key));
      const said = await ask("api/next", who, { have, skipped, limit: AHEAD });
      if (who === reviewer()) {
        done = said.progress;
        items = items.concat(said.items);
        isAtEnd = said.items.length === 0;
      }
    } catch (error) { if (who === reviewer()) failure = `Not loaded: ${error.message}`; }
    isLoading = false;
    show();
    if (who !== reviewer()) load();
  }

  function send() {
    sending ??= deliver().finally(() => { sending = null; });
    return sending;
  }

  async function deliver() {
    try {
      while (outbox.length) {
        const who = outbox[0].reviewer, next = outbox.findIndex((one) => one.reviewer !== who);
        const sent = outbox.slice(0, next < 0 ? outbox.length : next);
        const said = await ask("api/decide", who, { decisions: sent.map(({ key, decision, note }) => ({ key, decision, note })) });
        outbox = outbox.slice(sent.length);
        if (who === reviewer()) done = said.progress;
        failure = "";
        show();
      }
    } catch (error) { failure = `Not stored: ${error.message}; ${outbox.length} decisions wait, press R to try again`; }
    show();
  }

  function decide(decision) {
    if (!items.length || !decision || !reviewer() || failure) return;
    const item = items.shift(), note = $("note").value.trim();
    $("note").value = "";
    outbox.push({ key: item.key, decision, note, reviewer: reviewer() });
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
    await send();
    if (outbox.length) return; // the last decision is not stored, and the page says so
    const who = reviewer();
    try {
      const said = await ask("api/undo", who, {});
      if (who !== reviewer()) return;
      done = said.progress;
      if (said.item) { skipped = skipped.filter((key) => key !== said.item.key); items = [said.item, ...items.filter((item) => item.key !== said.item.key)]; }
      $("said").textContent = said.said;
    } catch (error) { failure = `Not taken back: ${error.message}`; }
    show();
  }

  function restart() { items = []; isAtEnd = false; done = null; if (!outbox.length) failure = ""; show(); load(); }

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
  try { $(button.dataset.into).innerHTML = (await post(button.dataset.fetch, {})).html; }
  catch (error) { $(button.dataset.into).textContent = error.message; }
  button.disabled = false;
}));
