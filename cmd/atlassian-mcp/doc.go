/*
Atlassian-mcp connects an MCP client that starts local servers to a remote MCP server, by
default to the Atlassian Rovo MCP Server.

Usage:

	atlassian-mcp [URL|v1|authv2|v2] [flags]
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
	      "command": "atlassian-mcp",
	      "args": ["--header", "Authorization: Bearer ${ATLASSIAN_API_TOKEN}"],
	      "env": {"ATLASSIAN_API_TOKEN": "..."}
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

# Flags

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

# Exit status

	0	standard input was closed, its reader has closed standard output, or SIGINT,
		SIGTERM or SIGHUP was received
	1	failure
	2	the command line, a file that it names or the environment is wrong

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

Only those that flags name. Nothing is kept between runs.
*/
package main
