// What scripts add to the pages, which work without them: times in the browser's time zone, and buttons to copy.
"use strict";

// British English has the order of the texts that the server writes.
const pageLanguage = document.documentElement.lang === "en" ? "en-GB" : document.documentElement.lang;
const timeFormat = new Intl.DateTimeFormat(pageLanguage, {
  day: "numeric",
  month: "short",
  year: "numeric",
  hour: "2-digit",
  minute: "2-digit",
  timeZoneName: "short",
});
const COPIED_MILLISECONDS = 3000;

function showLocalTimes() {
  for (const element of document.querySelectorAll("time[datetime].exact, time[datetime][title]")) {
    const text = timeFormat.format(new Date(element.dateTime));
    if (element.title) {
      element.title = text;
    } else {
      element.textContent = text;
    }
  }
}

// Only for secure origins do browsers have a clipboard API. A relay at home often has plain HTTP.
async function copyText(element) {
  const text = element.value ?? element.textContent;
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    window.getSelection().selectAllChildren(element);
    element.select?.();
    return document.execCommand("copy");
  }
}

function enableCopyButton(button) {
  const label = button.querySelector("span");
  const text = label.textContent;
  button.hidden = false;
  button.addEventListener("click", async () => {
    if (await copyText(document.getElementById(button.dataset.copies))) {
      label.textContent = button.dataset.done;
      setTimeout(() => (label.textContent = text), COPIED_MILLISECONDS);
    }
  });
}

showLocalTimes();
document.querySelectorAll("button[data-copies]").forEach(enableCopyButton);
