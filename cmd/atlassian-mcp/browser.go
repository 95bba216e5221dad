package main

import (
	"time"

	"github.com/pkg/browser"
	"github.com/spf13/cobra"
)

// launchTime is how long a browser's launcher may take to fail. After that it is the browser, and none of our business any more.
const launchTime = 10 * time.Second

// browse shows the person a page with whatever the desktop has for that. The browser lives on after it.
func browse(url string) error {
	// Whoever waits for the end of our streams must not wait for the browser.
	browser.Stdout, browser.Stderr = nil, nil
	findDisplay()
	opened := make(chan error, 1)
	go func() { opened <- browser.OpenURL(url) }() // left behind if it is the browser
	select {
	case err := <-opened:
		return err
	case <-time.After(launchTime):
		return nil
	}
}

// newBrowseCommand returns what openURL starts where a browser would otherwise die with us.
func newBrowseCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "browse URL",
		Short:  "Show a page, for atlassian-mcp itself",
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE:   func(_ *cobra.Command, args []string) error { return browse(args[0]) },
	}
}
