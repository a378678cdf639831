// Shows the API reference with Swagger UI, in the colours that the system prefers.
"use strict";

const darkScheme = window.matchMedia("(prefers-color-scheme: dark)");
const reference = document.getElementById("reference");

function applyScheme() {
  document.documentElement.classList.toggle("dark-mode", darkScheme.matches);
}

// Swagger UI creates a <main>, but the page has one.
const createElement = document.createElement.bind(document);
document.createElement = (name, options) => createElement(name === "main" ? "section" : name, options);

// What Swagger UI leaves without a name.
const LABELS = {
  "textarea.body-param__text": "Request body",
  "select.examples-select-element": "Example",
  ".content-type-wrapper select": "Content type",
  "#servers": "Server",
  ".close-modal": "Close",
  ".copy-to-clipboard button": "Copy",
  "#operations": "Operations",
};

function improveAccessibility() {
  for (const [selector, label] of Object.entries(LABELS)) {
    for (const element of reference.querySelectorAll(`${selector}:not([aria-label])`)) {
      element.setAttribute("aria-label", label);
    }
  }
  // A link in a button can't be reached with every screen reader. The button sets the same address.
  for (const link of reference.querySelectorAll(".opblock-summary-control a[href]")) {
    link.removeAttribute("href");
  }
}

new MutationObserver(improveAccessibility).observe(reference, { childList: true, subtree: true });

darkScheme.addEventListener("change", applyScheme);
applyScheme();
// api-reference.css shows it beside the button Authorize.
reference.style.setProperty("--authorize-hint", JSON.stringify(reference.dataset.authorize));

window.SwaggerUIBundle({
  domNode: reference,
  url: reference.dataset.document,
  deepLinking: true,
  defaultModelsExpandDepth: -1,
  displayRequestDuration: true,
  docExpansion: "list",
  // The keys that are entered stay in this page's memory only.
  persistAuthorization: false,
  // Highlighting has too little contrast.
  syntaxHighlight: { activated: false },
  validatorUrl: null,
  // A request shows what its key may do, so it carries no session of this browser.
  requestInterceptor(request) {
    request.credentials = "omit";
    return request;
  },
});
