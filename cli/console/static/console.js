// Suggestions for the search box. Without this script everything works the same.
"use strict";
(() => {
  const box = document.getElementById("q");
  const list = document.getElementById("suggestions");
  if (!box || !list) return;
  let timer = 0;
  let asking = null;
  const suggest = async () => {
    const text = box.value.trim();
    if (asking) asking.abort();
    if (text.length < 2) return list.replaceChildren();
    asking = new AbortController();
    const form = new URLSearchParams(new FormData(box.form));
    form.delete("go");
    form.set("quick", "1");
    try {
      const answer = await fetch("/search.json?" + form, { signal: asking.signal });
      if (!answer.ok) return;
      const found = (await answer.json()).rows.map((row) => {
        const option = document.createElement("option");
        option.value = row.text;
        option.label = [row.text, row.name, row.email].filter(Boolean).join(" · ");
        return option;
      });
      list.replaceChildren(...found);
    } catch (error) {
      if (error.name !== "AbortError") list.replaceChildren();
    }
  };
  box.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(suggest, 150);
  });
})();
