package main

import (
	"cmp"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
)

// version is set by the linker in release builds: -X main.version=v1.2.3. Other builds
// know their version from the module that "go install" fetched or from the commit.
var version string

func newVersionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  noArgs,
		Run: func(cmd *cobra.Command, _ []string) {
			fmt.Fprintln(cmd.OutOrStdout(), versionLine())
		},
	}
}

// versionLine returns what people should put into a bug report.
func versionLine() string {
	return fmt.Sprintf("atlassian-mcp %s (%s, %s/%s)", buildVersion(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
}

// userAgent returns the value of the User-Agent header (RFC 9110 §10.1.5). Some content
// delivery networks turn requests away that have none.
func userAgent() string {
	return "atlassian-mcp/" + strings.TrimPrefix(buildVersion(), "v")
}

// buildVersion returns a version such as v1.2.3, or "dev" where the build left no trace of it.
func buildVersion() string {
	if version != "" {
		return version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "(devel)" {
		return "dev"
	}
	return cmp.Or(info.Main.Version, "dev")
}
