/*
Atlassian-mcp connects an MCP client that starts local servers to a remote MCP server, by
default to the Atlassian Rovo MCP Server. It signs the user in where the server wants that.

Usage:

	atlassian-mcp [URL|v1|authv2|v2] [flags]
	atlassian-mcp login [URL] [flags]
	atlassian-mcp logout [URL] [--all] [flags]
	atlassian-mcp status [URL] [--all] [--json] [flags]
	atlassian-mcp doctor [URL] [--json] [--explain MESSAGE] [flags]
	atlassian-mcp tools [URL] [--json] [flags]
	atlassian-mcp call [URL] TOOL [NAME=VALUE]... [--json OBJECT] [--result] [flags]
	atlassian-mcp resources [URL] [URI] [--json] [flags]
	atlassian-mcp prompts [URL] [PROMPT [NAME=VALUE]...] [--json] [flags]
	atlassian-mcp install [CLIENT...] [flags] [-- URL and flags of the relay]
	atlassian-mcp uninstall [CLIENT...] [flags]
	atlassian-mcp sandbox [--port PORT] [--user NAME] [--data FILE] [--fault FAULT]... [--debug]
	atlassian-mcp demo [--fault FAULT]... [--no-browser]
	atlassian-mcp completion SHELL
	atlassian-mcp version

Without a command it relays: it reads JSON-RPC messages, one a line, from standard input,
sends them to the server, and writes the server's messages to standard output. It changes no
byte of them but what the two transports demand. Diagnostics go to standard error.

# Setting it up

The install command writes this program into the configuration of MCP clients:

	atlassian-mcp install cursor vscode
	atlassian-mcp install codex --name work -- authv2 --profile work

The clients it knows are claude-desktop, claude-code, cursor, vscode, vscode-insiders,
windsurf, gemini, codex, copilot, zed, cline, opencode, lm-studio, goose and kiro; "all" are
those on this machine. Without a client it shows these and asks which ones. What follows --
is what the client is to start this program with, and is checked at once. Without --, an
entry that is there keeps what it has; -- with nothing after it takes that away.

Everything else in a file stays as it is, comments too. What was in it before is kept in a
file beside it, whose name ends in ".atlassian-mcp.bak"; that one is not overwritten, and what
was there before a later change is in one that ends in ".atlassian-mcp.last.bak". A file that
can't be parsed is left alone. Claude Code is told by its own command, if that is on PATH; for Goose, the entry
is printed. The path that is written for this program is one that stays the same when
Homebrew, npm or go install put a new version in its place. HTTPS_PROXY, HTTP_PROXY,
NO_PROXY, SSL_CERT_FILE and NODE_EXTRA_CA_CERTS, if set, go into the entry. To run install
again brings the path and these up to date, and changes nothing else in the entry. The
uninstall command takes it out.

For any other client, name it as the command of a local (stdio) server in the configuration:

	{
	  "mcpServers": {
	    "atlassian": {
	      "command": "atlassian-mcp"
	    }
	  }
	}

Many clients start it with few environment variables and in a directory of their choice: set
what it needs in "env", and give the full paths of files.

# The server

URL is the address of any MCP server that speaks Streamable HTTP (protocol versions
2025-03-26 and later) or HTTP+SSE (2024-11-05). The first message of the client decides: if
the server refuses it with HTTP status 400, 404 or 405, HTTP+SSE is tried. These names stand
for Atlassian's addresses:

	v1      https://mcp.atlassian.com/v1/mcp (the default)
	authv2  https://mcp.atlassian.com/v1/mcp/authv2
	v2      https://mcp.atlassian.com/v2/mcp

The address has to start with https://, or with http:// if it is on this machine (localhost,
127.0.0.0/8, [::1]). It must hold no user name and no password.

Redirects are followed within the server's origin only.

# Signing in

A server that answers with status 401 wants to know who the user is. The relay then opens
the sign-in page of that server in the browser (OAuth 2.1, with PKCE), prints its address on
standard error, and takes the browser's return on a port of 127.0.0.1. The client's requests
wait for that, but not for longer than --handshake-timeout: after that there is one tool,
sign_in, which waits for the user, and says the address of the page; whatever else the client
asks for is answered with that address. When the user has signed in, here or by login, the
client is told that the server's tools are there; nothing needs to be started again. All
processes of a user share one sign-in, one page, which is opened once, and each renewal of its
tokens, which needs nobody. A user who refuses is not asked again before --auth-timeout is
over, except by sign_in and login.

The login command signs in at once, also anew or as somebody else. Logout revokes the tokens
where the server can, and forgets them. Status says who is signed in, until when, where the
tokens are, why the last sign-in came to nothing, and which relays run; with --json for
programs, with --all for all servers and profiles. They take the URL and the flags about
accounts and connections that the relay takes.

On a machine without a browser, or over SSH, run login with --no-browser: open the address
that it prints in any browser. In the end that browser is sent to a page on 127.0.0.1 that
it can't reach; paste the address of that page, as the browser shows it, into the terminal.
Where the server has it, --device-code needs no pasting.

Several accounts at one server are told apart by --profile: log in once with each name, and
give one to each entry in the client's configuration. With --site too, each entry works at a
site of its own.

An API token of Atlassian's takes the place of a sign-in. Put it into ATLASSIAN_API_TOKEN,
and the email address of its account into ATLASSIAN_EMAIL; the token of a service account
goes without. Or keep it with "login --api-token", which asks for both in the terminal, or
reads the token alone from standard input. It is sent to https://*.atlassian.com and to this machine only, and ignored
elsewhere with a warning. With one, nobody is ever asked to sign in: a token that is refused
is an error. What is in the environment counts first, and then the last of login and login
--api-token; a relay that runs already goes on with what it began with.

"Login --import-mcp-remote" takes over the sign-in that mcp-remote left in ~/.mcp-auth, or
in the directory that MCP_REMOTE_CONFIG_DIR names, for the same URL and --resource.
Mcp-remote should not be used for that server any more after that: refresh tokens are good
for one use.

Services sign in as themselves with --client-credentials, --client-id and the secret in
ATLASSIAN_MCP_CLIENT_SECRET.

If --header or --header-file sets Authorization, that header is sent and nothing of the
above is done.

# Asking the server

Tools lists the tools that the server has for whoever is signed in, and call calls one:

	atlassian-mcp call searchJiraIssuesUsingJql cloudId=acme.atlassian.net jql='project = ALPHA'

A value is text where the tool wants text, and JSON where it wants anything else; where it
wants an array, NAME=VALUE may be repeated instead. NAME:=VALUE is JSON in any case, and
NAME=@FILE is what is in the file. What the tool doesn't know, or can't do without, is an
error before it is called. With --json, which may be "-" for standard input, the arguments
are one JSON object as it is. The text of the result goes to standard output, with --result
the whole of it as JSON. A tool that fails is an error. Resources and prompts list what else
the server has; resources with a URI writes that resource, and prompts with the name of one,
and its arguments as NAME=VALUE, what a model would be told.

The server is what --server says, or else a first argument that is a URL of http or https or
one of v1, authv2 and v2. These commands take the flags of the relay, --allow-tool and --ignore-tool too, and open no
browser: who is not signed in is told to run login. Ctrl-C cancels a call at the server. On
a terminal, tables are cut to its width, nothing from the server moves the cursor, and the
last line says what is waited for. Shells complete the names of tools and of their arguments,
see "atlassian-mcp completion --help".

# Finding out what is wrong

Doctor goes the whole way from this computer to the tools: the server's address, the
certificate and who issued it, the HTTP proxy, the documents that lead to the sign-in, the
registration of this program, the keychain, the sign-in, a session, the number of tools, and
a call that tells who the user is; then it names the relays that run, and the last trouble
in their logs and in the one that --log-file names, and with --site whether the sign-in has
access to that site. Each has one line, and advice where
something is wrong: who has to do what, with the name of the page if it is an admin's. It
opens no browser and takes the flags of the relay. With --json, for programs, it writes
{"server", "version", "ok", "checks"}, each check with "check", "result" (ok, warning, failed
or skipped), "text", and where there are any "details", "refusal" and "advice". NO_COLOR
turns the colours off. With --explain MESSAGE it says what a message on one of Atlassian's pages
means. The exit status is 1 if something is wrong.

# Trying it out

Sandbox plays the Atlassian Rovo MCP Server on a port of 127.0.0.1, 8417 unless --port says
otherwise: sign-in in the browser, the tools, and Jira, Confluence and Compass of an
organization that is made up. It prints what to put into an MCP client's configuration, and
a page at its address shows what goes on. With --data FILE the organization outlives it, and
may be edited meanwhile; with --user NAME the sign-in page doesn't ask who one is; with --fault
it fails as the real server does, see "atlassian-mcp help sandbox" for the names.

Demo starts a sandbox and a relay, plays the MCP client, and does what people ask agents to
do. At a terminal with a display you sign in in your browser; elsewhere, with --no-browser, or
after 30 seconds, it does that itself. With --fault it shows what comes of a fault, and says how
often it struck. It touches nothing of yours.

# Flags

Flags may come before or after the URL. A time without a unit is in seconds. An asterisk
marks what --help doesn't show. Every command has --help (-h), and the bare one --version (-v).

Of the relay:

	--header "Name: value"
		Send this header with every request. ${VAR} in the value is replaced by the
		environment variable VAR, which must be set. May be given several times; the
		last value of a name holds. Headers that HTTP or MCP set themselves, such as
		Host, Content-Type, Accept and Mcp-Session-Id, can't be set to something else.
	--allow-tool PATTERN, --ignore-tool PATTERN
		Let the client see and call only the tools whose names are like a pattern of the
		one kind, if there is any, and like none of the other. An asterisk in a pattern is
		any text; upper and lower case are the same. Both may be given several times. A tool
		that runs others, such as executeRead of v2, runs only those that may be called.
	--site SITE
		Work at one Atlassian site, such as acme, acme.atlassian.net or its URL. Calls that
		lack a cloudId get that of the site, and clients are told that none is needed; calls
		that name another site, by cloudId or in an ARI, are refused with the reason. The
		cloudId is asked for at https://SITE/_edge/tenant_info when the first call needs it,
		without a token, and kept in sites.json for 30 days; a call that needs it is refused
		if it can't be had. It is no lock for tools that take no cloudId, such as search of
		v1: those see what the account sees. Of call and tools as well. For a sandbox it is
		http://127.0.0.1:PORT, or with /acme-labs its other site.
	--header-file FILE *
		Read headers from FILE, one "Name: value" a line, as for --header, which holds
		against it. Several files may be given; the last one holds. Empty lines and lines that start with # are skipped.
	--transport http-first|sse-first|http-only|sse-only
		Which transport to try, and in which order. The default is http-first.
	--handshake-timeout TIME *
		How long the server may take to answer the first message, and how long requests
		wait for it, or for a person to sign in (20s). The client's initialize is answered
		by then: after two seconds at most, from what the server said last time or in
		general terms.
	--request-timeout TIME *
		Give up on the answer to a request after this time, counted anew with each progress
		that the server reports. Nothing is given up on by default: some tools run long.
	--no-advice *
		Add nothing to a tool's result, or an error, that is one of Atlassian's known ways to
		say no. Otherwise such a result gets a block of text that says what to do, and the
		person a line on standard error.
	--max-message BYTES *
		The longest message that is accepted from the server (256MiB).
	--keep-alive, --ping-interval TIME *
		Ping the server every 30 seconds, or at this interval, for one that forgets a
		session of which it does not hear.
	--silent *
		Write nothing on standard error, unless there is --debug.
	--protocol legacy|auto *
		Legacy, the default, passes messages of all protocol versions on as they are, for a
		client and a server that have one in common. With auto a client that begins with
		initialize (2025-11-25 and before) can use a server of 2026-07-28 that knows nothing
		older: the server is asked with server/discover first, for ten seconds at most, and
		with one that doesn't know that, auto is as legacy.

Of the relay, login, logout and status:

	--allow-http
		Allow http:// to other machines. Everyone on the way can read and change what
		is sent, including tokens.
	--ca-cert FILE
		Trust the certificates in FILE, in PEM form, besides those of the system.
	--connect-timeout TIME *
		How long connecting may take (10s).
	--headers-timeout TIME, --body-timeout TIME *
		How long the server may take to begin an answer, and how long nothing may come of
		one, or of a stream of events, which is cut then. Both are unlimited by default.
	--ipv4 *
		Connect by IPv4 only.
	--disable-cookies *
		Send no cookies back. They are never kept longer than the process lives.
	--enable-proxy *
		Has no effect: proxies are used in any case, see Environment.
	--debug
		Log everything on standard error, not only warnings.
	--log-file FILE
		Log everything to the end of FILE too. It is created with mode 0600.
	--profile NAME
		Use the account that is kept under NAME.
	--token-store auto|keychain|file
		Where tokens are kept; see Files. The default is auto.
	--resource URI *
		Use a token for this resource (RFC 8707), for a server that stands for several.
	--disable-resource-parameter *
		Never say which resource a token is for. An empty --resource is the same.

Of the relay and login:

	--no-browser
		Print the address of the sign-in page, and open no browser.
	--auth-timeout TIME
		How long a sign-in page waits for the user (5m).
	--scope SCOPES *
		Ask for these scopes, separated by spaces, and not for those that the server names.
	--client-id ID, --client-secret SECRET *
		The OAuth client to sign in as, registered with the server beforehand. Without
		it the program registers itself. The secret is better put into
		ATLASSIAN_MCP_CLIENT_SECRET: others on this machine can read the arguments of
		a program.
	--client-metadata-url URL *
		The document that describes the client, for servers that take one in place of
		a registration.
	--callback-port PORT *
		The port of 127.0.0.1 that the browser comes back to, for a client that is
		registered with it. The default is the port of the last registration, or any. The
		relay takes the port after the URL too.
	--host NAME, --callback-path PATH *
		By which name of 127.0.0.1, and under which path, the browser comes back (127.0.0.1,
		/callback).
	--authorize-param NAME=VALUE *
		Add this to the address of the sign-in page. May be given several times. What the
		sign-in depends on, such as state, can't be set.
	--static-oauth-client-metadata JSON|@FILE *
		Register with these members (RFC 7591) as well as our own.
	--static-oauth-client-info JSON|@FILE *
		The OAuth client to sign in as, as the server would answer a registration: client_id,
		perhaps client_secret and token_endpoint_auth_method. ${VAR} is replaced as in headers.
	--device-code *
		Sign in with a code that is entered on any device (RFC 8628).
	--client-credentials *
		Sign in as the client itself (RFC 6749 section 4.4). Nobody is asked.
	--token-endpoint URL *
		Where --client-credentials gets its tokens, for a server that doesn't say.
	--use-id-token, --auth-success-url URL *
		Are refused: an ID token is no access token, and the page after a sign-in has to tell
		how it went.

Of single commands:

	login --api-token
		Keep an API token instead of signing in, unless the server refuses it.
	login --import-mcp-remote
		Take over the sign-in of mcp-remote.
	logout --all, status --all
		All servers and profiles.
	install --name NAME, uninstall --name NAME
		The name of the server in the client (atlassian). With different names there
		may be several, such as one for each profile.
	install --project, uninstall --project
		Use the configuration file of the repository in the current directory, not
		that of the user. Proxy settings don't go into it.
	install --print, uninstall --print
		Show what would be changed, and change nothing.
	install --replace
		Take out other entries for Atlassian's server, such as those of mcp-remote. If the
		new one is given no arguments, it has the URL, port, flags and variables of the
		first of them; what it can't take over is named. Without this flag install asks on a
		terminal, and else leaves them.
	status --json
		Write JSON.

# In place of mcp-remote

An entry for mcp-remote 0.15.1 in the configuration of a client works if "npx", "-y" and
"mcp-remote" in it are replaced by "atlassian-mcp": the URL, the port after it and all flags mean
the same. What mcp-remote ignores is an error: unknown flags, values that are none, headers
without a name, variables that are not set, and flags that are given twice. A client that is
registered beforehand, with --static-oauth-client-info or --client-metadata-url, has the browser
come back to http://localhost:PORT/oauth/callback, as there, unless flags say otherwise. Sign-ins
are told apart by the URL, --resource and --profile, and by nothing else. "Atlassian-mcp help compat"
lists the flags that --help does not.

# Environment

	ATLASSIAN_API_TOKEN, ATLASSIAN_EMAIL
		An API token, and the address of its account.
	ATLASSIAN_MCP_CLIENT_SECRET
		Stands for --client-secret.
	ATLASSIAN_MCP_TOKEN_STORE
		Stands for --token-store.
	HTTPS_PROXY, HTTP_PROXY, NO_PROXY
		The HTTP proxy. It is never used for this machine.
	SSL_CERT_FILE, NODE_EXTRA_CA_CERTS
		Files with certificates to trust as with --ca-cert.

# Files

Tokens are kept in the keychain of the operating system: macOS Keychain, Windows Credential
Manager, or on Linux the Secret Service (GNOME Keyring, KWallet). Where there is none, as in
a container, --token-store auto keeps them in files that only the user can read, and says so
when it signs in. A keychain that is locked is an error, and no reason to use files.

Those files, locks, a list of what is in the keychain, what servers have last said of
themselves (handshakes.json) and the cloudIds of sites (sites.json) are in

	~/.local/state/atlassian-mcp                      (Linux)
	~/Library/Application Support/atlassian-mcp       (macOS)
	%LocalAppData%\atlassian-mcp                      (Windows)

with mode 0600, in directories of mode 0700. No token, code or secret is written anywhere
else, logs included.

# The end

The relay ends when standard input does, when nobody reads standard output any more, or on
SIGTERM, SIGINT or SIGHUP: within two seconds, in which answers under way may still come. It
also ends when the process that started it does and nobody says anything in the ten seconds
after that, though standard input stays open. Requests that are piped in, all at once, are
answered first; that may take up to a minute:

	printf '%s\n' \
	  '{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"sh","version":"1"}}}' \
	  '{"jsonrpc":"2.0","method":"notifications/initialized"}' \
	  '{"jsonrpc":"2.0","id":2,"method":"tools/list"}' | atlassian-mcp

# Exit status

	0	success; of the relay: standard input was closed, its reader has closed standard
		output, or SIGINT, SIGTERM or SIGHUP was received
	1	failure
	2	the command line, a file that it names or the environment is wrong
	3	nobody is signed in, or the sign-in was refused (login, status)

A server that can't be reached, or to which nobody signs in, is no reason for the relay to
exit: the requests of the client are answered with an error that says so, and the next one
tries again.

Errors are lines on standard error that start with "atlassian-mcp: error:". Advice follows
in a line that starts with "atlassian-mcp: hint:". What is wrong with the command line is
also the answer to the client's requests, unless standard input is a terminal.
*/
package main
