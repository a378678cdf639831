"""Sign-in with Supabase: misconfiguration, bans and deletions, the email quota, lost responses."""

from scripts.lib.mutation.tables import Pair, PairTable

ACCESS = "tests/relay/usecases/access"
MISTAKES = f"{ACCESS}/test_operator_mistakes.py"
BANS = f"{ACCESS}/test_bans_and_deletions.py"
REQUESTS = f"{ACCESS}/test_supabase_requests.py"
UNANSWERED = f"{ACCESS}/test_unanswered_exchanges.py"
REFUSALS = f"{ACCESS}/test_supabase_refusals.py"
DOCTOR = "tests/relay/test_doctor.py"

PAIRS = (
    PairTable(
        file="relay/pages/sign_in/responses.py",
        tests=(MISTAKES,),
        pairs=(
            Pair(
                '"misconfigured": HTTPStatus.BAD_GATEWAY',
                '"misconfigured": HTTPStatus.GONE',
                "the operator's mistake looks like an invalid link",
            ),
        ),
    ),
    PairTable(
        file="relay/usecases/access/finish_sign_in.py",
        tests=(MISTAKES, UNANSWERED, BANS, REQUESTS),
        pairs=(
            Pair(
                'return SignInOutcome(status="misconfigured")',
                'return SignInOutcome(status="invalid_link")',
                "the operator's mistake is blamed on the link",
            ),
            Pair(
                'log.error("sign-in is set up wrongly cause=%r", error.cause)',
                "pass",
                "the log doesn't name the operator's mistake",
            ),
            Pair(
                "await set_token_problem(connection, error.cause)", "pass", "the doctor doesn't name the last mistake"
            ),
            Pair("if not has_any:", "if False:", "a link is used up although no key is published"),
            Pair(
                "await mark_exchange_unanswered(connection, attempt, exchange.secret)",
                "pass",
                "a code that a lost response has used up is called invalid",
            ),
            Pair(
                "if await was_exchange_unanswered(connection, secret):",
                "if True:",
                "each invalid link is called used up",
            ),
            Pair("if error.code == _BANNED_CODE:", "if False:", "a user banned after the exchange signs in"),
            Pair("if error.code == _DELETED_CODE:", "if False:", "a user deleted after the exchange signs in"),
            Pair(
                "        await set_token_problem(connection, None)",
                "        pass",
                "the doctor reports a mistake that has been corrected",
            ),
        ),
    ),
    PairTable(
        file="relay/gateways/supabase/token_verifier.py",
        tests=(MISTAKES,),
        pairs=(
            Pair(
                'raise SupabaseMisconfigured("verify a token", str(rejection)) from None',
                'raise SupabaseRefused("verify a token", status=403, code="otp_expired") from None',
                "a wrong signature of a fresh token is blamed on the link",
            ),
            Pair(
                'if isinstance(error, jwt.MissingRequiredClaimError) and error.claim == "iss":',
                "if False:",
                "a missing issuer isn't named",
            ),
            Pair("if isinstance(error, jwt.InvalidIssuerError):", "if False:", "a wrong issuer isn't named"),
        ),
    ),
    PairTable(
        file="relay/gateways/supabase/signing_keys.py",
        tests=(MISTAKES,),
        pairs=(
            Pair(
                "await self._wait_for_fetch(is_forced=is_fresh)",
                "await self._wait_for_fetch()",
                "a key that was rotated just now is refused",
            ),
        ),
    ),
    PairTable(
        file="relay/sign_in_checks.py",
        tests=(DOCTOR,),
        pairs=(
            Pair("            _check_signing_keys,\n", "", "the doctor accepts a project that publishes no key"),
            Pair("            _check_settings,\n", "", "the doctor accepts a wrong anon key"),
            Pair("            _check_service_key,\n", "", "the doctor accepts a wrong service key"),
            Pair("            _check_redirect,\n", "", "the doctor accepts a wrong redirect URL"),
            Pair("if EMAIL_PROVIDER not in project.providers:", "if False:", "email sign-in may be switched off"),
            Pair("if provider not in project.providers:", "if False:", "a provider may be switched off"),
            Pair(
                'if not project.allows_sign_ups and settings.registration != "closed":',
                "if False:",
                "registration may contradict the project",
            ),
            Pair(
                'if not project.allows_sign_ups and settings.registration != "closed":',
                "if not project.allows_sign_ups:",
                "a closed relay must have an open project",
            ),
            Pair("if project.autoconfirms:", "if False:", "addresses may be confirmed without an email"),
            Pair("                break  # each", "                # each", "an outage is reported four times"),
            Pair("    if problem is not None:\n", "    if False:\n", "the last refused token isn't named"),
        ),
    ),
    PairTable(
        file="relay/gateways/supabase/admin.py",
        tests=(DOCTOR, BANS),
        pairs=(
            Pair(
                "(location.scheme, location.netloc, location.path) == (wanted.scheme, wanted.netloc, wanted.path)",
                "True",
                "the doctor accepts each redirect URL",
            ),
            Pair("if len(users) < USERS_PER_PAGE:", "if True:", "only the first page of users is read"),
            Pair(
                "bool(banned_until) and _parse_time(banned_until) > datetime.now(UTC)",
                "bool(banned_until)",
                "a ban that is over still applies",
            ),
            Pair("if refused.code == _NOT_FOUND_CODE:", "if False:", "a deletion is an error"),
        ),
    ),
    PairTable(
        file="relay/usecases/access/compare_identities.py",
        tests=(BANS,),
        pairs=(
            Pair(
                "COMPARE_INTERVAL_SECONDS = 1800.0", "COMPARE_INTERVAL_SECONDS = 3700.0", "a ban applies after an hour"
            ),
            Pair(
                "if deleted_count == len(linked) >= MIN_UNKNOWN_PROJECT:",
                "if False:",
                "a wrong SUPABASE_URL ends the access of all users",
            ),
            Pair("MIN_UNKNOWN_PROJECT = 5", "MIN_UNKNOWN_PROJECT = 6", "five deleted users are five deletions"),
            Pair(
                "states.append((identity, await admin.get_identity_state(supabase_id)))",
                'states.append((identity, "deleted"))',
                "a user who is missing in the list loses access",
            ),
            Pair(
                "        runtime.hub.close_user_streams(user_id)", "        pass", "streams of a banned user stay open"
            ),
            Pair("            interval = RETRY_INTERVAL_SECONDS\n", "", "a failed comparison isn't repeated soon"),
        ),
    ),
    PairTable(
        file="relay/worker.py",
        tests=(BANS,),
        pairs=(
            Pair(
                'loops["supabase identities"] = partial(run_comparison_loop, runtime)',
                "partial(run_comparison_loop, runtime)",
                "the leader doesn't compare",
            ),
        ),
    ),
    PairTable(
        file="relay/usecases/access/former_account.py",
        tests=(BANS,),
        pairs=(
            Pair(
                'if await admin.get_identity_state(candidate.supabase_id) != "deleted":',
                "if False:",
                "the new holder of an address claims another's account",
            ),
            Pair(
                '        await block_identity(runtime, candidate.supabase_id, "deleted")\n',
                "",
                "keys of the former user work",
            ),
        ),
    ),
    PairTable(
        file="relay/usecases/access/register_user.py",
        tests=(BANS, f"{ACCESS}/test_sign_in.py"),
        pairs=(
            Pair("        if is_former:", "        if False:", "a former user gets a second account"),
            Pair(
                "if outcome.user_id is not None:\n        log_security_event(",
                "if outcome.user_id is None:\n        log_security_event(",
                "a sign-in is no event",
            ),
            Pair(
                'await set_identity_state(connection, supabase_user.supabase_id, "active")',
                "pass",
                "keys are still refused after a ban",
            ),
        ),
    ),
    PairTable(
        file="relay/gateways/supabase/auth.py",
        tests=(MISTAKES, REQUESTS, REFUSALS),
        pairs=(
            Pair(
                "if code == _MAIL_LIMIT_CODE and not _REPEATED_REQUEST.search(message):",
                "if code == _MAIL_LIMIT_CODE:",
                "a double click is taken for an exhausted quota",
            ),
            Pair(
                "if code == _MAIL_LIMIT_CODE and not _REPEATED_REQUEST.search(message):",
                "if False:",
                "an exhausted quota isn't noticed",
            ),
            Pair(
                "headers[FORWARDED_FOR_HEADER] = self._client_address",
                "pass",
                "Supabase counts all users as one client",
            ),
        ),
    ),
    PairTable(
        file="relay/usecases/access/begin_sign_in.py",
        tests=(MISTAKES, REQUESTS),
        pairs=(
            Pair(
                'log.error("sign-in link not sent: supabase email quota exhausted',
                'log.info("sign-in link not sent: supabase email quota exhausted',
                "the operator isn't alerted to an exhausted quota",
            ),
            Pair(
                "await set_mail_quota_exhausted(connection, is_exhausted=True)",
                "pass",
                "users aren't told that no email is sent",
            ),
            Pair(
                "        await set_mail_quota_exhausted(connection, is_exhausted=False)",
                "        pass",
                "the page says that no email is sent after one was sent",
            ),
            Pair(
                "supabase.auth.for_client(client_address).send_sign_in_link(",
                "supabase.auth.send_sign_in_link(",
                "the request for a link doesn't name the client",
            ),
        ),
    ),
    PairTable(
        file="relay/gateways/supabase/client.py",
        tests=(REQUESTS,),
        pairs=(Pair("headers=self._keys_headers, ", "", "the keys of a self-hosted project can't be fetched"),),
    ),
    PairTable(
        file="relay/usecases/access/sign_in_outcome.py",
        tests=(REFUSALS, MISTAKES, BANS),
        pairs=(
            Pair(
                '    "provider_email_needs_verification": "unverified_email",\n',
                "",
                "an unverified address looks like a failed sign-in",
            ),
            Pair('    "user_banned": "banned",\n', "", "a banned user's link is called invalid"),
        ),
    ),
    PairTable(
        file="relay/pages/sign_in/confirmation.py",
        tests=(REQUESTS,),
        pairs=(
            Pair(
                '"confirmed" if is_confirmed else "invalid_link"', '"confirmed"', "a forged token confirms an address"
            ),
        ),
    ),
    PairTable(
        file="relay/identity/users.py",
        tests=("tests/relay/identity/test_sessions_and_links.py", "tests/relay/cli/test_accounts.py"),
        pairs=(
            Pair("return len(text) <= MAX_EMAIL_LENGTH and ", "return ", "an address of any length is accepted"),
            Pair(r"(?:\.{_DOMAIN_LABEL})+", r"(?:\.{_DOMAIN_LABEL})*", "a domain without a dot is accepted"),
        ),
    ),
    PairTable(
        file="relay/pages/sign_in/with_supabase.py",
        tests=(f"{ACCESS}/test_sign_in.py",),
        pairs=(
            Pair(
                "    if not is_email_address(email):\n",
                "    if not email:\n",
                "the field accepts what Supabase refuses",
            ),
        ),
    ),
)
