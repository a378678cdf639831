"""What prevents attacks: limits of files, the public host, untrusted hints, the database's login, security events."""

from scripts.lib.mutation.tables import Pair, PairTable

EVENTS = ("tests/relay/kit/test_security_events.py",)

PAIRS = (
    PairTable(
        file="relay/kit/connection_guard.py",
        tests=("tests/relay/kit/test_connection_guard.py",),
        pairs=(
            Pair("RLIMIT_NOFILE, (hard, hard))", "RLIMIT_NOFILE, (soft, hard))", "the soft limit of files stays"),
            Pair(
                'log.info("file limit raised from=%d to=%d", soft, hard)\n    return hard',
                'log.info("file limit raised from=%d to=%d", soft, hard)\n    return soft',
                "connections are limited by the soft limit although it was raised",
            ),
            Pair(
                "return file_limit - min(RESERVED_FILES, file_limit // MAX_RESERVED_SHARE)",
                "return file_limit",
                "connections use up all files",
            ),
            Pair(
                "if most >= limit * self.limits.warning_share", "if most > limit", "a limit that is near isn't logged"
            ),
        ),
    ),
    PairTable(
        file="relay/kit/public_host.py",
        tests=("tests/relay/pages/test_public_host.py", "tests/relay/kit/test_public_host.py"),
        pairs=(
            Pair("elif self._is_page(get_route_path(scope)):", "elif False:", "pages are served under any host"),
            Pair("self._complete_location(send))", "send)", "a redirect of the API stays on the unknown host"),
            Pair("if len(hosts) == 1 else None", "if hosts else None", "the first of two hosts is trusted"),
            Pair('"/" + quote(path.lstrip("/")', "quote(path", "a path with two slashes leads to another host"),
            Pair(
                "is_ingress_scope(scope) or self._is_trusted(scope)",
                "self._is_trusted(scope)",
                "pages through ingress lead to the public address",
            ),
            Pair(
                "(host in self._trusted_hosts or is_loopback_host(host))",
                "host in self._trusted_hosts",
                "pages on the relay's own machine lead to the public address",
            ),
            Pair(
                "trusted_hosts | {normalize_host(parts.netloc)}", "trusted_hosts", "the public host redirects to itself"
            ),
            Pair("else HTTPStatus.SEE_OTHER", "else HTTPStatus.TEMPORARY_REDIRECT", "a form is posted to another host"),
            Pair(
                'headers={"Cache-Control": "no-store"})',
                'headers={"Cache-Control": "public"})',
                "a cache keeps the redirect",
            ),
        ),
    ),
    PairTable(
        file="relay/app.py",
        tests=("tests/relay/pages/test_public_host.py",),
        pairs=(
            Pair(
                "redirect_slashes=False", "redirect_slashes=True", "a redirect for a slash repeats the request's host"
            ),
            Pair(
                "    if settings.public_url is not None:\n        app.add_middleware(",
                "    if False:\n        app.add_middleware(",
                "the public host isn't checked",
            ),
        ),
    ),
    PairTable(
        file="relay/pages/site.py",
        tests=("tests/relay/pages/test_public_host.py",),
        pairs=(
            Pair(
                '("/api/", "/static/", "/.well-known/")',
                '("/api/", "/static/")',
                "discovery is redirected under an internal name",
            ),
            Pair('frozenset({"/metrics", ', "frozenset({", "metrics are redirected under an internal name"),
            Pair(
                '    if path == REFERENCE_PATH or path.startswith(REFERENCE_PATH + "/"):\n        return True\n',
                "",
                "the API reference is served under any host",
            ),
        ),
    ),
    PairTable(
        file="relay/usecases/calls/runtime.py",
        tests=("tests/relay/pages/test_public_host.py", "tests/relay/kit/test_request_address.py", "tests/relay/pages"),
        pairs=(
            Pair(
                "if runtime.has_public_url or is_ingress_scope(request.scope):",
                "if is_ingress_scope(request.scope):",
                "links are built from the request's host although the public address is set",
            ),
        ),
    ),
    PairTable(
        file="relay/bus/waker.py",
        tests=("tests/relay/bus/test_listener_state.py", "tests/relay/bus/test_waker.py"),
        pairs=(
            Pair("if len(payload) > MAX_PAYLOAD_LENGTH:", "if False:", "a payload of any length is parsed"),
            Pair("if len(ids) > MAX_IDS_PER_PAYLOAD:", "if False:", "a hint may have any number of ids"),
            Pair(
                "    except ValueError:\n        return sender, None",
                "    except KeyError:\n        return sender, None",
                "a payload that isn't ours stops the listener",
            ),
        ),
    ),
    PairTable(
        file="relay/bus/postgres.py",
        tests=("tests/relay/bus/test_waker.py",),
        pairs=(
            Pair(
                "except (psycopg.Error, UnicodeError) as error:",
                "except psycopg.Error as error:",
                "a notification that isn't text stops the listener",
            ),
        ),
    ),
    PairTable(
        file="relay/bus/redis.py",
        tests=("tests/relay/bus/test_redis.py",),
        pairs=(
            Pair(
                'encoding_errors="replace"',
                'encoding_errors="strict"',
                "a message that isn't text stops the listener",
            ),
        ),
    ),
    PairTable(
        file="relay/streams/hub.py",
        tests=("tests/relay/streams/test_hub.py",),
        pairs=(
            Pair(
                "            listener.request_recheck()",
                '            listener.end(ByeMessage(reason="revoked", retry_after=0))',
                "any login at the database ends streams",
            ),
        ),
    ),
    PairTable(
        file="relay/startup.py",
        tests=("tests/relay/cli/test_new_database.py", "tests/relay/kit/test_embedded_logins.py"),
        pairs=(
            Pair("yield postgres.relay_conninfo", "yield postgres.conninfo", "the relay signs in as the owner"),
            Pair(
                "if not create and not postgres.exists:",
                "if False:",
                "any command creates a database in the wrong environment",
            ),
            Pair(
                "if not _is_up_to_date(connection):", "if False:", "a database before its first migration is accepted"
            ),
        ),
    ),
    PairTable(
        file="relay/kit/embedded_logins.py",
        tests=("tests/relay/kit/test_embedded_logins.py",),
        pairs=(
            Pair(
                'b"scram-sha-256").decode()\n    connection.execute(sql.SQL("alter role {} password {}").format('
                "sql.Identifier(role), sql.Literal(verifier)))",
                'b"scram-sha-256").decode()',
                "the logins have no passwords",
            ),
            Pair(
                "        replace_private_file(self._access_rules_file, ACCESS_RULES)\n",
                "        self._access_rules_file.write_text(ACCESS_RULES)\n",
                "others may read the access rules",
                accepted="they hold no secret, and the folder is private",
            ),
            Pair(
                "        replace_private_file(self._access_rules_file, RECOVERY_RULES)\n",
                "",
                "a lost secret can't be replaced",
            ),
            Pair(
                "        self._marker_file.unlink(missing_ok=True)\n",
                "",
                "a conversion that was killed isn't completed",
            ),
        ),
    ),
    PairTable(
        file="relay/usecases/operations/webhook_secret.py",
        tests=("tests/relay/usecases/operations/test_webhook_secret.py",),
        pairs=(
            Pair(
                "return hmac.digest(key, DIGEST_CONTEXT + secret.encode(), hashlib.sha256)",
                "return hashlib.sha256(secret.encode()).digest()",
                "the hash isn't keyed",
            ),
            Pair("hmac.digest(key, DIGEST_CONTEXT + secret.encode()", "hmac.digest(key, secret.encode()", "no context"),
            Pair(
                "        elif name == CURRENT_SETTING:\n",
                "        elif False:\n",
                "a short secret is accepted for a new webhook",
            ),
            Pair(
                "if _is_known_to_enode(digests, key, secret) or (unmanaged",
                "if False or (unmanaged",
                "an update stops a relay with a short secret",
            ),
        ),
    ),
    PairTable(
        file="relay/usecases/oauth/issue_tokens.py",
        tests=EVENTS,
        pairs=(
            Pair("log_security_event(SecurityEvent.AUTHORIZATION_CODE_REUSED, grant=grant_id)", "pass", "no event"),
            Pair("log_security_event(SecurityEvent.REFRESH_TOKEN_REUSED, grant=grant_id)", "pass", "no event"),
            Pair(
                'report_revoked_use(kind="oauth", credential_id=presented.grant_id)',
                "pass",
                "the refresh token of a revoked grant is no event",
            ),
        ),
    ),
    PairTable(
        file="relay/identity/revoked_credentials.py",
        tests=EVENTS,
        pairs=(
            Pair(
                "log_security_event(SecurityEvent.REVOKED_CREDENTIAL_USED, kind=kind, credential=credential_id)",
                "pass",
                "no event",
            ),
            Pair(
                "if reported_at is not None and now - reported_at < REPORT_INTERVAL_SECONDS:",
                "if False:",
                "each use is an event",
            ),
        ),
    ),
    PairTable(
        file="relay/kit/ingress.py",
        tests=EVENTS,
        pairs=(Pair("log_security_event(SecurityEvent.INGRESS_REFUSED, reason=", "str(object=", "no event"),),
    ),
    PairTable(
        file="relay/metrics_routes.py",
        tests=EVENTS,
        pairs=(
            Pair("if self._count % INTERNAL_KEY_FAILURES_TO_REPORT == 0:", "if False:", "no event"),
            Pair(
                "if self._count % INTERNAL_KEY_FAILURES_TO_REPORT == 0:",
                "if self._count == INTERNAL_KEY_FAILURES_TO_REPORT:",
                "only the first five are an event",
            ),
        ),
    ),
    PairTable(
        file="relay/pages/csrf.py",
        tests=EVENTS,
        pairs=(
            Pair("log_security_event(SecurityEvent.FORM_TOKEN_REFUSED, route=route)", "pass", "no event"),
            Pair(
                'route = getattr(request.scope.get("route"), "path", "unknown")',
                "route = request.url.path",
                "the log has the token of a link",
            ),
        ),
    ),
    PairTable(
        file="relay/inbox/service.py",
        tests=EVENTS,
        pairs=(
            Pair("log_security_event(SecurityEvent.WEBHOOK_SIGNATURE_REFUSED)", "pass", "no event"),
            Pair(
                "if self._reported_at is None or now - self._reported_at >= REPORT_INTERVAL_SECONDS:",
                "if True:",
                "each forged delivery is an event",
            ),
        ),
    ),
    PairTable(
        file="relay/kit/security_events.py",
        tests=EVENTS,
        pairs=(Pair('"ingress_refused"', '"ingress_rejected"', "the name of an event isn't the documented one"),),
    ),
    PairTable(
        file="relay/identity/web_sessions.py",
        tests=("tests/relay/pages/test_browser_sessions.py",),
        pairs=(
            Pair(
                'statement = "delete from web_sessions where id = %s and user_id = %s"',
                'statement = "delete from web_sessions where id = %s and user_id is distinct from %s"',
                "a user signs out the browsers of others",
            ),
            Pair(
                "where user_id = %(user_id)s and expires_at > now() and created_at",
                "where expires_at > now() and created_at",
                "a user sees the browsers of others",
            ),
            Pair(
                "where user_id = %(user_id)s and expires_at > now() and created_at",
                "where user_id = %(user_id)s and created_at",
                "an expired session is listed",
            ),
            Pair("order by is_current desc, seen_at desc, id", "order by seen_at, id", "the current one isn't first"),
        ),
    ),
    PairTable(
        file="relay/pages/keys.py",
        tests=("tests/relay/pages/test_fresh_sign_in.py",),
        pairs=(
            Pair("    if not visitor.is_fresh:\n", "    if False:\n", "a key needs no recent sign-in"),
            Pair(
                'build_sign_in_again_error("/keys?" + urlencode(fields))',
                'build_sign_in_again_error("/keys")',
                "signing in again loses the form's content",
            ),
        ),
    ),
    PairTable(
        file="relay/usecases/access/sign_in_owner.py",
        tests=EVENTS,
        pairs=(
            Pair('log_security_event(SecurityEvent.SIGNED_IN, method="link", account=user_id)', "pass", "no event"),
        ),
    ),
)
