/*
Atlassian-mcp connects an MCP client that starts local servers to a remote MCP server, by
default to the Atlassian Rovo MCP Server.

Usage:

	atlassian-mcp [URL|v1|authv2|v2] [flags]
	atlassian-mcp login [URL] [flags]
	atlassian-mcp logout [URL] [--all] [flags]
	atlassian-mcp status [URL] [--all] [--json] [flags]
	atlassian-mcp demo
	atlassian-mcp version

Without a command it relays: it reads JSON-RPC messages, one a line, from standard input,
sends them to the server, and writes the server's messages to standard output. It changes no
byte of them but what the two transports demand. Diagnostics go to standard error.

# Setting it up

Name it as the command of a local (stdio) server in the configuration of the MCP client:

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

A server that answers 401 has the user sign in, by OAuth as the MCP specification lays it down:
a page opens in the browser, and the tokens that come of it are kept for all processes of the
user. Of several processes one opens a page; the others wait for it. A page that is ignored is
not opened again before --auth-timeout. Tokens are renewed when they are needed, by the hidden
command renew, which outlives a relay that its client kills.

login signs in at once; with --api-token it keeps an API token instead, with
--import-mcp-remote it takes over the sign-in of mcp-remote from ~/.mcp-auth. logout revokes
and forgets. status tells, and exits with status 3 if nobody is signed in.

# Flags

	--profile NAME
		Use the account that is kept under NAME, for several at one server.
	--token-store auto|keychain|file
		Where tokens are kept: in the keychain of the operating system, in files that
		only the user can read, or (auto) in files only where there is no keychain.
	--no-browser
		Print the address of the sign-in page instead of opening it. login then takes
		the address that the browser ended up at, pasted on the terminal.
	--auth-timeout TIME
		How long a sign-in page waits (5m).
	--scope SCOPES, --resource URI
		What to ask a token for, instead of what the server says.
	--client-id ID, --client-secret SECRET, --client-metadata-url URL
		The OAuth client to be: registered beforehand, or described by a document.
		Without them the program registers itself.
	--callback-port PORT
		The port of 127.0.0.1 that the browser comes back to.
	--device-code
		Sign in with a code on any device (RFC 8628).
	--client-credentials
		Sign in as the client itself (RFC 6749 §4.4), for services.
	--header "Name: value"
		Send this header with every request. ${VAR} in the value is replaced by the
		environment variable VAR, which must be set. May be given several times; the
		last value of a name holds. Headers that HTTP or MCP set themselves, such as
		Host, Content-Type, Accept and Mcp-Session-Id, can't be set.
	--header-file FILE
		Read headers from FILE, one "Name: value" a line, as for --header, which holds
		against it. Empty lines and lines that start with # are skipped.
	--allow-http
		Allow http:// to other machines. Everyone on the way can read and change what
		is sent, including tokens.
	--transport http-first|sse-first|http-only|sse-only
		Which transport to try, and in which order. The default is http-first.
	--ca-cert FILE
		Trust the certificates in FILE, in PEM form, besides those of the system.
	--connect-timeout TIME, --handshake-timeout TIME
		How long connecting may take (10s), and how long the server may take to
		answer the first message (20s). A number without a unit is in seconds.
	--debug
		Log everything on standard error, not only warnings.
	--log-file FILE
		Log everything to the end of FILE too. It is created with mode 0600.
	--max-message BYTES
		The longest message that is accepted from the server (256MiB).

Flags may come before or after the URL.

# Environment

	HTTPS_PROXY, HTTP_PROXY, NO_PROXY
		The HTTP proxy. It is never used for this machine.
	SSL_CERT_FILE, NODE_EXTRA_CA_CERTS
		Files with certificates to trust as with --ca-cert.
	ATLASSIAN_EMAIL, ATLASSIAN_API_TOKEN
		An API token, and the address of its account unless it is a service account's.
		It is sent to https://*.atlassian.com and to this machine only.
	ATLASSIAN_MCP_CLIENT_SECRET, ATLASSIAN_MCP_TOKEN_STORE
		For --client-secret and --token-store.

# Exit status

	0	standard input was closed, its reader has closed standard output, or SIGINT,
		SIGTERM or SIGHUP was received
	1	failure
	2	the command line, a file that it names or the environment is wrong
	3	sign-in was refused, or is needed

A server that can't be reached is no reason to exit: the requests of the client are answered
with an error that says so, and the next one tries again.

Errors are lines on standard error that start with "atlassian-mcp: error:". Advice follows
in a line that starts with "atlassian-mcp: hint:". What is wrong with the command line is
also the answer to the client's requests, unless standard input is a terminal.

# Demo

The demo command starts a small MCP server on a free port of 127.0.0.1 and itself, as an
MCP client would; calls each tool through the relay; and says how long that took. It exits
with status 0 if everything worked.

# Files

Locks, records without secrets and, where there is no keychain, tokens are in
~/.local/state/atlassian-mcp, on macOS in ~/Library/Application Support/atlassian-mcp, on
Windows in %LocalAppData%\atlassian-mcp, with mode 0600 in directories of mode 0700.
*/
package main
