// Supabase's own confirmation link returns with a session, or an error, in the fragment, which browsers don't send.
// Remove it from the address and the history, and post it, so that the relay ends the session and explains what to do.
const form = document.getElementById("sign-in-return");
const fields = new URLSearchParams(location.hash.slice(1));
const names = ["access_token", "error", "error_code"];
if (form && names.some((name) => fields.has(name))) {
  history.replaceState(null, "", location.pathname + location.search);
  for (const name of names) {
    form.elements[name].value = fields.get(name) || "";
  }
  form.submit();
}
